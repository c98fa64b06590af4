"""A file that is no data of the standard, searched for personal data: by columns where it is a table, else by lines."""

import csv
import html
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, TextIO

import numpy as np
import pyarrow as pa

from lakehouse.archive import privacy
from lakehouse.archive.arrays import Cells
from lakehouse.archive.batches import Rows
from lakehouse.archive.csv_files import csv_pieces
from lakehouse.archive.leaves import LARGEST_JSON_BYTES, column_leaves, fields_of, json_document, json_value, leaves
from lakehouse.archive.metadata.incoming import DELIMITERS
from lakehouse.archive.packed import plain_name
from lakehouse.archive.parquet_files import footer, seekable
from lakehouse.archive.plain_text import content, is_parquet, write_as_text
from lakehouse.archive.privacy.kinds import Identifier, identifiers
from lakehouse.archive.strict_yaml import YamlFaultError, read_yaml
from lakehouse.errors import SchemaError

Purpose = Literal["kept", "describes", "explains"]
"""A file without a place, a description in the standard's or another one's form, or a README and its like."""

# From so many values on, identifiers of one kind refuse a file; whom to ask stands in many a README.
LEAST_VALUES: Mapping[Purpose, int] = {"kept": 3, "describes": 3, "explains": 20}
# Who made the data and whom to ask: these people want to be named.
ANSWERING = frozenset(
    {
        *("creators", "creator", "authors", "author", "contributors", "contributor", "editor", "copyrightHolder"),
        *("contacts", "contact", "contactPoint", "maintainers", "maintainer", "publisher", "provider"),
        *(
            "funding",
            "funder",
            "related",
            "references",
            "citation",
            "citeAs",
            "preferred-citation",
            "sources",
            "source",
        ),
    }
)
NAMES = "person_name"
SNIFFED_LINES, ALIKE = 50, 0.9
# So many short lines, and hardly others, are a list.
LEAST_LIST, SHORT_LINE, SHORT_WORDS = 5, 80, 6
BLOCK_LINES, BLOCK_CHARACTERS, LONGEST_LINE, OVERLAP = 4_096, 4 << 20, 1 << 16, 200
PARQUET_ROWS = 16_384
MOST_PATHS = 2_000
NAMES_OF_FIELDS = ""


@dataclass(frozen=True, slots=True)
class OtherSuspicion:
    """Values of one kind in a column or, where `column` is None, in the lines of a file; `rows` are the first ones."""

    column: str | None
    kind: str
    count: int
    personal: bool
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OtherSeen:
    """What was found in a file; `unread` says why it, or a part of it, could not be looked into."""

    suspicions: tuple[OtherSuspicion, ...] = ()
    unread: str | None = None


def look_into(path: Path, purpose: Purpose) -> OtherSeen:
    """Search a file whatever it is called and however it is packed; what cannot be read is said, never raised."""
    scan = _Scan(purpose)
    try:
        with content(path) as plain:
            _read(plain, plain_name(path.name).lower(), scan)
    except (SchemaError, pa.ArrowException, OSError) as error:
        return OtherSeen(scan.suspicions(), str(error) if isinstance(error, SchemaError) else "it is broken")
    return OtherSeen(scan.suspicions())


def look_into_footer(path: Path) -> OtherSeen:
    """Search what a table's Parquet file says beside its rows; one that cannot be read is told where its rows are."""
    scan = _Scan("describes")
    try:
        with seekable(path) as stream, footer(stream) as file:
            _read_footer(file.schema_arrow, scan)
    except (SchemaError, pa.ArrowException, OSError):
        return OtherSeen()
    return OtherSeen(scan.suspicions())


class _Scan:
    """What is searched of one file: columns by their names, and lines."""

    def __init__(self, purpose: Purpose) -> None:
        self.purpose = purpose
        self._columns: dict[str, privacy.ColumnScan] = {}
        self._filled: dict[str, int] = {}
        self._lines = privacy.TextScan()
        self._filled_lines = 0

    def cells(self, column: str, cells: Cells, first: int | None = None, after: Rows | None = None) -> None:
        """Search cells of a column; without a first row they are numbered as they come."""
        name = column if column in self._columns or len(self._columns) < MOST_PATHS else NAMES_OF_FIELDS
        scan = self._columns.setdefault(name, privacy.ColumnScan(name))
        seen = self._filled.get(name, 0)
        scan.add(cells, seen + 1 if first is None or name != column else first, after if name == column else None)
        self._filled[name] = seen + len(cells)

    def lines(self, lines: Sequence[str], first: int) -> None:
        """Search lines of which the first has this number."""
        self._filled_lines += sum(1 for line in lines if line.strip())
        self._lines.add(lines, first)

    def suspicions(self) -> tuple[OtherSuspicion, ...]:
        """Return what was found, and whether it is too much for what the file is there for."""
        found = [
            OtherSuspicion(name, one.kind, one.count, one.personal, one.rows)
            for name, scan in self._columns.items()
            for one in scan.suspicions()
        ]
        found += [
            OtherSuspicion(None, one.kind, one.count, self._dense(one), one.rows) for one in self._lines.suspicions()
        ]
        return tuple(one for one in found if self.purpose == "kept" or _tells(identifiers()[one.kind], one))

    def _dense(self, one: privacy.TextSuspicion) -> bool:
        """Say whether a kind is as dense as in texts about persons or columns of theirs; a file may be one line."""
        identifier, share = identifiers()[one.kind], one.count / max(1, self._filled_lines)
        if identifier.certainty != "direct":
            return False
        if one.count >= identifier.text_count and share >= identifier.text_share:
            return True
        least = max(identifier.count, LEAST_VALUES[self.purpose])
        return one.kind != NAMES and one.count >= least and share >= identifier.share


def _tells(identifier: Identifier, one: OtherSuspicion) -> bool:
    """Say whether to speak of what stands in a description or README, where names and addresses of pages belong."""
    return one.personal or (identifier.certainty == "direct" and one.kind != NAMES)


def _read(plain: Path, name: str, scan: _Scan) -> None:
    if is_parquet(plain):
        _read_parquet(plain, scan)
        return
    text = plain.with_name("text")
    write_as_text(plain, text)
    if scan.purpose == "kept":
        _read_kept(text, name, scan)
    elif not _read_fields(text, name, scan):
        _read_lines(text, scan)


def _read_fields(text: Path, name: str, scan: _Scan) -> bool:
    """Search a description field by field, but for who answers for the data; say whether it is one."""
    value = None
    if name.endswith((".yaml", ".yml", ".cff")):
        try:
            value = read_yaml(text.read_bytes())
        except YamlFaultError:
            return False
    elif name.endswith(".json"):
        value = json_document(text)
    if not isinstance(value, dict | list):
        return False
    fields = [one for _, leaf in leaves(value, ANSWERING) for one in leaf.splitlines()]
    scan.lines(fields, 1)
    return True


def _read_kept(text: Path, name: str, scan: _Scan) -> None:
    with text.open(encoding="utf-8") as stream:
        sample = [line.rstrip("\n") for line in islice(_pieces(stream, LONGEST_LINE), SNIFFED_LINES) if line.strip()]
    begins = sample[0].lstrip()[:1] if sample else ""
    if begins in ("{", "[") and _read_json(text, sample[0], scan):
        return
    # Entities of pages end in what separates cells.
    delimiter = _delimiter(sample) if begins != "<" else None
    if delimiter is not None and _read_table(text, delimiter, scan):
        return
    if delimiter is None and len(sample) >= LEAST_LIST and sum(map(_is_short, sample)) >= ALIKE * len(sample):
        _read_list(text, sample[0].strip() if name.endswith((".csv", ".tsv")) else NAMES_OF_FIELDS, scan)
    else:
        _read_lines(text, scan)


def _is_short(line: str) -> bool:
    return len(line) <= SHORT_LINE and len(line.split()) <= SHORT_WORDS


def _read_json(text: Path, first: str, scan: _Scan) -> bool:
    """Search a document of JSON, or one a line; say whether it could be read as such."""
    document = json_document(text)
    if isinstance(document, dict | list):
        for path, (found, _) in _by_path([(1, document)]).items():
            scan.cells(path, pa.array(found, pa.string()))
        return True
    if not isinstance(json_value(first), dict | list):
        return False
    for number, lines in _blocks(text, LARGEST_JSON_BYTES):
        values = [(at, json_value(line)) for at, line in enumerate(lines, start=number)]
        if any(value is None for _, value in values):
            scan.lines([line if value is None else "" for line, (_, value) in zip(lines, values, strict=True)], number)
        for path, (found, rows) in _by_path(values).items():
            scan.cells(path, pa.array(found, pa.string()), rows[0], np.array(rows) - rows[0])
    return True


def _by_path(values: Iterable[tuple[int, object]]) -> dict[str, tuple[list[str], list[int]]]:
    """Return the texts at each path of numbered values, and the numbers they come with."""
    by_path: dict[str, tuple[list[str], list[int]]] = {}
    for number, value in values:
        for path, leaf in leaves(value):
            found, rows = by_path.setdefault(path, ([], []))
            found.append(leaf)
            rows.append(number)
    return by_path


def _delimiter(sample: Sequence[str]) -> str | None:
    """Return what most lines have equally often between their cells; None where the lines are no rows."""
    for delimiter in DELIMITERS:
        try:
            cells = Counter(len(row) for row in csv.reader(sample, delimiter=delimiter))
        except csv.Error:
            continue
        most, count = cells.most_common(1)[0] if cells else (0, 0)
        if most > 1 and count >= ALIKE * cells.total():
            return delimiter
    return None


def _read_table(text: Path, delimiter: str, scan: _Scan) -> bool:
    """Search the columns of delimited text; say whether every cell was in one that could be told."""
    rows, whole = 1, True
    try:
        for piece in csv_pieces(text, delimiter):
            batch = piece()
            if rows == 1:
                scan.cells(NAMES_OF_FIELDS, pa.array(batch.header, pa.string()))
            for name, cells in batch.columns.items():
                scan.cells(name, cells, rows)
            rows += batch.span
            whole = whole and not batch.ragged and len(batch.columns) == len(batch.header)
    except SchemaError:
        return False
    return whole


def _read_list(text: Path, name: str, scan: _Scan) -> None:
    """Search short lines as the cells of one column."""
    for first, lines in _blocks(text):
        scan.cells(name, pa.array([_as_shown(line).strip() for line in lines], pa.string()), first)


def _read_lines(text: Path, scan: _Scan) -> None:
    for first, lines in _blocks(text):
        scan.lines([_as_shown(line) for line in lines], first)


def _as_shown(line: str) -> str:
    """Return a line as a page would show it."""
    return html.unescape(line) if "&" in line else line


def _blocks(text: Path, longest: int | None = None) -> Iterator[tuple[int, list[str]]]:
    """Yield lines some at a time, with the number of the first; longer ones are cut, each piece numbered as a line."""
    with text.open(encoding="utf-8") as stream:
        number, block, held = 1, list[str](), 0
        for piece in _pieces(stream, longest or LONGEST_LINE):
            if block and (len(block) == BLOCK_LINES or held + len(piece) > BLOCK_CHARACTERS):
                yield number, block
                number, block, held = number + len(block), [], 0
            block.append(piece)
            held += len(piece)
        if block:
            yield number, block


def _pieces(stream: TextIO, longest: int) -> Iterator[str]:
    before = ""
    while piece := stream.readline(longest):
        yield before + piece
        # Pieces overlap, so that no value is cut in all of them.
        before = "" if piece.endswith("\n") else piece[-OVERLAP:]


def _read_parquet(plain: Path, scan: _Scan) -> None:
    unread: SchemaError | None = None
    with seekable(plain) as stream, footer(stream) as file:
        _read_footer(file.schema_arrow, scan)
        first = 1
        for batch in file.iter_batches(batch_size=PARQUET_ROWS, use_threads=False):
            for name, cells in zip(batch.schema.names, batch.columns, strict=True):
                try:
                    for path, texts, rows in column_leaves(name, cells, np.arange(batch.num_rows)):
                        scan.cells(path, texts, first, rows)
                except SchemaError as error:
                    unread = error
            first += batch.num_rows
    if unread is not None:
        raise unread


def _read_footer(schema: pa.Schema, scan: _Scan) -> None:
    said = dict(schema.metadata or {})
    texts = [f"{key.decode(errors='replace')}: {value.decode(errors='replace')}" for key, value in said.items()]
    for field in fields_of(schema):
        texts += [field.name, *(value.decode(errors="replace") for value in (field.metadata or {}).values())]
    scan.lines([line for text in texts for line in text.splitlines() if line], 1)
