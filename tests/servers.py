"""The servers that tests start on free loopback ports: SeaweedFS, MinIO and PostgreSQL, and how to break them off."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from minio.deleteobjects import DeleteObject

from dagster_project.settings import load_settings
from lakehouse.adapters import minio_server, seaweedfs
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.object_store import S3Objects
from lakehouse.errors import ServiceUnavailableError

ACCESS_KEY = "test-access"
SECRET_KEY = "test-secret"
POSTGRES_PASSWORD = "test-postgres-secret"
START_SECONDS = 120.0


@dataclass
class Seaweed:
    """A running SeaweedFS: where it is, and how to kill it and start it again."""

    data: Path
    ports: seaweedfs.SeaweedPorts
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {"PATH": os.defpath, "HOME": str(self.data), **seaweedfs.environment(ACCESS_KEY, SECRET_KEY)}
        with (self.data / "weed.log").open("ab") as log:
            self.process = subprocess.Popen(
                seaweedfs.command(seaweedfs.binary(), data=self.data, ports=self.ports),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.data,
                env=environment,
            )
        process = self.process
        seaweedfs.wait(
            self.ports,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            timeout_s=60,
            alive=lambda: process.poll() is None,
        )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def objects(self) -> S3Objects:
        return S3Objects(f"127.0.0.1:{self.ports.s3}", ACCESS_KEY, SECRET_KEY, seaweedfs.BUCKET)

    def tables(self) -> IcebergTables:
        return IcebergTables.rest(
            seaweedfs.catalog_uri(self.ports),
            warehouse=seaweedfs.WAREHOUSE,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            s3_endpoint=seaweedfs.s3_endpoint(self.ports),
        )


@contextmanager
def running_seaweed() -> Iterator[Seaweed]:
    """Start a SeaweedFS on free loopback ports."""
    with tempfile.TemporaryDirectory(prefix="seaweed-") as folder:
        server = Seaweed(Path(folder), seaweedfs.SeaweedPorts.free())
        try:
            server.start()
            yield server
        finally:
            server.kill()


@dataclass
class PostgresServer:
    """A PostgreSQL on loopback: how to reach it, and how to break it off and start it again."""

    folder: Path
    port: int
    user: str | None
    password: str = POSTGRES_PASSWORD
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"postgresql://lake@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        # A file system that loses no writes of a killed process is enough here, so nothing is synced.
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        command = [program("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        with (self.folder / "postgres.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.options, *(f"--{name}={value}" for name, value in options.items())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self.as_user(),
            )
        self._wait()

    def _wait(self) -> None:
        """Wait until the server takes logins; say what the log says when it has ended.

        It listens earlier, and answers "the database system is starting up" then.
        """
        assert self.process is not None
        end = time.monotonic() + START_SECONDS
        asked = [program("pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={self.port}", "--timeout=5"]
        while time.monotonic() < end and self.process.poll() is None:
            if subprocess.run(asked, check=False, **self.as_user()).returncode == 0:
                return
            time.sleep(0.05)
        log = (self.folder / "postgres.log").read_text(errors="replace")[-600:]
        raise AssertionError(f"PostgreSQL did not start (exit status {self.process.poll()}): {log}")

    def as_user(self) -> dict[str, object]:
        """Return as whom its programs run: it refuses the root user."""
        own = {"env": {"LC_ALL": "C"}, "cwd": self.folder}
        if self.user is None:
            return own
        return {**own, "user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []}

    def break_off(self) -> None:
        """End it in the midst of whatever it does, as a crash would; its children end too."""
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=60)

    def end(self) -> None:
        """Shut it down in order."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)

    def tables(self, folder: Path, *, password: str = POSTGRES_PASSWORD, patience_s: float = 60.0) -> IcebergTables:
        return IcebergTables.database(
            self.uri,
            password=password,
            warehouse=f"file://{folder}",
            access_key="",
            secret_key="",
            s3_endpoint="",
            patience_s=patience_s,
        )

    def tables_on(self, storage: "MinioServer") -> IcebergTables:
        """Return tables whose files lie in the bucket of a MinIO, as in the cluster."""
        access_key, secret_key = storage.keys["writer"]
        return IcebergTables.database(
            self.uri,
            password=POSTGRES_PASSWORD,
            warehouse=f"s3://{minio_server.TABLES}/postgres",
            access_key=access_key,
            secret_key=secret_key,
            s3_endpoint=f"http://{storage.root.endpoint}",
        )


def program(name: str) -> str:
    """Return a program of PostgreSQL: on the path, or where Debian puts its newest; skip where there is none."""
    found = shutil.which(name) or max(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default=None)
    if found is None:
        pytest.skip(f"no {name} of PostgreSQL on this machine")
    return found


INITDB = ("--username=lake", "--auth=scram-sha-256", "--no-locale", "--encoding=UTF8")


@contextmanager
def running_postgres(
    *, initdb: tuple[str, ...] = INITDB, options: tuple[str, ...] = (), secret: str = POSTGRES_PASSWORD
) -> Iterator[PostgresServer]:
    """Start a PostgreSQL on a free loopback port; skip where it is not installed, or nobody may be it but root."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = PostgresServer(Path(folder), seaweedfs.free_ports(1)[0], "nobody" if os.getuid() == 0 else None)
        server.password, server.options = secret, options
        password = Path(folder) / "password"
        password.write_text(secret)
        if server.user is not None:
            try:
                for path in (server.folder, password):
                    shutil.chown(path, server.user)
                subprocess.run([shutil.which("true") or "true"], check=True, **server.as_user())
            except (LookupError, OSError, subprocess.SubprocessError) as error:
                pytest.skip(f"PostgreSQL refuses root, and nothing runs as {server.user} here: {error!r}")
        made = subprocess.run(
            [program("initdb"), "-D", str(server.folder / "data"), "--no-sync", f"--pwfile={password}", *initdb],
            capture_output=True,
            text=True,
            check=False,
            **server.as_user(),
        )
        assert made.returncode == 0, f"initdb of PostgreSQL failed: {made.stderr[-600:]}"
        try:
            server.start()
            yield server
        finally:
            if server.process is not None:
                server.break_off()


@dataclass
class MinioServer:
    """A running MinIO with its buckets and one user a role, and how to kill it and start it again."""

    root: minio_server.Root
    command: list[str]
    environment: dict[str, str]
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (Path(self.environment["HOME"]) / "minio.log").open("ab") as log:
            process = self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment
            )
        tls = {"secure": self.root.secure, "ca_file": self.root.ca_file}
        minio_server.wait(self.root.endpoint, **tls, timeout_s=60, alive=lambda: process.poll() is None)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def end(self) -> None:
        """Shut it down in order."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=60)
            self.process = None

    def objects(self, role: str = "writer", bucket: str = minio_server.RELEASES) -> S3Objects:
        return S3Objects(self.root.endpoint, *self.keys[role], bucket, self.root.secure, self.root.ca_file)

    def tables(self, catalog: Path) -> IcebergTables:
        access_key, secret_key = self.keys["writer"]
        return IcebergTables.database(
            f"sqlite:///{catalog}",
            warehouse=f"s3://{minio_server.TABLES}/warehouse",
            access_key=access_key,
            secret_key=secret_key,
            s3_endpoint=f"{'https' if self.root.secure else 'http'}://{self.root.endpoint}",
            s3_ca_file=self.root.ca_file,
        )

    def empty(self) -> None:
        """Destroy every version of every object, which only the root user and the steward can."""
        client = self.root.client()
        for bucket in (minio_server.RELEASES, minio_server.INBOX):
            versions = client.list_objects(bucket, recursive=True, include_version=True)
            doomed = [DeleteObject(item.object_name, item.version_id) for item in versions]
            assert not list(client.remove_objects(bucket, doomed, bypass_governance_mode=True))


@contextmanager
def running_minio(
    certificates: Path | None = None, ca_file: Path | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[MinioServer]:
    """Start a MinIO on a free loopback port; skip where it was not built."""
    try:
        program = minio_server.binary(load_settings().home / "tools" / "bin")
    except ServiceUnavailableError as error:
        pytest.skip(str(error))
    with tempfile.TemporaryDirectory(prefix="minio-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        port = seaweedfs.free_ports(1)[0]
        server = MinioServer(
            minio_server.Root(f"127.0.0.1:{port}", "test-root", "test-root-secret", ca_file is not None, ca_file),
            minio_server.command(program, data=data, port=port, certificates=certificates),
            {
                "PATH": os.defpath,
                "HOME": folder,
                **minio_server.environment("test-root", "test-root-secret"),
                **(variables or {}),
            },
        )
        try:
            server.start()
            keys = {role: (f"test-{role}", f"test-{role}-secret") for role in minio_server.ROLES}
            minio_server.provision(server.root, keys)
            server.keys |= keys
            yield server
        finally:
            server.kill()
