"""Versions written out to be searched: each once while there is room, for a search may look several times."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse.archive.eds import load_description
from lakehouse.archive.withdraw.sightings import Content
from lakehouse.ports import DatasetVersion, DatasetVersions

ROOM_BYTES = 2 << 30


@dataclass
class Exports:
    """Exported versions below `scratch`; what lies there goes with the last of them."""

    versions: DatasetVersions
    scratch: Path
    room_bytes: int = ROOM_BYTES
    _kept: dict[tuple[str, str], Content] = field(default_factory=dict)
    _used_bytes: int = 0

    @classmethod
    @contextmanager
    def below(cls, versions: DatasetVersions, scratch: Path) -> Iterator["Exports"]:
        """Give a place for exports, empty at the beginning and gone at the end."""
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            yield cls(versions, scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    @contextmanager
    def content(self, version: DatasetVersion) -> Iterator[Content]:
        """Give a version's content; it stays for the next time while there is room."""
        key = (version.dataset, version.commit)
        if key in self._kept:
            yield self._kept[key]
            return
        folder = self.scratch / version.dataset / version.commit
        folder.mkdir(parents=True)
        self.versions.export(version, folder)
        content = Content(folder, load_description(folder))
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        keep = self._used_bytes + size <= self.room_bytes
        if keep:
            self._kept[key] = content
            self._used_bytes += size
        try:
            yield content
        finally:
            if not keep:
                shutil.rmtree(folder)
