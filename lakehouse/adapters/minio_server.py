"""MinIO: its command line and health on loopback, and the buckets, users and policies that the lakehouse asks of it."""

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from minio import Minio, MinioAdmin
from minio.commonconfig import ENABLED, GOVERNANCE, Filter
from minio.credentials.providers import StaticProvider
from minio.error import MinioException, S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, NoncurrentVersionExpiration, Rule
from minio.notificationconfig import NotificationConfig, QueueConfig
from minio.objectlockconfig import DAYS, ObjectLockConfig
from minio.versioningconfig import VersioningConfig
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from lakehouse.adapters.s3_client import REGION, s3_client
from lakehouse.errors import LoginError, PermanentError, ServiceUnavailableError
from lakehouse.storage_ports import REPORTS

HOST = "127.0.0.1"
RELEASES, TABLES, INBOX = "lake", "icewh", "inbox"
"""Releases, records and models; Iceberg's files; what data owners upload."""
PUBLISHED = (RELEASES, TABLES)
LOCKED_DAYS = 30
WEBHOOK = "LAKEHOUSE"
ATTEMPTS, WAIT_S = 20, 0.25

READ = ("s3:GetObject", "s3:GetObjectVersion")
LOOK = ("s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketLocation", "s3:GetBucketVersioning")
WRITE = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
# Without a version's id a delete only hides an object; the locked bytes stay until somebody who may names the version.
HIDE = ("s3:DeleteObject",)
DESTROY = ("s3:DeleteObjectVersion", "s3:BypassGovernanceRetention")


@dataclass(frozen=True, slots=True)
class Grant:
    """Actions on every object `below` a place in the named buckets; reading lists of them comes with `look`.

    Actions that are `refused` are so whatever another grant says.
    """

    buckets: tuple[str, ...]
    actions: tuple[str, ...]
    look: bool = True
    below: str = ""
    refused: bool = False


ROLES: Mapping[str, tuple[Grant, ...]] = {
    # Dagster: writes and hides, but can destroy nothing that was published.
    "writer": (
        Grant(PUBLISHED, (*READ, *WRITE, *HIDE)),
        Grant((INBOX,), (*READ, *HIDE)),
        Grant((INBOX,), WRITE, look=False, below=REPORTS),
    ),
    # The SQL engine.
    "reader": (Grant(PUBLISHED, READ),),
    # A data owner: puts submissions into the inbox and sees nobody else's. A report's name is the hash of what was
    # uploaded, so without a list of them only who has that can read it.
    "submitter": (
        Grant((INBOX,), WRITE, look=False),
        Grant((INBOX,), ("s3:GetObject",), look=False, below=REPORTS),
        Grant((INBOX,), WRITE, look=False, below=REPORTS, refused=True),
    ),
    # Withdrawal and maintenance: the only one who can break the lock.
    "steward": (Grant((*PUBLISHED, INBOX), (*READ, *WRITE, *HIDE, *DESTROY)),),
}


def policy(role: str) -> dict[str, object]:
    """Return the IAM policy document of a role."""
    statements = [
        statement
        for grant in ROLES[role]
        for statement in (
            _statement(grant.actions, [f"{bucket}/{grant.below}*" for bucket in grant.buckets], refused=grant.refused),
            *([_statement(LOOK, grant.buckets)] if grant.look else []),
        )
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _statement(actions: Iterable[str], places: Iterable[str], *, refused: bool = False) -> dict[str, object]:
    resources = [f"arn:aws:s3:::{place}" for place in places]
    return {"Effect": "Deny" if refused else "Allow", "Action": list(actions), "Resource": resources}


def binary(tools: Path) -> Path:
    """Return the `minio` program under the tools folder; raise ServiceUnavailableError with the way to get it."""
    path = tools / "minio"
    if not path.is_file():
        raise ServiceUnavailableError(f"no MinIO at {path}; build it with `make minio` (needs Go 1.24 or newer)")
    return path


def command(program: Path, *, data: Path, port: int, certificates: Path | None = None) -> list[str]:
    """Return the argument vector of one server on loopback; `certificates` holds public.crt and private.key for TLS."""
    tls = [f"--certs-dir={certificates}"] if certificates else []
    return [str(program), "server", "--quiet", f"--address={HOST}:{port}", *tls, str(data)]


def environment(root_user: str, root_password: str) -> dict[str, str]:
    """Return the variables of the process: the root user, no web console, no calls to the vendor."""
    return {
        "MINIO_ROOT_USER": root_user,
        "MINIO_ROOT_PASSWORD": root_password,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
        "MINIO_CALLHOME_ENABLE": "off",
    }


def webhook_environment(address: str, token: str, waiting: Path) -> dict[str, str]:
    """Return the variables that make the server tell `address` of uploads; what cannot be told lies in `waiting`."""
    values = {"ENABLE": "on", "ENDPOINT": address, "AUTH_TOKEN": token, "QUEUE_DIR": str(waiting)}
    return {f"MINIO_NOTIFY_WEBHOOK_{name}_{WEBHOOK}": value for name, value in values.items()}


@dataclass(frozen=True)
class Root:
    """The root user of the server at `endpoint` (host:port).

    `ca_file` holds the authority that signed its certificate, where it is not one of the system's.
    """

    endpoint: str
    user: str
    password: str = field(repr=False)
    secure: bool = False
    ca_file: Path | None = None

    def _pool(self) -> PoolManager:
        ca = str(self.ca_file) if self.ca_file else None
        return PoolManager(timeout=Timeout(10.0), retries=Retry(total=0), ca_certs=ca)

    def client(self) -> Minio:
        """Return an S3 client with the root user's rights."""
        return s3_client(self.endpoint, self.user, self.password, secure=self.secure, pool=self._pool())

    def admin(self) -> MinioAdmin:
        """Return a client of the server's admin API."""
        return MinioAdmin(
            endpoint=self.endpoint,
            credentials=StaticProvider(self.user, self.password),
            region=REGION,
            secure=self.secure,
            http_client=self._pool(),
        )


def healthy(endpoint: str, *, secure: bool = False, ca_file: Path | None = None) -> bool:
    """Say whether the server takes requests; never waits longer than two seconds."""
    scheme = "https" if secure else "http"
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None) if secure else None
    try:
        url = f"{scheme}://{endpoint}/minio/health/ready"
        with urllib.request.urlopen(url, timeout=2.0, context=context) as answer:  # noqa: S310 - http or https
            return int(answer.status) == 200
    except (urllib.error.URLError, OSError):
        return False


def wait(
    endpoint: str,
    *,
    secure: bool = False,
    ca_file: Path | None = None,
    timeout_s: float = 30.0,
    alive: Callable[[], bool] = lambda: True,
) -> None:
    """Return when `healthy`; raise ServiceUnavailableError when time runs out or `alive` says the process ended."""
    end = time.monotonic() + timeout_s
    while not healthy(endpoint, secure=secure, ca_file=ca_file):
        if not alive():
            raise ServiceUnavailableError("MinIO ended before it was ready; read its log")
        if time.monotonic() > end:
            raise ServiceUnavailableError(f"MinIO on {endpoint} was not ready in {timeout_s:g} s")
        time.sleep(0.05)


def provision(root: Root, keys: Mapping[str, tuple[str, str]], *, locked_days: int = LOCKED_DAYS) -> None:
    """Make buckets, policies and one user a role, given as access and secret key by role; repeating changes nothing.

    What is published is versioned and locked for `locked_days` days (1 or more), the inbox is versioned only. In all of
    them what somebody hid or wrote over is destroyed a day later than a lock from then would end.

    Raises:
        LoginError: the server refused the root user.
        ServiceUnavailableError: the server does not answer, or failed.
    """
    for attempt in range(ATTEMPTS):
        try:
            _provision(root, keys, locked_days)
        except ServiceUnavailableError:
            # A server that has just started says it is ready before it knows its users.
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(WAIT_S)
        else:
            return


def notify(root: Root) -> None:
    """Have the server tell its webhook of every object that is uploaded into the inbox; again changes nothing.

    Raises:
        PermanentError: the server was not started with `webhook_environment`.
        LoginError, ServiceUnavailableError: as `provision`.
    """
    told = QueueConfig(["s3:ObjectCreated:*"], config_id="lakehouse", queue=f"arn:minio:sqs::{WEBHOOK}:webhook")
    with _translated(root):
        try:
            root.client().set_bucket_notification(INBOX, NotificationConfig(queue_config_list=[told]))
        except S3Error as error:
            if error.code not in ("InvalidArgument", "InvalidARN", "XMinioAdminNotificationTargetsTestFailed"):
                raise
            raise PermanentError(
                f"MinIO on {root.endpoint} knows no webhook {WEBHOOK} ({error.code}); start it with the variables of it"
            ) from error


@contextmanager
def _translated(root: Root) -> Iterator[None]:
    try:
        yield
    except MinioException as error:
        if any(word in str(error) for word in ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch")):
            raise LoginError(f"MinIO on {root.endpoint} refused user {root.user!r}; check the root password") from error
        raise ServiceUnavailableError(f"MinIO on {root.endpoint} failed ({error}); read its log") from error
    except HTTPError as error:
        raise ServiceUnavailableError(f"MinIO on {root.endpoint} does not answer ({error}); start it") from error


def _provision(root: Root, keys: Mapping[str, tuple[str, str]], locked_days: int) -> None:
    with _translated(root):
        client, admin = root.client(), root.admin()
        for bucket in (*PUBLISHED, INBOX):
            _bucket(client, bucket, locked_days)
        for role, (access_key, secret_key) in keys.items():
            admin.policy_add(f"lakehouse-{role}", policy=policy(role))
            admin.user_add(access_key, secret_key)
            if f"lakehouse-{role}" not in _policies(admin, access_key):
                admin.attach_policy([f"lakehouse-{role}"], user=access_key)


def _bucket(client: Minio, bucket: str, locked_days: int) -> None:
    locked = bucket in PUBLISHED
    if not client.bucket_exists(bucket):
        client.make_bucket(bucket, object_lock=locked)
    if locked:
        client.set_object_lock_config(bucket, ObjectLockConfig(GOVERNANCE, locked_days, DAYS))
    else:
        client.set_bucket_versioning(bucket, VersioningConfig(ENABLED))
    client.set_bucket_lifecycle(bucket, LifecycleConfig([_forgets_hidden(locked_days + 1)]))


def _forgets_hidden(days: int) -> Rule:
    """Return the rule that destroys versions so many days after they were hidden, for whoever hides frees nothing.

    A lock that still holds is stronger.
    """
    return Rule(
        ENABLED,
        rule_filter=Filter(prefix=""),
        rule_id="lakehouse-hidden",
        expiration=Expiration(expired_object_delete_marker=True),
        noncurrent_version_expiration=NoncurrentVersionExpiration(noncurrent_days=days),
    )


def _policies(admin: MinioAdmin, access_key: str) -> list[str]:
    named = json.loads(admin.user_info(access_key)).get("policyName", "")
    return [name for name in str(named).split(",") if name]
