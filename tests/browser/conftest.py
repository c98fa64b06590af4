"""One Superset for all browser tests: provisioned from this checkout, over the real SQL endpoint with sample rows."""

import http.client
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

from dagster_project.settings import load_settings, machine_environment
from lakehouse.adapters import superset
from lakehouse.adapters.seaweedfs import free_ports

sys.path.insert(0, str(Path(__file__).parent))

PROJECT = Path(__file__).parents[2]
START_SECONDS = 120


@dataclass(frozen=True)
class Dashboards:
    """A running Superset, what it was given, and the log of the SQL endpoint behind it."""

    url: str
    port: int
    venv: Path
    home: Path
    environment: dict[str, str]
    sql_log: Path

    @property
    def password(self) -> str:
        return self.environment["SUPERSET_ADMIN_PASSWORD"]

    @property
    def viewer_password(self) -> str:
        return self.environment["SUPERSET_VIEWER_PASSWORD"]

    def provision(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            superset.provision_command(self.venv),
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=START_SECONDS * 2,
            check=False,
        )


@pytest.fixture(scope="session")
def dashboards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboards]:
    """Start the SQL endpoint, provision Superset from nothing, start its web server."""
    root = tmp_path_factory.mktemp("dashboards")
    venv = load_settings().home / "superset-venv"
    if not (venv / "bin" / "python").exists():
        pytest.fail(f"no Superset at {venv}; run `python3 dagster_project/bootstrap.py test`")
    sql_port, web_port = free_ports(2)  # none that the system gives to outgoing connections, until they are taken
    password = secrets.token_urlsafe(16)
    given = Dashboards(
        url=f"http://127.0.0.1:{web_port}",
        port=web_port,
        venv=venv,
        home=root / "superset",
        environment=_environment(root, sql_port, password),
        sql_log=root / "sql.log",
    )
    given.home.mkdir()
    sql = _start(_sql_command(root, sql_port, password), root, given.sql_log, machine_environment())
    try:
        _wait(sql, given.sql_log, lambda: _listens(sql_port))
        done = given.provision()
        assert done.returncode == 0, done.stderr[-3000:]
        web_log = root / "web.log"
        web = _start(superset.command(venv, host="127.0.0.1", port=web_port), given.home, web_log, given.environment)
        try:
            _wait(web, web_log, lambda: superset.healthy(given.url))
            yield given
        finally:
            _stop(web)
    finally:
        _stop(sql)


def _environment(root: Path, sql_port: int, sql_password: str) -> dict[str, str]:
    return superset.environment(
        machine_environment(),
        home=root / "superset",
        secret_key=secrets.token_urlsafe(48),
        admin_user="admin",
        admin_password=secrets.token_urlsafe(16),
        sql_uri=f"grpc://127.0.0.1:{sql_port}",
        sql_user="lakehouse",
        sql_password=sql_password,
        viewer_password=secrets.token_urlsafe(16),
    )


def _sql_command(root: Path, port: int, password: str) -> tuple[str, ...]:
    script = PROJECT / "tests" / "contract" / "endpoint" / "try_endpoint.py"
    return (
        *(sys.executable, str(script), "--port", str(port), "--user", "lakehouse"),
        *("--password", password, "--warehouse", str(root / "lake")),
    )


def _start(command: tuple[str, ...], folder: Path, log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with log.open("ab") as sink:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], log: Path, ready) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        assert process.poll() is None, f"it stopped: {log.read_text()[-3000:]}"
        assert time.monotonic() < deadline, f"not well after {START_SECONDS} s: {log.read_text()[-3000:]}"
        time.sleep(0.25)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Guesser:
    """Sends requests from an address of its own, so that being limited harms no other test."""

    def __init__(self, port: int, address: str) -> None:
        self.port, self.address, self.cookie = port, address, ""

    def ask(
        self,
        method: str,
        path: str,
        body: str = "",
        kind: str = "application/json",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120, source_address=(self.address, 0))
        try:
            connection.request(method, path, body or None, {"Content-Type": kind, "Cookie": self.cookie, **headers})
            answer = connection.getresponse()
            if given := answer.getheader("Set-Cookie"):
                self.cookie = given.split(";")[0]
            return answer.status, answer.read().decode()
        finally:
            connection.close()
