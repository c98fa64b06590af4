"""Keeps the rows of large tables that were read as a whole, and hands them out again as the batches they came in.

They lie in memory without a name (memfd), sealed once they are complete, so that nobody changes what is handed out.
"""

import fcntl
import logging
import mmap
import os
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator
from typing import NamedTuple
from weakref import finalize

import pyarrow as pa

from lakehouse.endpoint.plain_reads import PlainRead

log = logging.getLogger(__name__)
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class Rows(NamedTuple):
    """The batches of a relation, in its schema, their bytes, and when they were last read (monotonic seconds).

    `ahead` says that they were read before anyone asked for them.
    """

    schema: pa.Schema
    batches: list[pa.RecordBatch]
    size: int
    read_at: float
    ahead: bool


class Kept:
    """At most `most_bytes` of rows in all, streams that still run included; each for `seconds` after its last reading.

    Rows that are read ahead, before anyone asks, take at most `ahead_bytes` of them and nobody's place; they stay for
    as long as they are shown, or until there is no other room for rows that somebody reads.

    Rows are kept by the name of their relation, which is a hash of what it shows, and only while `show` names it: what
    a newer release does not pin, as after a withdrawal, is dropped and never kept again. Others are dropped for rows
    only once their size is known: what does not fit beside the others is measured first, and kept when it is read
    again. Any thread may use it.
    """

    def __init__(self, most_bytes: int, seconds: float, ahead_bytes: int = 0) -> None:
        self.most_bytes = most_bytes
        self.ahead_bytes = min(ahead_bytes, most_bytes)
        self._seconds = seconds
        self._bytes = 0
        self._shown: frozenset[str] = frozenset()
        self._rows: OrderedDict[str, Rows] = OrderedDict()
        self._filling: set[str] = set()
        self._passed_over: set[str] = set()
        self._measured: dict[str, int] = {}
        self._reading: Counter[str] = Counter()
        # Memory is given back wherever the last batch is let go of, this module's own lines included.
        self._lock = threading.RLock()

    @property
    def held_bytes(self) -> int:
        """How much memory is held, for rows that are kept, being written, or dropped and still being sent."""
        return self._bytes

    @property
    def names(self) -> list[str]:
        """The relations whose rows are kept."""
        with self._lock:
            return list(self._rows)

    def show(self, names: Collection[str]) -> None:
        """Say which relations the current release shows as tables; drop the rows of all others."""
        with self._lock:
            self._shown = frozenset(names)
            self._passed_over &= self._shown
            self._measured = {name: size for name, size in self._measured.items() if name in self._shown}
            for name in self._rows.keys() - self._shown:
                del self._rows[name]

    def keep_only(self, names: Collection[str]) -> None:
        """Drop the rows of all other relations, whatever else is shown; none of them is kept again."""
        with self._lock:
            self.show(self._shown.intersection(names))

    def tidy(self) -> None:
        """Drop what nobody has read for long."""
        before = time.monotonic() - self._seconds
        with self._lock:
            for name in [name for name, rows in self._rows.items() if rows.read_at < before and not rows.ahead]:
                del self._rows[name]

    def find(self, read: PlainRead, schema: pa.Schema) -> Iterator[pa.RecordBatch] | None:
        """Return the rows that a statement reads, in its schema; None when they are not kept."""
        with self._lock:
            rows = self._rows.get(read.relation)
            if rows is None:
                return None
            self._rows[read.relation] = rows._replace(read_at=time.monotonic())
            self._rows.move_to_end(read.relation)
        places = read.places(rows.schema.names)
        if places is None or [rows.schema.field(place).type for place in places] != schema.types:
            return None
        return self._handed_out(read, rows.batches, places, schema)

    def filling(self, read: PlainRead, schema: pa.Schema) -> "Filling | None":
        """Return where the rows of a statement can be written to be kept; None when they are not to be."""
        with self._lock:
            name = read.relation
            known = name in self._rows or name in self._filling or name in self._passed_over
            if not read.whole or name not in self._shown or known or not self.most_bytes:
                return None
            return self._begun(name, schema) if self._has_room(self._measured.get(name, 0)) else None

    def filling_ahead(self, name: str, schema: pa.Schema) -> "Filling | None":
        """Return where rows can be written that nobody has asked for yet; None when they are not to be."""
        with self._lock:
            known = name in self._rows or name in self._filling or name in self._passed_over
            taken = sum(rows.size for rows in self._rows.values() if rows.ahead)
            most = min(self.ahead_bytes - taken, self.most_bytes - self._bytes)
            return None if known or not self.shows(name) or most <= 0 else self._begun(name, schema, most)

    def shows(self, name: str) -> bool:
        """Say whether the current release shows a relation as a large table."""
        return name in self._shown

    def _begun(self, name: str, schema: pa.Schema, most_ahead: int | None = None) -> "Filling | None":
        try:
            file = os.memfd_create("rows", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        except OSError as error:
            log.warning("rows are not kept: %s", error)
            return None
        self._filling.add(name)
        return Filling(self, name, schema, file, most_ahead)

    def pass_over(self, name: str) -> None:
        """Do not try to keep a relation's rows again."""
        with self._lock:
            self._passed_over.add(name)

    def room(self, size: int) -> bool:
        """Take memory for rows, where there is some; say whether there was."""
        with self._lock:
            fits = self._bytes + size <= self.most_bytes
            self._bytes += size if fits else 0
            return fits

    def measured(self, name: str, size: int) -> None:
        """Remember how many bytes a relation's rows take that had no room."""
        with self._lock:
            if name in self._shown:
                self._measured[name] = size

    def give_back(self, size: int) -> None:
        """Give memory back."""
        with self._lock:
            self._bytes -= size

    def filled(self, name: str, rows: Rows | None) -> None:
        """End the filling of a relation's rows, with them or without."""
        with self._lock:
            self._filling.discard(name)
            if rows is not None and name in self._shown:
                self._rows[name] = rows

    def _has_room(self, size: int) -> bool:
        """Say whether rows fit; drop others for them, those that were not read for longest first.

        Rows that are just being sent stay, since dropping them frees nothing; and nothing is dropped in vain.
        """
        with self._lock:
            idle = [name for name in self._rows if not self._reading[name]]
            if self._bytes - sum(self._rows[name].size for name in idle) + size > self.most_bytes:
                return False
            for name in idle:
                if self._bytes + size > self.most_bytes:
                    del self._rows[name]
            return True

    def _handed_out(
        self, read: PlainRead, batches: list[pa.RecordBatch], places: list[int], schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        with self._lock:
            self._reading[read.relation] += 1
        try:
            left = read.most
            for batch in batches:
                if left is not None and left <= 0:
                    return
                some = batch if left is None else batch.slice(0, left)
                left = None if left is None else left - some.num_rows
                yield pa.RecordBatch.from_arrays([some.column(place) for place in places], schema=schema)
        finally:
            with self._lock:
                self._reading[read.relation] -= 1
                self._reading += Counter()  # drops those that nobody reads


class Filling:
    """Rows on their way to be kept. They are once `finish` is called, and gone when `close` is called before."""

    def __init__(self, kept: Kept, name: str, schema: pa.Schema, file: int, most_ahead: int | None) -> None:
        self._kept = kept
        self._name = name
        self._schema = schema
        self._sizes: list[int] = []
        self._size = 0
        self._file = file
        self._most_ahead = most_ahead
        self._measuring = False

    @property
    def is_open(self) -> bool:
        """Say whether rows are still written to be kept."""
        return self._file >= 0

    def add(self, body: pa.Buffer, batch: pa.RecordBatch) -> None:
        """Write the message of a batch; give up where its parts do not fit together, only measure without room."""
        self._size += body.size
        if self._file < 0:
            return
        too_much = self._most_ahead is not None and self._size > self._most_ahead
        if too_much or not self._kept.room(body.size):
            self.close()
            self._measuring = True
            return
        self._sizes.append(body.size)
        try:
            batch.validate(full=True)  # an engine wrote it, and it will go to others than the one who asked
            rest = memoryview(body)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except (pa.ArrowInvalid, OSError) as error:
            log.info("rows are not kept relation=%s: %s", self._name, error)
            self._kept.pass_over(self._name)
            self.close()

    def finish(self) -> None:
        """Keep the rows, or how much room they need."""
        if self._measuring:
            self._kept.measured(self._name, self._size)
            log.info("rows have no room now relation=%s bytes=%d", self._name, self._size)
        if self._file < 0:
            return
        size = sum(self._sizes)
        if not size:
            self.close()
            return
        fcntl.fcntl(self._file, fcntl.F_ADD_SEALS, SEALS)
        memory = mmap.mmap(self._file, size, prot=mmap.PROT_READ)
        os.close(self._file)
        self._file = -1
        finalize(memory, self._kept.give_back, size)
        whole, at, batches = pa.py_buffer(memory), 0, []
        for one in self._sizes:
            batches.append(pa.ipc.read_record_batch(whole.slice(at, one), self._schema))
            at += one
        ahead = self._most_ahead is not None
        self._kept.filled(self._name, Rows(self._schema, batches, size, time.monotonic(), ahead))
        log.info("keeping rows bytes=%d batches=%d", size, len(batches))

    def close(self) -> None:
        """Give up what was written, unless it is kept."""
        if self._file < 0:
            return
        os.close(self._file)
        self._file = -1
        self._kept.give_back(sum(self._sizes))
        self._kept.filled(self._name, None)
