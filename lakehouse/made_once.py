"""Makes a file that several processes may want to make at once: whole, and the first one counts."""

import errno
import os
from pathlib import Path

from lakehouse.durable_files import NEW, settle, sync_folder, unnamed_in

NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
OWNER_ONLY, AS_THE_UMASK_SAYS = 0o600, 0o666


def make_once(path: Path, body: bytes, mode: int = OWNER_ONLY) -> None:
    """Write a file unless it is there already, readable by its owner only or as `mode` says; it is on the disk then.

    What a killed process leaves beside it is found by `lakehouse.durable_files.remove_unfinished`.

    Raises:
        OSError: as of `make_new`.
    """
    try:
        with unnamed_in(path.parent, OWNER_ONLY) as (made, file):
            made.chmod(mode)
            file.write(body)
            settle(file)
            _name(made, path, body, mode)
            sync_folder(path.parent)
    except FileExistsError:  # another process was first, and its file counts; its name may not be on the disk yet
        sync_folder(path.parent)


def make_new(path: Path, body: bytes) -> None:
    """Write a file that is not there yet, for whom the process's umask says.

    Where the file system has no hard links (FAT, some network shares) another process may see the file before it is
    full, so whoever reads it checks what it reads.

    Raises:
        FileExistsError: it is there, and stays as it is.
        OSError: the folder is absent, full, or may not be written; nothing is left behind.
    """
    with unnamed_in(path.parent) as (made, file):
        file.write(body)
        settle(file)
        _name(made, path, body, AS_THE_UMASK_SAYS)


def _name(made: Path, path: Path, body: bytes, mode: int) -> None:
    try:
        os.link(made, path)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        _make_without_links(path, body, mode)


def _make_without_links(path: Path, body: bytes, mode: int) -> None:
    descriptor = os.open(path, NEW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            settle(file)
    except OSError:
        path.unlink()
        raise
