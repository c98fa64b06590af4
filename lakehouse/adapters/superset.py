"""How to run Superset in its own environment: command lines, variables, and whether it is well."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "superset"
HEALTH_SECONDS = 3.0
THREADS = 8
REQUEST_SECONDS = 120


def command(venv: Path, *, host: str, port: int) -> tuple[str, ...]:
    """Return the web server's command line: one process with threads.

    Not gevent: the Flight client's gRPC blocks its loop. One process, because the rate limit counts in memory.
    """
    return (
        str(venv / "bin" / "python"),
        *("-m", "gunicorn", "web_server:app", "--pythonpath", str(FOLDER)),
        *("--bind", f"{host}:{port}"),
        *("--worker-class", "gthread", "--workers", "1", "--threads", str(THREADS)),
        *("--timeout", str(REQUEST_SECONDS), "--preload", "--no-control-socket"),
        *("--limit-request-line", "8190", "--worker-tmp-dir", "/dev/shm"),  # noqa: S108 - heartbeat files, in memory
    )


def provision_command(venv: Path) -> tuple[str, ...]:
    """Return the command that brings schema, users and dashboards to what the ``superset`` folder describes."""
    return (str(venv / "bin" / "python"), str(FOLDER / "provision.py"))


def environment(
    base: Mapping[str, str],
    *,
    home: Path,
    secret_key: str,
    admin_user: str,
    admin_password: str,
    sql_uri: str,
    sql_user: str,
    sql_password: str,
    viewer_user: str = "viewer",
    viewer_password: str = "",
    metadata_uri: str = "",
) -> dict[str, str]:
    """Return `base` with what Superset reads; an empty viewer password makes no viewer, an empty URI means SQLite."""
    inherited = {
        name: value for name, value in base.items() if not name.startswith(("SUPERSET_", "FLASK_", "PYTHONPATH"))
    }
    return {
        **inherited,
        "SUPERSET_CONFIG_PATH": str(FOLDER / "superset_config.py"),
        "SUPERSET_HOME": str(home),
        "SUPERSET_SECRET_KEY": secret_key,
        "SUPERSET_ADMIN_USER": admin_user,
        "SUPERSET_ADMIN_PASSWORD": admin_password,
        "SUPERSET_VIEWER_USER": viewer_user,
        "SUPERSET_VIEWER_PASSWORD": viewer_password,
        "SUPERSET_METADATA_URI": metadata_uri,
        "SUPERSET_SQL_URI": sql_uri,
        "SUPERSET_SQL_USER": sql_user,
        "SUPERSET_SQL_PASSWORD": sql_password,
        "PYTHONUNBUFFERED": "1",
    }


def healthy(url: str) -> bool:
    """Say whether Superset at `url` answers."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=HEALTH_SECONDS) as answer:  # noqa: S310 - http address
            return int(answer.status) == http.client.OK
    except (urllib.error.URLError, OSError, http.client.HTTPException):
        return False
