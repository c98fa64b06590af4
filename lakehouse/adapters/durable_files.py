"""Files in a local folder that appear under their name with all their bytes on the disk, or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

PARTIAL = ".partial"


@contextlib.contextmanager
def unnamed_file(target: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """Give an open file beside `target` and its path; it is on the disk once `settle` has returned.

    The folder is made where needed. What the block does not move to its place is deleted after it.
    """
    _make_folder(target.parent)
    temporary = target.with_name(f".{secrets.token_hex(8)}{PARTIAL}")
    try:
        with temporary.open("xb") as file:
            yield temporary, file
    finally:
        temporary.unlink(missing_ok=True)


def settle(file: IO[bytes]) -> None:
    """Return when what was written to a file is on the disk; raise OSError when it is not known to be."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)
