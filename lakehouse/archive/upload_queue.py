"""The names of uploads that a storage has told of and nobody has looked at yet: one small file each, synced to disk."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from lakehouse.durable_files import replace_file
from lakehouse.errors import QueueFullError

MOST_NAMES = 10_000


def upload_name(key: str) -> str:
    """Return which upload an object belongs to: itself, or the topmost folder it is in, with a slash at the end."""
    first, slash, _ = key.partition("/")
    return f"{first}{slash}"


@dataclass(frozen=True, slots=True)
class UploadQueue:
    """A folder of names. An event says only that there is something to look at, so repeats and order mean nothing."""

    folder: Path
    most: int = MOST_NAMES

    def add(self, name: str) -> None:
        """Keep a name; it is on the disk when this returns, and adding it again changes nothing.

        Raises QueueFullError when too many wait already.
        """
        target = self._file(name)
        if not target.exists() and sum(1 for _ in self.folder.glob("*.json")) >= self.most:
            raise QueueFullError(
                f"{self.most} uploads wait in {self.folder} already; start Dagster, which fetches them"
            )
        replace_file(target, json.dumps({"name": name}))

    def names(self) -> list[str]:
        """Return what waits, sorted; empty when nothing ever came."""
        found = []
        for path in self.folder.glob("*.json"):
            try:
                found.append(str(json.loads(path.read_text(encoding="utf-8"))["name"]))
            except FileNotFoundError:
                continue  # dropped by another process at this moment
        return sorted(found)

    def drop(self, name: str) -> None:
        """Forget a name; an absent one is no error."""
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.json"
