"""Runs services of compose.yaml as plain processes of this machine, with the settings, secrets and commands it gives.

Only what a container changes is changed: hosts and ports become loopback and free ones, and the folders of images and
volumes become temporary ones. Each service has a state folder with its volumes in it and nothing else.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from dagster_project.settings import PROJECT, Settings, load_settings, machine_environment
from dagster_project.supervisor import _reset_signals
from dagster_project.wiring import lakehouse
from lakehouse.adapters import minio_server, seaweedfs
from lakehouse.errors import ServiceUnavailableError
from lakehouse.tables.write_audit_publish import Lakehouse

FOLDER = PROJECT / "compose"
HOME = "/var/lib/lakehouse"
START_SECONDS = 240.0
PORTS = {
    "minio": "9000",
    "postgres": "5432",
    "catalog": "8181",
    "code": "4000",
    "dagster": "3000",
    "uploads": "8610",
    "sql": "32010",
    "catalogue": "8600",
    "metrics": "8620",
    "superset": "8088",
}
SUPERSET = "/opt/environment/superset-venv/bin/python"
OWN_PORT = {
    "code": "LAKEHOUSE_CODE_PORT",
    "dagster": "LAKEHOUSE_DAGSTER_PORT",
    "uploads": "LAKEHOUSE_UPLOADS_PORT",
    "sql": "LAKEHOUSE_SQL_PORT",
    "catalogue": "LAKEHOUSE_CATALOGUE_PORT",
    "metrics": "LAKEHOUSE_METRICS_PORT",
    "catalog": "CATALOG_REST_PORT",
}
"""How servers are told another port than the one they have in their container."""


@dataclass
class Cluster:
    """The services of compose.yaml on this machine; `more` are settings that all of ours get besides.

    A service has an address here from when it is started; until then others are told the one of its container.
    """

    root: Path
    more: Mapping[str, str]
    addresses: dict[str, str] = field(default_factory=dict)
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    programs: dict[str, Path] = field(default_factory=dict)
    database: Any = None

    def __post_init__(self) -> None:
        self.services = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
        subprocess.run([sys.executable, FOLDER / "make_secrets.py", "--folder", self.secrets], check=True)
        self.objects.mkdir()

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    def home(self, name: str) -> Path:
        """Return a service's state folder: its volumes are links in it, or the folder is one."""
        mounts = [volume.split(":")[:2] for volume in self.services[name].get("volumes", ())]
        own = {place.removeprefix(HOME).strip("/"): volume for volume, place in mounts if place.startswith(HOME)}
        folder = self.root / ("volumes" if "" in own else "homes") / own.pop("", name)
        folder.mkdir(parents=True, exist_ok=True)
        for place, volume in own.items():
            (self.root / "volumes" / volume).mkdir(parents=True, exist_ok=True)
            if not (folder / place).exists():
                (folder / place).symlink_to(self.root / "volumes" / volume)
        for place in self._in_memory(name):
            (folder / place).mkdir(exist_ok=True)
        return folder

    def _in_memory(self, name: str) -> list[str]:
        places = [place.partition(":")[0] for place in self.services[name].get("tmpfs", ())]
        return [place.removeprefix(HOME).strip("/") for place in places if place.startswith(HOME)]

    def strays(self) -> list[Path]:
        """Return what services wrote beside their volumes, where a container cannot write."""
        found = [path for path in (self.root / "homes").glob("*/*") if not path.is_symlink()]
        return [path for path in found if path.name not in self._in_memory(path.parent.name)]

    @property
    def objects(self) -> Path:
        return self.root / "objects"

    def secret(self, name: str) -> str:
        return (self.secrets / name).read_text()

    def port(self, name: str) -> str:
        """Return the port that a service has here."""
        return self.addresses[name].rpartition(":")[2]

    def url(self, name: str) -> str:
        return f"http://{self.addresses[name]}"

    def here(self, service: str, text: str) -> str:
        """Return a word of a service with hosts, ports and folders as they are here."""
        found = {f"{name}:{PORTS[name]}": address for name, address in self.addresses.items()} | {
            "/run/secrets": str(self.secrets),
            HOME: str(self.home(service)),
            "/opt/lakehouse": str(PROJECT),
            "/data": str(self.objects),
            "/var/lib/superset": str(self.root / "volumes" / "superset"),
            SUPERSET: str(load_settings().home / "superset-venv" / "bin" / "python"),
            "/http_ok.sh": str(FOLDER / "http_ok.sh"),
            "/opt/catalog/serve.sh": str(FOLDER / "catalog" / "serve.sh"),
        }
        return re.sub("|".join(map(re.escape, found)), lambda one: found[one.group()], text)

    def environment(self, name: str) -> dict[str, str]:
        """Return a service's variables, and nothing of this process but the path to programs."""
        given = {key: self.here(name, str(value)) for key, value in self.services[name]["environment"].items()}
        if "LAKEHOUSE_HOST" in given:
            given |= {"LAKEHOUSE_HOST": "127.0.0.1", **self.more}
        if name in OWN_PORT and name in self.addresses:
            given[OWN_PORT[name]] = self.port(name)
        programs = f"{Path(sys.executable).parent}{os.pathsep}{machine_environment()['PATH']}"
        ours = {} if name.startswith("superset") else {"PYTHONPATH": str(PROJECT)}
        return {"PATH": programs, **ours, **given, "HOME": str(self.root)}

    def settings(self, name: str) -> Settings:
        """Return what one of our services reads from its variables."""
        return load_settings(self.environment(name))

    def words(self, name: str, words: list[str]) -> list[str]:
        """Return a command of compose.yaml as it is called here."""
        first, *rest = words
        found = {
            "lakehouse": [sys.executable, "-m", "dagster_project.cli"],
            "bash": [shutil.which("bash") or "bash"],
            "dagster": [str(Path(sys.executable).with_name("dagster"))],
            "dagster-daemon": [str(Path(sys.executable).with_name("dagster-daemon"))],
            SUPERSET: [self.here(name, SUPERSET)],
        }.get(first, [first])
        own = {}
        if name in self.addresses:
            own = {PORTS[name]: self.port(name), f"0.0.0.0:{PORTS[name]}": self.addresses[name]}
        return [*found, *(own.get(word) or self.here(name, word) for word in rest)]

    def start(self, name: str, *, program: Path | None = None) -> None:
        """Start a service on a port that is free now, or was its own before; wait until its own health check passes."""
        self.launch(name, program=program)
        self.wait(name)

    def launch(self, name: str, *, program: Path | None = None) -> None:
        """Start a service's command, where it was before; `program` stands for its first word from then on."""
        if name in PORTS and name not in self.addresses:
            self.addresses[name] = f"127.0.0.1:{seaweedfs.free_ports(1)[0]}"
        if program is not None:
            self.programs[name] = program
        words = self.words(name, self.services[name]["command"])
        if name in self.programs:
            words[0] = str(self.programs[name])
        with self.log(name).open("ab") as log:
            self.running[name] = subprocess.Popen(
                words,
                cwd=self.root,
                env=self.environment(name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_reset_signals,
            )

    def wait(self, name: str) -> None:
        """Wait until a service is healthy; its check may be a whole Python program, so somebody has to listen first."""
        end = time.monotonic() + START_SECONDS
        while not (self.listens(name) and self.healthy(name)):
            assert self.running[name].poll() is None, f"{name} ended: {self.told(name)}"
            assert time.monotonic() < end, f"{name} is not well: {self.told(name)}"
            time.sleep(0.2 if name in PORTS else 5.0)

    def listens(self, name: str) -> bool:
        """Say whether a service takes connections; of one without a port nothing is known."""
        if name not in PORTS:
            return True
        with socket.socket() as caller:
            caller.settimeout(5)
            return caller.connect_ex(("127.0.0.1", int(self.port(name)))) == 0

    def healthy(self, name: str) -> bool:
        """Ask a service's health check."""
        kind, *test = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        try:
            done = subprocess.run(
                self.words(name, test),
                cwd=self.root,
                env=self.environment(name),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=120,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False  # asked again, until START_SECONDS are over
        return done.returncode == 0

    def once(self, name: str) -> str:
        """Run a service that ends; return what it said."""
        done = subprocess.run(
            self.words(name, self.services[name]["command"]),
            cwd=self.root,
            env=self.environment(name),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def log(self, name: str) -> Path:
        return self.root / f"{name}.log"

    def told(self, name: str) -> str:
        return self.log(name).read_text(errors="replace")[-2000:]

    def stop(self, name: str, *signals: signal.Signals) -> None:
        """End a service and its children, politely first unless other signals are given."""
        process = self.running.pop(name)
        for number in signals or (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(30)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue

    @contextmanager
    def postgres(self, run_postgres: Callable[..., AbstractContextManager[Any]]) -> Iterator[None]:
        """Start PostgreSQL with the service's options, and make its databases with the script that it is given."""
        given = self.environment("postgres")
        initdb = (*given["POSTGRES_INITDB_ARGS"].split(), f"--username={given['POSTGRES_USER']}")
        secret = Path(given["POSTGRES_PASSWORD_FILE"]).read_text()
        options = tuple(self.services["postgres"]["command"][1:])
        with run_postgres(initdb=initdb, options=options, secret=secret) as server:
            self.addresses["postgres"], self.database = f"127.0.0.1:{server.port}", server
            reach = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGPASSWORD": secret}
            made = subprocess.run(
                [FOLDER / "postgres" / "databases.sh"],
                env=given | reach | {"SECRETS": str(self.secrets)},
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert made.returncode == 0, made.stderr
            yield


@contextmanager
def cluster(
    root: Path, run_postgres: Callable[..., AbstractContextManager[Any]], more: Mapping[str, str]
) -> Iterator[Cluster]:
    """Start storage, database and receiver as compose.yaml does, and set them up; skip where one cannot be had."""
    try:
        minio = minio_server.binary(load_settings().home / "tools" / "bin")
    except ServiceUnavailableError as error:
        pytest.skip(str(error))
    if shutil.which("psql") is None or shutil.which("bash") is None:
        pytest.skip("no psql or bash on this machine, which compose's scripts need")
    made = Cluster(root, more)
    made.services["minio"]["command"][-2] = "--address=minio:9000"  # its container listens on all of its addresses
    with ExitStack() as stack:
        stack.enter_context(made.postgres(run_postgres))
        stack.callback(lambda: [made.stop(name) for name in reversed(list(made.running))])
        made.start("uploads")  # before what is to tell it
        made.start("minio", program=minio)
        made.once("storage-setup")
        yield made


@contextmanager
def opened(settings: Settings) -> Iterator[Lakehouse]:
    """Open the lakehouse of some settings and close its connections again."""
    house = lakehouse(settings)
    try:
        yield house
    finally:
        house.tables.close()
