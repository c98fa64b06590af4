"""Starts, stops and shows the servers, and runs the whole loop."""

import sys

import click

from dagster_project.commands.base import ExampleCommand, local
from dagster_project.settings import load_settings


@click.command(cls=ExampleCommand, example="lakehouse demo")
def demo() -> None:
    """Run the whole loop on real data and leave the servers up."""
    from dagster_project.demo import run_demo

    sys.exit(run_demo(local()))


@click.command(cls=ExampleCommand, example="lakehouse up")
def up() -> None:
    """Start the servers and wait until they are well."""
    from dagster_project.demo import start_servers

    start_servers(local())


@click.command(cls=ExampleCommand, example="lakehouse down")
def down() -> None:
    """Stop the servers that `up` or `demo` started, and nothing else."""
    from dagster_project.supervisor import Supervisor

    supervisor = Supervisor(load_settings().home)
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

    sys.exit(run_graph(local()))
