"""What an upload in a bucket becomes in the inbox: whole, once per content, and within the limits of any submission."""

import contextlib
import hashlib
import io
import json
import subprocess
import threading
from dataclasses import dataclass, field, replace

import pytest

from lakehouse.archive import uploads as uploads_code
from lakehouse.archive.entries import Limits
from lakehouse.archive.upload_queue import UploadQueue, upload_name
from lakehouse.archive.upload_receiver import uploads_of
from lakehouse.archive.uploads import Uploads
from lakehouse.errors import (
    CommitConflictError,
    QueueFullError,
    ServiceUnavailableError,
    UnreadableSubmissionError,
    UnsafeArchiveError,
)
from lakehouse.storage_ports import REPORTS, UploadedObject


@dataclass
class Bucket:
    """A bucket in memory that counts what is read from it."""

    bodies: dict[str, bytes] = field(default_factory=dict)
    reads: int = 0
    cut_after: int | None = None

    def objects(self, prefix):
        for key in sorted(self.bodies, key=str.encode):
            if key.startswith(prefix):
                yield UploadedObject(key, len(self.bodies[key]), str(hash(self.bodies[key])))

    @contextlib.contextmanager
    def opened(self, one):
        self.reads += 1
        if self.cut_after is not None and self.reads > self.cut_after:
            raise ServiceUnavailableError("the server broke off")
        yield io.BytesIO(self.bodies[one.key])


@pytest.fixture
def bucket():
    return Bucket()


@pytest.fixture
def uploads(tmp_path, bucket):
    return Uploads(bucket, UploadQueue(tmp_path / "queue"), tmp_path / "inbox", tmp_path / "records")


def names(found):
    return [one.name for one in found]


def in_inbox(uploads):
    return sorted(path.name for path in uploads.inbox.iterdir())


def test_an_archive_arrives_with_its_bytes_and_is_not_fetched_again(uploads, bucket):
    bucket.bodies["grades ü.zip"] = b"PK"
    entry = uploads.fetch("grades ü.zip")
    assert entry.read_bytes() == b"PK"
    assert in_inbox(uploads) == [entry.name]
    assert entry.name.startswith("grades__@")
    assert entry.name.endswith(".zip")
    assert uploads.everything() == []
    assert uploads.fetch("grades ü.zip") is None
    assert bucket.reads == 1


def test_a_folder_of_objects_arrives_as_one_folder(uploads, bucket):
    bucket.bodies |= {"course/dataset.yaml": b"name: x", "course/tables/a.csv": b"a\n", "course/": b""}
    bucket.bodies |= {"course/.DS_Store": b"junk", "course.zip": b"PK", "courses/other.csv": b"b\n"}
    assert names(uploads.everything()) == ["course.zip", "course/", "courses/"]
    entry = uploads.fetch("course/")
    found = {path.relative_to(entry).as_posix(): path.read_bytes() for path in entry.rglob("*") if path.is_file()}
    assert found == {"dataset.yaml": b"name: x", "tables/a.csv": b"a\n"}
    assert names(uploads.named(["course/", "course.zip", "nothing.zip"])) == ["course.zip"]


def test_an_upload_is_known_by_the_hash_that_its_uploader_can_take(uploads, bucket, tmp_path):
    bucket.bodies |= {"a.zip": b"PK", "c/dataset.yaml": b"name: x", "c/tables/ü b.csv": b"a\n", "c/.DS_Store": b"junk"}
    archive, folder = uploads.fetch("a.zip"), uploads.fetch("c/")
    assert uploads.digest(archive.name) == hashlib.sha256(b"PK").hexdigest()
    listed = "find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum"
    told = subprocess.run(["/bin/sh", "-c", listed], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert uploads.digest(folder.name) == told.split()[0]
    assert uploads.digest("people's own") is None
    assert uploads.digest(archive.name.replace("a@", "b@")) is None


def test_an_upload_is_known_without_a_look_at_the_records_of_others(uploads, bucket):
    bucket.bodies |= {"a.zip": b"PK", "c/dataset.yaml": b"name: x", "grades \u00fc.zip": b"PK2"}
    plain, changed = [uploads.fetch(name) for name in ("a.zip", "c/")], uploads.fetch("grades \u00fc.zip")
    assert uploads.digest(changed.name) == hashlib.sha256(b"PK2").hexdigest()
    others = "no JSON, and it tells of " + " ".join(entry.name for entry in (*plain, changed))
    (uploads.records / "other.json").write_text(others, encoding="utf-8")
    assert all(uploads.digest(entry.name) for entry in plain)
    assert uploads.digest("college@1.zip") is None
    with pytest.raises(json.JSONDecodeError):
        uploads.digest(plain[0].name.replace("a@", "another@"))


def test_reports_on_uploads_are_no_uploads(uploads, bucket):
    bucket.bodies |= {f"{REPORTS}0123.txt": b"fit", f"{REPORTS}0123.html": b"fit", "a.zip": b"PK"}
    assert names(uploads.everything()) == ["a.zip"]
    assert [one.name for one, _ in uploads.lying()] == ["a.zip"]
    assert names(uploads.named([REPORTS])) == []


def test_other_content_under_the_same_name_is_another_arrival(uploads, bucket):
    bucket.bodies["grades.zip"] = b"one"
    first = uploads.fetch("grades.zip")
    bucket.bodies["grades.zip"] = b"two"
    assert names(uploads.everything()) == ["grades.zip"]
    second = uploads.fetch("grades.zip")
    assert (first.read_bytes(), second.read_bytes()) == (b"one", b"two")
    bucket.bodies["grades.zip"] = b"one"
    assert uploads.everything() == [], "that content was fetched before"


@pytest.mark.parametrize(
    ("bodies", "name", "kind", "complaint"),
    [
        ({"notes.txt": b"x"}, "notes.txt", UnreadableSubmissionError, "not a folder, a zip or a tar"),
        ({"c/../../etc/passwd": b"x"}, "c/", UnsafeArchiveError, "leads out"),
        ({"c//a.csv": b"x"}, "c/", UnsafeArchiveError, "leads out"),
        ({"c/a\nb.csv": b"x"}, "c/", UnsafeArchiveError, "control character"),
        ({"c/.git/config": b"x"}, "c/", UnsafeArchiveError, "control files"),
        ({"c/A.csv": b"x", "c/a.csv": b"y"}, "c/", UnsafeArchiveError, "keep one|one name"),
        ({"c/a": b"x", "c/a/b": b"y"}, "c/", UnsafeArchiveError, "keep one|one name"),
        ({f"c/{number}": b"" for number in range(6)}, "c/", UnsafeArchiveError, "more than 5 entries"),
        ({"big.zip": b"x" * 101}, "big.zip", UnsafeArchiveError, "more than 100 bytes"),
        ({"c/a": b"x" * 60, "c/b": b"x" * 60}, "c/", UnsafeArchiveError, "more than 100 bytes"),
        ({f"c/{'n' * 300}.csv": b"x"}, "c/", UnsafeArchiveError, "too long"),
    ],
)
def test_a_bad_upload_is_refused_once_with_its_reason_and_leaves_nothing(
    uploads, bucket, bodies, name, kind, complaint
):
    uploads = replace(uploads, limits=Limits(entries=5, total_bytes=100))
    uploads.inbox.mkdir()
    bucket.bodies |= bodies
    with pytest.raises(kind, match=complaint):
        uploads.fetch(name)
    assert in_inbox(uploads) == []
    assert uploads.everything() == [], "it is not fetched again before it changes"
    assert uploads.fetch(name) is None


def test_a_storage_that_breaks_off_leaves_nothing_half_there_and_is_tried_again(uploads, bucket):
    bucket.bodies |= {"c/dataset.yaml": b"name: x", "c/z.csv": b"z"}
    bucket.cut_after = 1
    with pytest.raises(ServiceUnavailableError):
        uploads.fetch("c/")
    assert in_inbox(uploads) == []
    bucket.cut_after = None
    assert sorted(path.name for path in uploads.fetch("c/").iterdir()) == ["dataset.yaml", "z.csv"]


def test_bytes_that_differ_from_the_listing_are_a_transient_error(uploads, bucket):
    bucket.bodies["a.zip"] = b"PK"
    (listed,) = list(bucket.objects(""))
    bucket.objects = lambda _prefix: iter([replace(listed, size_bytes=3)])
    with pytest.raises(CommitConflictError, match=r"a\.zip"):
        uploads.fetch("a.zip")
    assert in_inbox(uploads) == []


def test_what_a_crash_left_is_finished_and_half_a_fetch_is_thrown_away(uploads, bucket, monkeypatch):
    bucket.bodies |= {"c/a.csv": b"a"}
    (upload,) = uploads.everything()
    (uploads.inbox / f".upload-{upload.fingerprint}" / "c").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(Uploads, "_finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):  # killed after it appeared, before that was written down
            uploads.fetch("c/")
    assert uploads.fetch("c/").name == in_inbox(uploads)[0]
    assert len(in_inbox(uploads)) == bucket.reads == 1


def test_what_is_still_being_written_is_left_alone(uploads, bucket):
    bucket.bodies |= {".hidden.zip": b"x", "a.zip.part": b"x", "b.part/x.csv": b"x", "empty/": b""}
    assert uploads.everything() == []


def test_of_many_who_fetch_one_upload_at_once_it_is_read_once(uploads, bucket):
    bucket.bodies["grades.zip"] = b"PK"
    threads = [threading.Thread(target=uploads.fetch, args=("grades.zip",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bucket.reads == len(in_inbox(uploads)) == 1


def test_a_queue_keeps_each_name_once_for_whoever_opens_it_next(tmp_path):
    queue = UploadQueue(tmp_path / "queue")
    assert queue.names() == []
    for name in ["b.zip", "a/", "b.zip", "ü\n/", "b.zip"]:
        queue.add(name)
    again = UploadQueue(tmp_path / "queue")
    assert again.names() == ["a/", "b.zip", "ü\n/"]
    again.drop("a/")
    again.drop("a/")
    assert queue.names() == ["b.zip", "ü\n/"]


def test_a_full_queue_takes_nothing_new(tmp_path):
    queue = UploadQueue(tmp_path / "queue", most=2)
    for name in ("a", "b", "a"):
        queue.add(name)
    with pytest.raises(QueueFullError, match="2 uploads wait"):
        queue.add("c")
    assert queue.names() == ["a", "b"]


def event(*keys, name="s3:ObjectCreated:Put", bucket="inbox"):
    records = [{"eventName": name, "s3": {"bucket": {"name": bucket}, "object": {"key": key}}} for key in keys]
    return json.dumps({"Records": records}).encode()


def test_an_event_names_the_uploads_it_is_about():
    assert uploads_of(event("c%2Fa+b.csv", "c%2Fz.csv", "grades+%C3%BC%2B1.zip"), "inbox") == ["c/", "grades ü+1.zip"]
    assert uploads_of(event("a.zip", name="s3:ObjectRemoved:Delete"), "inbox") == []
    assert uploads_of(event("a.zip", bucket="lake"), "inbox") == []
    assert upload_name("/a") == "/"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"Records": 1}', b'{"Records": [{}]}', b"\xff", event(1)])
def test_a_body_that_is_no_event_is_refused(body):
    with pytest.raises(ValueError, match=r"\w"):
        uploads_of(body, "inbox")


def test_a_body_nested_without_end_is_refused():
    with pytest.raises(ValueError, match="RecursionError"):
        uploads_of(b"[" * 200_000, "inbox")


def test_an_entry_that_is_gone_before_its_hash_is_taken_is_no_upload_of_nothing(uploads, bucket, monkeypatch):
    bucket.bodies["a.zip"] = b"PK"
    taken = uploads_code._digest_of
    monkeypatch.setattr(uploads_code, "_digest_of", lambda upload, entry: (entry.unlink(), taken(upload, entry))[1])
    with pytest.raises(ServiceUnavailableError, match="cannot be read in the inbox"):
        uploads.fetch("a.zip")
