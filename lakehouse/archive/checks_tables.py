"""Checks of tables and their columns against the data dictionary."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive import privacy
from lakehouse.archive.arrays import Cells, count_true, flat, outside, sure
from lakehouse.archive.checks import COLUMN, TABLE, Hit, hints, named
from lakehouse.archive.contents import ColumnContent, TableContent
from lakehouse.archive.csv_files import CsvContent
from lakehouse.archive.rulebook import Parameters


@named(TABLE)
def no_rows(table: TableContent, _parameters: Parameters) -> Iterator[Hit]:
    """A table without a CSV file, or with nothing but headers."""
    if not table.row_count and all(file.csv is not None for file in table.files):
        yield Hit(table.folder)


@named(TABLE)
def column_absent(table: TableContent, _parameters: Parameters) -> Iterator[Hit]:
    """Columns of the dictionary that a CSV file lacks."""
    declared = table.description.columns if table.description else ()
    for file, content in table.readable:
        near = hints(declared, [privacy.shown_name(name) for name in content.header if name not in declared])
        for name in declared:
            if name not in content.header:
                yield Hit(
                    f"{file.place}: {name}", facts={"column": name, "header": _header(content), "hint": near[name]}
                )


@named(TABLE)
def column_undeclared(table: TableContent, _parameters: Parameters) -> Iterator[Hit]:
    """Columns of a CSV file that the dictionary does not know."""
    if table.description is None:
        return
    for file, content in table.readable:
        declared, header = table.description.columns, dict.fromkeys(content.header)
        undeclared = [privacy.shown_name(name) for name in header if name not in declared]
        near = hints(undeclared, [name for name in declared if name not in header])
        for name in undeclared:
            yield Hit(f"{file.place}: {name}", facts={"column": name, "hint": near[name]})


def _header(content: CsvContent) -> str:
    return ", ".join(privacy.shown_name(name) for name in content.header)[:200]


@named(TABLE)
def primary_key_undeclared(table: TableContent, _parameters: Parameters) -> Iterator[Hit]:
    """A table that does not say which columns tell its rows apart."""
    if table.description is not None and not table.description.primary_key:
        yield Hit(f"{table.folder}/columns.yaml")


@named(TABLE)
def primary_key_missing(table: TableContent, _parameters: Parameters) -> Iterator[Hit]:
    """Rows without a value in a column of the primary key."""
    for name in table.description.primary_key if table.description else ():
        spot = table.spot(table.parsed[name].missing)
        if spot:
            yield Hit(f"{spot.place}: {name}", spot.occurrences, spot.row, {"column": name})


@named(TABLE)
def primary_key_repeats(table: TableContent, _parameters: Parameters) -> Iterator[Hit]:
    """Rows whose primary key another row has already."""
    names = table.description.primary_key if table.description else ()
    if not names or not table.row_count:
        return
    keys = pa.table({name: table.parsed[name].values for name in names})
    mask = _seen_before(keys)
    spot = table.spot(mask)
    if spot:
        yield Hit(
            f"{spot.place}: {', '.join(names)}",
            spot.occurrences,
            spot.row,
            {"key": ", ".join(names), "rows": table.rows(mask)},
        )


def _seen_before(keys: pa.Table) -> Cells:
    # A row repeats when the first row of its key is another one. Rows with a hole in the key are judged elsewhere.
    rows = pa.array(range(keys.num_rows), pa.int64())
    names = keys.column_names
    firsts = keys.append_column("_row", rows).group_by(names).aggregate([("_row", "min")])
    whole = pc.is_valid(keys.column(names[0]))
    for name in names[1:]:
        whole = pc.and_(whole, pc.is_valid(keys.column(name)))
    is_first = pc.is_in(rows, value_set=flat(firsts.column("_row_min")))
    return flat(pc.and_(whole, pc.invert(is_first)))


def _hits(column: ColumnContent, mask: Cells, **facts: str | int | float) -> Iterator[Hit]:
    """One hit for all rows where `mask` is true, with the first value, masked where it could name a person."""
    mask = sure(mask)
    spot = column.table.spot(mask)
    if spot is None:
        return
    first = column.cells.filter(mask)[0].as_py()
    example = privacy.shown(first, column.name, column.description.description)
    rows = column.table.rows(mask)
    yield Hit(
        f"{spot.place}: {column.name}",
        spot.occurrences,
        spot.row,
        {"column": column.name, "example": example, "rows": rows, **facts},
    )


@named(COLUMN)
def wrong_type(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """Cells that are not of the column's type."""
    yield from _hits(column, column.parsed.wrong, type=column.description.type)


@named(COLUMN)
def required_missing(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """Empty cells of a required column."""
    if column.description.required:
        yield from _hits(column, column.parsed.missing)


@named(COLUMN)
def all_missing(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """A column without a single value."""
    missing = column.parsed.missing
    if len(missing) and count_true(missing) == len(missing):
        yield from _hits(column, missing)


@named(COLUMN)
def out_of_range(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """Numbers below the minimum or above the maximum."""
    described, values = column.description, column.parsed.values
    low, high = described.minimum, described.maximum
    if described.type not in ("integer", "number"):
        return
    limits = {"low": "any" if low is None else low, "high": "any" if high is None else high}
    yield from _hits(column, outside(values, low, high), **limits)


@named(COLUMN)
def not_in_levels(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """Values that are none of the levels."""
    levels = column.description.level_names()
    if levels:
        known = pc.is_in(column.parsed.values, value_set=pa.array(levels, pa.string()))
        unknown = pc.and_(pc.is_valid(column.parsed.values), pc.invert(known))
        yield from _hits(column, unknown, levels=", ".join(levels)[:200])


@named(COLUMN)
def not_matching(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """Values that do not match the pattern; RE2, so that no pattern can be slow."""
    pattern = column.description.pattern
    if pattern is not None and _compiles(pattern):
        matches = pc.match_substring_regex(column.parsed.values, f"^(?:{pattern})$")
        yield from _hits(column, pc.invert(matches), pattern=pattern)


@named(COLUMN)
def pattern_unusable(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """A pattern that RE2 does not understand."""
    pattern = column.description.pattern
    if pattern is not None and not _compiles(pattern):
        yield Hit(f"{column.table.folder}/columns.yaml: columns.{column.name}.pattern", facts={"pattern": pattern})


def _compiles(pattern: str) -> bool:
    try:
        pc.match_substring_regex(pa.array([""]), f"^(?:{pattern})$")
    except pa.ArrowInvalid:
        return False
    return True


@named(COLUMN)
def unit_missing(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """A number without a unit."""
    if column.description.type == "number" and column.description.unit is None:
        yield Hit(f"{column.table.folder}/columns.yaml: columns.{column.name}.unit", facts={"column": column.name})


@named(COLUMN)
def reference_target_absent(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """A foreign key to a table or column that is not in the dataset, or has another type."""
    target = column.description.references
    if target is None or _target_values(column) is not None:
        return
    yield Hit(f"{column.table.folder}/columns.yaml: columns.{column.name}.references", facts={"target": target})


@named(COLUMN)
def reference_broken(column: ColumnContent, _parameters: Parameters) -> Iterator[Hit]:
    """Values of a foreign key that the column it refers to does not have."""
    target = _target_values(column)
    if column.description.references is None or target is None:
        return
    values = column.parsed.values
    broken = pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, value_set=target)))
    keys = len(values.filter(sure(broken)).unique())
    yield from _hits(column, broken, target=column.description.references, missing_keys=keys, table=column.table.name)


def _target_values(column: ColumnContent) -> Cells | None:
    table_name, _, name = (column.description.references or "").partition(".")
    table = column.submission.tables.get(table_name)
    if table is None or name not in table.parsed:
        return None
    values = table.parsed[name].values
    return values if values.type == column.parsed.values.type else None
