"""What a power cut may take of an acknowledged publish, for it does not wait for the disk, is missed by nobody."""

import os

import pytest

from lakehouse import durable_files
from lakehouse.adapters.iceberg_seal import SealedFileIO
from lakehouse.ports import TableWrite
from lakehouse.tables.release import HINT
from lakehouse.tables.write_audit_publish import write_audit_publish
from tests.faults.folder_lake import house_in, shown


@pytest.fixture
def submit(tmp_path, new_table, marks_of, provenance):
    table = new_table()

    def append(student, house=None):
        write = TableWrite(table, marks_of(student))
        return write_audit_publish(house or house_in(tmp_path), [write], key=student, provenance=provenance)

    append.shown = lambda: shown(house_in(tmp_path), table)
    return append


def unsettled(folder, submit, monkeypatch, student):
    """Publish, and return the files that were put in place without their bytes being waited for."""
    settled, plain = set(), durable_files.os.fsync

    def fsync(descriptor):
        settled.add(os.fstat(descriptor).st_ino)
        plain(descriptor)

    before = {path: path.stat().st_ino for path in folder.rglob("*") if path.is_file()}
    with monkeypatch.context() as counted:
        counted.setattr(durable_files.os, "fsync", fsync)
        submit(student)
    now = {path: path.stat().st_ino for path in folder.rglob("*") if path.is_file()}
    fresh = {path for path, inode in now.items() if before.get(path) != inode and inode not in settled}
    return {path for path in fresh if not path.name.startswith(("catalog.sqlite", "lakehouse-"))}


@pytest.mark.parametrize("left", ["nothing", "as it was", "nothing of the mark", "an empty note"])
def test_what_does_not_wait_for_the_disk_is_missed_by_nobody(tmp_path, submit, monkeypatch, left):
    submit("s0")
    note = tmp_path / "objects" / HINT
    old = note.read_bytes()
    taken = unsettled(tmp_path, submit, monkeypatch, "s1")
    marks = [path for path in taken if path.suffix == ".done"]
    assert taken == {note, *marks}
    assert len(marks) == 1
    if left != "an empty note":
        marks[0].unlink()
    if left == "nothing":
        note.unlink()
    elif left != "nothing of the mark":
        note.write_bytes(old if left == "as it was" else b"")
    assert submit.shown() == ["s0", "s1"]
    assert not submit("s1").changed
    submit("s2")
    assert submit.shown() == ["s0", "s1", "s2"]
    assert sorted(path.suffix for path in (tmp_path / "objects" / "intents").iterdir()) == [".done", ".json"]


def test_a_publish_reads_no_metadata_that_it_wrote_and_waits_for_the_disk_seventeen_times(
    tmp_path, submit, monkeypatch
):
    house, read, synced = house_in(tmp_path), [], []
    submit("s0", house)
    plain, asked = durable_files.os.fsync, SealedFileIO.new_input
    monkeypatch.setattr(durable_files.os, "fsync", lambda descriptor: (synced.append(descriptor), plain(descriptor)))
    monkeypatch.setattr(SealedFileIO, "new_input", lambda io, location: (read.append(location), asked(io, location))[1])
    submit("s1", house)
    metadata = [location for location in read if location.endswith(".metadata.json")]
    assert len(metadata) == len(set(metadata)) == 3, "of the branch, of main, and the pin, each as it was written"
    assert len(synced) <= 17
    house.tables.close()
