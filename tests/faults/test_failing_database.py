"""Where the disk under the catalog's SQLite file fails, nothing is acknowledged or hurt, and the next run completes."""

import ctypes
import errno
import importlib.util

import pytest

from lakehouse.errors import LakehouseError
from lakehouse.ports import TableWrite
from lakehouse.tables.write_audit_publish import write_audit_publish
from tests.faults.folder_lake import house_in, shown

MOST = 200
"""More calls than SQLite makes for one publish."""
CALLS = {
    "write": (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t),
    "pwrite": (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64),
    "pwrite64": (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64),
    "ftruncate": (ctypes.c_int, ctypes.c_int64),
    "unlink": (ctypes.c_char_p,),
}
"""What SQLite changes files by, and lets others put themselves in the place of (sqlite3_vfs, version 3)."""


class Vfs(ctypes.Structure):
    """How SQLite reaches files: https://sqlite.org/c3ref/vfs.html."""

    _fields_ = [
        ("iVersion", ctypes.c_int),
        ("szOsFile", ctypes.c_int),
        ("mxPathname", ctypes.c_int),
        ("pNext", ctypes.c_void_p),
        ("zName", ctypes.c_char_p),
        ("pAppData", ctypes.c_void_p),
        ("methods", ctypes.c_void_p * 13),
        ("xSetSystemCall", ctypes.c_void_p),
        ("xGetSystemCall", ctypes.c_void_p),
    ]


class Disk:
    """The disk as SQLite sees it: the call of the given number, counted from `fail_at`, ends with an error."""

    def __init__(self, vfs):
        self._pointer, self._kept = vfs, []
        self.left, self.code = -1, 0
        where, name = ctypes.c_void_p, ctypes.c_char_p
        self._set = ctypes.CFUNCTYPE(ctypes.c_int, where, name, where)(vfs.contents.xSetSystemCall)
        self._get = ctypes.CFUNCTYPE(where, where, name)(vfs.contents.xGetSystemCall)

    def fail_at(self, number, code):
        self.left, self.code = number, code

    def __enter__(self):
        for name, given in CALLS.items():
            kind = ctypes.CFUNCTYPE(ctypes.c_ssize_t if "write" in name else ctypes.c_int, *given, use_errno=True)
            address = self._get(self._pointer, name.encode())
            if address:
                own = kind(self._between(kind(address)))
                self._kept.append(own)
                self._set(self._pointer, name.encode(), ctypes.cast(own, ctypes.c_void_p))
        assert len(self._kept) >= 3
        return self

    def __exit__(self, *_):
        for name in CALLS:
            self._set(self._pointer, name.encode(), None)  # as it was

    def _between(self, plain):
        def call(*given):
            self.left -= 1
            if self.left == -1:
                ctypes.set_errno(self.code)
                return -1
            return plain(*given)

        return call


@pytest.fixture
def disk():
    found = importlib.util.find_spec("_sqlite3")
    library = ctypes.CDLL(found.origin if found and found.origin not in (None, "built-in") else None)
    if not hasattr(library, "sqlite3_vfs_find"):
        pytest.skip("this Python's SQLite shows no functions of its own, so no call of it can be made to fail")
    library.sqlite3_vfs_find.restype = ctypes.POINTER(Vfs)
    with Disk(library.sqlite3_vfs_find(None)) as disk:
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
