"""What a process that reads hostile files gives up before it opens one: memory, time, disk, network, programs."""

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lakehouse.errors import ServiceUnavailableError

OPEN_FILES = 256
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
# linux/bpf_common.h, linux/seccomp.h and linux/audit.h
LOAD_WORD, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | 1  # 1 is EPERM
NUMBER_AT, MACHINE_AT = 0, 4
# Numbers beyond this are those of x32, a second way to the same calls on x86_64.
X32 = 0x40000000


@dataclass(frozen=True, slots=True)
class _Machine:
    """How a kind of processor is called by the kernel, and its numbers of the calls that are refused."""

    audit: int
    refused: tuple[int, ...]


# socket, execve, ptrace, process_vm_readv, process_vm_writev, execveat, io_uring_setup (opens sockets too), pidfd_getfd
MACHINES = {
    "x86_64": _Machine(0xC000003E, (41, 59, 101, 310, 311, 322, 425, 438)),
    "aarch64": _Machine(0xC00000B7, (198, 221, 117, 270, 271, 281, 425, 438)),
}

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
RULE_BENEATH = 1
# linux/landlock.h: writing, removing and making of every kind of file; moving between folders from version 2 on,
# cutting files from version 3 on, signals to other processes from version 6 on. Without the second, landing could not
# rename what it has unpacked.
WRITES = (1 << 1) | sum(1 << bit for bit in range(4, 14))
TRUNCATE, OF_FILES = 1 << 14, (1 << 1) | (1 << 14)
SIGNALS = 1 << 1
LEAST_VERSION, VERSION_WITH_TRUNCATE, VERSION_WITH_SIGNALS = 2, 3, 6


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the process may use: bytes of address space, seconds of processor time, bytes of one file it writes."""

    memory_bytes: int
    cpu_seconds: int
    file_bytes: int


def limit(allowance: Allowance) -> None:
    """Take the allowance as this process's limits; it writes no core and opens few files."""
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, allowance.memory_bytes),
        (resource.RLIMIT_CPU, allowance.cpu_seconds),
        (resource.RLIMIT_FSIZE, allowance.file_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ):
        _, hard = resource.getrlimit(what)
        most_here = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # At the soft limit of processor time the signal says which limit it was; at the hard one the kernel just kills.
        spare = 1 if what == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else 0
        resource.setrlimit(what, (most_here, most_here + spare))


def shut_in(writable: Iterable[Path]) -> None:
    """Let this process open no connection, start no program, end no other and write only below these folders, for good.

    Elsewhere than on Linux on x86_64 or aarch64 nothing is done; where the kernel has no Landlock, or an old one,
    writing, or sending signals, is not confined.

    Raises:
        ServiceUnavailableError: the kernel refuses the filter of system calls.
    """
    machine = MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        return
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise _refused("giving up new privileges")
    _confine_writing(library, [*writable, Path(os.devnull)])
    _refuse_calls(library, machine)


def writes_are_confined() -> bool:
    """Say whether this kernel can keep a process from writing elsewhere: it knows Landlock, version 2 or newer."""
    return sys.platform == "linux" and _landlock_version(ctypes.CDLL(None, use_errno=True)) >= LEAST_VERSION


def signals_are_confined() -> bool:
    """Say whether this kernel can keep a process from signalling others: it knows Landlock, version 6 or newer."""
    return sys.platform == "linux" and _landlock_version(ctypes.CDLL(None, use_errno=True)) >= VERSION_WITH_SIGNALS


def _landlock_version(library: ctypes.CDLL) -> int:
    return int(library.syscall(CREATE_RULESET, None, 0, 1))


def _refuse_calls(library: ctypes.CDLL, machine: _Machine) -> None:
    program = _program(machine)
    body = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: how many instructions of eight bytes, then where they are.
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(body))
    if library.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(head, len(head)), 0, 0):
        raise _refused("the filter of system calls")


def _program(machine: _Machine) -> bytes:
    """Return the filter: another kind of processor is killed, the refused calls get an error, all others pass."""
    numbers = machine.refused
    steps = [
        (LOAD_WORD, 0, 0, MACHINE_AT),
        (JUMP_IF_EQUAL, 1, 0, machine.audit),
        (RETURN, 0, 0, KILL),
        (LOAD_WORD, 0, 0, NUMBER_AT),
        (JUMP_IF_AT_LEAST, len(numbers) + 1, 0, X32),
        *((JUMP_IF_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def _confine_writing(library: ctypes.CDLL, writable: Iterable[Path]) -> None:
    version = _landlock_version(library)
    if version < LEAST_VERSION:
        return
    handled = WRITES | (TRUNCATE if version >= VERSION_WITH_TRUNCATE else 0)
    # What is handled of files and of the network, and what stays among this process and those that it starts.
    about = struct.pack("Q", handled) if version < VERSION_WITH_SIGNALS else struct.pack("QQQ", handled, 0, SIGNALS)
    rules = library.syscall(CREATE_RULESET, ctypes.c_char_p(about), len(about), 0)
    if rules < 0:
        raise _refused("confining where files are written")
    for place in writable:
        _allow(library, rules, place, handled)
    if library.syscall(RESTRICT_SELF, rules, 0):
        raise _refused("confining where files are written")
    os.close(rules)


def _allow(library: ctypes.CDLL, rules: int, place: Path, handled: int) -> None:
    if not place.exists():
        return
    handle = os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        allowed = handled if place.is_dir() else handled & OF_FILES
        rule = struct.pack("=Qi", allowed, handle)
        if library.syscall(ADD_RULE, rules, RULE_BENEATH, ctypes.c_char_p(rule), 0):
            raise _refused(f"allowing to write below {place}")
    finally:
        os.close(handle)


def _refused(what: str) -> ServiceUnavailableError:
    reason = os.strerror(ctypes.get_errno())
    return ServiceUnavailableError(f"the kernel refuses {what}: {reason}; files from outside are not read without it")
