"""Checks of single files: empty, not UTF-8, not CSV, ragged, not expected."""

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from lakehouse.archive import privacy
from lakehouse.archive.checks import FILE, Hit, in_rows, named, text
from lakehouse.archive.contents import DataFile
from lakehouse.archive.levels import numbered_row
from lakehouse.archive.packed import is_parquet
from lakehouse.archive.rulebook import Parameters


@named(FILE)
def empty_file(file: DataFile, _parameters: Parameters) -> Iterator[Hit]:
    """A data file of no bytes."""
    if file.size_bytes == 0 and file.role in ("table", "text", "event"):
        yield Hit(file.place)


@named(FILE)
def not_utf8(file: DataFile, _parameters: Parameters) -> Iterator[Hit]:
    """A data file in another encoding."""
    if file.encoding is None:
        return
    row = file.encoding.row
    headed = any(suffix in (".csv", ".tsv") for suffix in PurePosixPath(file.place).suffixes)
    line = f"line {row + 1}" if not headed else f"data row {numbered_row(file.place, row)}" if row else "the header"
    number = row if headed else row + 1
    yield Hit(file.place, first_row=number or None, facts={"byte": file.encoding.byte, "line": line})


@named(FILE)
def not_csv(file: DataFile, _parameters: Parameters) -> Iterator[Hit]:
    """A data file, other than Parquet, that cannot be read as its name says."""
    if file.fault is not None and not is_parquet(file.place):
        yield Hit(file.place, facts={"reason": file.fault})


@named(FILE)
def not_parquet(file: DataFile, _parameters: Parameters) -> Iterator[Hit]:
    """A file called Parquet that is none, is cut off or broken, or holds no table of plain values."""
    if file.fault is not None and is_parquet(file.place):
        yield Hit(file.place, facts={"reason": file.fault})


@named(FILE)
def quote_not_closed(file: DataFile, _parameters: Parameters) -> Iterator[Hit]:
    """A quote that opens and never closes swallows every row after it."""
    if file.table is not None and file.table.quotes % 2:
        yield Hit(file.place)


@named(FILE)
def header_repeats(file: DataFile, _parameters: Parameters) -> Iterator[Hit]:
    """Two columns of one name, or one without a name."""
    repeated = [name for name, count in Counter(file.header or ()).items() if count > 1 or not name.strip()]
    if repeated:
        names = ", ".join(f"'{privacy.shown_name(name)}'" for name in repeated[:10])
        yield Hit(file.place, len(repeated), facts={"names": names[:200]})


@named(FILE)
def ragged_rows(file: DataFile, _parameters: Parameters) -> Iterator[Hit]:
    """Rows with more or fewer cells than the header."""
    if file.ragged is not None:
        tally, first = file.ragged
        yield in_rows(tally, file.place, cells=first.cells, expected=first.expected, row=first.row)


@named(FILE)
def bad_lines(file: DataFile, parameters: Parameters) -> Iterator[Hit]:
    """Lines of a JSON lines file that are no documents, or no rows, as the rule's `role` says."""
    tally = file.bad_lines
    if tally is not None and file.role == text(parameters, "role"):
        yield in_rows(tally, file.place, reason=tally.example or "", row=tally.rows[0])


@named(FILE)
def unexpected_file(file: DataFile, _parameters: Parameters) -> Iterator[Hit]:
    """A file in a place that the standard does not know; it is kept and not read."""
    if file.role == "unknown":
        yield Hit(file.place)
