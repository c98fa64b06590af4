"""The cage around an engine process: what the kernel keeps it from, whatever DuckDB or a statement tries.

Sources: Linux, Documentation/userspace-api/landlock.rst and seccomp_filter.rst; include/uapi/linux/landlock.h.
"""

import contextlib
import ctypes
import os
import platform
import resource
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

NO_NEW_PRIVS, SET_SECCOMP, FILTER_MODE = 38, 22, 2
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
RULE_PATH, RULE_PORT = 1, 2
READ_FILE, READ_DIR = 1 << 2, 1 << 3
CONNECT_TCP = 1 << 1
# Landlock version -> how many rights to files it knows; the first three versions added one or two each.
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
NEWEST_FILE_RIGHTS = 16
# Name lookup and certificates, for table files on S3.
NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/ssl")
NETWORK_FOLDERS = ("/etc/pki", "/usr/share/ca-certificates", "/usr/lib", "/lib", "/lib64")
# Machine -> its number for seccomp, and the calls that are refused: to start programs, to look into other processes.
REFUSED: dict[str, tuple[int, tuple[int, ...], tuple[int, ...]]] = {
    "x86_64": (0xC000003E, (59, 322, 101, 310, 311, 57, 58, 62), (41, 53)),
    "aarch64": (0xC00000B7, (221, 281, 117, 270, 271, 129), (198, 199)),
}


@dataclass(frozen=True, slots=True)
class Cage:
    """What an engine may reach: files below `roots`, TCP at `port` where table files lie on S3, so much memory."""

    roots: tuple[str, ...]
    port: int | None
    address_space_bytes: int

    def enter(self) -> list[str]:
        """Shut this process in, threads that it starts later included; return what holds.

        Must be called before a second thread starts. What a kernel does not offer is left out of the answer.
        """
        limit(resource.RLIMIT_CORE, 0)
        limit(resource.RLIMIT_FSIZE, 0)
        limit(resource.RLIMIT_AS, self.address_space_bytes)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
        libc = ctypes.CDLL(None, use_errno=True)
        held = ["limits"]
        if libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
            held += ["landlock"] if _landlock(libc, self.roots, self.port) else []
            held += ["seccomp"] if _seccomp(libc, sockets=self.port is not None) else []
        return held


def limit(what: int, wanted: int) -> None:
    """Lower a limit of this process for good; one that is lower already stays."""
    _, most = resource.getrlimit(what)
    value = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(what, (value, value))


def _landlock(libc: ctypes.CDLL, roots: Sequence[str], port: int | None) -> bool:
    """Allow reading below `roots`, and connecting to `port`; no other files, TCP, signals or abstract sockets."""
    version = libc.syscall(CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    files = (1 << FILE_RIGHTS.get(version, NEWEST_FILE_RIGHTS)) - 1
    network, scopes = (3 if version >= 4 else 0), (3 if version >= 6 else 0)
    handled = ctypes.create_string_buffer(struct.pack("<QQQ", files, network, scopes), 24)
    ruleset = libc.syscall(CREATE_RULESET, handled, 24 if version >= 6 else 16 if version >= 4 else 8, 0)
    if ruleset < 0:
        return False
    try:
        for path, rights in _readable(roots, network=port is not None):
            _add(libc, ruleset, RULE_PATH, struct.pack("<Qi", rights, path))
        if network and port is not None:
            _add(libc, ruleset, RULE_PORT, struct.pack("<QQ", CONNECT_TCP, port))
        return bool(libc.syscall(RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _add(libc: ctypes.CDLL, ruleset: int, kind: int, rule: bytes) -> None:
    if libc.syscall(ADD_RULE, ruleset, kind, ctypes.create_string_buffer(rule, len(rule)), 0) != 0:
        raise OSError(ctypes.get_errno(), "landlock did not take a rule")


def _readable(roots: Sequence[str], *, network: bool) -> Iterator[tuple[int, int]]:
    """Yield what may be read: a descriptor, open until the next one is asked for, and the rights to it."""
    for name in (*roots, *((*NETWORK_FILES, *NETWORK_FOLDERS) if network else ())):
        # A root that does not exist yet cannot be named; the engine fails to read it and is replaced then.
        if not Path(name).exists():
            continue
        path = os.open(name, os.O_PATH | os.O_CLOEXEC)
        try:
            yield path, READ_FILE | (READ_DIR if Path(name).is_dir() else 0)
        finally:
            os.close(path)


def _seccomp(libc: ctypes.CDLL, *, sockets: bool) -> bool:
    """Refuse system calls with EPERM: those that start programs or look into others and, without S3, sockets."""
    known = REFUSED.get(platform.machine())
    if known is None:
        return False
    machine, always, to_talk = known
    calls = always if sockets else always + to_talk
    load, equal, at_least, answer, other_width = 0x20, 0x15, 0x35, 0x06, 0x40000000
    allow, kill, refuse = 0x7FFF0000, 0x80000000, 0x00050001
    program = [(load, 0, 0, 4), (equal, 1, 0, machine), (answer, 0, 0, kill), (load, 0, 0, 0)]
    program += [(at_least, len(calls) + 1, 0, other_width)]
    program += [(equal, len(calls) - place, 0, call) for place, call in enumerate(calls)]
    program += [(answer, 0, 0, allow), (answer, 0, 0, refuse)]
    code = b"".join(struct.pack("<HBBI", *step) for step in program)
    steps = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        """struct sock_fprog."""

        _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))

    filter_program = Program(len(program), ctypes.addressof(steps))
    return bool(libc.prctl(SET_SECCOMP, FILTER_MODE, ctypes.byref(filter_program), 0, 0) == 0)
