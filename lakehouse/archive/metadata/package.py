"""Writes a dataset's metadata to a folder, alone or as a package together with the data."""

import shutil
import tempfile
from pathlib import Path

from lakehouse.archive.metadata.forms import export
from lakehouse.archive.metadata.source import Record
from lakehouse.errors import OutputExistsError


def write_package(record: Record, form: str, into: Path, *, data: Path | None = None) -> list[str]:
    """Write the metadata of one form to a new folder and return the paths of its files.

    With `data`, the folder of the dataset, its files are copied beside the metadata under their own paths. The folder
    appears whole or not at all.

    Raises:
        OutputExistsError: `into` is there already and not an empty folder.
        UnknownFormError: there is no such form.
    """
    if into.is_symlink() or into.is_file() or (into.is_dir() and any(into.iterdir())):
        raise OutputExistsError(f"{into} is there already; name a new folder with --out")
    metadata = export(record, form)
    into.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".exporting-", dir=into.parent))
    try:
        if data is not None:
            _copy(record, data, work)
        for name, body in metadata.items():
            (work / name).write_bytes(body)
        work.chmod(0o755)
        if into.is_dir():
            into.rmdir()
        work.rename(into)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return sorted(path.relative_to(into).as_posix() for path in into.rglob("*") if path.is_file())


def _copy(record: Record, data: Path, work: Path) -> None:
    for file in record.files:
        target = work / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data / file.path, target)
