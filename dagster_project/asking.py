"""The SQL endpoint as this machine's settings want it."""

from functools import partial

from dagster_project.settings import Settings
from dagster_project.wiring import denied_log, lakehouse, statement_log, users_file
from lakehouse.endpoint.config import AccessRules, EndpointConfig, S3Access, Tls
from lakehouse.endpoint.server import run_forever
from lakehouse.errors import UnknownSettingError
from lakehouse.policy.users import Users


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
        s3=None if local else _s3(settings),
        tls=_tls(settings),
        access_tokens={settings.sql_user: settings.sql_token.get_secret_value()},
    )
    record = partial(denied_log(settings).record, asked_by="sql")
    run_forever(
        config,
        lakehouse(settings).releases,
        AccessRules(users.current, record, statement_log(settings), settings.sql_secret.get_secret_value()),
    )


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
    )
