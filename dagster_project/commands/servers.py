"""Starts, stops and shows the servers, and runs the whole loop."""

import sys

import click

from dagster_project.commands.base import ExampleCommand, local
from dagster_project.doing import who_does
from dagster_project.settings import Settings, load_settings
from lakehouse.errors import BusyError

STARTING = ("demo", "run", "up")
"""Works that start servers and need them."""


def _alone(settings: Settings) -> Settings:
    """Return the settings; raise BusyError while another process starts the servers of this lake, or works on them."""
    if others := who_does(settings.home, *STARTING):
        named = " and ".join(f"`{name}` (process {pid})" for pid, name in others.items())
        raise BusyError(
            f"{named} is at work here, and nothing was changed; wait for its end, which `lakehouse status` tells, or "
            f"stop it first: Ctrl-C where it runs, or kill {' '.join(map(str, others))}"
        )
    return settings


@click.command(cls=ExampleCommand, example="lakehouse demo")
def demo() -> None:
    """Run the whole loop on real data and leave the servers up."""
    from dagster_project.demo import run_demo

    sys.exit(run_demo(_alone(local())))


@click.command(cls=ExampleCommand, example="lakehouse up")
def up() -> None:
    """Start the servers and wait until they are well."""
    from dagster_project.demo import start_servers

    start_servers(_alone(local()))


@click.command(cls=ExampleCommand, example="lakehouse down")
def down() -> None:
    """Stop the servers that `up` or `demo` started, and nothing else; not while one of these is at work."""
    from dagster_project.supervisor import Supervisor

    supervisor = Supervisor(_alone(load_settings()).home)
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

    sys.exit(run_graph(_alone(local())))
