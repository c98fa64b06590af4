"""Serves one part of Dagster in the foreground: the code location, the web pages, or the daemon."""

import os
import sys
from pathlib import Path
from typing import Literal, get_args

from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.services import child_environment
from dagster_project.settings import PROJECT, Settings

Part = Literal["code", "webserver", "daemon"]
PARTS: tuple[Part, ...] = get_args(Part)
DEFINITIONS = ("-m", "dagster_project.definitions")


def command(settings: Settings, part: Part, home: Path) -> tuple[str, ...]:
    """Return the command line of one part; `home` is Dagster's instance folder."""
    code = ("-w", str(home / "workspace.yaml")) if settings.dagster_code else DEFINITIONS
    match part:
        case "code":
            address = ("--host", settings.host, "--port", str(settings.code_port))
            return (_program("dagster"), "api", "grpc", *DEFINITIONS, *address)
        case "webserver":
            return (_program("dagster-webserver"), *code, "-h", settings.host, "-p", str(settings.dagster_port))
        case "daemon":
            return (_program("dagster-daemon"), "run", *code)


def serve(settings: Settings, part: Part) -> None:
    """Become that part of Dagster: this process is replaced, so that signals reach it."""
    home = prepare_dagster_home(settings)
    argv = command(settings, part, home)
    os.chdir(PROJECT)
    os.execve(argv[0], argv, child_environment(settings) | {"DAGSTER_HOME": str(home)})  # noqa: S606 - argv is ours, never a shell


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
