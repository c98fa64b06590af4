"""Counts what was found of one kind where the first cells or texts are all judged, and of later ones a sample."""

from dataclasses import dataclass, field

import numpy as np

from lakehouse.archive.privacy.engine import Rows
from lakehouse.archive.privacy.showing import shape

ROWS_KEPT = 100
# 2^64 by the golden ratio: its multiples spread most evenly (Knuth, The Art of Computer Programming 3, 6.4).
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
# How much of what held among the first ones counts where few of the later ones were judged.
FORMER = 4


@dataclass(slots=True)
class Tally:
    """What was found of one kind so far; `sampled` were judged among many of which the others are `unjudged`."""

    judged: int = 0
    held: int = 0
    sampled: int = 0
    held_in_sample: int = 0
    unjudged: int = 0
    disguised: int = 0
    likely: float = 0.0
    values: int = 0
    example: str = ""
    rows: list[int] = field(default_factory=list)
    rows_held: int = 0
    last: int = -1

    @property
    def seen(self) -> int:
        """Cells or texts that may hold, judged or not."""
        return self.judged + self.unjudged

    @property
    def noted(self) -> int:
        """Cells or texts in which a value was seen."""
        return self.held + self.disguised

    @property
    def count(self) -> int:
        """Cells or texts that hold, those not judged counted by the share that held in the sample from among them."""
        before, held_before = self.judged - self.sampled, self.held - self.held_in_sample
        share = held_before / before if before else 0.0
        share = (self.held_in_sample + FORMER * share) / (self.sampled + FORMER)
        return self.noted + round(self.likely + self.unjudged * share)

    @property
    def row_count(self) -> int:
        """Rows that hold, where a row has several cells: from where all cells were judged it is known how many hold."""
        before = self.held - self.held_in_sample
        return round(self.count * (self.rows_held / before if before else 1.0))

    def take(self, count: int, first: int, after: int) -> Rows:
        """Return the positions to judge of the next `count`: all up to the `first` ones, then one in `after`."""
        chosen = _spread(count, self.seen, first, after)
        self.add(count, len(chosen), len(chosen) - min(count, max(0, first - self.seen)))
        return chosen

    def add(self, count: int, judged: int, sampled: int) -> None:
        """Count as many cells or texts, of which some are judged, and some of these as a sample."""
        self.judged += judged
        self.sampled += sampled
        self.unjudged += count - judged

    def note(self, row: int, example: str, values: int = 1, *, sampled: bool = False) -> None:
        """Count one cell or text that was judged and holds; of the first one the shape is kept."""
        self.held += 1
        self.held_in_sample += sampled
        if not sampled and row != self.last:
            self.rows_held, self.last = self.rows_held + 1, row
        self._keep(row, example, values)

    def note_disguised(self, row: int, example: str, likely: float) -> None:
        """Count one in which a value shows behind a disguise, and as many more as `likely`."""
        self.disguised += 1
        self.likely += likely
        self._keep(row, example, 1)

    def _keep(self, row: int, example: str, values: int) -> None:
        self.values += values
        if not self.rows:
            self.example = shape(example) if example else ""
        if len(self.rows) < ROWS_KEPT:
            self.rows.append(row)


def _spread(count: int, seen: int, first: int, after: int) -> Rows:
    """Return the positions to judge of the next `count`: all of the first ones, then one of each `after`.

    Which one changes from one to the next, for what comes in turns would else be met always or never.
    """
    whole = min(count, max(0, first - seen))
    start, end = seen + whole, seen + count
    blocks = np.arange(start // after, -(-end // after), dtype=np.uint64)
    places = (blocks * np.uint64(after) + (blocks * GOLDEN >> np.uint64(40)) % np.uint64(after)).astype(np.int64)
    chosen = places[(places >= start) & (places < end)] - seen
    return np.concatenate([np.arange(whole), chosen]).astype(np.int64)
