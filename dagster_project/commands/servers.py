"""Starts, stops and shows the servers, and runs the whole loop."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from dagster_project.commands.base import ExampleCommand, local
from dagster_project.settings import load_settings
from lakehouse.errors import BusyError

LOCK = "servers.lock"
LONGEST_NAME = 256


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Be the only process that starts, stops or needs the servers of this lake; the kernel ends that with the process.

    Raises BusyError while another one does.
    """
    place = load_settings().home / "run" / LOCK
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _busy(os.pread(lock, LONGEST_NAME, 0).decode(errors="replace")) from error
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{name} {os.getpid()}".encode(), 0)
        yield
    finally:
        os.close(lock)


def _busy(holder: str) -> BusyError:
    name, _, pid = holder.partition(" ")
    who, how = (f"`{name}` (process {pid})", f"kill {pid}") if pid else ("another command", "kill its process")
    return BusyError(
        f"{who} is at work here, and nothing was changed; wait for its end, which `lakehouse status` tells, or "
        f"stop it first: Ctrl-C where it runs, or {how}"
    )


@click.command(cls=ExampleCommand, example="lakehouse demo")
def demo() -> None:
    """Run the whole loop on real data and leave the servers up."""
    from dagster_project.demo import run_demo

    with _alone("demo"):
        sys.exit(run_demo(local()))


@click.command(cls=ExampleCommand, example="lakehouse up")
def up() -> None:
    """Start the servers and wait until they are well."""
    from dagster_project.demo import start_servers

    with _alone("up"):
        start_servers(local())


@click.command(cls=ExampleCommand, example="lakehouse down")
def down() -> None:
    """Stop the servers that `up` or `demo` started, and nothing else; not while one of these is at work."""
    from dagster_project.supervisor import Supervisor

    supervisor = Supervisor(load_settings().home)
    with _alone("down"):
        stopped = [name for name in reversed(supervisor.names()) if supervisor.stop(name)]
    print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


@click.command(cls=ExampleCommand, example="lakehouse status")
def status() -> None:
    """Say which servers run, where, and where the files lie."""
    from dagster_project.demo import show_status

    sys.exit(show_status(local()))


@click.command(cls=ExampleCommand, example="lakehouse run")
def run() -> None:
    """Run the whole graph again; unchanged input changes nothing."""
    from dagster_project.demo import run_graph

    with _alone("run"):
        sys.exit(run_graph(local()))
