"""Uploads in a bucket: which of them are submissions nobody has fetched, and how one gets into the inbox, whole."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

from lakehouse.archive.entries import DEFAULT_LIMITS, Budget, Limits, Names, checked, is_junk, too_many
from lakehouse.archive.inbox import BEING_WRITTEN
from lakehouse.archive.unpacking import ENDINGS, TAKEN
from lakehouse.archive.upload_queue import UploadQueue, upload_name
from lakehouse.durable_files import replace_file, sync_folder
from lakehouse.errors import (
    CommitConflictError,
    ServiceUnavailableError,
    UnreadableSubmissionError,
    UnsafeArchiveError,
)
from lakehouse.storage_ports import REPORTS, UploadBucket, UploadedObject
from lakehouse.tables.lock import archive_lock

NAME_LETTERS = 100
FINGERPRINT = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Upload:
    """An archive, or a folder of objects, in the bucket. `name` is its key, or its folder's with a slash at the end."""

    name: str
    objects: tuple[UploadedObject, ...]

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change with names, sizes and content; uploading the same again does not change them."""
        lines = "".join(f"{one.key}\0{one.size_bytes}\0{one.etag}\n" for one in self.objects)
        return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def whole(self) -> bool:
        """Whether it cannot still be growing: one object appears whole, a folder's objects one by one."""
        return not self.name.endswith("/")


@dataclass(frozen=True, slots=True)
class Uploads:
    """What lies in the `bucket`, what was told of it, and what was done with it (`records`); it goes to the `inbox`."""

    bucket: UploadBucket
    queue: UploadQueue
    inbox: Path
    records: Path
    limits: Limits = DEFAULT_LIMITS

    def everything(self) -> list[Upload]:
        """Return all uploads that are not finished as they are now, sorted by name; lists the whole bucket."""
        return [one for one in self._found("") if not self._finished(one)]

    def named(self, names: Iterable[str]) -> list[Upload]:
        """Return those of these uploads that are there and not finished as they are now, sorted by name."""
        found = [one for name in sorted(set(names)) for one in self._found(name) if one.name == name]
        return [one for one in found if not self._finished(one)]

    def lying(self) -> list[tuple[Upload, bool]]:
        """Return all that lies in the bucket now, unfinished uploads as well, each with whether it is finished."""
        return [(one, self._finished(one)) for one in self._grouped(self.bucket.objects(""))]

    def deleted(self, objects: Iterable[UploadedObject]) -> list[Upload]:
        """Return the uploads that deleted objects, sorted by key, belong to."""
        return list(self._grouped(objects))

    def copied(self, upload: Upload, folder: Path) -> Path:
        """Copy an upload into a folder of the caller's; return where it lies. Nothing is kept of that.

        Raises: as `fetch` does.
        """
        try:
            self._copy(upload, folder)
        except OSError as error:
            raise _unwritten(upload, error) from error
        return folder / _entry(upload)

    def fetch(self, name: str) -> Path | None:
        """Bring an upload into the inbox, where it appears whole or not at all; None when that was done before.

        A fault of the upload itself is kept, so that it is not fetched again before it changes.

        Raises:
            UnsafeArchiveError: a name or size that is not allowed.
            UnreadableSubmissionError: an object that is neither an archive by its name nor in a folder.
            CommitConflictError: it changed while it was fetched.
            ServiceUnavailableError: the storage does not answer, or the disk is full.
        """
        with archive_lock(self.records / ".lock"):
            upload = next(iter(self.named([name])), None)
            if upload is None:
                return None
            try:
                entry = self._fetched(upload)
            except (UnsafeArchiveError, UnreadableSubmissionError) as error:
                self._finish(upload, {"error": str(error)})
                raise
            self._finish(upload, {"entry": entry.name, "sha256": _digest_of(upload, entry)})
            return entry

    def digest(self, entry: str) -> str | None:
        """Return the hash of what was uploaded and became this entry of the inbox; None for what was not uploaded.

        Of an archive it is the SHA-256; of a folder that of the lines which `sha256sum` prints for its files, sorted by
        name.
        """
        stem, _, rest = entry.rpartition("@")
        fingerprint, dot, ending = rest.partition(".")
        if FINGERPRINT.fullmatch(fingerprint) is None:
            return None
        # Most names came into the inbox as they were; for one that did not, all records are looked through.
        likely = self._file(f"{stem}{dot}{ending}" if dot else f"{stem}/")
        for path in (likely, *self.records.glob("*.json")):
            outcome = _outcome(path, fingerprint)
            if outcome.get("entry") == entry:
                return outcome.get("sha256")
        return None

    def _found(self, prefix: str) -> Iterator[Upload]:
        # S3 lists by the bytes of the keys, so what one folder holds comes together.
        for upload in self._grouped(self.bucket.objects(prefix)):
            if not upload.name.startswith(".") and not upload.name.rstrip("/").endswith(BEING_WRITTEN):
                yield upload

    def _grouped(self, found: Iterable[UploadedObject]) -> Iterator[Upload]:
        uploaded = (one for one in found if not one.key.startswith(REPORTS))
        for name, objects in groupby(uploaded, key=lambda one: upload_name(one.key)):
            files = (one for one in objects if not one.key.endswith("/") and not is_junk(one.key))
            if kept := tuple(islice(files, self.limits.entries + 1)):
                yield Upload(name, kept)

    def _fetched(self, upload: Upload) -> Path:
        target = self.inbox / _entry(upload)
        if target.exists():  # from before a crash, and named by its content
            return target
        work = self.inbox / f".upload-{upload.fingerprint}"
        shutil.rmtree(work, ignore_errors=True)
        try:
            work.mkdir(parents=True)
            self._copy(upload, work)
            (work / target.name).replace(target)
            sync_folder(self.inbox)
        except OSError as error:
            raise _unwritten(upload, error) from error
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return target

    def _copy(self, upload: Upload, work: Path) -> None:
        entry = _entry(upload)
        paths = {
            entry if upload.whole else f"{entry}/{checked(one.key.removeprefix(upload.name), self.limits)}": one
            for one in upload.objects
        }
        if len(paths) > self.limits.entries:
            raise too_many(self.limits)
        Names().take_all(paths)
        budget = Budget(self.limits)
        budget.check(sum(one.size_bytes for one in upload.objects), upload.name)
        for path, one in paths.items():
            with self.bucket.opened(one) as stream:
                budget.write(stream, work, path)
            if (work / path).stat().st_size != one.size_bytes:
                raise CommitConflictError(f"{one.key!a} came with other bytes than it was listed with; try again")

    def _finished(self, upload: Upload) -> bool:
        return upload.fingerprint in self._record(upload.name)

    def _record(self, name: str) -> dict[str, object]:
        path = self._file(name)
        if not path.is_file():
            return {}
        known: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))["fingerprints"]
        return known

    def _finish(self, upload: Upload, outcome: dict[str, str]) -> None:
        record = {"name": upload.name, "fingerprints": {**self._record(upload.name), upload.fingerprint: outcome}}
        replace_file(self._file(upload.name), json.dumps(record, indent=1))

    def _file(self, name: str) -> Path:
        return self.records / f"{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.json"


def _outcome(record: Path, fingerprint: str) -> dict[str, str]:
    """Return what was done with an upload, by its record; nothing where it tells of none such."""
    text = record.read_text(encoding="utf-8") if record.is_file() else ""
    known: dict[str, dict[str, str]] = json.loads(text)["fingerprints"] if fingerprint in text else {}
    return known.get(fingerprint, {})


def _entry(upload: Upload) -> str:
    """Return the upload's name in the inbox: readable, its own, and another one for other content."""
    lower = upload.name.lower()
    ending = "" if not upload.whole else next((one for one in ENDINGS if lower.endswith(one)), None)
    if ending is None:
        raise UnreadableSubmissionError(
            f"{upload.name!a} is not {TAKEN} by its name; upload one of them, or its files below a folder"
        )
    stem = upload.name.rstrip("/")[: -len(ending) or None]
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", stem)[:NAME_LETTERS].strip(".") or "upload"
    return f"{plain}@{upload.fingerprint}{ending}"


def _digest_of(upload: Upload, entry: Path) -> str:
    try:
        if entry.is_file():
            return _hash_of(entry)
        if not entry.is_dir():
            raise FileNotFoundError(errno.ENOENT, "it is gone from the inbox", entry.name)
        files = {path.relative_to(entry).as_posix(): path for path in entry.rglob("*") if path.is_file()}
        lines = (f"{_hash_of(files[name])}  {name}\n" for name in sorted(files, key=os.fsencode))
        return hashlib.sha256(b"".join(map(os.fsencode, lines))).hexdigest()
    except OSError as error:
        raise ServiceUnavailableError(
            f"{upload.name!r} cannot be read in the inbox ({error}); it is fetched again"
        ) from error


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unwritten(upload: Upload, error: OSError) -> Exception:
    if error.errno == errno.ENAMETOOLONG:
        return UnsafeArchiveError(f"{upload.name!a} has a name that is too long for a file; shorten it")
    return ServiceUnavailableError(f"{upload.name!a} cannot be written to the disk ({error}); make room, try again")
