"""Proof that data files are stored: each is read back once, and still there when a snapshot names it."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile

from lakehouse.adapters.iceberg_known import Known
from lakehouse.adapters.iceberg_seal import judge
from lakehouse.errors import ChecksumError

_read_back: Known[bool] = Known(4096)
"""Paths of files that this process wrote and read back, until a snapshot names them."""


def read_back(io: FileIO, file: DataFile) -> None:
    """Read a file that was just written, while others are still to be; `prove` need not then.

    Raises:
        ChecksumError: it is not as it was written.
        FileNotFoundError: it is not there.
    """
    judge(io, file.file_path)
    _read_back.keep(file.file_path, found=True)


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
