"""What goes on while services are restarted: writers that publish, and readers that look at what is shown."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa

from lakehouse.definition import Column, TableDefinition
from lakehouse.errors import TransientError
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish

ORIGIN = Provenance(run_id="restarts", code_commit="0" * 40)
LINES = 3
"""Rows of one submission, so that a half of one can be told."""
PATIENCE_S = 240.0
"""How long a submission may be refused and handed in again."""
AGAIN_S = 0.2
TABLE = TableDefinition(
    name="gold.restarts",
    grain="one row a line of a submission",
    key=("submission", "line"),
    columns=(
        Column("submission", pa.string(), "Writer and number.", nullable=False),
        Column("line", pa.int64(), "Line of the submission.", nullable=False),
    ),
)
Look = Callable[[], Iterable[tuple[str, int]]]
"""Returns the rows of the table as somebody sees them; raises TransientError when it may not be seen now."""


@dataclass
class Traffic:
    """Publishes `appends` submissions for each of `writers`, and judges all that is seen meanwhile."""

    writers: int
    appends: int
    acknowledged: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    looks: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)
    broken: list[BaseException] = field(default_factory=list)
    _begun: int = 0
    _turn: threading.Condition = field(default_factory=threading.Condition)
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def submissions(self) -> list[str]:
        return sorted(f"w{writer}-{number}" for writer in range(self.writers) for number in range(self.appends))

    def go_on(self) -> None:
        """Let each writer hand in one submission more; raise what broke in a thread."""
        if self.broken:
            raise self.broken[0]
        with self._turn:
            self._begun += 1
            self._turn.notify_all()

    def finish(self) -> None:
        """Let the writers hand in all that is left."""
        with self._turn:
            self._begun = self.appends
            self._turn.notify_all()

    def write(self, writer: int, house: Lakehouse) -> None:
        """Hand in the submissions of one writer, each again until it is acknowledged, as callers are told to."""
        for number in range(self.appends):
            with self._turn:
                self._turn.wait_for(lambda number=number: self._begun > number)
            key = f"w{writer}-{number}"
            self.hand_in(house, key)
            self.acknowledged.append(key)

    def hand_in(self, house: Lakehouse, key: str) -> bool:
        """Publish one submission; say whether that changed anything."""
        rows = pa.table({"submission": [key] * LINES, "line": range(LINES)})
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                return write_audit_publish(house, [TableWrite(TABLE, rows)], key=key, provenance=ORIGIN).changed
            except TransientError as error:
                self.refused[f"{type(error).__name__}: {error}"[:90]] += 1
                if time.monotonic() > end:
                    raise
            time.sleep(AGAIN_S)

    def watch(self, who: str, look: Look) -> None:
        """Look again and again until all is over; nobody may see half of a submission, one twice, or one less."""
        seen: set[str] = set()
        while not self._over.is_set():
            try:
                rows = list(look())
            except TransientError as error:
                self.unseen[f"{who}: {type(error).__name__}"] += 1
            else:
                self.looks[who] += 1
                assert len(rows) == len(set(rows)), f"{who} saw a row twice"
                lines = Counter(submission for submission, _ in rows)
                half = {one: count for one, count in lines.items() if count != LINES}
                assert not half, f"{who} saw {half} of {LINES} rows"
                assert lines.keys() <= set(self.submissions), f"{who} saw what nobody handed in"
                assert seen <= lines.keys(), f"{who} misses {seen - lines.keys()}, which it saw before"
                seen |= lines.keys()
            self._over.wait(AGAIN_S)

    @contextmanager
    def going(self, houses: Callable[[], Lakehouse], looks: dict[str, Look]) -> Iterator[None]:
        """Write and watch in threads while the block goes on, and until all is handed in; raise what broke in them."""

        def run(work: Callable[[], None]) -> None:
            try:
                work()
            except BaseException as error:  # whatever it is, it is raised by `go_on`, or where `going` ends
                self.broken.append(error)
                raise

        def write(writer: int) -> None:
            house = houses()
            try:
                self.write(writer, house)
            finally:
                house.tables.close()

        writing = [threading.Thread(target=run, args=(lambda n=n: write(n),)) for n in range(self.writers)]
        looking = [
            threading.Thread(target=run, args=(lambda who=who, look=look: self.watch(who, look),))
            for who, look in looks.items()
        ]
        for thread in (*writing, *looking):
            thread.start()
        try:
            yield
        finally:
            self.finish()
            for thread in writing:
                thread.join()
            self._over.set()
            for thread in looking:
                thread.join()
        if self.broken:
            raise self.broken[0]
