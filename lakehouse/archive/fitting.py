"""Whether the tables that hold earlier versions of a dataset can take a new one, asked before any of it is kept."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from lakehouse.archive.eds import Description
from lakehouse.archive.event_tables import event_definition
from lakehouse.archive.findings import Finding, Report
from lakehouse.archive.reading import Layer, table_definition, text_definition
from lakehouse.archive.values import ARROW_TYPES
from lakehouse.definition import Misfit, TableDefinition
from lakehouse.errors import SchemaError, TableOwnerError

RETYPED_CODE, RENAMED_CODE, TAKEN_CODE = "COLUMN_RETYPED", "COLUMN_RENAMED", "TABLE_NAME_TAKEN"
LAYERS: tuple[Layer, ...] = ("bronze", "silver")
# What the tables' types are called in a data dictionary.
WORDS = {"long": "integer", "double": "number", "timestamptz": "datetime"}
ARROW_WORDS: Mapping[pa.DataType, str] = {kind: word for word, kind in ARROW_TYPES.items()}

Misfits = Callable[[TableDefinition], Sequence[Misfit]]
"""Returns what a stored table cannot take of a definition; raises TableOwnerError for another dataset's table."""


def fitted(report: Report, misfits: Misfits, waiting: Iterable[Description] = ()) -> Report:
    """Return the report with one finding more for each column that the stored tables cannot take as it is described.

    `waiting` are earlier versions of the dataset that are not stored yet: once they are, the tables have their columns.
    What is stored is part of the verdict then, so the report carries another version of the rules.
    """
    if report.description is None:
        return report
    saved = [(one.version, table) for one in waiting for _, table in tables_of(one)]

    def unfit(table: TableDefinition) -> list[Misfit]:
        return [
            *misfits(table),
            *(
                replace(one, waiting=version)
                for version, held in saved
                if held.name == table.name
                for one in _unlike(held, table)
            ),
        ]

    told = [one for place, table in tables_of(report.description) for one in _findings(place, table, unfit)]
    if not told:
        return report
    # Bronze and silver may both say it of a column.
    found = {(one.code, one.place): one for one in told}.values()
    return report.with_more(found)


def tables_of(description: Description) -> Iterator[tuple[str, TableDefinition]]:
    """Yield the place of each part of a dataset, and the tables that it goes to."""
    name = description.name
    for layer in LAYERS:
        for table in description.tables.values():
            yield f"tables/{table.name}/columns.yaml", table_definition(name, table, layer)
        for collection in description.texts.values():
            yield f"texts/{collection.name}", text_definition(name, collection, layer)
        for log in description.events.values():
            yield f"events/{log.name}", event_definition(name, log, layer)


def _unlike(held: TableDefinition, wanted: TableDefinition) -> Iterator[Misfit]:
    """Yield each column that a table made for one definition could not take of another."""
    known = {column.name: column for column in held.columns}
    renamed = {was: column.name for column in held.columns for was in column.formerly}
    for column in wanted.columns:
        old = next((known[name] for name in (column.name, *column.formerly) if name in known), None)
        word = _word(column.type)
        if old is None and column.name in renamed:
            now = renamed[column.name]
            yield Misfit(column.name, "absent", word, f"column {column.name} is called {now} by now", now)
        elif old is not None and _word(old.type) != word:
            said = f"column {column.name} is {_word(old.type)} and cannot become {word}"
            yield Misfit(column.name, _word(old.type), word, said)


def _word(kind: pa.DataType) -> str:
    plain = pa.string() if pa.types.is_large_string(kind) else kind
    return ARROW_WORDS.get(plain, str(plain))


def _findings(place: str, table: TableDefinition, misfits: Misfits) -> list[Finding]:
    try:
        return [(_renamed if one.now else _retyped)(place, table, one) for one in misfits(table)]
    except TableOwnerError as error:
        what, _, remedy = str(error).rpartition("; ")
        return [_error(TAKEN_CODE, place, f"{what}.", f"{remedy[:1].upper()}{remedy[1:]}.", error.exit_code)]


def _retyped(place: str, table: TableDefinition, one: Misfit) -> Finding:
    stored, wanted = WORDS.get(one.stored, one.stored), WORDS.get(one.wanted, one.wanted)
    held = "Earlier versions hold"
    if one.waiting:
        held = f"Version {one.waiting}, which is saved and waits to be stored, holds"
    return _error(
        RETYPED_CODE,
        f"{place}: {one.column}",
        f"{held} '{one.column}' as {stored}, this one describes it as {wanted}; "
        f"the table {table.name} cannot hold both.",
        f"Keep it {stored}, or give the changed column a name of its own, such as {one.column}_{wanted}: both "
        f"stay then. {_or_free(table, one)}Nothing of this version was kept, so its label is still free.",
        SchemaError.exit_code,
    )


def _or_free(table: TableDefinition, one: Misfit) -> str:
    """Say how a version that is only saved stops to count; a stored one does not."""
    if not one.waiting:
        return ""
    key = f"{table.dataset}@{one.waiting}"
    return f"If version {one.waiting} is not wanted, take it back (`lakehouse retract {key}`); else store it first. "


def _renamed(place: str, table: TableDefinition, one: Misfit) -> Finding:
    return _error(
        RENAMED_CODE,
        f"{place}: {one.column}",
        f"{_renamer(one)} renamed '{one.column}' to '{one.now}', and the table {table.name} has it as that.",
        f"Call it '{one.now}', with `formerly: [{one.column}]`, or give a new column another name. "
        f"{_or_free(table, one)}Nothing of this version was kept, so its label is still free.",
        SchemaError.exit_code,
    )


def _renamer(one: Misfit) -> str:
    return f"Version {one.waiting}, which waits to be stored," if one.waiting else "A version before this one"


def _error(code: str, place: str, message: str, how_to_fix: str, exit_code: int) -> Finding:
    return Finding(
        code=code,
        level="error",
        place=place,
        occurrences=1,
        first_row=None,
        message=message,
        how_to_fix=how_to_fix,
        exit_code=exit_code,
    )
