"""What kills leave of a lake, each state kept once: two kills that leave the same have the same next ingest."""

import hashlib
import json
import os
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.kills.points import FOREIGN, Cut

CATALOG = "tables/catalog.sqlite"
JOURNAL = f"{CATALOG}-journal"
SETTLED_S = 1.0
"""A file changed this long ago at least has another time once it changes again."""


@dataclass(frozen=True)
class Entry:
    """A file, link or folder of a lake: its kind and mode, when it was changed, and its content or target."""

    mode: int
    changed_ns: int
    content: str = ""


@dataclass(frozen=True)
class State:
    """What a kill at one point leaves.

    `same` is equal for states that hold the same files, where a catalog counts as what SQLite makes of it and its
    journal; `alike` for those that differ at most in the bytes of files that were being written (`partials`).
    """

    entries: dict[str, Entry]
    same: str
    alike: str
    partials: tuple[str, ...]


@dataclass
class States:
    """Looks at a lake and keeps the contents of its files by their hash, so that many states take little room."""

    store: Path
    known: dict[str, tuple[tuple[int, ...], str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store.mkdir()

    def look(self, lake: Path, cut: Cut | None) -> State:
        """Return the state in which a kill would leave a lake that stands still, a file of it cut short."""
        entries = {name: self._entry(lake, name, found) for name, found in _below(lake, "")}
        if cut is not None:
            name, size = cut
            whole = (lake / name).read_bytes() if name in entries else b""
            mode = entries[name].mode if name in entries else stat.S_IFREG | 0o644
            entries[name] = Entry(mode, time.time_ns(), self._keep(whole[:size].ljust(size, b"\0")))
        said = {name: (entry.mode, entry.content) for name, entry in entries.items() if not name.startswith(FOREIGN)}
        if JOURNAL in said:
            said[CATALOG] = (said[CATALOG][0], self._rolled_back(entries))
            del said[JOURNAL]
        partials = tuple(sorted(name for name in said if name.endswith(".partial")))
        alike = {name: what for name, what in said.items() if name not in partials}
        return State(entries, _hash(said), _hash([alike, partials]), partials)

    def restore(self, state: State, lake: Path) -> None:
        """Make a lake what it was in a state."""
        lake.mkdir()
        folders = []
        for name, entry in sorted(state.entries.items()):
            path = lake / name
            if stat.S_ISDIR(entry.mode):
                path.mkdir()
                folders.append((path, entry))
            elif stat.S_ISLNK(entry.mode):
                path.symlink_to(entry.content)
            else:
                shutil.copyfile(self.store / entry.content, path)
                _dress(path, entry)
        for path, entry in reversed(folders):
            _dress(path, entry)

    def _entry(self, lake: Path, name: str, found: os.stat_result) -> Entry:
        content = ""
        if stat.S_ISLNK(found.st_mode):
            content = str((lake / name).readlink())
        elif stat.S_ISREG(found.st_mode):
            content = self._content(lake / name, name, found)
        return Entry(found.st_mode, found.st_mtime_ns, content)

    def _content(self, path: Path, name: str, found: os.stat_result) -> str:
        mark = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        known = self.known.get(name)
        if known is not None and known[0] == mark:
            return known[1]
        content = self._keep(path.read_bytes())
        if time.time() - found.st_ctime > SETTLED_S:
            self.known[name] = (mark, content)
        return content

    def _keep(self, content: bytes) -> str:
        name = hashlib.sha256(content).hexdigest()
        if not (self.store / name).exists():
            (self.store / name).write_bytes(content)
        return name

    def _rolled_back(self, entries: dict[str, Entry]) -> str:
        """Return the hash of the catalog that whoever opens it next is shown: SQLite undoes what was not committed."""
        with tempfile.TemporaryDirectory(dir=self.store.parent) as folder:
            catalog = Path(folder) / Path(CATALOG).name
            for name in (CATALOG, JOURNAL):
                shutil.copyfile(self.store / entries[name].content, catalog.with_name(Path(name).name))
            database = sqlite3.connect(catalog)
            database.execute("select count(*) from sqlite_master").fetchall()
            database.close()
            return hashlib.sha256(catalog.read_bytes()).hexdigest()


def _below(lake: Path, folder: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(lake / folder) as found:
        for one in found:
            yield f"{folder}{one.name}", one.stat(follow_symlinks=False)
            if one.is_dir(follow_symlinks=False):
                yield from _below(lake, f"{folder}{one.name}/")


def _dress(path: Path, entry: Entry) -> None:
    path.chmod(stat.S_IMODE(entry.mode))
    os.utime(path, ns=(entry.changed_ns, entry.changed_ns))


def _hash(said: object) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
