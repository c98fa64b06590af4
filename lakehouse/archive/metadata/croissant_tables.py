"""Reads the record sets of a Croissant description as tables and text collections."""

import fnmatch
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakehouse.archive.metadata.incoming import Incoming, IncomingLog, IncomingTable, IncomingTexts

READABLE = {
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/jsonlines": ".jsonl",
    "application/x-parquet": ".parquet",
}
KINDS = {
    "Integer": "integer",
    "Float": "number",
    "Number": "number",
    "Boolean": "boolean",
    "Date": "date",
    "DateTime": "datetime",
}
DOCUMENT = {"id", "title", "text"}
# How the descriptions written here say what a row stands for.
OWN_WORDS = re.compile(r"(.+) \((one row [^()]+)\)(?: Cells are separated by [a-z ]+\.)?", re.DOTALL)

LOG_WORDS = re.compile(r"(.+?): (.+) \(xAPI ([0-9.]+), one statement a line\)", re.DOTALL)

# Nodes of the reference library, which has no types of its own.
Node = Any
Files = Mapping[str, list[Path] | None]


def read_record_sets(package: Incoming, folder: Path, metadata: Node, units: Mapping[str, str]) -> None:
    """Add every record set that is a table of columns or a collection of texts; `units` are those of fields by id."""
    located = {node.uuid: _located(package, folder, node) for node in metadata.distribution}
    coded = {node.uuid: _levels(node) for node in metadata.record_sets if _is_enumeration(node)}
    tables: dict[str, IncomingTable] = {}
    for record_set in metadata.record_sets:
        if record_set.uuid not in coded:
            table = _record_set(package, record_set, located)
            if table is not None:
                tables[record_set.uuid] = table
    for record_set in metadata.record_sets:
        if record_set.uuid in tables:
            _references(package, record_set, tables, coded)
            for field, column in zip(record_set.fields, tables[record_set.uuid].columns.values(), strict=True):
                column.update({"unit": units[field.uuid]} if field.uuid in units else {})


def _located(package: Incoming, folder: Path, node: Node) -> list[Path] | None:
    """Return the files of a FileObject or FileSet, or None when they are not in the package."""
    if node.contained_in:
        package.say("part_left_out", node.uuid, "files inside archives are not read; put them beside the description")
        return None
    if hasattr(node, "includes"):
        patterns = node.includes if isinstance(node.includes, list) else [node.includes]
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        names = [(path, path.relative_to(folder).as_posix()) for path in paths]
        return [path for path, name in names if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    found = package.located(folder, node.content_url or "", node.uuid)
    return [found] if found is not None else None


def _is_enumeration(record_set: Node) -> bool:
    kinds = [str(kind) for kind in record_set.data_types or []]
    return bool(record_set.data) and (record_set.is_enumeration or any(kind.endswith("Enumeration") for kind in kinds))


def _levels(record_set: Node) -> dict[str, str]:
    keys = record_set.key if isinstance(record_set.key, list) else [record_set.key]
    fields = [field.uuid for field in record_set.fields]
    code = keys[0] if keys and keys[0] in fields else fields[0]
    meaning = next((name for name in fields if name != code), code)
    return {str(row[code]): str(row[meaning]) for row in record_set.data}


def _short(uuid: str) -> str:
    return uuid.rpartition("/")[2]


def _words(value: Node) -> str | None:
    if isinstance(value, Mapping):
        value = next(iter(value.values()), None)
    return str(value) if value else None


def _record_set(package: Incoming, record_set: Node, located: Files) -> IncomingTable | None:
    if record_set.data:
        return _inline(package, record_set)
    sources = {field.source.uuid for field in record_set.fields if field.source}
    if len(sources) != 1 or len(record_set.fields) != sum(1 for field in record_set.fields if field.source):
        package.say("part_left_out", record_set.uuid, "the records come from several files or from none")
        return None
    source = str(next(iter(sources)))
    files = located.get(source)
    if not files:
        if source in located and files is not None:
            package.say("file_missing", record_set.uuid, f"no file fits {source}")
        return None
    return _from_files(package, record_set, files)


def _from_files(package: Incoming, record_set: Node, files: list[Path]) -> IncomingTable | None:
    columns = {field.uuid: field.source.extract.column for field in record_set.fields}
    if all(path.suffix == ".txt" for path in files):
        _texts(package, record_set, files)
        return None
    if _is_log(package, record_set, files):
        return None
    if None in columns.values() or any(field.source.transforms for field in record_set.fields):
        package.say("part_left_out", record_set.uuid, "the records are not plain columns of a table")
        return None
    if set(columns.values()) == DOCUMENT and all(".jsonl" in path.suffixes for path in files):
        _texts(package, record_set, files)
        return None
    table = _table(package, record_set)
    table.files = files
    for field in record_set.fields:
        _column(package, table, field, str(field.source.extract.column))
    return _keyed(table, record_set, columns)


def _is_log(package: Incoming, record_set: Node, files: list[Path]) -> bool:
    """Take over an event log, which only a description written here names as one."""
    told = LOG_WORDS.fullmatch(_words(record_set.description) or "")
    if told is None:
        return False
    name = package.part_name(_short(record_set.uuid), record_set.uuid)
    package.logs.append(IncomingLog(name, told.group(1), told.group(2), files, told.group(3)))
    return True


def _texts(package: Incoming, record_set: Node, files: list[Path]) -> None:
    name = package.part_name(_short(record_set.uuid), record_set.uuid)
    said = _words(record_set.description) or name
    title, parted, rest = said.partition(": ")
    package.texts.append(IncomingTexts(name, title if parted else name, rest if parted else said, files))


def _table(package: Incoming, record_set: Node) -> IncomingTable:
    name = package.part_name(_short(record_set.uuid), record_set.uuid)
    said = _words(record_set.description)
    if said is None:
        package.say("value_assumed", f"tables/{name}", "the table's name stands for its description")
    told = OWN_WORDS.fullmatch(said or "")
    table = IncomingTable(name, told.group(1) if told else said or name, told.group(2) if told else "", [])
    package.tables.append(table)
    return table


def _column(package: Incoming, table: IncomingTable, field: Node, label: str) -> None:
    name = package.column_name(_short(_words(field.name) or field.uuid), table.name, table.columns)
    said = _words(field.description)
    if said is None:
        place = f"tables/{table.name}"
        package.say("value_assumed", place, "names of columns stand for descriptions that are not there")
    table.labels[label] = name
    table.columns[name] = {"type": _type(package, table, name, field), "description": said or name}


def _type(package: Incoming, table: IncomingTable, name: str, field: Node) -> str:
    kinds = [str(kind).rpartition("/")[2] for kind in field.data_types or []]
    first = kinds[0] if kinds else "Text"
    if first.startswith(("Int", "UInt")):
        return "integer"
    if first.startswith("Float"):
        return "number"
    if first not in (*KINDS, "Text", "URL"):
        package.say("type_widened", f"tables/{table.name}: {name}", f"the type {first} is kept as text")
    elif len(kinds) > 1 and kinds[1].startswith((*KINDS, "Int", "UInt")):
        package.say("type_widened", f"tables/{table.name}: {name}", f"{kinds[1]} that is read as text is kept as text")
    return KINDS.get(first, "string")


def _keyed(table: IncomingTable, record_set: Node, columns: Mapping[str, str | None]) -> IncomingTable:
    stated = record_set.key if isinstance(record_set.key, list) else [record_set.key]
    by_name = {_short(uuid): label for uuid, label in columns.items()}
    labels = [columns.get(key) or by_name.get(_short(key)) for key in stated if key]
    table.primary_key = [table.labels[label] for label in labels if label in table.labels]
    keys = ", ".join(table.primary_key)
    table.grain = table.grain or (f"one row per {keys}" if keys else "one row per record")
    return table


def _inline(package: Incoming, record_set: Node) -> IncomingTable:
    table = _table(package, record_set)
    uuids = [field.uuid for field in record_set.fields]
    for field in record_set.fields:
        _column(package, table, field, field.uuid)
    table.rows = [uuids, *([_cell(row.get(uuid)) for uuid in uuids] for row in record_set.data)]
    return _keyed(table, record_set, {uuid: uuid for uuid in uuids})


def _cell(value: Node) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _references(
    package: Incoming, record_set: Node, tables: Mapping[str, IncomingTable], coded: Mapping[str, dict[str, str]]
) -> None:
    table = tables[record_set.uuid]
    names = dict(zip([field.uuid for field in record_set.fields], table.columns, strict=True))
    for field in record_set.fields:
        target = field.references.uuid if field.references else None
        if not target:
            continue
        owner = str(target).rpartition("/")[0]
        column = table.columns[names[field.uuid]]
        other = tables.get(owner)
        if owner in coded and column["type"] == "string":
            column["levels"] = coded[owner]
        elif other is not None and _short(str(target)) in other.columns:
            column["references"] = f"{other.name}.{_short(str(target))}"
        else:
            place = f"tables/{table.name}: {names[field.uuid]}"
            package.say("constraint_dropped", place, f"a reference to {target}, which is no column of a table here")
