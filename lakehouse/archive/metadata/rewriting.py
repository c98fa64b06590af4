"""Puts a delimited text file into the writing of the EDS: UTF-8, commas, a header with the columns' names."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from lakehouse.archive.metadata.incoming import DELIMITERS, Layout

# A cell of a submission may be long, but not without end.
LONGEST_CELL = 50_000_000
CHUNK = 1 << 20


class UnreadableFileError(ValueError):
    """A file cannot be read in the way its package says."""


def is_utf8(path: Path) -> bool:
    """Say whether a file's bytes are UTF-8, whatever its package calls them."""
    try:
        with path.open(encoding="utf-8") as stream:
            while stream.read(CHUNK):
                pass
    except UnicodeDecodeError:
        return False
    return True


def fits(layout: Layout) -> bool:
    """Say whether files of this layout can be read as they are."""
    plain = layout.quote == '"' and layout.escape is None and layout.comment is None
    return plain and layout.header and not layout.skip_blank and layout.delimiter in DELIMITERS


def header_of(path: Path, layout: Layout) -> list[str]:
    """Return the cells of a file's first row.

    Raises:
        UnreadableFileError: the file is no text of this layout.
    """
    return next(_rows(path, layout), [])


def rewrite(source: Path, target: Path, layout: Layout, names: Mapping[str, str], header: list[str]) -> None:
    """Write a file anew with commas and with the new names of its columns; cells are copied as they stand.

    `header` names the columns where the file itself does not.

    Raises:
        UnreadableFileError: the file is no text of this layout.
    """
    rows = _rows(source, layout)
    first = next(rows, []) if layout.header else header
    write_rows(target, [names.get(label, label) for label in first], rows)


def write_rows(target: Path, header: list[str], rows: Iterator[list[str]]) -> None:
    """Write rows as a CSV file below a header."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _rows(path: Path, layout: Layout) -> Iterator[list[str]]:
    csv.field_size_limit(LONGEST_CELL)
    encoding = "utf-8-sig" if is_utf8(path) else layout.encoding
    try:
        with path.open(encoding=encoding, newline="") as stream:
            lines = (line for line in stream if not (layout.comment and line.startswith(layout.comment)))
            yield from csv.reader(
                lines,
                delimiter=layout.delimiter,
                quotechar=layout.quote,
                escapechar=layout.escape,
                doublequote=layout.escape is None,
                skipinitialspace=layout.skip_blank,
            )
    except (csv.Error, UnicodeDecodeError, LookupError, OSError) as error:
        # The kind of fault only: the text of some of these errors quotes the file.
        raise UnreadableFileError(f"{type(error).__name__} while reading it as {layout.encoding}") from error
