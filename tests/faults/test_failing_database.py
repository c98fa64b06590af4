"""Where the catalog's SQLite file fails or is locked, nothing is acknowledged or hurt, and the next run completes."""

import errno
import sqlite3
from functools import partial

import pytest

from lakehouse.errors import LakehouseError, ServiceUnavailableError
from lakehouse.ports import TableWrite
from lakehouse.tables.write_audit_publish import write_audit_publish
from tests.faults.folder_lake import house_in, shown
from tests.faults.sqlite_calls import between, found_vfs

MOST = 200
"""More calls than SQLite makes for one publish."""


class Disk:
    """The disk as SQLite sees it: the call of the given number, counted from `fail_at`, ends with an error."""

    left, code = -1, 0

    def fail_at(self, number, code):
        self.left, self.code = number, code

    def meet(self, _name, _file):
        self.left -= 1
        return self.code if self.left == -1 else 0


@pytest.fixture
def disk():
    vfs = found_vfs()
    if vfs is None:
        pytest.skip("this Python's SQLite shows no functions of its own, so no call of it can be made to fail")
    disk = Disk()
    with between(vfs, disk.meet):
        yield disk


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_failed_call_of_sqlite_is_never_acknowledged(disk, tmp_path, new_table, marks_of, provenance, code):
    table, told = new_table(), []

    def submit(house, student):
        write = TableWrite(table, marks_of(student))
        return write_audit_publish(house, [write], key=student, provenance=provenance)

    students = ["s0"]
    submit(house_in(tmp_path), "s0")
    for at in range(MOST):
        student, house = f"s{at + 1}", house_in(tmp_path)
        disk.fail_at(at, code)
        try:
            done = submit(house, student)
        except LakehouseError as error:
            told.append(error)
            done = None
        unmet, disk.left = disk.left >= 0, -1
        house.tables.close()
        fresh = house_in(tmp_path)
        visible = shown(fresh, table)
        assert visible in (sorted(students), sorted([*students, student])), "a reader sees half of something"
        assert done is None or student in visible
        submit(fresh, student)
        students.append(student)
        assert shown(fresh, table) == sorted(students)
        fresh.tables.close()
        if unmet:
            break
    assert unmet, "the last call was found"
    assert len(told) == at > 4, "each call that failed was told of"


@pytest.mark.parametrize("how", ["immediate", "exclusive"])
def test_a_catalog_that_another_program_locks_is_told_as_busy(
    tmp_path, new_table, marks_of, provenance, monkeypatch, how
):
    """A backup does so, or a person with SQLite's shell; `immediate` lets others read, `exclusive` does not."""
    table, waiting = new_table(), partial(sqlite3.connect, timeout=0.02)

    def submit(student):
        house = house_in(tmp_path)
        try:
            write = TableWrite(table, marks_of(student))
            return write_audit_publish(house, [write], key=student, provenance=provenance)
        finally:
            house.tables.close()

    submit("s0")
    other = sqlite3.connect(tmp_path / "tables" / "catalog.sqlite")
    with monkeypatch.context() as impatient:
        impatient.setattr(sqlite3.dbapi2, "connect", waiting)
        other.execute(f"begin {how}")
        with pytest.raises(ServiceUnavailableError, match=r"busy or gone; try again.*database is locked"):
            submit("s1")
        other.rollback()
        other.close()
    assert shown(house_in(tmp_path), table) == ["s0"]
    assert submit("s1").changed
    assert shown(house_in(tmp_path), table) == ["s0", "s1"]
