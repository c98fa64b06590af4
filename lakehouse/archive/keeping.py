"""Stores the rows of a layer as they come, or holds them on disk until it is known whether they may be stored."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from io import BufferedRandom

import pyarrow as pa

from lakehouse.definition import TableDefinition
from lakehouse.errors import ServiceUnavailableError
from lakehouse.ports import StoredRows, StoredWrite
from lakehouse.tables.withdrawals import require_none_open
from lakehouse.tables.write_audit_publish import Lakehouse, recover

SHOWN = 5
PACKED = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass
class Keeper:
    """Stores rows that are to be published under one key; those that are so already are only counted.

    `shown` has the first rows of each table.
    """

    house: Lakehouse
    key: str
    shown: dict[str, pa.Table] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_none_open(self.house.objects)
        recover(self.house)

    def keep(self, table: TableDefinition, batches: Iterator[pa.Table]) -> StoredWrite:
        """Store a table's rows; nobody sees them before they are published."""
        seen = self._seen(table, batches)
        if self.house.tables.committed(table.name, self.key) is None:
            return StoredWrite(table, self.house.tables.store_rows(table, seen))
        return StoredWrite(table, StoredRows(sum(rows.num_rows for rows in seen)))

    def keep_held(self, write: "HeldWrite | StoredWrite") -> StoredWrite:
        """Store rows that were held; others are stored."""
        return self.keep(write.table, write.rows.batches()) if isinstance(write, HeldWrite) else write

    def _seen(self, table: TableDefinition, batches: Iterator[pa.Table]) -> Iterator[pa.Table]:
        for rows in batches:
            if table.name not in self.shown and rows.num_rows:
                # Taken, not sliced: a slice holds on to all rows.
                self.shown[table.name] = rows.take(pa.array(range(min(SHOWN, rows.num_rows))))
            yield rows


@dataclass(frozen=True)
class HeldRows:
    """Rows of one table in a file that has no name, so that nothing is left of it when the process ends."""

    num_rows: int
    file: BufferedRandom

    def batches(self) -> Iterator[pa.Table]:
        """Yield the rows, some at a time."""
        self.file.seek(0)
        for batch in pa.ipc.open_stream(pa.PythonFile(self.file, "r")):
            yield pa.Table.from_batches([batch])


@dataclass(frozen=True)
class HeldWrite:
    """Such rows for one table."""

    table: TableDefinition
    rows: HeldRows


@dataclass
class Holding:
    """Rows that are judged before any of them is stored, on this machine's disk; `close` lets them go."""

    _open: ExitStack = field(default_factory=ExitStack)

    def hold(self, table: TableDefinition, batches: Iterator[pa.Table]) -> HeldWrite:
        """Hold a table's rows; raise ServiceUnavailableError where there is no room for them."""
        file = self._open.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - `close` does
        try:
            return HeldWrite(table, HeldRows(_written(file, table, batches), file))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            with suppress(OSError):  # what is still in its buffer has no room either
                file.close()
            place = tempfile.gettempdir()
            raise ServiceUnavailableError(f"no room for rows of {table.name} in {place}; free disk space") from error

    def close(self) -> None:
        """Let the rows go."""
        self._open.close()


def _written(file: BufferedRandom, table: TableDefinition, batches: Iterator[pa.Table]) -> int:
    num_rows = 0
    with pa.ipc.new_stream(pa.PythonFile(file, "w"), table.arrow_schema(), options=PACKED) as writer:
        for rows in batches:
            writer.write_table(rows)
            num_rows += rows.num_rows
    file.flush()
    return num_rows
