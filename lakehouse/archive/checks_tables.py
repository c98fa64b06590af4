"""Checks of tables and their columns against the data dictionary."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from lakehouse.archive import privacy
from lakehouse.archive.checks import COLUMN, TABLE, Hit, hints, in_rows, named
from lakehouse.archive.column_checks import Fault
from lakehouse.archive.contents import ColumnContent, TableContent
from lakehouse.archive.plans import compiles, target_of
from lakehouse.archive.rulebook import Parameters


@named(TABLE)
def no_rows(table: TableContent, _parameters: Parameters) -> Iterator[Hit]:
    """A table without a file of rows, or with nothing but headers."""
    if not table.row_count and all(file.header is not None for file in table.files):
        yield Hit(table.folder)


COLUMNS_NAMED = 100
# How much of a header a message repeats.
HEADER_NAMES, HEADER_LETTERS = 50, 200


@named(TABLE)
def column_absent(table: TableContent, _parameters: Parameters) -> Iterator[Hit]:
    """Columns of the dictionary that a file lacks."""
    declared = table.judged_by.columns if table.judged_by else ()
    for file, header in table.headed:
        there = set(header)
        absent = [name for name in declared if name not in there]
        near = hints(absent, [privacy.shown_name(name) for name in header if name not in declared])
        for hit in _named_or_counted(file.place, absent, near):
            yield replace(hit, facts={**hit.facts, "header": _shown(header)})


@named(TABLE)
def column_undeclared(table: TableContent, _parameters: Parameters) -> Iterator[Hit]:
    """Columns of a file that the dictionary does not know."""
    if table.judged_by is None:
        return
    for file, header in table.headed:
        declared, there = table.judged_by.columns, dict.fromkeys(header)
        undeclared = [privacy.shown_name(name) for name in there if name not in declared]
        near = hints(undeclared, [name for name in declared if name not in there])
        yield from _named_or_counted(file.place, undeclared, near)


def _named_or_counted(place: str, names: Sequence[str], near: Mapping[str, str]) -> Iterator[Hit]:
    """One hit for each of the first columns, and one for all the others together: a report must stay readable."""
    for name in names[:COLUMNS_NAMED]:
        yield Hit(f"{place}: {name}", facts={"column": name, "hint": near[name]})
    rest = names[COLUMNS_NAMED:]
    if rest:
        said = f"{rest[0]} and {len(rest) - 1:,} more" if len(rest) > 1 else rest[0]
        yield Hit(place, len(rest), facts={"column": said, "hint": ""})


def _shown(header: tuple[str, ...]) -> str:
    """Return the first names of a header, whole ones, and how many more there are."""
    lengths = accumulate(len(name) + len(", ") for name in header[:HEADER_NAMES])
    names = header[: max(1, sum(length <= HEADER_LETTERS for length in lengths))]
    said = ", ".join(privacy.shown_name(name)[:HEADER_LETTERS] for name in names) or "no column could be read"
    return f"{said} and {len(header) - len(names):,} more" if len(header) > len(names) else said


@named(TABLE)
def primary_key_undeclared(table: TableContent, _parameters: Parameters) -> Iterator[Hit]:
    """A table that does not say which columns tell its rows apart."""
    if table.description is not None and not table.description.primary_key:
        yield Hit(f"{table.folder}/columns.yaml")


@named(TABLE)
def primary_key_missing(table: TableContent, _parameters: Parameters) -> Iterator[Hit]:
    """Rows without a value in a column of the primary key."""
    for name in table.judged_by.primary_key if table.judged_by else ():
        for tally in table.seen.tally(name, "missing"):
            yield in_rows(tally, f"{tally.place}: {name}", column=name, row=tally.rows[0])


@named(TABLE)
def primary_key_repeats(table: TableContent, _parameters: Parameters) -> Iterator[Hit]:
    """Rows whose primary key another row has already."""
    names = ", ".join(table.judged_by.primary_key if table.judged_by else ())
    for tally in table.seen.tally("", "repeats"):
        yield in_rows(tally, f"{tally.place}: {names}", key=names)


def _example(value: str | None, column: ColumnContent, *, personal: bool) -> str:
    """Return a text for "the first is ...": quoted, or where it may not be shown how it looks, and said to be that."""
    said = privacy.looks(value) if personal else privacy.shown(value, column.name, column.description.description)
    masked = bool(value) and said == privacy.looks(value)
    return f"of the shape {said}" if masked else said


def _hits(column: ColumnContent, fault: Fault, **facts: str | int | float) -> Iterator[Hit]:
    """One hit for each file in which the column has the fault, with the first text, masked if it could name one.

    Of a table about people every text is: what is said of one row is one person's.
    """
    personal = column.table.name in column.submission.about_people
    for tally in column.seen.tally(column.name, fault):
        example = _example(tally.example, column, personal=personal)
        yield in_rows(tally, f"{tally.place}: {column.name}", column=column.name, example=example, **facts)


@named(COLUMN)
def wrong_type(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """Cells that are not of the column's type."""
    yield from _hits(column, "wrong", type=column.description.type)


@named(COLUMN)
def required_missing(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """Empty cells of a required column."""
    if column.description.required:
        yield from _hits(column, "missing")


@named(COLUMN)
def all_missing(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """A column without a single value."""
    rows = column.seen.rows
    if rows and column.seen.missing.get(column.name) == rows:
        yield Hit(f"{column.table.files[0].place}: {column.name}", rows, 1, {"column": column.name})


@named(COLUMN)
def out_of_range(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """Numbers below the minimum or above the maximum."""
    low, high = column.description.minimum, column.description.maximum
    limits = {"low": "any" if low is None else low, "high": "any" if high is None else high}
    yield from _hits(column, "outside", **limits)


@named(COLUMN)
def not_in_levels(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """Values that are none of the levels."""
    levels = column.description.level_names()
    if levels:
        yield from _hits(column, "not_a_level", levels=", ".join(levels)[:200])


@named(COLUMN)
def not_matching(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """Values that do not match the pattern; RE2, so that no pattern can be slow."""
    pattern = column.description.pattern
    if pattern is not None:
        yield from _hits(column, "not_matching", pattern=pattern)


@named(COLUMN)
def pattern_unusable(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """A pattern that RE2 does not understand."""
    pattern = column.description.pattern
    if pattern is not None and not compiles(pattern):
        yield Hit(f"{column.table.folder}/columns.yaml: columns.{column.name}.pattern", facts={"pattern": pattern})


@named(COLUMN)
def unit_missing(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """A number without a unit."""
    usable = column.table.description is not None
    if usable and column.description.type == "number" and column.description.unit is None:
        yield Hit(f"{column.table.folder}/columns.yaml: columns.{column.name}.unit", facts={"column": column.name})


@named(COLUMN)
def reference_target_absent(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """A foreign key to a table or column that is not in the dataset, or has another type."""
    target, judging = column.description.references, column.submission.judging
    if target is None or target_of(column.description, judging) is not None:
        return
    table, _, name = target.partition(".")
    if table not in column.submission.reading.tables and table in judging and name in judging[table].columns:
        return  # its type may be what is at fault there
    yield Hit(f"{column.table.folder}/columns.yaml: columns.{column.name}.references", facts={"target": target})


@named(COLUMN)
def reference_broken(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """Values of a foreign key that the column it refers to does not have, where that could be read to its end."""
    target = target_of(column.description, column.submission.judging)
    if target is None or not column.submission.tables[target[0]].seen.readable:
        return
    for tally in column.seen.tally(column.name, "broken"):
        key = privacy.shown(tally.example, column.name, column.description.description) if tally.example else ""
        yield in_rows(
            tally,
            f"{tally.place}: {column.name}",
            column=column.name,
            target=".".join(target),
            table=column.table.name,
            missing_keys=len(tally.values),
            first=f", the first to {key}" if key else "",
        )
