"""The calls by which SQLite changes files, and a way to stand between it and the disk."""

import ctypes
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

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


def found_vfs() -> "ctypes._Pointer[Vfs] | None":
    """Return the way to files of this Python's SQLite; None where it shows no functions of its own."""
    found = importlib.util.find_spec("_sqlite3")
    library = ctypes.CDLL(found.origin if found and found.origin not in (None, "built-in") else None)
    if not hasattr(library, "sqlite3_vfs_find"):
        return None
    library.sqlite3_vfs_find.restype = ctypes.POINTER(Vfs)
    return library.sqlite3_vfs_find(None)


@contextmanager
def between(vfs: "ctypes._Pointer[Vfs]", meet: Callable[[str, Any], int]) -> Iterator[None]:
    """Let `meet` see the name of each call and the file it changes (a descriptor or a path) before it is made.

    The call ends with the error that `meet` returns, or is made where that is 0.
    """
    where, text = ctypes.c_void_p, ctypes.c_char_p
    put = ctypes.CFUNCTYPE(ctypes.c_int, where, text, where)(vfs.contents.xSetSystemCall)
    get = ctypes.CFUNCTYPE(where, where, text)(vfs.contents.xGetSystemCall)
    kept = []
    for name, given in CALLS.items():
        kind = ctypes.CFUNCTYPE(ctypes.c_ssize_t if "write" in name else ctypes.c_int, *given, use_errno=True)
        address = get(vfs, name.encode())
        if address:
            own = kind(_met(name, kind(address), meet))
            kept.append(own)
            put(vfs, name.encode(), ctypes.cast(own, where))
    assert len(kept) >= 3, "this SQLite changes files by other calls"
    try:
        yield
    finally:
        for name in CALLS:
            put(vfs, name.encode(), None)  # as it was


def _met(name: str, plain: Callable[..., int], meet: Callable[[str, Any], int]) -> Callable[..., int]:
    def call(*given: Any) -> int:
        if code := meet(name, given[0]):
            ctypes.set_errno(code)
            return -1
        return plain(*given)

    return call
