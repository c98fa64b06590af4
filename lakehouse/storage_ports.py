"""What a withdrawal and the inbox need from the storage itself, as Protocols: bytes that are gone, and uploads."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Protocol

from lakehouse.masking import Mask

REPORTS = ".reports/"
"""Below this in a bucket of uploads stands what became of them; nothing there is an upload."""


@dataclass(frozen=True, slots=True)
class Retained:
    """An older version of an object that the storage keeps; `until` is a UTC time in ISO 8601, or why it is kept."""

    bucket: str
    key: str
    version: str
    until: str


@dataclass(frozen=True, slots=True)
class ClearedTraces:
    """How many places changed, by file, and the files that could not be looked into or changed, with the reason.

    `unsearched` tells of places that nobody here can look into at all.
    """

    changed: Mapping[str, int]
    skipped: Mapping[str, str]
    unsearched: Sequence[str] = ()


class Traces(Protocol):
    """Files beside the archive that may have quoted a value: logs, databases of other programs, left-over copies."""

    def clear(self, mask: Mask) -> ClearedTraces:
        """Mask the person everywhere this account may write; again is no error."""

    def drop_copies(self) -> int:
        """Delete the copies that can be made again, whatever they hold; return how many."""


class Storage(Protocol):
    """What stands under objects and tables."""

    def reclaim(self) -> None:
        """Give deleted bytes back to the disk, so that nobody finds them in the storage's own files."""

    def purge(self, tables: Collection[str], names: Callable[[str, bytes], bool]) -> Sequence[Retained]:
        """Delete versions of objects that are no longer current, where the storage keeps any; return what it kept.

        Those go that lie below one of the locations `tables` (``s3://bucket/folder``), and of the other objects those
        whose key and bytes `names` knows. Again is no error.
        """

    def destroy(self, retained: Sequence[Retained]) -> Sequence[Retained]:
        """Delete what an earlier `purge` could not, where that is possible now; return what is still kept."""


@dataclass(frozen=True, slots=True)
class UploadedObject:
    """An object that somebody uploaded; `etag` changes with its content. `version` is said of one that was deleted."""

    key: str
    size_bytes: int
    etag: str
    version: str | None = None


class Eraser(Protocol):
    """What deletes objects of a bucket with every version of them, and tells what it could not."""

    def hidden(self) -> Sequence[UploadedObject]:
        """Return the newest versions of objects that were deleted and are kept nevertheless, sorted by key."""

    def erase(self, names: Collection[str]) -> Sequence[Retained]:
        """Delete objects, or all below a name that ends with a slash, with all their versions; return what was kept.

        Absent ones are no error.
        """

    def destroy(self, retained: Sequence[Retained]) -> Sequence[Retained]:
        """Delete what `erase` could not, where that is possible now; return what is still kept."""


class UploadBucket(Protocol):
    """The bucket into which data owners upload submissions."""

    def objects(self, prefix: str) -> Iterator[UploadedObject]:
        """Yield the objects whose keys start with `prefix`, sorted by the bytes of their keys."""
        ...

    def opened(self, one: UploadedObject) -> AbstractContextManager[IO[bytes]]:
        """Give an object's bytes to read; raise CommitConflictError when they are not those any more, or are gone."""
        ...

    def put(self, key: str, body: bytes) -> None:
        """Write or overwrite an object below `REPORTS`."""
