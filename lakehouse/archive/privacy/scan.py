"""Looks through the cells of a column or the texts of a collection chunk by chunk, in bounded memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, bounds_of, bytes_of, sure
from lakehouse.archive.privacy.asked import LONGEST_OF_SHORTEST, anywhere, behind_sieve, behind_wide_sieve
from lakehouse.archive.privacy.bounded import Bounds, Lengths, bounds_of_bytes, could_fit, which_could_fit
from lakehouse.archive.privacy.confirm import Where
from lakehouse.archive.privacy.digits import with_ascii_digits
from lakehouse.archive.privacy.disguise import LOOKED_AT, OTHER_DIGITS, VEILS, plain, uncovered
from lakehouse.archive.privacy.engine import NOWHERE, Patterns, Rows, candidates, either, fitting, in_columns, is_ascii
from lakehouse.archive.privacy.finder import NAME, find, fits_context, matches
from lakehouse.archive.privacy.kinds import Identifier, identifiers, kinds_in_context
from lakehouse.archive.privacy.names import find_names, is_name_cell
from lakehouse.archive.privacy.plain_cells import plain as plain_cells
from lakehouse.archive.privacy.sampled import ROWS_KEPT, Tally

# Cells of one kind that an exact pattern fits, judged one by one in a column; then one in 64 of those that it may fit.
JUDGED_CELLS, JUDGED_AFTER = 5_000, 64
JUDGED_TEXTS = 500
# Names are judged in the first cells and letters, and in an evenly spread part of what follows.
NAME_CELLS, NAME_CELLS_AFTER = 2_000, 512
# Where a row has several cells, one in dozens may be the one that names somebody.
NAME_CELLS_AFTER_OF_SEVERAL = 64
NAME_LETTERS, NAME_LETTERS_EVERY = 200_000, 1_000_000
NAME_LETTERS_IN_CELLS = 50_000
RUNNING_WORDS = 4
SHORTEST_NAME = 3
# Compiling the one for all scripts takes longer than asking it of a whole chunk.
CAPITAL, CAPITAL_IN_ASCII = r"\p{Lu}\pL", "[A-Z][A-Za-z]"
FIRST_CAPITAL, LAST_CAPITAL = b"AZ"
TITLE = "title"
# Few cells are looked at with those of later blocks: each look has its own cost, however few they are.
WAITING_BYTES = 1 << 16
NO_HEADS: Mapping[str, Sequence[str]] = MappingProxyType({})


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


def _plainly(cells: Cells) -> Cells:
    """Return the cells as `string` without nulls."""
    return (cells.fill_null("") if cells.null_count else cells).cast(pa.string())


def _patterns_for(where: str, longest: int, bounds: Bounds | None) -> list[Patterns]:
    """Return the patterns asked of every cell, and those behind each sieve, that cells of these bounds could hold."""
    longest = min(longest, LONGEST_OF_SHORTEST)
    groups = [patterns(where, longest) for patterns in (anywhere, behind_sieve, behind_wide_sieve)]
    return groups if bounds is None else [which_could_fit(patterns, bounds) for patterns in groups]


def _anything_in(
    where: str, cells: Cells, longest: int = LONGEST_OF_SHORTEST, bounds: Bounds | None = None
) -> dict[str, Rows]:
    direct, sieved, widely = _patterns_for(where, longest, bounds)
    return dict(candidates(direct, cells, sieved, widely))


def _looked_for(where: str, cells: Cells, longest: int, bounds: Bounds | None = None) -> dict[str, Rows]:
    """Return where something may stand, by kind or disguise."""
    found = _anything_in(where, cells, longest, bounds)
    if bounds is None and not is_ascii(cells):
        found.update(candidates(VEILS, cells))
    return found


def _looked_for_among(rest: Rows, cells: Cells, longest: int, bounds: Bounds | None = None) -> dict[str, Rows]:
    """Return where something may stand in some of the cells of a column."""
    if len(rest) == len(cells):
        return _looked_for("columns", cells, longest, bounds)
    found = _looked_for("columns", cells.take(pa.array(rest, pa.int64())), longest)
    return {kind: rest[rows] for kind, rows in found.items()}


@dataclass(frozen=True, slots=True)
class _RowsOf:
    """In which rows cells stand: as many after the first one as is said, or one after another."""

    first: int
    after: Rows | None

    def at(self, positions: Rows) -> Rows:
        """Return the rows of cells at some positions."""
        return self.first + (positions if self.after is None else self.after[positions])


class ColumnScan:
    """Looks for identifiers in one column; `add` its cells in order, then ask for the `suspicions`.

    Where a row has several cells, each is judged by itself, and counts and shares are of rows.
    """

    def __init__(self, name: str, description: str = "") -> None:
        self._name, self._description = name, description
        self._context = kinds_in_context(name, description)
        self._several = False
        self._present = 0
        self._running_letters = 0
        self._waiting: list[tuple[Cells, Rows]] = []
        self._tallies: dict[str, Tally] = {}

    def clears(self, values: Cells) -> bool:
        """Say whether a few values hold nothing of any kind, so that cells with one of them need no look."""
        if len(values) > NAME_CELLS or values.nbytes > NAME_LETTERS_IN_CELLS:
            return False  # not each of them would be looked at in full
        alone = ColumnScan(self._name, self._description)
        for first in range(0, len(values), LOOKED_AT):
            alone.add(values[first : first + LOOKED_AT], first)
        return not alone.suspicions()

    def add(
        self,
        cells: Cells,
        first_row: int,
        after: Rows | None = None,
        odd: Rows | None = None,
        among: Rows | None = None,
    ) -> None:
        """Look through the next cells, the first of which stands in `first_row`.

        `after` says of each how many rows after it the cell stands, in order; None says that each row has one. `odd`,
        where known, are the positions of the only cells that may be no plain number or day, `among` those of the only
        ones that may hold anything.
        """
        cells = _plainly(cells)
        lengths = np.diff(bounds_of(cells))
        self._several |= after is not None
        there = int(np.count_nonzero(lengths))
        rows_of = _RowsOf(first_row, after)
        self._present += _different(rows_of.at(np.flatnonzero(lengths))) if self._several else there
        if among is None and not self._context:
            among = odd
        if among is not None:
            self._add_some(cells, among, rows_of)
        elif there:
            self._look_at_waiting()
            self._look(cells, lengths, rows_of, odd)

    def _add_some(self, cells: Cells, among: Rows, rows_of: _RowsOf) -> None:
        """Keep some of the cells until there are enough for a look at them."""
        if not len(among):
            return
        self._waiting.append((cells.take(pa.array(among, pa.int64())), rows_of.at(among)))
        if sum(some.nbytes for some, _ in self._waiting) > WAITING_BYTES:
            self._look_at_waiting()

    def _look_at_waiting(self) -> None:
        if not self._waiting:
            return
        cells = pa.concat_arrays([some for some, _ in self._waiting])
        rows = np.concatenate([rows for _, rows in self._waiting])
        self._waiting.clear()
        lengths = np.diff(bounds_of(cells))
        if lengths.any():
            self._look(cells, lengths, _RowsOf(0, rows))

    def _look(self, cells: Cells, lengths: Lengths, rows_of: _RowsOf, odd: Rows | None = None) -> None:
        """Look through cells of which not all are empty."""
        bounds = bounds_of_bytes(cells, lengths)
        if bounds is not None and not self._could_hold(bounds, int(lengths.max())):
            return
        rest = np.flatnonzero(~plain_cells(cells)) if odd is None else odd
        found = _looked_for_among(rest, cells, int(lengths.max()), bounds) if len(rest) else {}
        clear = with_ascii_digits(cells, found[OTHER_DIGITS]) if OTHER_DIGITS in found else None
        if clear is not None:
            cells, found = clear, _looked_for_among(rest, clear, int(lengths.max()))
        judged = {kind: rows for kind, rows in found.items() if kind in identifiers()}
        for kind, rows in {**judged, **dict(self._in_context(cells, judged, bounds))}.items():
            self._judge(kind, cells, rows, rows_of)
        for row, kind, example, likely in uncovered(cells, found, partial(_anything_in, "columns")):
            self._tally(kind).note_disguised(int(rows_of.at(np.array([row]))[0]), example, likely)
        self._judge_names(cells, rest[lengths[rest] >= SHORTEST_NAME], rows_of, bounds)

    def _could_hold(self, bounds: Bounds, longest: int) -> bool:
        """Say whether cells of these bounds could hold a name, or anything else that is looked for."""
        whole = (identifiers()[kind].context_pattern for kind in self._context)
        fits = any(pattern is not None and could_fit(pattern, bounds) for pattern in whole)
        return fits or bounds.has_capital or any(_patterns_for("columns", longest, bounds))

    def _in_context(self, cells: Cells, found: Mapping[str, Rows], bounds: Bounds | None) -> Iterator[tuple[str, Rows]]:
        for kind in self._context:
            pattern = identifiers()[kind].context_pattern
            if pattern is not None:
                hit = in_columns(pattern, cells) if bounds is None or could_fit(pattern, bounds) else NOWHERE
                yield kind, either(hit, found.get(kind, NOWHERE))

    def _tally(self, kind: str) -> Tally:
        return self._tallies.setdefault(kind, Tally())

    def _judge(self, kind: str, cells: Cells, rows: Rows, rows_of: _RowsOf) -> None:
        identifier, tally, fits = identifiers()[kind], self._tally(kind), kind in self._context
        whole = JUDGED_CELLS - tally.seen
        if not fits and whole > 0:
            # So that cells which only may hold one, however many, use up nothing of what is judged.
            rows = rows[_fitting(identifier, cells, rows)]
        sample = tally.take(len(rows), JUDGED_CELLS, JUDGED_AFTER)
        if not fits and whole <= 0:
            sample = sample[_fitting(identifier, cells, rows[sample])]
        chosen = rows[sample]
        rows_held = rows_of.at(chosen)
        for position, value in _held(identifier, cells.take(pa.array(chosen, pa.int64())), fits=fits):
            tally.note(int(rows_held[position]), value, sampled=int(sample[position]) >= whole)

    def _judge_names(self, cells: Cells, rows: Rows, rows_of: _RowsOf, bounds: Bounds | None) -> None:
        """Judge some of the cells that may hold a name; empty ones, numbers and bare codes use up nothing."""
        tally = self._tally(NAME)
        whole = NAME_CELLS - tally.seen
        after = NAME_CELLS_AFTER_OF_SEVERAL if self._several else NAME_CELLS_AFTER
        sample = tally.take(len(rows), NAME_CELLS, after)
        if not len(sample) or (bounds is not None and not bounds.has_capital):
            return
        chosen = rows[sample]
        values = _by_value(cells.take(pa.array(chosen, pa.int64())))
        names = ((position, value) for value, positions in values if self._is_name(value) for position in positions)
        rows_held = rows_of.at(chosen)
        for position, value in sorted(names):
            tally.note(int(rows_held[position]), value, sampled=int(sample[position]) >= whole)

    def _is_name(self, cell: str) -> bool:
        if is_name_cell(cell, Where.IN_CONTEXT if NAME in self._context else Where.ELSEWHERE):
            return True
        if len(cell.split()) <= RUNNING_WORDS or self._running_letters > NAME_LETTERS_IN_CELLS:
            return False
        self._running_letters += len(cell)
        return bool(find_names(cell))

    def suspicions(self) -> tuple[Suspicion, ...]:
        """Return what was found, the most certain kind first; nothing for an empty column."""
        self._look_at_waiting()
        found = [self._suspicion(kind) for kind in identifiers() if self._tallies.get(kind, Tally()).count]
        covered = {identifiers()[s.kind].covers for s in found if s.personal}
        return tuple(s for s in found if s.kind not in covered)

    def _suspicion(self, kind: str) -> Suspicion:
        tally, identifier = self._tallies[kind], identifiers()[kind]
        seen = min(tally.row_count, self._present) if self._several else tally.count
        share = min(1.0, seen / self._present)
        count, least = identifier.count, identifier.share
        if kind in self._context:
            count, least = identifier.context_count, identifier.context_share
        personal = identifier.certainty == "direct" and seen >= count and share >= least
        return Suspicion(kind, seen, share, personal, tally.example, tally.rows[0], tuple(tally.rows))


def _different(ordered: Rows) -> int:
    return int(np.count_nonzero(np.diff(ordered))) + 1 if len(ordered) else 0


def _by_value(cells: Cells) -> Iterator[tuple[str, list[int]]]:
    """Yield each value that starts with a capital, with its positions."""
    positions: dict[str, list[int]] = {}
    data = bytes_of(cells)
    ascii_only = is_ascii(cells)
    if ascii_only and not ((data >= FIRST_CAPITAL) & (data <= LAST_CAPITAL)).any():
        return
    capital = CAPITAL_IN_ASCII if ascii_only else CAPITAL
    for position in np.flatnonzero(sure(pc.match_substring_regex(cells, capital)).to_numpy(zero_copy_only=False)):
        positions.setdefault(cells[int(position)].as_py(), []).append(int(position))
    yield from positions.items()


def _fitting(identifier: Identifier, cells: Cells, rows: Rows) -> Rows:
    """Return which of the rows an exact pattern of the kind fits."""
    return fitting(identifier.exact, cells.take(pa.array(rows, pa.int64())))


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


class TextScan:
    """Looks for identifiers in running text; `add` the documents in order, then ask for the `suspicions`.

    What stands beside a text and is none, as its title, is looked at as a cell of a column.
    """

    def __init__(self) -> None:
        self._heads: dict[str, ColumnScan] = {}
        self._documents = 0
        self._letters = 0
        self._tallies: dict[str, Tally] = {}

    def add(self, texts: Cells | Iterable[str], first_row: int, heads: Mapping[str, Sequence[str]] = NO_HEADS) -> None:
        """Look through the next documents, the first of which stands in `first_row`; `heads` stand beside them."""
        for name, head in heads.items():
            self._heads.setdefault(name, ColumnScan(name)).add(pa.array(head, pa.string()), first_row)
        cells = _plainly(texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string()))
        self._documents += len(cells)
        found = _looked_for("texts", cells, LONGEST_OF_SHORTEST)
        clear = with_ascii_digits(cells, found[OTHER_DIGITS]) if OTHER_DIGITS in found else None
        if clear is not None:
            cells, found = clear, _looked_for("texts", clear, LONGEST_OF_SHORTEST)
        kinds: dict[int, dict[str, bool]] = {}
        for kind in (kind for kind in identifiers() if kind in found):
            for row, sampled in self._judged(kind, cells, found[kind]):
                kinds.setdefault(row, {})[kind] = sampled
        for row in sorted(kinds):
            self._judge(cells, row, kinds[row], first_row)
        for row, kind, _example, likely in uncovered(cells, found, partial(_anything_in, "texts")):
            self._tallies.setdefault(kind, Tally()).note_disguised(first_row + row, "", likely)
        self._judge_names(cells, first_row)

    def _judge(self, cells: Cells, row: int, kinds: Mapping[str, bool], first_row: int) -> None:
        spans = find(cells[row].as_py(), kinds)
        for kind in {span.kind for span in spans}:
            count = sum(span.kind == kind for span in spans)
            self._tallies[kind].note(first_row + row, "", count, sampled=kinds[kind])

    def _judged(self, kind: str, cells: Cells, rows: Rows) -> list[tuple[int, bool]]:
        """Return the documents to judge of those that may hold the kind, and whether each is one of a sample.

        Those that no exact pattern fits are left out.
        """
        tally = self._tallies.setdefault(kind, Tally())
        whole = JUDGED_TEXTS - tally.seen
        sample = tally.take(len(rows), JUDGED_TEXTS, JUDGED_AFTER)
        sample = sample[_fitting(identifiers()[kind], cells, rows[sample])]
        return list(zip(rows[sample].tolist(), (sample >= whole).tolist(), strict=True))

    def _judge_names(self, cells: Cells, first_row: int) -> None:
        """Judge the first documents, then each one in which a new stretch of so many letters begins."""
        tally = self._tallies.setdefault(NAME, Tally())
        ends = self._letters + np.cumsum(np.diff(bounds_of(cells)), dtype=np.int64)
        before = np.concatenate([[self._letters], ends[:-1]]) if len(ends) else ends
        chosen = np.flatnonzero((before < NAME_LETTERS) | (ends // NAME_LETTERS_EVERY > before // NAME_LETTERS_EVERY))
        later = before[chosen] >= NAME_LETTERS
        self._letters = int(ends[-1]) if len(ends) else self._letters
        tally.add(len(cells), len(chosen), int(later.sum()))
        texts = cells.take(pa.array(chosen, pa.int64())).to_pylist()
        for row, text, sampled in zip(chosen.tolist(), texts, later.tolist(), strict=True):
            names = find_names(plain(str(text)[:NAME_LETTERS]))
            if names:
                tally.note(first_row + row, "", len(names), sampled=sampled)

    def suspicions(self) -> tuple[TextSuspicion, ...]:
        """Return what was found, the most certain kind first; nothing for an empty collection."""
        beside: dict[str, dict[str, Suspicion]] = {}
        for head, one in ((head, one) for head, scan in self._heads.items() for one in scan.suspicions()):
            beside.setdefault(one.kind, {})[head] = one
        kinds = [kind for kind in identifiers() if self._tallies.get(kind, Tally()).count or kind in beside]
        return tuple(self._suspicion(kind, beside.get(kind, {})) for kind in kinds)

    def _suspicion(self, kind: str, beside: Mapping[str, Suspicion]) -> TextSuspicion:
        """Join what was found in texts and beside them; a document that has it in both may count twice."""
        tally, identifier = self._tallies.get(kind, Tally()), identifiers()[kind]
        in_heads = sum(one.count for one in beside.values())
        documents = min(self._documents, tally.count + in_heads)
        # A title that is a name says whom the text is about, as in an encyclopaedia: it may only warn.
        weighed = documents
        if kind == NAME and TITLE in beside:
            weighed = min(self._documents, tally.count + in_heads - beside[TITLE].count)
        dense = weighed >= identifier.text_count and weighed / self._documents >= identifier.text_share
        values = in_heads + (round(tally.values * tally.count / tally.noted) if tally.noted else 0)
        rows = sorted({*tally.rows, *(row for one in beside.values() for row in one.rows)})[:ROWS_KEPT]
        personal = dense and identifier.certainty == "direct"
        return TextSuspicion(kind, values, documents, rows[0], tuple(rows), personal)
