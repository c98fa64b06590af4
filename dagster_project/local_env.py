"""Makes this machine's ports and secrets once, in a file only its owner can read."""

import json
import os
import secrets
import socket
from dataclasses import asdict
from pathlib import Path

from dagster_project.settings import PREFIX, Settings, load_settings, read_env_file
from lakehouse.adapters import seaweedfs

SECRET_BYTES = 24
HEADER = "# Ports and secrets of this machine. Made once; keep it private. Delete it only together with all data.\n"


def ensure_local(settings: Settings) -> Settings:
    """Return the settings with every port and secret present, writing what is missing to the env file (mode 0600)."""
    path = settings.env_file
    present = read_env_file(path)
    missing = {name: value for name, value in _wanted(settings, present).items() if name not in present}
    if missing:
        _write_private(path, {**present, **missing})
    return load_settings()


def _wanted(settings: Settings, present: dict[str, str]) -> dict[str, str]:
    values = _servers(settings, present) | (_storage(present) if settings.storage == "bundled" else {})
    if settings.s3_inbox:
        values |= {
            "UPLOADS_PORT": str(_free(settings.host, settings.uploads_port)),
            "UPLOADS_TOKEN": secrets.token_urlsafe(SECRET_BYTES),
        }
    return {f"{PREFIX}{name}": value for name, value in values.items()}


def _servers(settings: Settings, present: dict[str, str]) -> dict[str, str]:
    sql_port = present.get(f"{PREFIX}SQL_PORT") or str(_free(settings.host, settings.sql_port))
    return {
        "DAGSTER_PORT": str(_free(settings.host, settings.dagster_port)),
        "SUPERSET_PORT": str(_free(settings.host, settings.superset_port)),
        "CATALOGUE_PORT": str(_free(settings.host, settings.catalogue_port)),
        "SQL_PORT": sql_port,
        "SQL_URI": f"{'grpc' if settings.sql_tls_certificate is None else 'grpc+tls'}://{settings.host}:{sql_port}",
        "SQL_SECRET": secrets.token_urlsafe(SECRET_BYTES),
        "SQL_PASSWORD": secrets.token_urlsafe(SECRET_BYTES),
        "SUPERSET_PASSWORD": secrets.token_urlsafe(SECRET_BYTES),
        "SUPERSET_VIEWER_PASSWORD": secrets.token_urlsafe(SECRET_BYTES),
        "SUPERSET_SECRET_KEY": secrets.token_urlsafe(2 * SECRET_BYTES),
    }


def _storage(present: dict[str, str]) -> dict[str, str]:
    known = present.get(f"{PREFIX}STORAGE_PORTS")
    ports = seaweedfs.SeaweedPorts(**json.loads(known)) if known else seaweedfs.SeaweedPorts.free()
    return {
        "STORAGE_PORTS": json.dumps(asdict(ports)),
        "S3_ENDPOINT": seaweedfs.s3_endpoint(ports).removeprefix("http://"),
        "CATALOG_URI": seaweedfs.catalog_uri(ports),
        "S3_ACCESS_KEY": secrets.token_hex(10),
        "S3_SECRET_KEY": secrets.token_urlsafe(SECRET_BYTES),
    }


def _free(host: str, wanted: int) -> int:
    """Return the wanted port when nothing listens there, else one the system gives."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError:
            probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _write_private(path: Path, pairs: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_suffix(".part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(HEADER + "".join(f"{name}={value}\n" for name, value in sorted(pairs.items())))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
