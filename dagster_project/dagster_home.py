"""Dagster's instance folder: its settings file, where its runs are kept, its code's server; and Superset's database."""

import os
import tempfile
from pathlib import Path
from urllib.parse import quote, urlsplit

import yaml

from dagster_project.first_history import make_first_history
from dagster_project.settings import ADDRESSES, PREFIX, Settings
from lakehouse.errors import UnknownSettingError

DAGSTER_YAML = """\
# Written by `lakehouse up`; change dagster_project/dagster_home.py instead.
telemetry: {enabled: false}
nux: {enabled: false}
concurrency:
  runs: {max_concurrent_runs: 1}
run_monitoring: {enabled: true, start_timeout_seconds: 180, max_runtime_seconds: 21600, poll_interval_seconds: 30}
run_retries: {enabled: false}
"""
PASSWORD_FILE = "pgpass"  # noqa: S105 (a file name)
DRIVER = "postgresql+psycopg2"
"""SQLAlchemy 2.1 takes psycopg 3 where none is named, which cannot say the NOTIFY of dagster-postgres 0.29."""


def prepare_dagster_home(settings: Settings) -> Path:
    """Write Dagster's files and return their folder.

    A database's password stands in a file of libpq's own form (mode 0600) that the address names, so that it is in no
    environment, no argument and none of the files that Dagster copies into its runs.
    """
    home = settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    _keep(home / "dagster.yaml", DAGSTER_YAML + _logs(home) + _storage(settings, home))
    if not settings.dagster_database:
        make_first_history(home, DAGSTER_YAML)
    if settings.dagster_code:
        _keep(home / "workspace.yaml", _workspace(settings.dagster_code))
    return home


def _logs(home: Path) -> str:
    """Return the part of the settings file that says who copies what runs print; the folder is Dagster's own choice."""
    manager = {"module": "dagster_project.run_logs", "class": "QuietLogManager"}
    return yaml.safe_dump({"compute_logs": {**manager, "config": {"base_dir": str(home / "storage")}}})


def _storage(settings: Settings, home: Path) -> str:
    """Return the part of the settings file that says where runs, events and schedules are kept."""
    if not settings.dagster_database:
        return ""
    return yaml.safe_dump({"storage": {"postgres": {"postgres_url": database_url(settings, home)}}})


def database_url(settings: Settings, home: Path) -> str:
    """Return where Dagster's database is, as SQLAlchemy takes it, and keep the file that holds the password.

    Raises:
        UnknownSettingError: the address names no user or no database, or the password cannot be one.
    """
    password = settings.dagster_password.get_secret_value()
    return _with_password(settings.dagster_database, password, "DAGSTER_DATABASE", home / PASSWORD_FILE)


def superset_database_url(settings: Settings) -> str:
    """Return where Superset's database is, as SQLAlchemy takes it, empty for its own file; raises as `database_url`."""
    if not settings.superset_database:
        return ""
    home = settings.home / "superset"
    home.mkdir(parents=True, exist_ok=True)
    password = settings.superset_database_password.get_secret_value()
    return _with_password(settings.superset_database, password, "SUPERSET_DATABASE", home / PASSWORD_FILE)


def _with_password(address: str, password: str, name: str, secret: Path) -> str:
    database = urlsplit(address)
    if not database.username or not database.path.strip("/"):
        raise UnknownSettingError(
            f"{PREFIX}{name} names no user or no database; write postgresql://user@host:port/database"
        )
    if not password or "\n" in password:
        raise UnknownSettingError(
            f"{PREFIX}{ADDRESSES[name]} is empty or has several lines; give the password of user {database.username}"
        )
    _keep(secret, f"*:*:*:*:{password.replace(chr(92), chr(92) * 2).replace(':', chr(92) + ':')}\n", mode=0o600)
    query = f"{database.query}&passfile={quote(str(secret))}".removeprefix("&")
    return database._replace(scheme=DRIVER, query=query).geturl()


def _workspace(code: str) -> str:
    host, colon, port = code.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise UnknownSettingError(f"{PREFIX}DAGSTER_CODE is {code!r}; write host:port")
    server = {"host": host, "port": int(port), "location_name": "dagster_project.definitions"}
    return yaml.safe_dump({"load_from": [{"grpc_server": server}]})


def _keep(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file unless it says so already; others see the old content or the new one, never half of it."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    # Containers that share this folder have the same process ids, so those name nothing of one's own.
    descriptor, partial = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
    Path(partial).replace(path)
