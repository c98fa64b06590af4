"""What must be true of a simulated lakehouse, judged from its bytes alone and not by the code that is tried."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import read_manifest_list
from pyiceberg.table.metadata import TableMetadata, TableMetadataUtil

from lakehouse.definition import Column, TableDefinition
from lakehouse.tables.release import PREFIX, Release
from tests.simulation.parsing import parsed
from tests.simulation.world import Violation, World

_TEXT = Column("key", pa.string(), "Who handed it in.", nullable=False)
_PART = Column("part", pa.int64(), "Which of its rows.", nullable=False)
MARKS = TableDefinition("silver.marks", "one row per key and part", (_TEXT, _PART), ("key", "part"))
NOTES = TableDefinition("silver.notes", "rows that may repeat", (_TEXT, _PART), ())
BOARD = TableDefinition("gold.board", "the newest word", (_TEXT,), ("key",))
TABLES = {table.name: table for table in (MARKS, NOTES, BOARD)}


@dataclass(frozen=True)
class Submission:
    """What somebody hands in: how many rows for which tables, and the word for the board; a bad one must be refused."""

    key: str
    rows: dict[str, int]
    word: str | None = None
    bad: bool = False

    @property
    def tables(self) -> list[str]:
        return [*self.rows, *([BOARD.name] if self.word else [])]


@dataclass
class Oracle:
    """All submissions, what was acknowledged of them, and what every release shows."""

    world: World
    submissions: dict[str, Submission]
    acknowledged: dict[str, int] = field(default_factory=dict)
    shown: dict[int, dict[str, Any]] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)

    def release_came(self, key: str) -> None:
        """Judge a release the moment it appears."""
        if key.startswith(PREFIX):
            self.world.serve(lambda: self._judge(Release.from_json(self.world.objects[key])))

    def acknowledge(self, submission: Submission, number: int) -> None:
        """Note that a writer was told that its rows are visible, and see whether they are."""
        self.acknowledged.setdefault(submission.key, number)
        newest = self.newest()
        if newest.number < number:
            raise Violation(f"{submission.key} was acknowledged in release {number}, but {newest.number} is the newest")
        self._require_acknowledged(newest.number)

    def newest(self) -> Release:
        keys = sorted(key for key in self.world.objects if key.startswith(PREFIX))
        return Release.from_json(self.world.objects[keys[-1]]) if keys else Release(0, "")

    def _judge(self, release: Release) -> None:
        shown = {name: self.rows(pin.metadata_location) for name, pin in release.tables.items()}
        self.shown[release.number] = shown
        visible = self.whole(release.number, shown)
        before = self.whole(release.number - 1, self.shown.get(release.number - 1, {}))
        if not before <= visible | self.withdrawn:
            raise Violation(f"release {release.number} lost {sorted(before - visible)}")
        self._judge_board(release, shown, visible)
        self._require_acknowledged(release.number)

    def whole(self, number: int, shown: dict[str, list[tuple[Any, ...]]]) -> set[str]:
        """Return the submissions that a release shows; raise when it shows part of one, or one twice."""
        visible: dict[str, set[str]] = {}
        for name in (MARKS.name, NOTES.name):
            found: dict[str, list[int]] = {}
            for key, part in shown.get(name, []):
                found.setdefault(key, []).append(part)
            for key, parts in found.items():
                wanted = self.submissions[key].rows.get(name, 0)
                if sorted(parts) != list(range(wanted)):
                    raise Violation(f"release {number} shows parts {sorted(parts)} of {key} in {name}, not {wanted}")
                visible.setdefault(key, set()).add(name)
        for key, tables in visible.items():
            if self.submissions[key].bad:
                raise Violation(f"release {number} shows {key}, which breaks a promise")
            missing = set(self.submissions[key].rows) - tables
            if missing and key not in self.withdrawn:
                raise Violation(f"release {number} shows {key} without its {sorted(missing)}")
        return set(visible)

    def _judge_board(self, release: Release, shown: dict[str, Any], visible: set[str]) -> None:
        words = [word for (word,) in shown.get(BOARD.name, [])]
        told = {one.word for key in visible if (one := self.submissions[key]).word}
        if words and (len(words) > 1 or words[0] not in told):
            raise Violation(f"release {release.number} has {words} on the board, of {sorted(map(str, told))}")
        author = self.submissions.get(release.provenance.get("lakehouse.run-id", ""))
        before = self.whole(release.number - 1, self.shown.get(release.number - 1, {}))
        if author and author.word and author.key in visible - before and words != [author.word]:
            raise Violation(f"release {release.number} by {author.key} has {words} on the board")

    def _require_acknowledged(self, number: int) -> None:
        visible = self.whole(number, self.shown.get(number, {}))
        for key, since in self.acknowledged.items():
            if since <= number and key not in visible | self.withdrawn:
                raise Violation(f"release {number} lacks {key}, acknowledged in {since}")

    def rows(self, location: str) -> list[tuple[Any, ...]]:
        """Return the rows that a metadata file leads to."""
        metadata = self._metadata(location)
        files = [path for path in self._reach(metadata, metadata.current_snapshot_id) if path.endswith(".parquet")]
        return [row for path in files for row in self._once(path, _rows_of, "rows")]

    def _metadata(self, location: str) -> TableMetadata:
        return self._once(plain(location), lambda body: TableMetadataUtil.parse_raw(body.decode()), "metadata")

    def _reach(self, metadata: TableMetadata, snapshot_id: int | None) -> list[str]:
        """Return the paths of all files of one snapshot; those that a manifest takes out are not among them."""
        snapshot = metadata.snapshot_by_id(snapshot_id) if snapshot_id is not None else None
        return [] if snapshot is None else self.reached_from(snapshot.manifest_list)

    def reached_from(self, manifest_list: str) -> list[str]:
        path = plain(manifest_list)
        manifests = self._once(path, lambda body: list(read_manifest_list(_Bytes(body))), "list")
        found = [path]
        for manifest in manifests:
            at = plain(manifest.manifest_path)
            found.append(at)
            found += self._once(at, lambda body, one=manifest: _paths_of(one, body), "entries")
        for one in found:
            self._body(one)
        return found

    def needed(self, locations: set[str], catalogs: set[str]) -> set[str]:
        """Return every path that the releases' pins and the catalog's metadata need."""
        found = {plain(one) for one in (*locations, *catalogs)}
        for location in locations:
            metadata = self._metadata(location)
            found.update(self._reach(metadata, metadata.current_snapshot_id))
        for location in catalogs:
            for snapshot in self._metadata(location).snapshots:
                found.update(self.reached_from(snapshot.manifest_list))
        return found

    def _body(self, path: str) -> bytes:
        if path not in self.world.files:
            raise Violation(f"{path} is needed and not there")
        return self.world.files[path].body

    def _once(self, path: str, read: Any, what: str) -> Any:
        body = self._body(path)
        try:
            return parsed((f"judged {what}", path, body), lambda: read(body))
        except Exception as error:
            raise Violation(f"{path} is needed and cannot be read: {error!r}") from error


def plain(location: str) -> str:
    """Return the path that a file has in the simulated storage."""
    parts = urlsplit(location)
    return parts.netloc + parts.path


def _rows_of(body: bytes) -> list[tuple[Any, ...]]:
    table = pq.read_table(pa.BufferReader(body), use_threads=False)
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


class _Bytes:
    """Bytes as PyIceberg's `InputFile`, as far as its readers ask."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def open(self, seekable: bool = True) -> pa.BufferReader:
        return pa.BufferReader(self.body)


class _Alone(PyArrowFileIO):
    def __init__(self, body: bytes) -> None:
        super().__init__({})
        self.body = body

    def new_input(self, location: str) -> Any:
        return _Bytes(self.body)


def _paths_of(manifest: Any, body: bytes) -> list[str]:
    entries = manifest.fetch_manifest_entry(_Alone(body), discard_deleted=True)
    return [plain(entry.data_file.file_path) for entry in entries]
