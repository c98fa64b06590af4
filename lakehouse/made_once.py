"""Makes a file that several processes may want to make at once: whole, and the first one counts."""

import errno
import os
import tempfile
from pathlib import Path

NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def make_once(path: Path, body: bytes, mode: int = 0o600) -> None:
    """Write a file unless it is there already, readable by its owner only or as `mode` says.

    Where the file system has no hard links (FAT, some network shares) another process may see the file before it is
    full, so whoever reads it checks what it reads.

    Raises:
        OSError: the folder is absent, full, or may not be written; nothing is left behind.
    """
    descriptor, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # readable by its owner only
    try:
        _fill(descriptor, body)
        if mode != 0o600:
            Path(made).chmod(mode)
        os.link(made, path)
    except FileExistsError:
        return  # another process was first, and its file counts
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        _make_without_links(path, body, mode)
    finally:
        Path(made).unlink()


def _make_without_links(path: Path, body: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return
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
