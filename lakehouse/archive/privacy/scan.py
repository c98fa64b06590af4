"""Looks through the cells of a column or the texts of a collection chunk by chunk, in bounded memory."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, bounds_of, sure
from lakehouse.archive.privacy.confirm import Where
from lakehouse.archive.privacy.disguise import CODES, VEILS, plain, uncovered
from lakehouse.archive.privacy.engine import NOWHERE, Patterns, Rows, candidates, either, fitting, in_columns, is_ascii
from lakehouse.archive.privacy.finder import NAME, find, fits_context, matches
from lakehouse.archive.privacy.kinds import Identifier, has_context, identifiers
from lakehouse.archive.privacy.names import find_names, is_name_cell
from lakehouse.archive.privacy.plain_cells import plain as plain_cells
from lakehouse.archive.privacy.showing import shape

ROWS_KEPT = 100
# Cells of one kind judged one by one in a column; then one in 64 is, and the others are counted by the share that held.
JUDGED_CELLS, JUDGED_AFTER = 5_000, 64
JUDGED_TEXTS = 500
# Names are judged in the first cells and letters, and in an evenly spread part of what follows.
NAME_CELLS, NAME_CELLS_AFTER = 2_000, 512
NAME_LETTERS, NAME_LETTERS_EVERY = 200_000, 1_000_000
NAME_LETTERS_IN_CELLS = 50_000
RUNNING_WORDS = 4
# No cue with its value fits into fewer bytes.
SHORTEST_CUE = 6
SHORTEST_NAME = 3
# Compiling the one for all scripts takes longer than asking it of a whole chunk.
CAPITAL, CAPITAL_IN_ASCII = r"\p{Lu}\pL", "[A-Z][A-Za-z]"
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
        """Count one cell or text; of the first one the shape is kept."""
        self.held += 1
        self.values += values
        if not self.rows:
            self.example = shape(example) if example else ""
        if len(self.rows) < ROWS_KEPT:
            self.rows.append(row)


@cache
def anywhere(where: str, longest: int = LONGEST_OF_SHORTEST) -> Patterns:
    """Return the patterns looked for in every cell of columns, or of texts, that may stand in so many bytes."""
    return tuple(_patterns(where, longest, sieved=False))


@cache
def behind_sieve(where: str, longest: int = LONGEST_OF_SHORTEST) -> Patterns:
    """Return the further patterns, looked for only in cells that pass the sieve."""
    return tuple(_patterns(where, longest, sieved=True))


def _patterns(where: str, longest: int, *, sieved: bool) -> Iterator[tuple[str, str]]:
    if not sieved and longest >= SHORTEST_CUE:
        yield from CODES
    for kind, identifier in identifiers().items():
        if identifier.where not in ("everywhere", where):
            continue
        for pattern in identifier.loose:
            whole = pattern in (identifier.probe, identifier.pattern)
            least = identifier.shortest if whole else SHORTEST_CUE
            if least <= longest and (whole and identifier.sieved) == sieved:
                yield kind, pattern


def _plainly(cells: Cells) -> Cells:
    """Return the cells as `string` without nulls."""
    return (cells.fill_null("") if cells.null_count else cells).cast(pa.string())


def _anything_in(where: str, cells: Cells, longest: int = LONGEST_OF_SHORTEST) -> dict[str, Rows]:
    return dict(candidates(anywhere(where, longest), cells, behind_sieve(where, longest)))


def _looked_for(where: str, cells: Cells, longest: int) -> dict[str, Rows]:
    """Return where something may stand, by kind or disguise."""
    found = _anything_in(where, cells, min(longest, LONGEST_OF_SHORTEST))
    if not is_ascii(cells):
        found.update(candidates(VEILS, cells))
    return found


def _looked_for_among(rest: Rows, cells: Cells, longest: int) -> dict[str, Rows]:
    """Return where something may stand in some of the cells of a column."""
    if len(rest) == len(cells):
        return _looked_for("columns", cells, longest)
    found = _looked_for("columns", cells.take(pa.array(rest, pa.int64())), longest)
    return {kind: rest[rows] for kind, rows in found.items()}


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
        cells = _plainly(cells)
        lengths = np.diff(bounds_of(cells))
        self._present += int(np.count_nonzero(lengths))
        if not len(cells) or not lengths.any():
            return
        rest = np.flatnonzero(~plain_cells(cells))
        found = _looked_for_among(rest, cells, int(lengths.max())) if len(rest) else {}
        judged = {kind: rows for kind, rows in found.items() if kind in identifiers()}
        for kind, rows in {**judged, **dict(self._in_context(cells, judged))}.items():
            self._judge(kind, cells, rows, first_row)
        for row, kind, example in uncovered(cells, found, partial(_anything_in, "columns")):
            self._tally(kind).note(first_row + row, example)
        if len(rest) and int(lengths.max()) >= SHORTEST_NAME:
            self._judge_names(cells, first_row)

    def _in_context(self, cells: Cells, found: Mapping[str, Rows]) -> Iterator[tuple[str, Rows]]:
        for kind in self._context:
            pattern = identifiers()[kind].context_pattern
            if pattern is not None:
                hit = in_columns(pattern, cells)
                yield kind, either(hit, found.get(kind, NOWHERE))

    def _tally(self, kind: str) -> _Tally:
        return self._tallies.setdefault(kind, _Tally())

    def _judge(self, kind: str, cells: Cells, rows: Rows, first_row: int) -> None:
        identifier, tally = identifiers()[kind], self._tally(kind)
        sample = _spread(len(rows), tally.judged + tally.unjudged, JUDGED_CELLS, JUDGED_AFTER)
        tally.unjudged += len(rows) - len(sample)
        chosen, fits = rows[sample], kind in self._context
        tally.judged += len(chosen)
        if not fits:
            chosen = _fitted(identifier, cells, chosen)
        for position, value in _held(identifier, cells.take(pa.array(chosen, pa.int64())), fits=fits):
            tally.note(first_row + int(chosen[position]), value)

    def _judge_names(self, cells: Cells, first_row: int) -> None:
        sample = _spread(len(cells), self._name_cells, NAME_CELLS, NAME_CELLS_AFTER)
        self._name_cells += len(cells)
        tally = self._tally(NAME)
        tally.unjudged += len(cells) - len(sample)
        if not len(sample):
            return
        chosen = cells[: len(sample)] if len(sample) == sample[-1] + 1 else cells.take(pa.array(sample, pa.int64()))
        tally.judged += len(chosen)
        for value, positions in _by_value(chosen):
            if self._is_name(value):
                for position in positions:
                    tally.note(first_row + int(sample[position]), value)

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


def _by_value(cells: Cells) -> Iterator[tuple[str, list[int]]]:
    """Yield each value that starts with a capital, with its positions."""
    positions: dict[str, list[int]] = {}
    capital = CAPITAL_IN_ASCII if is_ascii(cells) else CAPITAL
    for position in np.flatnonzero(sure(pc.match_substring_regex(cells, capital)).to_numpy(zero_copy_only=False)):
        positions.setdefault(cells[int(position)].as_py(), []).append(int(position))
    yield from positions.items()


def _fitted(identifier: Identifier, cells: Cells, rows: Rows) -> Rows:
    """Return the positions, of those given, that an exact pattern of the kind fits."""
    return rows[fitting(identifier.exact, cells.take(pa.array(rows, pa.int64())))]


def _held(identifier: Identifier, cells: Cells, *, fits: bool) -> list[tuple[int, str]]:
    """Return which cells hold a value of the kind, and the value."""
    found: list[tuple[int, str]] = []
    open_: list[int] = list(range(len(cells)))
    if identifier.shape_is_enough and not fits:
        # One call for all cells; where the first value does not count, a later one may.
        values = pc.struct_field(pc.extract_regex(cells, f"(?P<value>{identifier.pattern})"), [0])
        holds = pc.is_valid(values)
        if identifier.exclude is not None:
            holds = pc.and_(holds, pc.invert(sure(pc.match_substring_regex(values, identifier.exclude))))
        mask = sure(holds).to_numpy(zero_copy_only=False)
        known = np.flatnonzero(mask).tolist()
        found = list(zip(known, values.take(pa.array(known, pa.int64())).to_pylist(), strict=True))
        open_ = np.flatnonzero(~mask).tolist()
    slow = ((p, _value(identifier, cells[p].as_py(), fits=fits)) for p in open_)
    return sorted([*found, *((p, value) for p, value in slow if value is not None)])


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
        self._tallies: dict[str, _Tally] = {}

    def add(self, texts: Cells | Iterable[str], first_row: int) -> None:
        """Look through the next documents, the first of which stands in `first_row`."""
        cells = _plainly(texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string()))
        self._documents += len(cells)
        found = _looked_for("texts", cells, LONGEST_OF_SHORTEST)
        kinds: dict[int, list[str]] = {}
        for kind in (kind for kind in identifiers() if kind in found):
            for row in self._judged(kind, cells, found[kind]).tolist():
                kinds.setdefault(row, []).append(kind)
        for row in sorted(kinds):
            self._judge(cells, row, kinds[row], first_row)
        for row, kind, _example in uncovered(cells, found, partial(_anything_in, "texts")):
            self._tallies.setdefault(kind, _Tally()).note(first_row + row, "")
        self._judge_names(cells, first_row)

    def _judge(self, cells: Cells, row: int, kinds: list[str], first_row: int) -> None:
        spans = find(cells[row].as_py(), kinds)
        for kind in {span.kind for span in spans}:
            self._tallies[kind].note(first_row + row, "", sum(span.kind == kind for span in spans))

    def _judged(self, kind: str, cells: Cells, rows: Rows) -> Rows:
        """Return the documents to judge of those that may hold the kind, without those that no exact pattern fits."""
        tally = self._tallies.setdefault(kind, _Tally())
        sample = _spread(len(rows), tally.judged + tally.unjudged, JUDGED_TEXTS, JUDGED_AFTER)
        tally.judged += len(sample)
        tally.unjudged += len(rows) - len(sample)
        return _fitted(identifiers()[kind], cells, rows[sample])

    def _judge_names(self, cells: Cells, first_row: int) -> None:
        """Judge the first documents, then each one in which a new stretch of so many letters begins."""
        tally = self._tallies.setdefault(NAME, _Tally())
        ends = self._letters + np.cumsum(np.diff(bounds_of(cells)), dtype=np.int64)
        before = np.concatenate([[self._letters], ends[:-1]]) if len(ends) else ends
        chosen = np.flatnonzero((before < NAME_LETTERS) | (ends // NAME_LETTERS_EVERY > before // NAME_LETTERS_EVERY))
        self._letters = int(ends[-1]) if len(ends) else self._letters
        tally.judged += len(chosen)
        tally.unjudged += len(cells) - len(chosen)
        for row in chosen.tolist():
            names = find_names(plain(cells[row].as_py()[:NAME_LETTERS]))
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
