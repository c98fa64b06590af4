"""A dataset as a Frictionless Data Package: resources with checksums, tables with a Table Schema."""

from collections.abc import Iterator
from datetime import UTC

from lakehouse.archive import eds
from lakehouse.archive.eds import ColumnDescription, Description, TableDescription
from lakehouse.archive.metadata.source import FileEntry, Record
from lakehouse.archive.metadata.wording import filled, json_bytes, licence_url

FILE_NAME = "datapackage.json"
FORMATS = {
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/jsonl": "jsonl",
    "application/vnd.apache.parquet": "parquet",
    "text/plain": "txt",
}
COMPRESSIONS = {"gzip": "gz", "zstd": "zst"}
# The standard's times may leave the seconds out or end in an offset, which only the format `any` takes.
TIME_FORMATS = {"datetime": "any"}
DOCUMENT_SCHEMA = {
    "fields": [
        {"name": "id", "type": "string", "description": "Id of the document, unique in its collection."},
        {"name": "title", "type": "string", "description": "Title of the document."},
        {"name": "text", "type": "string", "description": "The whole text."},
    ],
    "primaryKey": ["id"],
}
# What a Data Package has no word for stands under `eds`, as the standard's own fields.
OWN = "eds"
OWN_FIELDS = frozenset(
    {
        "eds_version",
        "accumulates",
        "temporal_coverage",
        "spatial_coverage",
        "language",
        "provenance",
        "terms",
        "consent",
        "subjects",
        "disciplines",
        "funding",
        "related",
        "source_url",
    }
)

Node = dict[str, object]


def export(record: Record) -> dict[str, bytes]:
    """Return the descriptor as the one file of this form; the data files lie beside it under their own paths."""
    return {FILE_NAME: json_bytes(document(record))}


def document(record: Record) -> dict[str, object]:
    """Return the descriptor."""
    description = record.description
    return filled(
        {
            "profile": "data-package",
            "name": description.name,
            "id": record.identifiers[0].url or record.identifiers[0].value if record.identifiers else None,
            "title": description.title,
            "description": description.description,
            "version": record.version,
            "created": record.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "homepage": record.url,
            "licenses": _licences(description.licence),
            "contributors": list(_contributors(description)),
            "keywords": list(description.keywords),
            "sources": [{"title": text} for text in description.derived_from],
            "resources": [*_tables(record), *_texts(record), *_events(record)],
            OWN: description.model_dump(mode="json", include=set(OWN_FIELDS), exclude_defaults=True),
        }
    )


def _licences(licence: str | None) -> list[Node]:
    return [filled({"name": licence, "path": licence_url(licence)})] if licence else []


def _contributors(description: Description) -> Iterator[Node]:
    for creator in description.creators:
        identifier = creator.identifier if (creator.identifier or "").startswith("http") else None
        yield filled({"title": creator.name, "path": identifier, "organization": creator.affiliation, "role": "author"})
    contact = description.contact
    if contact:
        yield filled({"title": contact.name, "email": contact.email, "path": contact.url, "role": "contact"})
    if description.publisher:
        yield {"title": description.publisher, "role": "publisher"}


def _tables(record: Record) -> Iterator[Node]:
    for table in record.description.tables.values():
        files = record.files_in(f"{eds.TABLES_FOLDER}/{table.name}")
        for number, group in enumerate(_groups(files), start=1):
            name = table.name if number == 1 else f"{table.name}-{number}"
            yield filled(
                {
                    **_resource(record, name, table.description, group),
                    "dialect": _dialect(table, group[0]),
                    "schema": _schema(table),
                    OWN: {"grain": table.grain},
                }
            )


def _groups(files: tuple[FileEntry, ...]) -> Iterator[tuple[FileEntry, ...]]:
    """Yield plain CSV files as one resource, since their parts are read as one table; any other file by itself."""
    joined = tuple(file for file in files if file.media_type == "text/csv" and file.compression is None)
    if joined:
        yield joined
    yield from ((file,) for file in files if file not in joined)


def _resource(record: Record, name: str, said: str, files: tuple[FileEntry, ...]) -> Node:
    first = files[0]
    places = [record.file_url(file) if record.files_url else file.path for file in files]
    alone = len(files) == 1
    return filled(
        {
            "name": name,
            "path": places[0] if alone else places,
            "description": said,
            "format": FORMATS.get(first.media_type),
            "mediatype": first.media_type,
            "compression": COMPRESSIONS[first.compression] if first.compression else None,
            "encoding": "utf-8",
            "bytes": first.size_bytes if alone else None,
            "hash": f"sha256:{first.sha256}" if alone else None,
            "hashes": None if alone else {file.path: f"sha256:{file.sha256}" for file in files},
        }
    )


def _dialect(table: TableDescription, file: FileEntry) -> Node | None:
    """Edition 1.0 asks for both properties wherever there is a dialect."""
    delimiter = {"text/csv": table.delimiter, "text/tab-separated-values": "\t"}.get(file.media_type)
    return {"delimiter": delimiter, "doubleQuote": True} if delimiter else None


def _schema(table: TableDescription) -> Node:
    return filled(
        {
            "fields": [_field(name, column) for name, column in table.columns.items()],
            "primaryKey": list(table.primary_key),
            "foreignKeys": [
                _foreign_key(table.name, name, column.references)
                for name, column in table.columns.items()
                if column.references
            ],
            "missingValues": [""],
        }
    )


def _field(name: str, column: ColumnDescription) -> Node:
    return filled(
        {
            "name": name,
            "type": column.type,
            "format": TIME_FORMATS.get(column.type),
            "description": column.description,
            "unit": column.unit,
            "role": column.role if column.role != "none" else None,
            "categories": _categories(column),
            "missingValues": ["", *column.missing_codes] if column.missing_codes else None,
            "constraints": filled(
                {
                    "required": True if column.required else None,
                    "minimum": column.minimum,
                    "maximum": column.maximum,
                    "pattern": column.pattern,
                    "enum": list(column.level_names()),
                }
            ),
        }
    )


def _categories(column: ColumnDescription) -> list[object]:
    if column.levels is None:
        return []
    if isinstance(column.levels, tuple):
        return list(column.levels)
    return [{"value": code, "label": meaning} for code, meaning in column.levels.items()]


def _foreign_key(table: str, column: str, references: str) -> Node:
    other, _, key = references.partition(".")
    return {"fields": [column], "reference": {"resource": "" if other == table else other, "fields": [key]}}


def _texts(record: Record) -> Iterator[Node]:
    for texts in record.description.texts.values():
        for number, file in enumerate(record.files_in(f"{eds.TEXTS_FOLDER}/{texts.name}"), start=1):
            name = texts.name if number == 1 else f"{texts.name}-{number}"
            node = _resource(record, name, texts.description, (file,)) | {"title": texts.title}
            lined = file.media_type == "application/jsonl"
            yield filled({**node, "licenses": _licences(texts.licence), "schema": DOCUMENT_SCHEMA if lined else None})


def _events(record: Record) -> Iterator[Node]:
    """Yield each file of an event log; its statements are nested, so no Table Schema speaks of them."""
    for log in record.description.events.values():
        for number, file in enumerate(record.files_in(f"{eds.EVENTS_FOLDER}/{log.name}"), start=1):
            name = log.name if number == 1 else f"{log.name}-{number}"
            node = _resource(record, name, log.description, (file,))
            yield node | {"title": log.title, OWN: {"xapi_version": log.xapi_version}}
