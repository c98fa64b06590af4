"""Writes a dataset's metadata to a folder, alone or as a package together with the data."""

import shutil
from pathlib import Path

from lakehouse.archive.metadata.forms import export
from lakehouse.archive.metadata.new_folder import made_whole, require_new
from lakehouse.archive.metadata.source import Record


def write_package(record: Record, form: str, into: Path, *, data: Path | None = None) -> list[str]:
    """Write the metadata of one form to a new folder and return the paths of its files.

    With `data`, the folder of the dataset, its files are copied beside the metadata under their own paths. The folder
    appears whole or not at all.

    Raises:
        OutputExistsError: `into` is there already and not an empty folder.
        UnknownFormError: there is no such form.
    """
    require_new(into, "--out")
    metadata = export(record, form)
    with made_whole(into) as work:
        if data is not None:
            _copy(record, data, work)
        for name, body in metadata.items():
            (work / name).write_bytes(body)
    return sorted(path.relative_to(into).as_posix() for path in into.rglob("*") if path.is_file())


def _copy(record: Record, data: Path, work: Path) -> None:
    for file in record.files:
        target = work / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data / file.path, target)
