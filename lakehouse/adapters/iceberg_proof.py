"""Proof that data files are stored: each is read back once, and still there when a snapshot names it."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pyarrow as pa
from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile

from lakehouse.adapters.iceberg_known import Known
from lakehouse.adapters.iceberg_seal import judge, store
from lakehouse.errors import ChecksumError

Put = Callable[[DataFile, pa.Buffer], None]
"""Stores the bytes of a file that has its name."""

_read_back: Known[bool] = Known(4096)
"""Paths of files that this process wrote and read back, until a snapshot names them."""


class Deposit:
    """Stores the files of an append and reads each back at once, so that `prove` need not; left as a block is left.

    Both raise ChecksumError where a file is not as it was written, and FileNotFoundError where it is not there.
    """

    def __init__(self, io: FileIO) -> None:
        self._io = io
        self._pool = ThreadPoolExecutor(1)
        self._begun: Future[None] | None = None

    def take(self, file: DataFile, body: pa.Buffer) -> None:
        """Return when a file is stored and read back."""
        store(self._io, file.file_path, body)
        judge(self._io, file.file_path)
        _read_back.keep(file.file_path, found=True)

    def begin(self, file: DataFile, body: pa.Buffer) -> None:
        """Return at once, while the file is taken; `settle` waits for it."""
        self._begun = self._pool.submit(self.take, file, body)

    def settle(self) -> None:
        """Return when all is stored and read back; raise what was raised meanwhile."""
        if self._begun is not None:
            self._begun.result()

    def __enter__(self) -> "Deposit":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()


def prove(io: FileIO, files: Sequence[DataFile]) -> None:
    """Judge the files that a snapshot added by their names; of those that were read back, look whether they are there.

    Before a snapshot named them maintenance may have taken them for orphans, for a writer may have slept meanwhile.
    As many are looked at at once as there are processors: reading and hashing need no lock.

    Raises:
        ChecksumError: a file is not as it was written.
        FileNotFoundError: it is not there.
    """
    if len(files) < 2:
        for one in files:
            _prove(io, one)
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(partial(_prove, io), files):
            pass


def _prove(io: FileIO, file: DataFile) -> None:
    if not _read_back.take(file.file_path):
        judge(io, file.file_path)
        return
    size = len(io.new_input(file.file_path))
    if size != file.file_size_in_bytes:
        raise ChecksumError(
            f"{file.file_path} has {size} bytes now, and had {file.file_size_in_bytes} when it was written and read "
            "back; look after the storage, then run the step again"
        )
