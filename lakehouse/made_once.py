"""Makes a file that several processes may want to make at once: whole, and the first one counts."""

import contextlib
import errno
import os
import secrets
from pathlib import Path

NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def make_once(path: Path, body: bytes, mode: int = 0o600) -> None:
    """Write a file unless it is there already, readable by its owner only or as `mode` says.

    Raises:
        OSError: as of `make_new`.
    """
    with contextlib.suppress(FileExistsError):  # another process was first, and its file counts
        make_new(path, body, mode)


def make_new(path: Path, body: bytes, mode: int | None = None) -> None:
    """Write a file that is not there yet, for whom `mode` says, or, without one, the process's umask.

    Where the file system has no hard links (FAT, some network shares) another process may see the file before it is
    full, so whoever reads it checks what it reads.

    Raises:
        FileExistsError: it is there, and stays as it is.
        OSError: the folder is absent, full, or may not be written; nothing is left behind.
    """
    made = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(made, NEW, 0o666 if mode is None else 0o600)
    try:
        _fill(descriptor, body)
        if mode not in (None, 0o600):
            made.chmod(mode)
        os.link(made, path)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        _make_without_links(path, body, 0o666 if mode is None else mode)
    finally:
        made.unlink()


def _make_without_links(path: Path, body: bytes, mode: int) -> None:
    descriptor = os.open(path, NEW, mode)
    try:
        _fill(descriptor, body)
    except OSError:
        path.unlink()
        raise


def _fill(descriptor: int, body: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
