"""The SQL endpoint as this machine's settings want it."""

import secrets
from functools import partial

from dagster_project.people import users_file
from dagster_project.settings import Settings
from dagster_project.wiring import denied_log, lakehouse, statement_log
from lakehouse.endpoint.config import AccessRules, EndpointConfig, S3Access, Tls
from lakehouse.endpoint.server import run_forever
from lakehouse.errors import UnknownSettingError
from lakehouse.made_once import make_once
from lakehouse.policy.users import Users

SECRET_FILE = "sql_secret"  # noqa: S105 (a file name)


def serve(settings: Settings) -> None:
    """Serve the current release until the process is stopped."""
    local = settings.storage == "folder"
    users = users_file(settings)
    users.ensure()
    config = EndpointConfig(
        host=settings.host,
        port=settings.sql_port,
        users={**passwords(users.users()), settings.sql_user: settings.sql_password.get_secret_value()},
        roots=(str(settings.home / "tables"),) if local else (settings.catalog_warehouse,),
        statement_seconds=settings.sql_timeout_seconds,
        kept_bytes=settings.sql_kept_bytes,
        ahead_bytes=settings.sql_ahead_bytes,
        s3=None if local else _s3(settings),
        tls=_tls(settings),
        access_tokens={settings.sql_user: settings.sql_token.get_secret_value()},
    )
    record = partial(denied_log(settings).record, asked_by="sql")
    run_forever(
        config,
        lakehouse(settings).releases,
        AccessRules(users.current, record, statement_log(settings), secret(settings)),
    )


def secret(settings: Settings) -> str:
    """Return the secret that groups and pseudonyms are drawn by, the same at every start: the setting, else a file.

    The file is made when it is not there, for its owner only. Raises UnknownSettingError when others may read it, or
    when it is empty.
    """
    said = settings.sql_secret.get_secret_value()
    if said:
        return said
    path = settings.home / SECRET_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        make_once(path, secrets.token_hex(16).encode())  # where another endpoint was quicker, its secret is the one
    kept = path.read_text(encoding="utf-8").strip()
    if not kept or path.stat().st_mode & 0o077:
        raise UnknownSettingError(
            f"{path} is empty or others may read it; `chmod 600` it, or set LAKEHOUSE_SQL_SECRET and delete it"
        )
    return kept


def passwords(users: Users) -> dict[str, str]:
    """Return the passwords of the users who have one of their own."""
    return {name: user.password.get_secret_value() for name, user in users.items() if user.password is not None}


def _tls(settings: Settings) -> Tls | None:
    """Return what the endpoint shows; None for a plain connection. Raises UnknownSettingError for half of it."""
    certificate, key = settings.sql_tls_certificate, settings.sql_tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UnknownSettingError("set both sql_tls_certificate and sql_tls_key, or neither")
    return Tls.read(certificate, key)


def _s3(settings: Settings) -> S3Access:
    return S3Access(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key.get_secret_value(),
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=settings.s3_secure,
        ca_file=str(settings.s3_ca_file) if settings.s3_ca_file else None,
    )
