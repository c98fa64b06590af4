"""Looks through the cells of a column or the texts of a collection chunk by chunk, in bounded memory."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, sure
from lakehouse.archive.privacy.confirm import Where
from lakehouse.archive.privacy.disguise import DISGUISES, plain, uncovered
from lakehouse.archive.privacy.engine import Patterns, Rows, candidates
from lakehouse.archive.privacy.finder import find, fits_context, matches
from lakehouse.archive.privacy.kinds import Identifier, has_context, identifiers
from lakehouse.archive.privacy.names import find_names, is_name_cell
from lakehouse.archive.privacy.showing import shape

ROWS_KEPT = 100
# Cells of one kind judged one by one in a column; then one in 64 is, and the others are counted by the share that held.
JUDGED_CELLS, JUDGED_AFTER = 20_000, 64
JUDGED_TEXTS = 2_000
# Names are judged in the first cells and letters, and in an evenly spread part of what follows.
NAME_CELLS, NAME_CELLS_AFTER = 20_000, 64
NAME_LETTERS, NAME_LETTERS_AFTER = 1_000_000, 1_024
NAME_LETTERS_IN_CELLS = 200_000
RUNNING_WORDS = 4
# No disguise fits into fewer bytes.
SHORTEST_DISGUISE = 6
NAME = "person_name"
CAPITAL = r"\p{Lu}\pL"
LONGEST_OF_SHORTEST = 20


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Values of a column that look like one kind of identifier; `personal` when they pass the kind's threshold.

    `share` is of the non-empty cells; `rows` are the first rows with such values, up to a hundred; `example` is the
    shape of the first one.
    """

    kind: str
    count: int
    share: float
    personal: bool
    example: str
    first_row: int
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TextSuspicion:
    """Identifiers of one kind in a collection's documents; `first_row` is the row of the first such document."""

    kind: str
    count: int
    document_count: int
    first_row: int
    rows: tuple[int, ...]
    personal: bool


@dataclass(slots=True)
class _Tally:
    """What was found of one kind so far."""

    judged: int = 0
    held: int = 0
    unjudged: int = 0
    values: int = 0
    example: str = ""
    rows: list[int] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Cells or texts that hold, those not judged counted by the share of those that were."""
        return self.held + (round(self.unjudged * self.held / self.judged) if self.judged else 0)

    def note(self, row: int, example: str, values: int = 1) -> None:
        self.held += 1
        self.values += values
        if not self.rows:
            self.example = example
        if len(self.rows) < ROWS_KEPT:
            self.rows.append(row)


@cache
def anywhere(where: str) -> Patterns:
    """Return the patterns looked for in columns, or in texts, and those of disguises."""
    return DISGUISES + tuple(
        (kind, pattern)
        for kind, identifier in identifiers().items()
        if identifier.where in ("everywhere", where)
        for pattern in identifier.loose
    )


@cache
def _long_enough(longest: int) -> Patterns:
    """Return the patterns for columns whose values may stand in cells of at most `longest` bytes."""
    return tuple(
        (kind, pattern)
        for kind, pattern in anywhere("columns")
        if (identifiers()[kind].shortest if kind in identifiers() else SHORTEST_DISGUISE) <= longest
    )


class ColumnScan:
    """Looks for identifiers in one column; `add` its cells in order, then ask for the `suspicions`."""

    def __init__(self, name: str, description: str = "") -> None:
        spoken = [k for k, i in identifiers().items() if has_context(i, name, description)]
        self._context = frozenset(spoken)
        self._present = 0
        self._name_cells = 0
        self._running_letters = 0
        self._tallies: dict[str, _Tally] = {}

    def add(self, cells: Cells, first_row: int) -> None:
        """Look through the next cells, the first of which stands in `first_row`."""
        longest, present = _lengths(cells)
        self._present += present
        if not present:
            return
        found = candidates(_long_enough(min(longest, LONGEST_OF_SHORTEST)), cells)
        judged = {kind: rows for kind, rows in found.items() if kind in identifiers()}
        for kind, rows in {**judged, **dict(self._in_context(cells, judged))}.items():
            self._judge(kind, cells, rows, first_row)
        for row, kind, example in uncovered(cells, found):
            self._tally(kind).note(first_row + row, example)
        self._judge_names(cells, first_row)

    def _in_context(self, cells: Cells, found: Mapping[str, Rows]) -> Iterator[tuple[str, Rows]]:
        for kind in self._context:
            pattern = identifiers()[kind].context_pattern
            if pattern is not None:
                hit = np.flatnonzero(sure(pc.match_substring_regex(cells, pattern)).to_numpy(zero_copy_only=False))
                yield kind, np.union1d(hit, found[kind]) if kind in found else hit

    def _tally(self, kind: str) -> _Tally:
        return self._tallies.setdefault(kind, _Tally())

    def _judge(self, kind: str, cells: Cells, rows: Rows, first_row: int) -> None:
        identifier, tally = identifiers()[kind], self._tally(kind)
        sample = _spread(len(rows), tally.judged + tally.unjudged, JUDGED_CELLS, JUDGED_AFTER)
        tally.unjudged += len(rows) - len(sample)
        for row in rows[sample].tolist():
            cell = cells[row].as_py()
            tally.judged += 1
            value = _value(identifier, cell, fits=kind in self._context)
            if value is not None:
                tally.note(first_row + row, shape(value))

    def _judge_names(self, cells: Cells, first_row: int) -> None:
        sample = _spread(len(cells), self._name_cells, NAME_CELLS, NAME_CELLS_AFTER)
        self._name_cells += len(cells)
        tally = self._tally(NAME)
        chosen = cells if len(sample) == len(cells) else cells.take(pa.array(sample))
        tally.judged += len(chosen)
        tally.unjudged += len(cells) - len(chosen)
        for value, positions in _by_value(chosen):
            if self._is_name(value):
                for position in positions:
                    tally.note(first_row + int(sample[position]), shape(value))

    def _is_name(self, cell: str) -> bool:
        if is_name_cell(cell, Where.IN_CONTEXT if NAME in self._context else Where.ELSEWHERE):
            return True
        if len(cell.split()) <= RUNNING_WORDS or self._running_letters > NAME_LETTERS_IN_CELLS:
            return False
        self._running_letters += len(cell)
        return bool(find_names(cell))

    def suspicions(self) -> tuple[Suspicion, ...]:
        """Return what was found, the most certain kind first; nothing for an empty column."""
        found = [self._suspicion(kind) for kind in identifiers() if self._tallies.get(kind, _Tally()).count]
        covered = {identifiers()[s.kind].covers for s in found if s.personal}
        return tuple(s for s in found if s.kind not in covered)

    def _suspicion(self, kind: str) -> Suspicion:
        tally, identifier = self._tallies[kind], identifiers()[kind]
        share = min(1.0, tally.count / self._present)
        count, least = identifier.count, identifier.share
        if kind in self._context:
            count, least = identifier.context_count, identifier.context_share
        personal = identifier.certainty == "direct" and tally.count >= count and share >= least
        return Suspicion(kind, tally.count, share, personal, tally.example, tally.rows[0], tuple(tally.rows))


def _lengths(cells: Cells) -> tuple[int, int]:
    lengths = pc.binary_length(cells)
    longest = pc.max(lengths).as_py()
    return longest or 0, int(pc.sum(pc.greater(lengths, 0)).as_py() or 0)


def _by_value(cells: Cells) -> Iterator[tuple[str, list[int]]]:
    """Yield each value that starts with a capital, with its positions."""
    positions: dict[str, list[int]] = {}
    for position in np.flatnonzero(sure(pc.match_substring_regex(cells, CAPITAL)).to_numpy(zero_copy_only=False)):
        positions.setdefault(cells[int(position)].as_py(), []).append(int(position))
    yield from positions.items()


def _value(identifier: Identifier, cell: str, *, fits: bool) -> str | None:
    if fits and fits_context(identifier, cell):
        return cell
    span = next(matches(identifier, cell), None)
    return cell[span[0] : span[1]] if span is not None else None


def _spread(count: int, seen: int, first: int, after: int) -> Rows:
    """Return the positions to judge of the next `count`: all of the first ones, then one in `after`."""
    whole = min(count, max(0, first - seen))
    phase = -(seen + whole - first) % after
    return np.concatenate([np.arange(whole), np.arange(whole + phase, count, after)]).astype(np.int64)


class TextScan:
    """Looks for identifiers in running text; `add` the documents in order, then ask for the `suspicions`."""

    def __init__(self) -> None:
        self._documents = 0
        self._letters = 0
        self._named_letters = 0
        self._tallies: dict[str, _Tally] = {}

    def add(self, texts: Cells | Iterable[str], first_row: int) -> None:
        """Look through the next documents, the first of which stands in `first_row`."""
        cells: Cells = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.large_string())
        self._documents += len(cells)
        found = candidates(anywhere("texts"), cells)
        kinds: dict[int, list[str]] = {}
        for kind in identifiers():
            for row in found.get(kind, np.empty(0, np.int64)).tolist():
                kinds.setdefault(row, []).append(kind)
        for row, looked_for in kinds.items():
            self._judge(cells, row, looked_for, first_row)
        for row, kind, _example in uncovered(cells, found):
            self._tallies.setdefault(kind, _Tally()).note(first_row + row, "")
        for row in range(len(cells)):
            self._judge_names(cells, row, first_row)

    def _judge(self, cells: Cells, row: int, kinds: list[str], first_row: int) -> None:
        open_kinds = [kind for kind in kinds if self._still_judged(kind)]
        if not open_kinds:
            return
        spans = find(cells[row].as_py() or "", open_kinds)
        for kind in {span.kind for span in spans}:
            self._tallies[kind].note(first_row + row, "", sum(span.kind == kind for span in spans))

    def _still_judged(self, kind: str) -> bool:
        tally = self._tallies.setdefault(kind, _Tally())
        judge = bool(len(_spread(1, tally.judged + tally.unjudged, JUDGED_TEXTS, JUDGED_AFTER)))
        tally.judged += judge
        tally.unjudged += not judge
        return judge

    def _judge_names(self, cells: Cells, row: int, first_row: int) -> None:
        tally = self._tallies.setdefault(NAME, _Tally())
        size = cells[row].as_buffer()
        letters = size.size if size is not None else 0
        self._letters += letters
        if self._named_letters > NAME_LETTERS + self._letters // NAME_LETTERS_AFTER:
            tally.unjudged += 1
            return
        text = plain(cells[row].as_py() or "")[:NAME_LETTERS]
        self._named_letters += len(text)
        tally.judged += 1
        names = find_names(text)
        if names:
            tally.note(first_row + row, "", len(names))

    def suspicions(self) -> tuple[TextSuspicion, ...]:
        """Return what was found, the most certain kind first; nothing for an empty collection."""
        return tuple(self._suspicion(kind) for kind in identifiers() if self._tallies.get(kind, _Tally()).count)

    def _suspicion(self, kind: str) -> TextSuspicion:
        tally, identifier = self._tallies[kind], identifiers()[kind]
        documents = tally.count
        dense = documents >= identifier.text_count and documents / self._documents >= identifier.text_share
        values = round(tally.values * documents / tally.held)
        personal = dense and identifier.certainty == "direct"
        return TextSuspicion(kind, values, documents, tally.rows[0], tuple(tally.rows), personal)
