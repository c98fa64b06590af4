"""What can still be judged by a description file that is at fault: so that one misspelt field hides no other issue."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from lakehouse.archive.eds import (
    DESCRIPTION_FILE,
    EDS_VERSION,
    ColumnDescription,
    DatasetFile,
    Reading,
    TableDescription,
)

DELIMITERS = get_args(TableDescription.model_fields["delimiter"].annotation)
UNSAID = "(not said)"
# What a column is judged by when its fields contradict each other.
PLAINEST = ("type", "missing_codes")
# What stands for a required field that is missing or wrong; no rule is judged by it.
REQUIRED = {
    "eds_version": EDS_VERSION,
    "name": "unnamed",
    "version": "undescribed",
    "title": UNSAID,
    "description": UNSAID,
    "accumulates": "snapshots",
}
REQUIRED_BELOW = {"description": UNSAID, "basis": "consent"}

Place = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """What ``dataset.yaml`` says rightly, and the dotted paths of its fields that are missing or wrong."""

    dataset: DatasetFile
    at_fault: frozenset[str]

    def lacks(self, fields: Iterable[str]) -> bool:
        """Say whether one of these fields, or a part of it, is at fault; `*` in a path is any name."""
        return any(touches(fault, field) for fault in self.at_fault for field in fields)


def touches(fault: str, field: str) -> bool:
    """Say whether a fault at one dotted path is one of a field: at it, above it or below it."""
    parts = zip(fault.split("."), field.split("."), strict=False)
    return all(one == other or other == "*" for one, other in parts)


def said_rightly(reading: Reading) -> Said | None:
    """Return what ``dataset.yaml`` says rightly; None where it is missing or cannot be read at all."""
    faults = [fault for fault in reading.faults if fault.file == DESCRIPTION_FILE]
    if any(fault.kind in ("missing", "unreadable") for fault in faults):
        return None
    at_fault = frozenset(fault.field for fault in faults if fault.kind != "field_unknown")
    return Said(reading.dataset or _dataset_without_faults(reading.raw), at_fault)


def _dataset_without_faults(raw: Mapping[str, Any]) -> DatasetFile:
    said: dict[str, Any] = copy.deepcopy(dict(raw))
    while True:
        try:
            return DatasetFile.model_validate({**REQUIRED, **said})
        except ValidationError as error:
            _take_out(said, {_wrong_part(said, problem["type"], problem["loc"]) for problem in error.errors()})


def _wrong_part(said: dict[str, Any], problem: str, location: Place) -> Place:
    """Return what has to go: what is wrong, or what holds a missing value, which is filled in where anything will do.

    A location may end in what is no part of the document, such as the mark of a key.
    """
    part: Any = said
    depth = 0
    while depth < len(location) and _has(part, location[depth]):
        part = part[location[depth]]
        depth += 1
    if problem == "missing" and depth == len(location) - 1 and location[-1] in REQUIRED_BELOW:
        part[location[-1]] = REQUIRED_BELOW[str(location[-1])]
        return ()
    assert depth, "whatever is at fault stands in the document"
    return location[:depth]


def _has(part: object, name: int | str) -> bool:
    return name in part if isinstance(part, dict) else isinstance(part, list) and isinstance(name, int)


def _take_out(said: dict[str, Any], paths: set[Place]) -> None:
    """Take parts out, the last of a list first, so that the places of the others stay."""
    outermost = [path for path in paths if path and not any(path[:length] in paths for length in range(1, len(path)))]
    for path in sorted(outermost, key=lambda path: [(isinstance(part, int), part) for part in path], reverse=True):
        del _at(said, path[:-1])[path[-1]]


def _at(said: dict[str, Any], path: Place) -> Any:  # noqa: ANN401 - a mapping or a list of a document
    part: Any = said
    for name in path:
        part = part[name]
    return part


def table_without_faults(name: str, raw: Mapping[str, Any]) -> TableDescription | None:
    """Return a table with whatever its dictionary says rightly; None where it names no columns.

    A column without a usable type stays as a text in which anything may stand.
    """
    columns = raw.get("columns")
    if not isinstance(columns, Mapping) or not columns:
        return None
    described = {str(each): _column(said) for each, said in columns.items()}
    key = raw.get("primary_key")
    return TableDescription.model_construct(
        name=name,
        description=UNSAID,
        grain=UNSAID,
        primary_key=_key(key, described),
        delimiter=next((one for one in DELIMITERS if one == raw.get("delimiter")), ","),
        columns=described,
    )


def _key(said: object, columns: Mapping[str, ColumnDescription]) -> tuple[str, ...]:
    """Return the primary key if all of it can be used: a part of one tells nothing apart."""
    names = tuple(said) if isinstance(said, list) else ()
    return names if all(isinstance(name, str) and name in columns for name in names) else ()


def _column(said: object) -> ColumnDescription:
    fields = {"description": UNSAID, **said} if isinstance(said, Mapping) else {}
    for kept in (fields, _without_faults(fields), {name: fields[name] for name in PLAINEST if name in fields}):
        try:
            return ColumnDescription.model_validate({"description": UNSAID, **kept})
        except ValidationError:
            continue
    return ColumnDescription(type="string", description=UNSAID)


def _without_faults(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        ColumnDescription.model_validate(fields)
    except ValidationError as error:
        at_fault = {problem["loc"][0] for problem in error.errors() if problem["loc"]}
        return {name: value for name, value in fields.items() if name not in at_fault}
    return fields
