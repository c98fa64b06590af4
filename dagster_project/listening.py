"""Tries the ports of a server before it is started, and says who holds one that it cannot have."""

import errno
import os
import pwd
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lakehouse.errors import PortTakenError

LAKE, SERVER = "STARTED_FOR_LAKE", "STARTED_AS_SERVER"
"""What a server and its children have in their environment: the state folder that they work for, and their name."""
LISTENS = "0A"
LONGEST_COMMAND = 200


@dataclass(frozen=True, slots=True)
class Listens:
    """Where a server listens, and the settings that move it there: lines of the env file that belong together."""

    host: str
    ports: Sequence[int]
    settings: Sequence[str]


def mark(root: Path, name: str) -> dict[str, str]:
    """Return the variables by which a server that was started for a state folder is known again."""
    return {LAKE: str(root), SERVER: name}


def require_free(name: str, listens: Listens, root: Path) -> None:
    """Return when a server could listen now; raise PortTakenError with who holds its port, and what moves it."""
    for port in listens.ports:
        if fault := _fault(listens.host, port):
            held = fault.errno == errno.EADDRINUSE
            why = _holder(port, root) if held else f"the system says: {fault.strerror or fault}"
            raise PortTakenError(
                f"{name} was not started, for it cannot have port {port} of {listens.host}: {why}. "
                f"{'End that, or move' if held else 'Move'} {name}: {_moved(listens, root / 'local.env')}"
            )


def _moved(listens: Listens, place: Path) -> str:
    *others, last = listens.settings
    if not others:
        return f"give {last} in {place} another port, or remove that line, and the next start chooses a free one"
    return f"remove {', '.join(others)} and {last} from {place}, and the next start chooses free ports"


def _fault(host: str, port: int) -> OSError | None:
    """Return why nobody can listen there now, None where one can. What was just closed does not count."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def _holder(port: int, root: Path) -> str:
    """Say which process holds a port, as far as the system lets its user see."""
    held = dict(_sockets(port))
    for pid in (path.name for path in Path("/proc").iterdir() if path.name.isdigit()):
        if held.keys() & _sockets_of(pid):
            return f"process {pid}{_what(pid, root)} holds it"
    owners = {_user(owner) for owner in held.values()} - {_user(os.getuid())}
    return f"a process of user {' or '.join(sorted(owners))} holds it" if owners else "another program holds it"


def _sockets(port: int) -> Iterator[tuple[str, int]]:
    """Yield the inode of each socket that listens on a port, and its owner (proc(5), net/tcp)."""
    for table in ("tcp", "tcp6"):
        with suppress(FileNotFoundError):  # a machine without IPv6
            for line in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9], int(fields[7])


def _sockets_of(pid: str) -> set[str]:
    """Return the inodes of the sockets of a process; none where it has ended, or is another user's."""
    found = set()
    with suppress(OSError):
        for handle in Path("/proc", pid, "fd").iterdir():
            with suppress(OSError):
                found |= {*re.findall(r"^socket:\[(\d+)\]$", str(handle.readlink()))}
    return found


def _what(pid: str, root: Path) -> str:
    """Return what a process is: a server that was started for this state folder or another one, or its command."""
    command = environment = ""
    with suppress(OSError):
        command = " ".join(_read(pid, "cmdline").replace("\0", " ").split())[:LONGEST_COMMAND]
        environment = _read(pid, "environ")
    known = dict(line.partition("=")[::2] for line in environment.split("\0"))
    if LAKE in known:
        lake = "this lake" if known[LAKE] == str(root) else f"the lake in {known[LAKE]}"
        return f", a `{known.get(SERVER)}` server that was started for {lake},"
    return f" ({command}), no server of a lake," if command else ""


def _read(pid: str, name: str) -> str:
    return Path("/proc", pid, name).read_text(encoding="utf-8", errors="replace")


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
