"""An Iceberg catalog in a PostgreSQL database: how it is reached, and what is tried again while it is away."""

import random
import re
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from pyiceberg.exceptions import CommitStateUnknownException
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.typedef import Identifier
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from lakehouse.adapters.catalog_address import holds_password, is_database, shown
from lakehouse.adapters.iceberg_sql import SealedSqlCatalog
from lakehouse.errors import LoginError, PermanentError, ServiceUnavailableError

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")

DRIVER = "postgresql+psycopg"
CONNECT_SECONDS = "5"
PATIENCE_SECONDS = 10.0
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.05, 1.0
ATTEMPTS = 5
"""How often a question is asked again whose connection broke; each new connection has the patience for itself."""

# libpq gives no code for a connection that failed, only the server's words. A server that speaks another language is
# therefore asked until the patience runs out, and its own words are then in the message.
REFUSED = re.compile("authentication failed|no password supplied|no pg_hba.conf entry|is not permitted to log in")
ABSENT = re.compile('(?:database|role) "[^"]*" does not exist|permission denied for database')
MISTAKEN = re.compile(
    "invalid (?:[a-z_]+ value|port number|integer value|connection option|URI)"
    "|certificate verify failed|does not match host name"
    '|certificate file "|private key file "|server does not support SSL'
)
"""What the address or the certificates are wrong in; the server may be well."""


def address(uri: str) -> URL:
    """Return the address of a database, given as ``postgresql://user@host:port/database``.

    Raises:
        PermanentError: it is none, or names no user, host or database, or holds a password.
    """
    shape = "write postgresql://user@host:port/database"
    if holds_password(uri):
        raise PermanentError("the catalog's address holds a password, which logs would show; give it by itself")
    if not is_database(uri):
        raise PermanentError(f"the catalog's address is no database's; {shape}")
    try:
        url = make_url(uri)
    except (ArgumentError, ValueError):  # whose words quote the address
        raise PermanentError(f"the catalog's address is no database's; {shape}") from None
    if not (url.username and url.host and url.database):
        raise PermanentError(f"{shown(uri)} lacks a user, host or database; {shape}")
    return url.set(drivername=DRIVER)


def permanent(place: str, said: str) -> PermanentError | None:
    """Return what libpq's words mean when trying again cannot help; nothing when it may."""
    what = f"the catalog's database {place}"
    if MISTAKEN.search(said):
        return PermanentError(
            f"{what} cannot be reached as its address says ({said}); correct what stands after ? there, or the "
            "certificates"
        )
    if REFUSED.search(said):
        return LoginError(f"{what} refused the user ({said}); check its name and password, or its certificate")
    if ABSENT.search(said):
        return PermanentError(f"{what} is not there for this user ({said}); create it, or correct it")
    return None


class DatabaseCatalog(SealedSqlCatalog):
    """PyIceberg's SQL catalog on PostgreSQL, which outlives a restart of the server.

    Connecting is repeated for `patience_s` seconds, unless the server refuses the user. What only reads is asked again
    on a new connection. A commit is not: whether a broken connection still carried it is unknown, which
    CommitStateUnknownException says, and callers look before they act.
    """

    def __init__(self, name: str, *, password: str, patience_s: float, **properties: str) -> None:
        self._password = password
        self._patience_s = patience_s
        super().__init__(name, **properties, pool_pre_ping="true")

    def _init_catalog(self) -> None:
        event.listen(self.engine, "do_connect", self._connected)
        # PyIceberg takes a database that does not answer for one without tables, so that is settled first.
        with self.engine.connect():
            pass
        super()._init_catalog()

    def _connected(self, dialect: Any, _record: object, arguments: list[Any], named: dict[str, Any]) -> Any:  # noqa: ANN401 - SQLAlchemy's own hook
        if self._password:
            named["password"] = self._password
        named.setdefault("connect_timeout", CONNECT_SECONDS)
        end = time.monotonic() + self._patience_s
        attempt = 0
        while True:
            try:
                return dialect.connect(*arguments, **named)
            except dialect.loaded_dbapi.OperationalError as error:
                said = str(error)
                if (fault := permanent(self._place, said)) is not None:
                    raise fault from error
                if time.monotonic() > end:
                    raise ServiceUnavailableError(
                        f"the catalog's database {self._place} does not answer ({said}); start it and try again"
                    ) from error
            _pause(attempt)
            attempt += 1

    @property
    def _place(self) -> str:
        return str(self.engine.url.set(query={}))

    def _again(self, ask: Callable[Asked, Answer], *given: Asked.args, **named: Asked.kwargs) -> Answer:
        for attempt in range(ATTEMPTS):
            try:
                return ask(*given, **named)
            except CommitStateUnknownException:
                if attempt == ATTEMPTS - 1:
                    raise
            except DBAPIError as error:
                if not error.connection_invalidated or attempt == ATTEMPTS - 1:
                    raise
            _pause(attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def location_of(self, identifier: str | Identifier) -> str | None:
        """Return where a table's metadata are now."""
        return self._again(super().location_of, identifier)

    def list_tables(self, namespace: str | Identifier) -> list[Identifier]:
        """Return the names of a namespace's tables."""
        return self._again(super().list_tables, namespace)

    def list_namespaces(self, namespace: str | Identifier = ()) -> list[Identifier]:
        """Return the namespaces below one, or the topmost."""
        return self._again(super().list_namespaces, namespace)

    def create_namespace_if_not_exists(
        self, namespace: str | Identifier, properties: dict[str, str] | None = None
    ) -> None:
        """Make a namespace unless it is there."""
        self._again(super().create_namespace_if_not_exists, namespace, properties or {})

    def create_table_if_not_exists(self, *given: Any, **named: Any) -> Table:  # noqa: ANN401 - PyIceberg's own options
        """Make a table unless it is there, and return it."""
        return self._again(super().create_table_if_not_exists, *given, **named)

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """Commit; raise CommitStateUnknownException when the connection broke before the answer came."""
        try:
            return super().commit_table(table, requirements, updates)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            raise CommitStateUnknownException(
                f"the connection to the catalog broke while committing: {error}"
            ) from error


def _pause(attempt: int) -> None:
    # Full jitter, so that clients that lost one server do not come back in step.
    time.sleep(random.uniform(0, min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**attempt)))  # noqa: S311 - no secret
