"""Where a disk fails while rows are published, nothing is acknowledged or hurt, and the next run completes."""

import errno
import os
from pathlib import Path

import pytest

from lakehouse import durable_files
from lakehouse.adapters.iceberg_folder import WholeFiles
from lakehouse.errors import TransientError
from lakehouse.ports import TableWrite
from lakehouse.tables.write_audit_publish import write_audit_publish
from tests.faults.folder_lake import house_in, shown

POINTS = range(0, 60, 2)
"""More than one publish has; every other one, for a file has three (write, sync, sync of its folder)."""


class Disk:
    """Fails once, at the given one of the writes and syncs that a publish makes."""

    def __init__(self, at):
        self.left = at

    def pass_point(self, code):
        self.left -= 1
        if self.left == -1:
            raise OSError(code, os.strerror(code))

    def fsync(self, plain):
        def sync(descriptor):
            self.pass_point(errno.EIO)
            plain(descriptor)

        return sync

    def open(self, plain):
        def opened(path, mode="r", *given, **named):
            file = plain(path, mode, *given, **named)
            return Cut(file, self) if mode == "xb" else file

        return opened


class Cut:
    """A file on a disk that may fill up: then it has taken half of the bytes."""

    def __init__(self, file, disk):
        self.file, self.disk = file, disk

    def write(self, body):
        try:
            self.disk.pass_point(errno.ENOSPC)
        except OSError:
            self.file.write(memoryview(body)[: len(body) // 2])
            raise
        return self.file.write(body)

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *given):
        return self.file.__exit__(*given)


@pytest.mark.slow
def test_a_failed_write_or_sync_anywhere_is_never_acknowledged(tmp_path, new_table, marks_of, provenance, monkeypatch):
    table, reached = new_table(), []

    def submit(house, student):
        write = TableWrite(table, marks_of(student))
        return write_audit_publish(house, [write], key=student, provenance=provenance)

    house = house_in(tmp_path)
    submit(house, "s0")
    fsync, opened, students = os.fsync, Path.open, ["s0"]
    for at in POINTS:
        disk = Disk(at)
        with monkeypatch.context() as patch:
            patch.setattr(durable_files.os, "fsync", disk.fsync(fsync))
            patch.setattr(Path, "open", disk.open(opened))
            student = f"s{at + 1}"
            try:
                done = submit(house_in(tmp_path), student)
            except (TransientError, OSError) as error:
                reached.append((at, error))
                done = None
        fresh = house_in(tmp_path)
        visible = shown(fresh, table)
        assert visible in (sorted(students), sorted([*students, student])), "a reader sees half of something"
        assert done is None or student in visible
        submit(fresh, student)
        students.append(student)
        assert shown(fresh, table) == sorted(students)
        fresh.tables.close()
        if done is not None and disk.left >= 0:
            break
    house.tables.close()
    assert 10 < len(reached) < len(POINTS) - 1, "the last point was found"
    assert not list(tmp_path.rglob("*.partial"))


def test_a_file_that_is_there_stays_whole_until_the_new_one_is(tmp_path, monkeypatch):
    path = tmp_path / "folder" / "rows"
    files = WholeFiles()
    with files.open_output_stream(str(path)) as stream:
        stream.write(b"old")
    stream = files.open_output_stream(str(path))
    stream.write(b"half of the n")
    assert path.read_bytes() == b"old"
    disk = Disk(0)
    monkeypatch.setattr(durable_files.os, "fsync", disk.fsync(os.fsync))
    with pytest.raises(OSError, match="Input/output"):
        stream.close()
    assert path.read_bytes() == b"old"
    assert [one.name for one in path.parent.iterdir()] == ["rows"]
