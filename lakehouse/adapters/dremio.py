"""SQL over Arrow Flight as Dremio speaks it: for a real Dremio and for the embedded endpoint alike."""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.flight as flight

from lakehouse.errors import LakehouseError, LoginError, PurposeError, QueryError, ServiceUnavailableError

PING_SECONDS = 5.0
DREMIO_PORT = 32010
STATEMENT_SECONDS = 300.0
# What the embedded endpoint says in its headers (transport.py there): a statement's text is a ticket for its rows, so
# that one call is enough. A Dremio does not say it.
TICKETS, STATEMENT = "x-lakehouse-tickets", "statement"
# What the embedded endpoint says of a result that it returns to nobody (executor.py there); asking again is of no use.
TOO_LARGE = re.compile(r"\bthe result (has more than \d+ rows|is larger than \d+ bytes)")
# What gRPC itself says where the other end went away; no server writes these.
BROKEN = re.compile(r"\b(Stream removed|Socket closed|recvmsg:|sendmsg:|[Gg]oaway|GOAWAY)")


class _Told(flight.ClientMiddlewareFactory):
    """Keeps what the server says in headers: the session cookie, and whether a statement may be its own ticket."""

    def __init__(self) -> None:
        super().__init__()
        self.cookies: dict[str, str] = {}
        self.takes_statements = False

    def start_call(self, _info: Any) -> "_Call":  # noqa: ANN401 (pyarrow's type)
        return _Call(self)


class _Call(flight.ClientMiddleware):
    def __init__(self, told: _Told) -> None:
        super().__init__()
        self._told = told

    def sending_headers(self) -> dict[str, list[str] | list[bytes]]:
        if not self._told.cookies:
            return {}
        return {"cookie": ["; ".join(f"{name}={value}" for name, value in self._told.cookies.items())]}

    def received_headers(self, headers: dict[str, list[str] | list[bytes]]) -> None:
        for name, lines in headers.items():
            if name.lower() == "set-cookie":
                for line in map(str, lines):
                    self._told.cookies.update({key: morsel.value for key, morsel in SimpleCookie(line).items()})
            elif name.lower() == TICKETS:
                self._told.takes_statements = STATEMENT in map(str, lines)


class DremioQueries:
    """Runs statements on one server. Logs in on first use, and once again when the server has forgotten the token.

    `uri` is ``grpc://host:port`` or, with TLS, ``grpc+tls://host:port``; `root_certificates` are PEM bytes for a
    server whose certificate no public authority signed. `purpose` is what the rows are for, where the server asks.
    """

    def __init__(
        self,
        uri: str,
        user: str,
        password: str,
        *,
        root_certificates: bytes | None = None,
        statement_seconds: float = STATEMENT_SECONDS,
        purpose: str = "",
    ) -> None:
        self._uri = uri
        self._user = user
        self._password = password
        self._root_certificates = root_certificates
        self._statement_seconds = statement_seconds
        self._purpose: Any = [(b"purpose", purpose.encode())] if purpose else []
        self._client: flight.FlightClient | None = None
        self._told = _Told()
        self._token: Any = None
        self._lock = threading.Lock()
        self._reading: flight.FlightStreamReader | None = None

    def fetch(self, sql: str) -> pa.Table:
        """Run one statement and return all its rows.

        Raises QueryError with the server's message, PurposeError, LoginError, or ServiceUnavailableError.
        """
        return self._beside(sql, self._statement_seconds)

    def cancel(self) -> None:
        """Stop the statement that another thread fetches; nothing happens where none runs.

        A statement that is still being planned cannot be told to stop; the connection is given up instead.
        """
        reading = self._reading
        if reading is not None:
            reading.cancel()
        self.close()

    def ping(self) -> None:
        """Return when the server answers this user; raise LoginError or ServiceUnavailableError otherwise."""
        self._beside("SELECT 1", PING_SECONDS)

    def close(self) -> None:
        """Let go of the connection; the next statement opens a new one."""
        with self._lock:
            client, self._client, self._token = self._client, None, None
        if client is not None:
            client.close()

    def _beside(self, sql: str, seconds: float) -> pa.Table:
        """Fetch in a thread beside the main one, and cancel where a signal ends the wait.

        Python runs what handles a signal in the main thread alone, and Arrow drops what that raises while it calls
        this file's code there.
        """
        if threading.current_thread() is not threading.main_thread():
            return self._fetch(sql, seconds)
        rows: Future[pa.Table] = Future()
        threading.Thread(target=_settle, args=(rows, lambda: self._fetch(sql, seconds)), daemon=True).start()
        try:
            return rows.result()
        finally:
            if not rows.done():
                self.cancel()

    def _fetch(self, sql: str, seconds: float) -> pa.Table:
        with self._translated():
            # Tokens and sessions end by time or by a restart of the server: log in once more, at first without leaving
            # the session, which knows what USE has set.
            for forget in (self._forget_token, self.close):
                client, token = self._connection(seconds)
                try:
                    return self._rows(client, token, sql, seconds)
                except flight.FlightUnauthenticatedError:
                    forget()
            client, token = self._connection(seconds)
            return self._rows(client, token, sql, seconds)

    def _forget_token(self) -> None:
        with self._lock:
            self._token = None

    def _rows(self, client: flight.FlightClient, token: Any, sql: str, seconds: float) -> pa.Table:  # noqa: ANN401
        options = flight.FlightCallOptions(timeout=seconds, headers=[token])
        ticket = flight.Ticket(sql.encode())
        if not (self._told.takes_statements and self._told.cookies):  # a session begins with the answer of a plan
            info = client.get_flight_info(flight.FlightDescriptor.for_command(sql.encode()), options)
            ticket = info.endpoints[0].ticket
        reader = client.do_get(ticket, options)
        self._reading = reader
        try:
            return reader.read_all()
        finally:
            self._reading = None

    def _connection(self, seconds: float) -> tuple[flight.FlightClient, Any]:
        with self._lock:
            if self._client is None:
                certificates: Any = self._root_certificates
                self._told = _Told()
                self._client = flight.FlightClient(self._uri, tls_root_certs=certificates, middleware=[self._told])
            if self._token is None:
                self._token = self._login(self._client, seconds)
            return self._client, self._token

    def _login(self, client: flight.FlightClient, seconds: float) -> Any:  # noqa: ANN401
        limits = flight.FlightCallOptions(timeout=seconds, headers=self._purpose)
        try:
            return client.authenticate_basic_token(self._user, self._password, limits)
        except flight.FlightInternalError as error:
            # What the Handshake says when nothing listens: "Could not finish writing before closing".
            raise ServiceUnavailableError(
                f"no SQL engine answers at {self._uri}; start it with `lakehouse up` and try again"
            ) from error

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except flight.FlightUnauthorizedError as error:
            raise PurposeError(_message(error)) from error
        except flight.FlightUnauthenticatedError as error:
            raise LoginError(
                f"{self._uri} refused user {self._user!r}: {_message(error)}; check the SQL user and password"
            ) from error
        except flight.FlightTimedOutError as error:
            told = _message(error)
            advice = "" if "; " in told else "; ask for less, or try again later"  # the embedded endpoint gives its own
            raise ServiceUnavailableError(f"{self._uri} did not finish in time: {told}{advice}") from error
        except flight.FlightCancelledError as error:
            raise ServiceUnavailableError(
                f"the SQL engine at {self._uri} ended the call: {_message(error)}; try again, and start the engine "
                "with `lakehouse up` if it stays away"
            ) from error
        except flight.FlightUnavailableError as error:
            raise self._unavailable(_message(error)) from error
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, flight.FlightError, pa.ArrowException) as error:
            raise QueryError(_message(error)) from error

    def _unavailable(self, message: str) -> LakehouseError:
        """Tell an engine that is away or goes away, one that has no room now, and a result that is always too large.

        gRPC calls all of them UNAVAILABLE.
        """
        place = urlsplit(self._uri)
        try:
            socket.create_connection((place.hostname or "", place.port or DREMIO_PORT), PING_SECONDS).close()
        except OSError:
            return ServiceUnavailableError(
                f"no SQL engine answers at {self._uri}: {message}; start it with `lakehouse up` and try again"
            )
        if TOO_LARGE.search(message) is not None:
            return QueryError(message)
        if BROKEN.search(message) is not None:  # it ended a moment ago: its port may still be open
            return ServiceUnavailableError(
                f"the connection to the SQL engine at {self._uri} broke: {message}; try again, and start the engine "
                "with `lakehouse up` if it stays away"
            )
        return ServiceUnavailableError(f"the SQL engine at {self._uri} did not do it: {message}")


def _settle(rows: Future[pa.Table], fetch: Callable[[], pa.Table]) -> None:
    try:
        rows.set_result(fetch())
    except BaseException as error:  # noqa: BLE001 (handed to the thread that waits)
        rows.set_exception(error)


def _message(error: Exception) -> str:
    """Return the server's own text, without what the transport wraps around it."""
    text = str(error)
    for noise in (". Detail: ", ". gRPC client debug context:", ". Client context:"):
        text = text.split(noise, 1)[0]
    return text.removeprefix("Flight error: ").removeprefix("gRPC returned ").strip()
