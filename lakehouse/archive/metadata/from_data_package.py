"""Reads a Frictionless Data Package as an EDS dataset."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakehouse.archive.metadata.data_package import FILE_NAME as DATA_PACKAGE
from lakehouse.archive.metadata.data_package import OWN, OWN_FIELDS
from lakehouse.archive.metadata.data_package_reader import faults
from lakehouse.archive.metadata.incoming import (
    Incoming,
    IncomingLog,
    IncomingTable,
    IncomingTexts,
    Layout,
    complete,
    http_address,
    identify,
    mappings_of,
    text_of,
    texts_of,
)
from lakehouse.archive.metadata.licence_names import spdx_of
from lakehouse.archive.metadata.table_schema import read_schema, resolve_references

TABULAR = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
PACKED = (".gz", ".zst")

Node = Mapping[str, Any]


def read_data_package(folder: Path, descriptor: Node) -> Incoming:
    """Return what a descriptor says; its faults are remarks."""
    package = Incoming()
    _dataset(package, descriptor)
    resources = mappings_of(descriptor.get("resources"))
    if not resources:
        package.say("descriptor_invalid", "resources", "there is no resource in the package")
    names = {name: _resource(package, folder, each, number) for number, (name, each) in enumerate(_named(resources), 1)}
    resolve_references(package, names)
    package.say_all("descriptor_faulty", DATA_PACKAGE, faults(descriptor))
    complete(package)
    return package


def _named(resources: list[Node]) -> list[tuple[str, Node]]:
    return [(text_of(each.get("name")) or f"resource {number}", each) for number, each in enumerate(resources, 1)]


def _dataset(package: Incoming, descriptor: Node) -> None:
    identify(package, text_of(descriptor.get("name")), descriptor.get("version"))
    stated = {
        "title": text_of(descriptor.get("title")),
        "description": text_of(descriptor.get("description")),
        "licence": _licence(descriptor),
        "keywords": texts_of(descriptor.get("keywords")),
        "source_url": http_address(descriptor.get("homepage")),
        "derived_from": _sources(descriptor),
        "language": next(iter(texts_of(descriptor.get("languages"))), None),
        **_people(descriptor),
    }
    own = descriptor.get(OWN)
    if isinstance(own, Mapping):
        stated.update({name: value for name, value in own.items() if name in OWN_FIELDS})
    package.fields.update({name: value for name, value in stated.items() if value})


def _licence(node: Node) -> str | None:
    licences = mappings_of(node.get("licenses") or node.get("license"))
    stated = [
        [text for key in ("name", "id", "path", "url", "title") if (text := text_of(each.get(key)))]
        for each in licences
    ]
    lone = node.get("license")
    return spdx_of(stated or ([[lone]] if isinstance(lone, str) and lone else []))


def _sources(descriptor: Node) -> list[str]:
    sources = mappings_of(descriptor.get("sources"))
    said = [text_of(each.get("title")) or text_of(each.get("path")) for each in sources]
    return [text for text in said if text]


def _people(descriptor: Node) -> dict[str, Any]:
    people = mappings_of(descriptor.get("contributors"))
    creators: list[dict[str, str]] = []
    found: dict[str, Any] = {}
    for each in people:
        title = text_of(each.get("title"))
        roles = set(texts_of(each.get("roles"))) | set(texts_of(each.get("role")))
        if title and "publisher" in roles:
            found["publisher"] = title
        elif title and "contact" in roles:
            reached = {"email": text_of(each.get("email")), "url": http_address(each.get("path"))}
            found["contact"] = {"name": title, **{key: value for key, value in reached.items() if value}}
        elif title:
            told = {"identifier": http_address(each.get("path")), "affiliation": text_of(each.get("organization"))}
            creators.append({"name": title, **{key: value for key, value in told.items() if value}})
    return {"creators": creators, **found}


def _resource(package: Incoming, folder: Path, node: Node, number: int) -> IncomingTable | None:
    place = f"resources[{number}]"
    title = text_of(node.get("name")) or text_of(node.get("title")) or f"resource_{number}"
    if node.get("data") is not None:
        return _inline(package, node, title, place)
    files = _files(package, folder, node, place)
    if not files or _is_log(package, node, title, files, place):
        return None
    if any(_kind(path) not in (*TABULAR, ".txt") for path in files):
        package.say("part_left_out", place, f"'{title}' is neither a table nor plain text; its file is kept unread")
        return None
    said = text_of(node.get("description")) or text_of(node.get("title"))
    if all(_kind(path) == ".txt" for path in files) or _is_collection(node):
        name = package.part_name(title, place)
        package.texts.append(
            IncomingTexts(name, text_of(node.get("title")) or title, said or title, files, _licence(node))
        )
        return None
    if node.get("schema") is None and any(_kind(path) not in (".csv", ".tsv") for path in files):
        package.say("part_left_out", place, f"'{title}' has no schema, and its files no header; it is kept unread")
        return None
    table = _table(package, node, title, place)
    table.files, table.layout = files, _layout(node)
    return table


def _is_log(package: Incoming, node: Node, title: str, files: list[Path], place: str) -> bool:
    """Take over an event log, which only a package written here names as one."""
    own = node.get(OWN)
    version = text_of(own.get("xapi_version")) if isinstance(own, Mapping) else None
    if version is None:
        return False
    name = package.part_name(title, place)
    said = text_of(node.get("description")) or title
    package.logs.append(IncomingLog(name, text_of(node.get("title")) or title, said, files, version))
    return True


def _kind(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    inner = suffixes[:-1] if suffixes and suffixes[-1] in PACKED else suffixes
    return inner[-1] if inner else ""


def _is_collection(node: Node) -> bool:
    """Say whether a resource is a text collection of the EDS: JSON lines with id, title and text."""
    schema = node.get("schema")
    fields = mappings_of(schema.get("fields")) if isinstance(schema, Mapping) else []
    return node.get("format") == "jsonl" and [each.get("name") for each in fields] == ["id", "title", "text"]


def _files(package: Incoming, folder: Path, node: Node, place: str) -> list[Path]:
    stated = node.get("path")
    paths = [stated] if isinstance(stated, str) else stated
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) for path in paths):
        package.say("descriptor_invalid", place, "a resource needs a path or data")
        return []
    found = [package.located(folder, path, place) for path in paths]
    return [path for path in found if path is not None] if None not in found else []


def _table(package: Incoming, node: Node, title: str, place: str) -> IncomingTable:
    name = package.part_name(title, place)
    own = node.get(OWN)
    grain = text_of(own.get("grain")) if isinstance(own, Mapping) else None
    said = text_of(node.get("description")) or text_of(node.get("title"))
    if said is None:
        package.say("value_assumed", f"tables/{name}", "the table's name stands for its description")
    table = IncomingTable(name, said or title, grain or "", [])
    read_schema(package, table, node.get("schema"))
    if not grain:
        keys = ", ".join(table.primary_key)
        table.grain = f"one row per {keys}" if keys else "one row per line of the file"
        package.say("value_assumed", f"tables/{name}", f"what a row stands for is taken to be: {table.grain}")
    package.tables.append(table)
    return table


def _inline(package: Incoming, node: Node, title: str, place: str) -> IncomingTable | None:
    rows = _rows(node["data"])
    if rows is None:
        package.say("part_left_out", place, f"the data of '{title}' are no list of rows")
        return None
    table = _table(package, node, title, place)
    table.rows = rows
    return table


def _rows(data: object) -> list[list[str]] | None:
    if not isinstance(data, list) or not data:
        return None
    if all(isinstance(row, Mapping) for row in data):
        header = list(dict.fromkeys(str(name) for row in data for name in row))
        return [header, *([_cell(row.get(name)) for name in header] for row in data)]
    if all(isinstance(row, list) for row in data):
        return [[_cell(cell) for cell in row] for row in data]
    return None


def _cell(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _layout(node: Node) -> Layout:
    stated = node.get("dialect")
    dialect: dict[str, Any] = dict(stated) if isinstance(stated, Mapping) else {}
    nested = dialect.get("csv")
    dialect.update(nested if isinstance(nested, Mapping) else {})
    encoding = text_of(node.get("encoding")) or "utf-8"
    tabs = text_of(node.get("format")) == "tsv" or str(node.get("path")).endswith(".tsv")
    escape = text_of(dialect.get("escapeChar"))
    quote = text_of(dialect.get("quoteChar")) or '"'
    return Layout(
        delimiter=dialect["delimiter"] if _is_letter(dialect.get("delimiter")) else "\t" if tabs else ",",
        quote=quote if len(quote) == 1 else '"',
        # A quote that escapes a quote is a doubled quote.
        escape=escape if _is_letter(escape) and escape != quote else None,
        skip_blank=dialect.get("skipInitialSpace") is True,
        header=dialect.get("header") is not False,
        comment=text_of(dialect.get("commentChar")),
        encoding=encoding.lower(),
    )


def _is_letter(value: object) -> bool:
    return isinstance(value, str) and len(value) == 1
