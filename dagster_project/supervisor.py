"""Starts, watches and stops the bare machine's processes: pid files, logs, health, signals. Nothing else is touched."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dagster_project.doing import born
from dagster_project.listening import Listens, mark, require_free
from lakehouse.errors import ServiceUnavailableError

POLL_SECONDS = 0.2
STOP_SECONDS = 15.0
LOG_TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class Service:
    """One process to run: how to start it and how to ask whether it is well.

    `healthy` says whether the process serves, within a few seconds. `needed_for` is shown to people. `made_of` names
    what a process keeps from its start on, such as its code and settings; a secret does not belong there. `listens`
    says which ports it needs.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    healthy: Callable[[], bool]
    needed_for: str
    start_seconds: float = 120.0
    made_of: Mapping[str, str] = field(default_factory=dict)
    listens: Listens | None = None


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Runs services with pid files under `root`/run and logs under `root`/logs."""

    root: Path
    run: Path = field(init=False)
    logs: Path = field(init=False)
    _children: dict[int, "subprocess.Popen[bytes]"] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "run", self.root / "run")
        object.__setattr__(self, "logs", self.root / "logs")

    def require_ports(self, services: Iterable[Service]) -> None:
        """Return when each service runs already or can have its ports; raise PortTakenError otherwise."""
        for service in services:
            if service.listens is not None and self.pid(service.name) is None:
                require_free(service.name, service.listens, self.root)

    def start(self, service: Service) -> bool:
        """Start a service unless it already runs; return whether it was started. Does not wait until it is well.

        Raises PortTakenError before anything is started where it cannot have its ports.
        """
        if self.pid(service.name) is not None:
            return False
        self.require_ports([service])
        self.run.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        service.folder.mkdir(parents=True, exist_ok=True)
        with self.log(service.name).open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 - argv comes from the services' definitions, never a shell
                list(service.command),
                cwd=service.folder,
                env={**service.environment, **mark(self.root, service.name)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_reset_signals,
            )
        self._children[child.pid] = child
        record = {"pid": child.pid, "born": born(child.pid), "made_of": dict(service.made_of)}
        partial = self._record(service.name).with_suffix(".part")
        partial.write_text(json.dumps(record), encoding="utf-8")
        partial.replace(self._record(service.name))
        return True

    def wait(self, service: Service, *, on_wait: Callable[[float], None] | None = None) -> float:
        """Wait until a started service is well; return the seconds it took.

        Raises ServiceUnavailableError with the end of its log when it dies or takes too long.
        """
        begun = time.monotonic()
        while not service.healthy():
            waited = time.monotonic() - begun
            if self.pid(service.name) is None:
                raise ServiceUnavailableError(f"{service.name} stopped while starting; {self._log_tail(service.name)}")
            if waited > service.start_seconds:
                raise ServiceUnavailableError(
                    f"{service.name} is not well after {waited:.0f} s; {self._log_tail(service.name)}"
                )
            if on_wait:
                on_wait(waited)
            time.sleep(POLL_SECONDS)
        return time.monotonic() - begun

    def stop(self, name: str) -> bool:
        """Stop a service and its children; return whether it ran."""
        pid = self.pid(name)
        if pid is None:
            self._record(name).unlink(missing_ok=True)
            return False
        _signal_group(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while _group_alive(pid) and time.monotonic() < deadline:
            self._reap(pid)
            time.sleep(POLL_SECONDS / 4)
        _signal_group(pid, signal.SIGKILL)
        if pid in self._children:
            self._children.pop(pid).wait()
        self._record(name).unlink(missing_ok=True)
        return True

    def pid(self, name: str) -> int | None:
        """Return the process id of a running service, or None. A reused process id is not mistaken for it."""
        try:
            record = json.loads(self._record(name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        pid = int(record["pid"])
        self._reap(pid)
        return pid if born(pid) == record["born"] else None

    def outdated(self, service: Service) -> list[str]:
        """Return what a running service is made of that a start would make otherwise today, sorted by name."""
        if self.pid(service.name) is None:
            return []
        before = json.loads(self._record(service.name).read_text(encoding="utf-8")).get("made_of", {})
        return sorted(name for name, now in service.made_of.items() if before.get(name) != now)

    def names(self) -> list[str]:
        """Return the names of services that have a pid file."""
        return sorted(path.stem for path in self.run.glob("*.json"))

    def log(self, name: str) -> Path:
        """Return the log file of a service."""
        return self.logs / f"{name}.log"

    def _reap(self, pid: int) -> None:
        """Let a dead child of ours go, so that it does not count as a living member of its group."""
        if pid in self._children:
            self._children[pid].poll()

    def _record(self, name: str) -> Path:
        return self.run / f"{name}.json"

    def _log_tail(self, name: str) -> str:
        path = self.log(name)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return f"the end of {path}:\n" + "\n".join(lines)


def _reset_signals() -> None:
    # A process started from a background job inherits ignored signals and could then never be stopped politely.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _signal_group(group: int, number: signal.Signals) -> None:
    if _group_alive(group):
        os.killpg(group, number)
