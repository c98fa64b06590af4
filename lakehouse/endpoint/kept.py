"""Keeps the rows of large tables that were read as a whole, and hands them out again as the batches they came in.

They lie in memory without a name (memfd), sealed once they are complete, so that nobody changes what is handed out.
"""

import fcntl
import logging
import mmap
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator
from typing import NamedTuple
from weakref import finalize

import pyarrow as pa

from lakehouse.endpoint.plain_reads import PlainRead

log = logging.getLogger(__name__)
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class Rows(NamedTuple):
    """The batches of a relation, in its schema, and when they were last read (monotonic seconds)."""

    schema: pa.Schema
    batches: list[pa.RecordBatch]
    read_at: float


class Kept:
    """At most `most_bytes` of rows in all, streams that still run included; each for `seconds` after its last reading.

    Rows are kept by the name of their relation, which is a hash of what it shows, and only while `show` names it: what
    a newer release does not pin, as after a withdrawal, is dropped and never kept again. Any thread may use it.
    """

    def __init__(self, most_bytes: int, seconds: float) -> None:
        self.most_bytes = most_bytes
        self._seconds = seconds
        self._bytes = 0
        self._shown: frozenset[str] = frozenset()
        self._rows: OrderedDict[str, Rows] = OrderedDict()
        self._filling: set[str] = set()
        self._passed_over: set[str] = set()
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
            for name in self._rows.keys() - self._shown:
                del self._rows[name]

    def tidy(self) -> None:
        """Drop what nobody has read for long."""
        before = time.monotonic() - self._seconds
        with self._lock:
            for name in [name for name, rows in self._rows.items() if rows.read_at < before]:
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
        return _handed_out(rows.batches, places, schema, read.most)

    def filling(self, read: PlainRead, schema: pa.Schema) -> "Filling | None":
        """Return where the rows of a statement can be written to be kept; None when they are not to be."""
        with self._lock:
            name = read.relation
            known = name in self._rows or name in self._filling or name in self._passed_over
            if not read.whole or name not in self._shown or known or not self.most_bytes:
                return None
            try:
                file = os.memfd_create("rows", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            except OSError as error:
                log.warning("rows are not kept: %s", error)
                return None
            self._filling.add(name)
        return Filling(self, name, schema, file)

    def pass_over(self, name: str) -> None:
        """Do not try to keep a relation's rows again."""
        with self._lock:
            self._passed_over.add(name)

    def room(self, size: int) -> bool:
        """Take memory for rows; drop others for it, those that were not read for longest first."""
        with self._lock:
            while self._bytes + size > self.most_bytes and self._rows:
                self._rows.popitem(last=False)
            fits = self._bytes + size <= self.most_bytes
            self._bytes += size if fits else 0
            return fits

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


class Filling:
    """Rows on their way to be kept. They are once `finish` is called, and gone when `close` is called before."""

    def __init__(self, kept: Kept, name: str, schema: pa.Schema, file: int) -> None:
        self._kept = kept
        self._name = name
        self._schema = schema
        self._sizes: list[int] = []
        self._file = file

    def add(self, body: pa.Buffer, batch: pa.RecordBatch) -> None:
        """Write the message of a batch; give up where its parts do not fit together, and where there is no room."""
        if self._file < 0:
            return
        try:
            batch.validate(full=True)  # an engine wrote it, and it will go to others than the one who asked
            if not self._kept.room(body.size):
                raise MemoryError(f"more than {self._kept.most_bytes} bytes")
            self._sizes.append(body.size)
            rest = memoryview(body)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except (pa.ArrowInvalid, OSError, MemoryError) as error:
            log.info("rows are not kept relation=%s: %s", self._name, error)
            self._kept.pass_over(self._name)
            self.close()

    def finish(self) -> None:
        """Keep the rows."""
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
        self._kept.filled(self._name, Rows(self._schema, batches, time.monotonic()))
        log.info("keeping rows bytes=%d batches=%d", size, len(batches))

    def close(self) -> None:
        """Give up what was written, unless it is kept."""
        if self._file < 0:
            return
        os.close(self._file)
        self._file = -1
        self._kept.give_back(sum(self._sizes))
        self._kept.filled(self._name, None)


def _handed_out(
    batches: list[pa.RecordBatch], places: list[int], schema: pa.Schema, most: int | None
) -> Iterator[pa.RecordBatch]:
    left = most
    for batch in batches:
        if left is not None and left <= 0:
            return
        some = batch if left is None else batch.slice(0, left)
        left = None if left is None else left - some.num_rows
        yield pa.RecordBatch.from_arrays([some.column(place) for place in places], schema=schema)
