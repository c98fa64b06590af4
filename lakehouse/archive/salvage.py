"""What can still be judged by a description file that is at fault: so that one misspelt field hides no other issue."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import ValidationError

from lakehouse.archive.eds import ColumnDescription, TableDescription

DELIMITERS = get_args(TableDescription.model_fields["delimiter"].annotation)
UNSAID = "(not said)"
# What a column is judged by when its fields contradict each other.
PLAINEST = ("type", "missing_codes")


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
