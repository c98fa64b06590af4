"""Folders that people name for what is written out: new ones only, and there whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lakehouse.errors import OutputExistsError


def require_new(into: Path, option: str) -> None:
    """Raise OutputExistsError when `into`, named with `option`, is there already and not an empty folder."""
    if into.is_symlink() or into.is_file() or (into.is_dir() and any(into.iterdir())):
        raise OutputExistsError(f"{into} is there already; name a new folder with {option}")


@contextmanager
def made_whole(into: Path) -> Iterator[Path]:
    """Give a folder to fill, which becomes `into` when all went well and is removed when not."""
    into.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".writing-", dir=into.parent))
    try:
        yield work
        work.chmod(0o755)
        if into.is_dir():
            into.rmdir()
        work.rename(into)
    finally:
        shutil.rmtree(work, ignore_errors=True)
