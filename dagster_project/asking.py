"""SQL from the command line, through the same client that a real Dremio gets, and the endpoint behind it."""

import io
import json
from functools import partial

import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dagster_project.services import queries
from dagster_project.settings import Settings
from dagster_project.wiring import denied_log, lakehouse, statement_log, users_file
from lakehouse.archive.levels import printable
from lakehouse.endpoint.config import AccessRules, EndpointConfig, S3Access, Tls
from lakehouse.endpoint.server import run_forever
from lakehouse.errors import UnknownSettingError
from lakehouse.policy.users import Users
from lakehouse.publish.spreadsheet import as_csv

TABLE_CELL_WIDTH = 80


def ask(settings: Settings, statement: str, *, form: str, purpose: str = "") -> str:
    """Return the rows of one statement, asked for a purpose, as ``table``, ``csv`` or ``json`` text."""
    rows = queries(settings, purpose=purpose).fetch(statement)
    writers = {"table": _as_table, "csv": _as_csv, "json": _as_json}
    return writers[form](rows)


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


def _as_table(rows: pa.Table) -> str:
    table = Table()
    for name in rows.column_names:
        table.add_column(Text(printable(name)))
    for row in rows.to_pylist():
        table.add_row(*(_cell(value) for value in row.values()))
    console = Console(file=io.StringIO(), width=200 if rows.num_columns > 8 else None)
    console.print(table)
    console.print(f"{rows.num_rows} rows")
    text: str = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO, made above
    return text.rstrip()


def _cell(value: object) -> Text:
    """Return a cell as it stands: no markup of the terminal's or of the table's is carried out."""
    return Text("" if value is None else printable(str(value)[:TABLE_CELL_WIDTH]))


def _as_csv(rows: pa.Table) -> str:
    columns = [column.to_pylist() for column in rows.columns]
    return as_csv(rows.column_names, zip(*columns, strict=True)).rstrip()


def _as_json(rows: pa.Table) -> str:
    return "\n".join(json.dumps(row, default=str, ensure_ascii=False) for row in rows.to_pylist())
