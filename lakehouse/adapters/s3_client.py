"""How this project's adapters reach an S3 server: timeouts, trust and the SDK's client."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from minio import Minio
from minio.credentials.credentials import Credentials
from minio.signer import sign_v4_s3
from urllib3 import PoolManager, Retry, Timeout

from lakehouse.adapters.s3_pace import PACED

CONNECTIONS = 16
CONNECT_SECONDS, READ_SECONDS = 5.0, 60.0
"""The longest wait for a connection, and for the next bytes of an answer; for the whole see `s3_pace`."""
REGION = "us-east-1"
BY_A_HEADER = "UNSIGNED-PAYLOAD"
"""What is said of a body by the signature itself (Signature Version 4): nothing, for a signed header has its hash."""


def s3_pool(ca_file: Path | None, retries: Retry) -> PoolManager:
    """Return the connections to a server; `ca_file` holds certificates to trust where the system's do not suffice."""
    ca = str(ca_file) if ca_file else None
    pool = PoolManager(
        timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS), maxsize=CONNECTIONS, retries=retries, ca_certs=ca
    )
    pool.pool_classes_by_scheme = PACED
    return pool


def s3_client(endpoint: str, access_key: str, secret_key: str, *, secure: bool, pool: PoolManager) -> Minio:
    """Return a client; `endpoint` is host:port or a URL, and one of https is secure whatever is said."""
    return Minio(
        urlsplit(endpoint).netloc or endpoint,
        access_key=access_key,
        secret_key=secret_key,
        secure=secure or endpoint.startswith("https:"),
        region=REGION,
        http_client=pool,
    )


def signed_headers(
    method: str, url: SplitResult, access_key: str, secret_key: str, headers: Mapping[str, str]
) -> dict[str, str]:
    """Return what a request is sent with: the headers, and the signature of them and of where it goes."""
    now = datetime.now(UTC)
    given = {
        **headers,
        "Host": url.netloc,
        "x-amz-content-sha256": BY_A_HEADER,
        "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
    }
    signed = sign_v4_s3(
        method=method,
        url=url,
        region=REGION,
        headers=dict(given),
        credentials=Credentials(access_key, secret_key),
        content_sha256=BY_A_HEADER,
        date=now,
    )
    return {name: str(value) for name, value in signed.items()}
