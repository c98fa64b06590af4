"""The files, record sets and fields of a Croissant description."""

from collections.abc import Iterator
from urllib.parse import quote

from lakehouse.archive import eds
from lakehouse.archive.eds import ColumnDescription, TableDescription
from lakehouse.archive.metadata.source import FileEntry, Record
from lakehouse.archive.metadata.wording import filled

# Croissant's readers look for these words, which are older than the registered types.
MEDIA_TYPES = {
    "application/vnd.apache.parquet": "application/x-parquet",
    "application/jsonl": "application/jsonlines",
}
DATA_TYPES = {
    "string": "sc:Text",
    "integer": "cr:Int64",
    "number": "cr:Float64",
    "boolean": "sc:Boolean",
    "date": "sc:Date",
    "datetime": "sc:DateTime",
}
DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
DOCUMENT_FIELDS = (
    ("id", "Id of the document, unique in its collection."),
    ("title", "Title of the document."),
    ("text", "The whole text."),
)
TEXT_FILE_FIELDS = (("filename", "Name of the file, which is the document's id."), ("content", "The whole text."))

Node = dict[str, object]


def distribution(record: Record) -> list[Node]:
    """Return every file, and a set of files for every part of the dataset that has several."""
    files = [_file_object(record, file) for file in record.files]
    return files + [_file_set(folder, group) for folder, group in _groups(record) if _needs_set(group)]


def record_sets(record: Record) -> list[Node]:
    """Return a record set for each table, its coded columns, each text collection and each event log."""
    description = record.description
    found: list[Node] = []
    for table in description.tables.values():
        files = record.files_in(f"{eds.TABLES_FOLDER}/{table.name}")
        if files:
            found.append(_table(table, files))
            found += _levels(table)
    for texts in description.texts.values():
        found += _documents(record, texts)
    for log in description.events.values():
        files = record.files_in(f"{eds.EVENTS_FOLDER}/{log.name}")
        if files:
            found.append(_event_log(log, files))
    return found


def file_id(path: str) -> str:
    """Return the node's id of a file: its path without blanks, which an id must not have."""
    return quote(path)


def _file_object(record: Record, file: FileEntry) -> Node:
    return {
        "@type": "cr:FileObject",
        "@id": file_id(file.path),
        "name": file.path,
        # A path beside the metadata is a path on a disk for Croissant's readers, so its blanks stay blanks.
        "contentUrl": record.file_url(file) if record.files_url else file.path,
        "contentSize": f"{file.size_bytes} B",
        "encodingFormat": MEDIA_TYPES.get(file.media_type, file.media_type),
        "sha256": file.sha256,
    }


def _groups(record: Record) -> Iterator[tuple[str, tuple[FileEntry, ...]]]:
    """Yield each folder of data files, and within a text collection the text files by themselves."""
    parts = [f"{eds.TABLES_FOLDER}/{name}" for name in record.description.tables]
    parts += [f"{eds.EVENTS_FOLDER}/{name}" for name in record.description.events]
    for folder in parts:
        yield folder, record.files_in(folder)
    for name in record.description.texts:
        for group in _text_groups(record, name):
            yield f"{eds.TEXTS_FOLDER}/{name}", group


def _text_groups(record: Record, name: str) -> list[tuple[FileEntry, ...]]:
    files = record.files_in(f"{eds.TEXTS_FOLDER}/{name}")
    lined = tuple(file for file in files if file.media_type == "application/jsonl")
    plain = tuple(file for file in files if file.media_type == "text/plain")
    return [group for group in (lined, plain) if group]


def _needs_set(files: tuple[FileEntry, ...]) -> bool:
    return len(files) > 1 or any(file.media_type == "text/plain" for file in files)


def _set_id(folder: str, files: tuple[FileEntry, ...]) -> str:
    return f"{folder}/{_suffix(files[0])}"


def _suffix(file: FileEntry) -> str:
    name = file.path.rpartition("/")[2]
    return "*." + name.partition(".")[2] if "." in name else "*"


def _file_set(folder: str, files: tuple[FileEntry, ...]) -> Node:
    return {
        "@type": "cr:FileSet",
        "@id": _set_id(folder, files),
        "name": _set_id(folder, files),
        "encodingFormat": MEDIA_TYPES.get(files[0].media_type, files[0].media_type),
        "includes": sorted({f"{folder}/{_suffix(file)}" for file in files}),
    }


def _origin(folder: str, files: tuple[FileEntry, ...]) -> Node:
    if _needs_set(files):
        return {"fileSet": {"@id": _set_id(folder, files)}}
    return {"fileObject": {"@id": file_id(files[0].path)}}


def _table(table: TableDescription, files: tuple[FileEntry, ...]) -> Node:
    origin = _origin(f"{eds.TABLES_FOLDER}/{table.name}", files)
    keys = [{"@id": f"{table.name}/{name}"} for name in table.primary_key]
    note = f" Cells are separated by {DELIMITERS[table.delimiter]}." if table.delimiter in DELIMITERS else ""
    return filled(
        {
            "@type": "cr:RecordSet",
            "@id": table.name,
            "name": table.name,
            "description": f"{table.description} ({table.grain}){note}",
            "key": keys[0] if len(keys) == 1 else keys,
            "field": [_field(table.name, name, column, origin) for name, column in table.columns.items()],
        }
    )


def _field(table: str, name: str, column: ColumnDescription, origin: Node) -> Node:
    return filled(
        {
            "@type": "cr:Field",
            "@id": f"{table}/{name}",
            "name": name,
            "description": column.description,
            "dataType": _data_type(column),
            "unitText": column.unit,
            "references": _references(table, name, column),
            "source": {**origin, "extract": {"column": name}},
        }
    )


def _data_type(column: ColumnDescription) -> str | list[str]:
    """A column with words for missing values is text to a reader; its second type says what the other values are."""
    kind = DATA_TYPES[column.type]
    return ["sc:Text", kind] if column.missing_codes and column.type != "string" else kind


def _references(table: str, name: str, column: ColumnDescription) -> Node | None:
    if column.references:
        return {"field": {"@id": column.references.replace(".", "/", 1)}}
    if column.levels is not None:
        return {"field": {"@id": f"{table}/{name}/levels/code"}}
    return None


def _levels(table: TableDescription) -> list[Node]:
    coded = [(name, column) for name, column in table.columns.items() if column.levels is not None]
    return [_enumeration(f"{table.name}/{name}/levels", column) for name, column in coded]


def _enumeration(place: str, column: ColumnDescription) -> Node:
    meanings = column.levels if not isinstance(column.levels, tuple) else {code: code for code in column.levels}
    code, meaning = f"{place}/code", f"{place}/meaning"
    return {
        "@type": "cr:RecordSet",
        "@id": place,
        "name": place,
        "description": f"Values of {place.rpartition('/')[0]}.",
        "dataType": "sc:Enumeration",
        "key": {"@id": code},
        "field": [
            {"@type": "cr:Field", "@id": code, "name": "code", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": meaning, "name": "meaning", "dataType": ["sc:Text", "sc:name"]},
        ],
        "data": [{code: key, meaning: value} for key, value in (meanings or {}).items()],
    }


def _documents(record: Record, texts: eds.CollectionDescription) -> list[Node]:
    found: list[Node] = []
    for group in _text_groups(record, texts.name):
        origin = _origin(f"{eds.TEXTS_FOLDER}/{texts.name}", group)
        plain = group[0].media_type == "text/plain"
        name = texts.name if not found else f"{texts.name}_files"
        fields = TEXT_FILE_FIELDS if plain else DOCUMENT_FIELDS
        way = "fileProperty" if plain else "column"
        found.append(
            {
                "@type": "cr:RecordSet",
                "@id": name,
                "name": name,
                "description": f"{texts.title}: {texts.description}",
                "key": {"@id": f"{name}/{fields[0][0]}"},
                "field": [
                    _plain_field(name, field, said, {**origin, "extract": {way: field}}) for field, said in fields
                ],
            }
        )
    return found


def _plain_field(record_set: str, name: str, said: str, source: Node) -> Node:
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": name,
        "description": said,
        "dataType": "sc:Text",
        "source": source,
    }


def _event_log(log: eds.LogDescription, files: tuple[FileEntry, ...]) -> Node:
    """Verb and object only: they are in every statement, and neither names a person."""
    origin = _origin(f"{eds.EVENTS_FOLDER}/{log.name}", files)
    fields = [
        _plain_field(log.name, part, said, {**origin, "extract": {"column": part}, "transform": {"jsonPath": "id"}})
        for part, said in (("verb", "What was done."), ("object", "What it was done to."))
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": log.name,
        "name": log.name,
        "description": f"{log.title}: {log.description} (xAPI {log.xapi_version}, one statement a line)",
        "field": fields,
    }
