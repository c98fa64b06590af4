"""The processes of a bare machine: object store and catalog, SQL, catalogue, receiver of uploads, Dagster, Superset."""

import hashlib
import http.client
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from dagster_project.dagster_home import prepare_dagster_home, superset_database_url
from dagster_project.listening import Listens
from dagster_project.settings import (
    PREFIX,
    PROJECT,
    Settings,
    code_commit,
    machine_environment,
    own_environment,
)
from dagster_project.supervisor import Service
from lakehouse.adapters import seaweedfs, superset
from lakehouse.adapters.dremio import DremioQueries
from lakehouse.errors import LakehouseError

HEALTH_SECONDS = 3.0


def services(settings: Settings) -> tuple[Service, ...]:
    """Return the services that run here, in the order in which they start; what runs elsewhere is not among them."""
    own_storage = (storage(settings),) if settings.storage == "bundled" else ()
    own_sql = (sql(settings),) if _own_sql(settings) else ()
    own_receiver = (receiver(settings),) if settings.s3_inbox else ()
    made_of = _made_of(settings)
    ours = (*own_sql, catalogue(settings), *own_receiver, dagster(settings))
    return (*own_storage, *(replace(each, made_of=made_of) for each in ours), dashboards(settings))


def _own_sql(settings: Settings) -> bool:
    """Say whether the SQL engine in the settings is the endpoint that runs here."""
    return settings.sql_uri.partition("://")[2] == f"{settings.host}:{settings.sql_port}"


def storage(settings: Settings) -> Service:
    """Return SeaweedFS: S3 API and Iceberg REST catalog in one process."""
    ports = seaweedfs.SeaweedPorts(**json.loads(settings.storage_ports))
    access_key = settings.s3_access_key.get_secret_value()
    secret_key = settings.s3_secret_key.get_secret_value()
    data = settings.home / "objects"
    return Service(
        name="storage",
        command=seaweedfs.command(seaweedfs.binary(), data=data, ports=ports),
        environment=machine_environment() | seaweedfs.environment(access_key, secret_key),
        folder=data,
        healthy=lambda: seaweedfs.healthy(ports, access_key=access_key, secret_key=secret_key),
        needed_for="objects and Iceberg tables",
        listens=Listens(seaweedfs.HOST, ports.all(), _names("storage_ports", "s3_endpoint", "catalog_uri")),
    )


def sql(settings: Settings) -> Service:
    """Return the embedded SQL endpoint."""
    return _verb(
        settings,
        "sql",
        "serve-sql",
        listens=Listens(settings.host, [settings.sql_port], _names("sql_port", "sql_uri")),
        healthy=lambda: sql_healthy(settings),
        needed_for="SQL over everything published",
    )


def catalogue(settings: Settings) -> Service:
    """Return the catalogue's web server."""
    return _verb(
        settings,
        "catalogue",
        "serve-catalogue",
        listens=_web(settings, "catalogue_port"),
        healthy=lambda: http_ok(f"{settings.url(settings.catalogue_port)}/health"),
        needed_for="finding, citing and getting datasets",
    )


def receiver(settings: Settings) -> Service:
    """Return the receiver of notifications about uploads."""
    return _verb(
        settings,
        "uploads",
        "serve-uploads",
        listens=_web(settings, "uploads_port"),
        healthy=lambda: http_ok(f"{settings.url(settings.uploads_port)}/health"),
        needed_for="ingesting uploads at once; without it the bucket is looked through now and then",
    )


def _web(settings: Settings, name: str) -> Listens:
    return Listens(settings.host, [getattr(settings, name)], _names(name))


def _names(*fields: str) -> tuple[str, ...]:
    return tuple(f"{PREFIX}{name.upper()}" for name in fields)


def _verb(
    settings: Settings, name: str, verb: str, *, listens: Listens, healthy: Callable[[], bool], needed_for: str
) -> Service:
    """Return a server that is a verb of this project's own command line."""
    return Service(
        name=name,
        command=(sys.executable, "-m", "dagster_project.cli", verb),
        environment=child_environment(settings),
        folder=PROJECT,
        healthy=healthy,
        needed_for=needed_for,
        listens=listens,
    )


def dagster(settings: Settings) -> Service:
    """Return `dagster dev`: web pages, daemon and code location."""
    home = prepare_dagster_home(settings)
    command = (str(Path(sys.executable).with_name("dagster")), "dev", "-m", "dagster_project.definitions")
    return Service(
        name="dagster",
        command=(*command, "-h", settings.host, "-p", str(settings.dagster_port)),
        environment=child_environment(settings) | {"DAGSTER_HOME": str(home)},
        folder=PROJECT,
        healthy=lambda: http_ok(f"{settings.url(settings.dagster_port)}/server_info"),
        needed_for="runs, the asset graph, sensors and schedules",
        start_seconds=240.0,
        listens=_web(settings, "dagster_port"),
    )


def dashboards(settings: Settings) -> Service:
    """Return Superset under gunicorn."""
    return Service(
        name="superset",
        command=superset.command(superset_venv(settings), host=settings.host, port=settings.superset_port),
        environment=superset_environment(settings),
        folder=PROJECT / "superset",
        healthy=lambda: superset.healthy(settings.url(settings.superset_port)),
        needed_for="dashboards",
        start_seconds=240.0,
        listens=_web(settings, "superset_port"),
    )


def _made_of(settings: Settings) -> dict[str, str]:
    """Return the code and a hash of the settings, without the secret ones, that a server keeps while it runs."""
    shown = {name: str(value) for name, value in settings if not isinstance(value, SecretStr)}
    told = json.dumps(shown, sort_keys=True).encode()
    return {"code": code_commit(), "settings": hashlib.sha256(told).hexdigest()}


def superset_venv(settings: Settings) -> Path:
    """Return the folder of Superset's own environment."""
    return settings.home / "superset-venv"


def superset_environment(settings: Settings) -> dict[str, str]:
    """Return what Superset and its provisioning read from their environment."""
    roots = settings.sql_tls_roots
    return superset.environment(
        machine_environment() | ({} if roots is None else {"SUPERSET_SQL_CERTIFICATES": str(roots.resolve())}),
        home=settings.home / "superset",
        secret_key=settings.superset_secret_key.get_secret_value(),
        admin_user=settings.superset_user,
        admin_password=settings.superset_password.get_secret_value(),
        sql_uri=settings.sql_uri,
        sql_user=settings.sql_user,
        sql_password=settings.sql_password.get_secret_value(),
        viewer_password=settings.superset_viewer_password.get_secret_value(),
        metadata_uri=superset_database_url(settings),
    )


def child_environment(settings: Settings) -> dict[str, str]:
    """Return the environment for this project's own child processes: they read the same settings as this one."""
    own = own_environment() | {f"{PREFIX}HOME": str(settings.home)}
    return machine_environment() | own | {"PYTHONUNBUFFERED": "1"}


def queries(settings: Settings, *, purpose: str = "") -> DremioQueries:
    """Return the client of the SQL engine named in the settings; without a purpose the user's default counts."""
    password = settings.sql_password.get_secret_value()
    roots = None if settings.sql_tls_roots is None else settings.sql_tls_roots.read_bytes()
    return DremioQueries(settings.sql_uri, settings.sql_user, password, root_certificates=roots, purpose=purpose)


def sql_healthy(settings: Settings) -> bool:
    """Say whether the SQL engine answers this user."""
    try:
        queries(settings).ping()
    except LakehouseError:
        return False
    return True


def http_ok(url: str) -> bool:
    """Say whether a page answers 200 in time."""
    try:
        with urllib.request.urlopen(url, timeout=HEALTH_SECONDS) as answer:  # noqa: S310 - our own http address
            return int(answer.status) == http.client.OK
    except (urllib.error.URLError, OSError, http.client.HTTPException):
        return False
