"""What the embedded SQL endpoint is told: address, users, limits and where table files may lie."""

import secrets
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse.errors import UnknownSettingError
from lakehouse.policy.decisions import Decision
from lakehouse.policy.statements import StatementLog
from lakehouse.policy.users import PolicyFile


@dataclass(frozen=True, slots=True)
class S3Access:
    """How to reach table files on S3. `endpoint` is ``host:port`` without a scheme.

    `ca_file` holds the certificates of the authority to trust, where it is not one of the system's.
    """

    endpoint: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    region: str = "us-east-1"
    secure: bool = False
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class Tls:
    """The certificate chain and the private key that the endpoint shows, both PEM."""

    certificate: bytes
    key: bytes = field(repr=False)

    @classmethod
    def read(cls, certificate: Path, key: Path) -> "Tls":
        """Read both files. Raises UnknownSettingError when one cannot be read or the key is another's."""
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
            return cls(certificate.read_bytes(), key.read_bytes())
        except (OSError, ssl.SSLError) as error:
            raise UnknownSettingError(
                f"the endpoint's certificate {certificate} and key {key} cannot be used: {error}; "
                "name a PEM chain and its own key without a pass phrase"
            ) from error


@dataclass(frozen=True, slots=True)
class AccessRules:
    """Who may see what for which purpose: the policy as it is now, and who is told of every denial and statement.

    `secret` draws the people who are left out of groups and makes pseudonyms; the same one gives the same after a
    restart.
    """

    policy: Callable[[], PolicyFile]
    record: Callable[[Decision], None]
    statements: StatementLog | None = None
    secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """Everything the endpoint needs; there are no users unless they are named.

    `roots` are the folders (``/path``) and prefixes (``s3://bucket``) that tables may be read from.
    `access_tokens` are personal ones by user.

    Each statement runs in an engine process of its own. `memory_limit` is what DuckDB takes in one of them,
    `address_space_bytes` what the kernel gives it, for what `memory_limit` does not count; `threads` are those of one.
    `warm_engines` wait for work; `concurrent_statements` run at once, `statements_per_user` of them for one user,
    `waiting_statements` more wait for at most `queue_seconds`. `statement_seconds` bounds a statement from its start to
    its last row, `result_rows` and `result_bytes` what it returns. `cache_bytes` is the compressed size of tables that
    every engine keeps in memory, `cache_table_bytes` the largest single one. `kept_bytes` is what the endpoint itself
    keeps of the rows of larger ones that were read as a whole, for `kept_seconds` after they were last read.
    `ahead_bytes` of it may be filled with tables that a release brings, before anyone asks for them; 0 reads nothing
    ahead.
    """

    users: Mapping[str, str] = field(repr=False)
    roots: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 32010
    s3: S3Access | None = None
    tls: Tls | None = None
    access_tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    memory_limit: str = "1GB"
    address_space_bytes: int = 4 * 1024**3
    threads: int = 2
    warm_engines: int = 2
    concurrent_statements: int = 4
    statements_per_user: int = 3
    waiting_statements: int = 64
    queue_seconds: float = 20.0
    statement_seconds: float = 120.0
    result_rows: int = 50_000_000
    result_bytes: int = 8 * 1024**3
    token_seconds: float = 24 * 3600.0
    session_seconds: float = 7200.0
    poll_seconds: float = 1.0
    cache_table_bytes: int = 32 * 1024 * 1024
    cache_bytes: int = 128 * 1024 * 1024
    kept_bytes: int = 512 * 1024 * 1024
    kept_seconds: float = 600.0
    ahead_bytes: int = 384 * 1024 * 1024
