"""Whom `lakehouse sql` asks, as whom, and which statements a text holds."""

import signal
import threading
from typing import Literal
from urllib.parse import urlsplit

import pyarrow as pa
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from dagster_project.people import users_file
from dagster_project.settings import Settings
from lakehouse.adapters.dremio import DremioQueries
from lakehouse.endpoint.dialect import EndpointDialect
from lakehouse.errors import LoginError, UnknownSettingError

Engine = Literal["embedded", "dremio"]
ENGINES: tuple[Engine, ...] = ("embedded", "dremio")
DREMIO_PORT = 32010
GIVE_UP_SECONDS = 10.0


def client(settings: Settings, *, engine: Engine | None, user: str, purpose: str) -> DremioQueries:
    """Return the client of an engine; without one named, of the one in the settings.

    Raises:
        LoginError: another user has no password of its own here.
        UnknownSettingError: no Dremio is named in the settings.
    """
    scheme = "grpc+tls" if settings.sql_tls_certificate else "grpc"
    uri = {None: settings.sql_uri, "embedded": f"{scheme}://{settings.host}:{settings.sql_port}"}.get(engine, "")
    if engine == "dremio":
        uri = _dremio(settings)
    name = user or settings.sql_user
    roots = None if settings.sql_tls_roots is None else settings.sql_tls_roots.read_bytes()
    return DremioQueries(uri, name, _password(settings, name), root_certificates=roots, purpose=purpose)


def _dremio(settings: Settings) -> str:
    if not settings.dremio_url:
        raise UnknownSettingError("no Dremio is known; set LAKEHOUSE_DREMIO_URL to its address, http(s)://host:9047")
    address = urlsplit(settings.dremio_url)
    return f"grpc{'+tls' if address.scheme == 'https' else ''}://{address.hostname}:{DREMIO_PORT}"


def _password(settings: Settings, user: str) -> str:
    if user == settings.sql_user:
        return settings.sql_password.get_secret_value()
    known = users_file(settings).users().get(user)
    if known is None or known.password is None:
        raise LoginError(
            f"user {user} has no password in policy.yaml; give that user one, and start the endpoint again"
        )
    return known.password.get_secret_value()


def statements(text: str) -> list[str]:
    """Return the statements of a text, apart by semicolons; those in quotes and comments do not count."""
    found, start = [], 0
    for end in _ends(text):
        found.append(text[start:end])
        start = end + 1
    found.append(text[start:])
    return [one.strip() for one in found if _says_something(one)]


def is_complete(text: str) -> bool:
    """Say whether a text ends with a semicolon that ends a statement."""
    ends = _ends(text)
    return bool(ends) and not _says_something(text[ends[-1] + 1 :])


def _ends(text: str) -> list[int]:
    return [token.start for token in _tokens(text) if token.token_type == TokenType.SEMICOLON]


def _says_something(text: str) -> bool:
    try:
        return any(token.token_type != TokenType.SEMICOLON for token in EndpointDialect().tokenize(text))
    except SqlglotError:
        return True  # the engine says what is wrong with it


def _tokens(text: str) -> list[Token]:
    try:
        return list(EndpointDialect().tokenize(text))
    except SqlglotError:
        return []  # a quote or comment is still open


class Asking:
    """One statement on its way, in a thread of its own so that it can be cancelled while it runs."""

    def __init__(self, queries: DremioQueries, sql: str) -> None:
        self._queries = queries
        self._sql = sql
        self._rows: pa.Table | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="statement", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._rows = self._queries.fetch(self._sql)
        except BaseException as error:  # noqa: BLE001 (handed to the thread that waits)
            self._error = error

    def _stop(self) -> None:
        """Cancel, and wait a while for the fetch to end. Further interrupts do nothing meanwhile."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._queries.cancel()
            self._thread.join(GIVE_UP_SECONDS)
        finally:
            signal.signal(signal.SIGINT, before)

    def wait(self) -> pa.Table:
        """Return the rows; a KeyboardInterrupt cancels the statement at the server and goes on."""
        try:
            while self._thread.is_alive():
                self._thread.join(0.1)
        except KeyboardInterrupt:
            self._stop()
            raise
        if self._error is not None:
            raise self._error
        assert self._rows is not None, "a thread that ended has rows or an error"
        return self._rows
