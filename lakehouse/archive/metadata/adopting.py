"""Turns a landed package of another standard into an EDS dataset, in place."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from lakehouse.archive.content_hash import file_sha256
from lakehouse.archive.eds import (
    COLLECTION_FILE,
    DESCRIPTION_FILE,
    DICTIONARY_FILE,
    EVENTS_FOLDER,
    LOG_FILE,
    TABLES_FOLDER,
    TEXTS_FOLDER,
)
from lakehouse.archive.metadata.incoming import Incoming, IncomingTable, IncomingTexts, Layout, slug
from lakehouse.archive.metadata.rewriting import (
    UnreadableFileError,
    fits,
    header_of,
    is_utf8,
    rewrite,
    write_rows,
)
from lakehouse.archive.metadata.stated import DATA_PACKAGE, descriptor_of

# What was done to a package, for the checks and for people; it stays beside the descriptor.
IMPORT_FILE = "import.json"

Steps = list[dict[str, str]]


def adopt(folder: Path) -> bool:
    """Describe a package in the words of the EDS and put its data where they belong; say whether it was one.

    A folder with a ``dataset.yaml`` is a dataset already and stays as it is.
    """
    found = descriptor_of(folder)
    if found is None:
        return False
    name, document, fault = found
    package = _read(folder, name, document)
    if fault:
        package.say("descriptor_invalid", name, fault)
    steps = arrange(package, folder)
    if document:
        _write_description(package, folder)
    record = {
        "descriptor": name,
        "sha256": file_sha256(folder / name),
        "files": steps,
        "remarks": [{"kind": each.kind, "place": each.place, "reason": each.reason} for each in package.remarks],
    }
    (folder / IMPORT_FILE).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return True


def _read(folder: Path, name: str, document: dict[str, Any]) -> Incoming:
    if not document:
        return Incoming()
    if name == DATA_PACKAGE:
        from lakehouse.archive.metadata.from_data_package import read_data_package

        return read_data_package(folder, document)
    from lakehouse.archive.metadata.from_croissant import read_croissant

    return read_croissant(folder, document)


def arrange(package: Incoming, folder: Path) -> Steps:
    """Put every file of a table or collection into its folder; return what was done to which."""
    steps: Steps = []
    for table in package.tables:
        target = folder / TABLES_FOLDER / table.name
        target.mkdir(parents=True, exist_ok=True)
        if table.rows is not None:
            _write_inline(table, target)
        else:
            steps += _place_table(package, table, folder, target)
    for texts in package.texts:
        steps += _place_files(texts.files, folder, folder / TEXTS_FOLDER / texts.name)
    for log in package.logs:
        steps += _place_files(log.files, folder, folder / EVENTS_FOLDER / log.name)
    kept = {step["to"] for step in steps}
    for name in {step["from"] for step in steps} - kept:
        (folder / name).unlink()
    _prune(folder)
    return steps


def _prune(folder: Path) -> None:
    """Remove the folders that have become empty."""
    for path in sorted((each for each in folder.rglob("*") if each.is_dir()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()


def _placed(
    source: Path, target: Path, folder: Path, how: str, act: Callable[[Path, Path], object] | None = None
) -> dict[str, str]:
    before = file_sha256(source)
    if source != target:
        (act or shutil.copyfile)(source, target)
    return {
        "from": source.relative_to(folder).as_posix(),
        "sha256": before,
        "to": target.relative_to(folder).as_posix(),
        "how": how,
    }


def _free(folder: Path, name: str, suffix: str | None = None) -> Path:
    """Return a path in a folder that nothing has, named like the file; a description file is never in the way."""
    stem, _, rest = name.partition(".")
    ending = suffix if suffix is not None else f".{rest.lower()}" if rest else ""
    number, path = 1, folder / f"{stem}{ending}"
    while path.exists():
        number += 1
        path = folder / f"{stem}_{number}{ending}"
    return path


def _write_inline(table: IncomingTable, target: Path) -> None:
    rows = table.rows or [[]]
    _describe_rest(table, rows[0])
    header = [table.labels.get(label, label) for label in rows[0]]
    write_rows(target / f"{table.name}.csv", header, iter(rows[1:]))


def _place_table(package: Incoming, table: IncomingTable, folder: Path, target: Path) -> Steps:
    plain = all(path.suffix.lower() in (".csv", ".tsv") for path in table.files)
    try:
        if plain:
            for path in table.files:
                _describe_rest(table, header_of(path, table.layout) if table.layout.header else [])
        if _stays(table, plain=plain):
            return [_as_is(path, folder, target) for path in table.files]
        steps = [_rewritten(table, path, folder, target) for path in table.files]
    except UnreadableFileError as error:
        package.say("file_unreadable", f"tables/{table.name}", str(error))
        return []
    table.layout = Layout()
    return steps


def _stays(table: IncomingTable, *, plain: bool) -> bool:
    same_names = all(label == name for label, name in table.labels.items())
    same_writing = fits(table.layout) and all(is_utf8(path) for path in table.files) if plain else True
    if not plain and not same_names:
        raise UnreadableFileError("columns of files that are not CSV keep their names, and some of these cannot")
    return same_names and same_writing


def _place_files(files: list[Path], folder: Path, target: Path) -> Steps:
    target.mkdir(parents=True, exist_ok=True)
    return [_as_is(path, folder, target) for path in files]


def _as_is(path: Path, folder: Path, target: Path) -> dict[str, str]:
    inside = path.parent == target
    return _placed(path, path if inside else _free(target, path.name), folder, "moved")


def _rewritten(table: IncomingTable, path: Path, folder: Path, target: Path) -> dict[str, str]:
    header = list(table.labels)

    def anew(source: Path, place: Path) -> None:
        rewrite(source, place, table.layout, table.labels, header)

    return _placed(path, _free(target, path.stem, ".csv"), folder, "rewritten", anew)


def _describe_rest(table: IncomingTable, header: list[str]) -> None:
    """Add the columns that stand in a file and not in the descriptor, as text."""
    for label in header:
        if label not in table.labels and label.strip():
            name = slug(label, table.columns, "column")
            table.labels[label] = name
            table.columns[name] = {"type": "string", "description": f"{label} (the package does not describe it)"}


def _write_description(package: Incoming, folder: Path) -> None:
    _write_yaml(folder / DESCRIPTION_FILE, package.fields)
    for table in package.tables:
        _write_yaml(folder / TABLES_FOLDER / table.name / DICTIONARY_FILE, _dictionary(table))
    for texts in package.texts:
        _write_yaml(folder / TEXTS_FOLDER / texts.name / COLLECTION_FILE, _collection(texts))
    for log in package.logs:
        fields = {"title": log.title, "description": log.description, "xapi_version": log.xapi_version}
        _write_yaml(folder / EVENTS_FOLDER / log.name / LOG_FILE, fields)


def _dictionary(table: IncomingTable) -> dict[str, Any]:
    separated = table.layout.delimiter != "," and any(".csv" in path.suffixes for path in table.files)
    fields: dict[str, Any] = {"description": table.description, "grain": table.grain}
    if table.primary_key:
        fields["primary_key"] = table.primary_key
    if separated:
        fields["delimiter"] = table.layout.delimiter
    return {**fields, "columns": table.columns}


def _collection(texts: IncomingTexts) -> dict[str, Any]:
    fields = {"title": texts.title, "description": texts.description, "licence": texts.licence}
    return {name: value for name, value in fields.items() if value}


class _Plain(yaml.SafeDumper):
    """Writes every value out where it stands, since the standard takes no aliases."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the base class asks
        """Say that no value is written as an alias of another."""
        return True


def _write_yaml(path: Path, fields: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.dump(fields, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False)
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
