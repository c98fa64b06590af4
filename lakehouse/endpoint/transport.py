"""The Flight server: logins, headers and cookies around the two ways to send SQL."""

import contextlib
import logging
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.flight as flight
from sqlglot.errors import SqlglotError

from lakehouse.endpoint import flight_sql, session_options
from lakehouse.endpoint.auth import Gate, Login, Session
from lakehouse.endpoint.config import Tls
from lakehouse.endpoint.executor import Executor, Plan
from lakehouse.endpoint.faults import BrokenEngineError, NotOfferedError, RefusedStatementError, UnauthenticatedError
from lakehouse.endpoint.names import split_path
from lakehouse.endpoint.quoting import in_double_quotes
from lakehouse.errors import LakehouseError, ServiceUnavailableError

log = logging.getLogger(__name__)
MIDDLEWARE = "gate"
LONGEST_PURPOSE = 64
TICKETS = {"x-lakehouse-tickets": ["statement"]}


class _Untraced(Exception):
    """Keeps this program's tracebacks from clients.

    pyarrow appends a formatted traceback to the text of every exception that is not a FlightError, and no FlightError
    has the statuses below. Its formatting reads ``__cause__`` and falls back to the class name when that fails.
    """

    @property
    def __cause__(self) -> BaseException | None:  # type: ignore[override]  # read-only on purpose
        raise RuntimeError("no traceback for clients")


class ArrowInvalid(_Untraced, pa.ArrowInvalid):
    """INVALID_ARGUMENT, under the name that clients know."""


class Unimplemented(_Untraced, NotImplementedError):
    """UNIMPLEMENTED."""


BUGS = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, NameError, OSError, RuntimeError),
    *(TypeError, ValueError, pa.ArrowException, duckdb.Error, SqlglotError),
)
ERRORS: dict[str, type[Exception]] = {
    "VALIDATION": ArrowInvalid,
    "RESOURCE": flight.FlightUnavailableError,
    "RESOURCE_TIMEOUT": flight.FlightTimedOutError,
    "INTERNAL": flight.FlightInternalError,
    "CANCELLED": flight.FlightCancelledError,
    "PERMISSION": flight.FlightUnauthorizedError,
    "UNAUTHENTICATED": flight.FlightUnauthenticatedError,
    "UNIMPLEMENTED": Unimplemented,
}


class Caller(flight.ServerMiddleware):
    """One authenticated call: answers with the bearer token, and with a cookie for a new session."""

    def __init__(self, gate: Gate, login: Login, headers: dict[str, str]) -> None:
        self._gate = gate
        self._login = login
        self._headers = headers
        self._cookie: str | None = None

    def session(self) -> Session:
        """Return the session of this call; made on first use unless the client named one."""
        named = _session_cookie(self._headers.get("cookie", ""))
        schema = split_path(self._headers.get("schema", ""))
        session = self._gate.session(
            self._login.user,
            named or self._cookie,
            schema,
            self._login.purpose,
            quoting=self._headers.get("quoting", ""),
            complex_types=self._headers.get("supports_complex_types", "").strip().lower() != "false",
        )
        if named is None:
            self._cookie = session.id
        return session

    def close_session(self) -> None:
        """Forget the session that the client names."""
        session = self.session()
        self._gate.end(session)
        self._cookie = None

    def sending_headers(self) -> dict[str, list[str] | list[bytes]]:
        """Return the token on every response, as clients require, and that a statement's text is a ticket."""
        headers: dict[str, list[str] | list[bytes]] = {"authorization": [f"Bearer {self._login.token}"], **TICKETS}
        if self._cookie is not None:
            headers["set-cookie"] = [f"SESSION_ID={self._cookie}"]
        return headers


class CallerFactory(flight.ServerMiddlewareFactory):
    """Checks the ``authorization`` header before any call, the Handshake included."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def start_call(self, _info: Any, headers: dict[str, list[Any]]) -> Caller:  # noqa: ANN401 (pyarrow's type)
        """Return the caller; raise FlightUnauthenticatedError when the gate refuses."""
        with _translated():
            plain = {name.lower(): _text(values[0]) for name, values in headers.items() if values}
            try:
                login = self._gate.login(plain.get("authorization"), plain.get("purpose", "").strip()[:LONGEST_PURPOSE])
            except UnauthenticatedError as error:
                log.warning("login refused: %s", error.logged)
                raise
            return Caller(self._gate, login, plain)


class NoHandshake(flight.ServerAuthHandler):
    """Lets every call through: the middleware has checked it already, for the Handshake as well."""

    def authenticate(self, outgoing: Any, incoming: Any) -> None:  # noqa: ANN401 (pyarrow's types)
        """Nothing to exchange: the token travels in the headers."""

    def is_valid(self, _token: Any) -> Any:  # noqa: ANN401 (bytes that the stubs call bool)
        """Return no peer identity of its own."""
        return b""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What DoGet is asked for: a plan made before, and the text to plan again when it is forgotten."""

    key: str
    sql: str

    def to_bytes(self) -> bytes:
        """Return the opaque form."""
        return f"{self.key}\n{self.sql}".encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> "Ticket":
        """Read what `to_bytes` wrote; bare text is a statement."""
        key, newline, sql = body.decode(errors="replace").partition("\n")
        return cls(key, sql) if newline and KEY.fullmatch(key) else cls("", body.decode(errors="replace"))


KEY_BYTES = 16
KEY = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}")
MAX_PLANS = 256
PREPARED = "0" * 2 * KEY_BYTES


class Plans:
    """The last plans, so that a statement that was planned is not planned again to run."""

    def __init__(self) -> None:
        self._plans: OrderedDict[str, Plan] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, plan: Plan) -> str:
        """Remember a plan and return its key."""
        key = secrets.token_hex(KEY_BYTES)
        with self._lock:
            self._plans[key] = plan
            while len(self._plans) > MAX_PLANS:
                self._plans.popitem(last=False)
        return key

    def take(self, key: str) -> Plan | None:
        """Return a plan and forget it."""
        with self._lock:
            return self._plans.pop(key, None)


class SqlServer(flight.FlightServerBase):
    """Answers Flight calls with what the executor plans and runs: bare SQL as Dremio takes it, or Flight SQL."""

    def __init__(self, location: str, gate: Gate, executor: Executor, tls: Tls | None = None) -> None:
        super().__init__(
            location,
            auth_handler=NoHandshake(),
            tls_certificates=[] if tls is None else [(tls.certificate.decode(), tls.key.decode())],
            middleware={MIDDLEWARE: CallerFactory(gate)},
        )
        self._executor = executor
        self._plans = Plans()

    def get_flight_info(self, context: Any, descriptor: flight.FlightDescriptor) -> flight.FlightInfo:  # noqa: ANN401
        """Plan a statement and return where to fetch it: here."""
        with _translated():
            wanted = self._wanted(context, _command(descriptor))
        if wanted is None:
            return flight.FlightInfo(pa.schema([]), descriptor, [], -1, -1)
        ticket = flight.Ticket(wanted.ticket)
        return flight.FlightInfo(wanted.plan.described, descriptor, [flight.FlightEndpoint(ticket, [])], -1, -1)

    def get_schema(self, context: Any, descriptor: flight.FlightDescriptor) -> Any:  # noqa: ANN401 (SchemaResult)
        """Return the schema of a statement's rows."""
        with _translated():
            wanted = self._wanted(context, _command(descriptor))
        return flight.SchemaResult(wanted.plan.described if wanted else pa.schema([]))

    def do_get(self, context: Any, ticket: flight.Ticket) -> flight.FlightDataStream:  # noqa: ANN401
        """Run a statement and stream its rows."""
        with _translated():
            plan = self._taken(context, ticket.ticket)
        return flight.GeneratorStream(plan.described, self._rows(plan, context))

    def do_action(self, context: Any, action: flight.Action) -> list[Any]:  # noqa: ANN401
        """Prepare a statement, close a prepared one, or read, change or close the session."""
        body = action.body.to_pybytes() if action.body is not None else b""
        found = flight_sql.unpack(body)
        with _translated():
            if action.type in SESSION_ACTIONS:
                return [flight.Result(SESSION_ACTIONS[action.type](_caller(context), body))]
            if action.type == "CreatePreparedStatement":
                if found is None or found[0] != "ActionCreatePreparedStatementRequest":
                    raise RefusedStatementError("no statement to prepare; send an ActionCreatePreparedStatementRequest")
                return [flight.Result(self._prepared(context, found[1].query))]
            if action.type == "ClosePreparedStatement":
                return []
            raise NotOfferedError(f"action {action.type} is not offered")

    def list_actions(self, _context: Any) -> list[Any]:  # noqa: ANN401
        """Return the actions there are."""
        return [
            ("CreatePreparedStatement", "Plan a statement"),
            ("ClosePreparedStatement", "Forget a planned one"),
            (session_options.SET, "Change the session's default schema"),
            (session_options.GET, "Tell what the session has set"),
            (session_options.CLOSE, "Forget the session"),
        ]

    def do_put(self, _context: Any, descriptor: Any, _reader: Any, _writer: Any) -> None:  # noqa: ANN401
        """Refuse: nothing can be written and no parameters bound."""
        found = flight_sql.unpack(descriptor.command or b"")
        with _translated():
            if found is not None and found[0] == "CommandPreparedStatementQuery":
                raise NotOfferedError("PreparedStatement with parameter binding not supported.")
            raise NotOfferedError("Statement not supported.")

    # pyarrow's own refusals of these two show a traceback.
    def do_exchange(self, _context: Any, _descriptor: Any, _reader: Any, _writer: Any) -> None:  # noqa: ANN401
        """Refuse: rows go one way only."""
        with _translated():
            raise NotOfferedError("DoExchange is not offered")

    def list_flights(self, _context: Any, _criteria: Any) -> Iterator[flight.FlightInfo]:  # noqa: ANN401
        """Refuse: what there is, is listed by SQL and by the calls of Flight SQL."""
        with _translated():
            raise NotOfferedError("ListFlights is not offered; use SHOW TABLES")

    def _wanted(self, context: Any, body: bytes) -> "Wanted | None":  # noqa: ANN401
        """Return what a command asks for; None for the key calls, which have no rows and no endpoint."""
        found = flight_sql.unpack(body)
        if found is None:
            return self._statement(context, body.decode(errors="replace"), as_flight_sql=False)
        name, message = found
        match name:
            case "CommandStatementQuery":
                return self._statement(context, message.query, as_flight_sql=True)
            case "CommandPreparedStatementQuery":
                sql = Ticket.from_bytes(message.prepared_statement_handle).sql
                return self._statement(context, sql, as_flight_sql=True)
            case _ if name in flight_sql.KEY_CALLS:
                return None
        rows = flight_sql.metadata(name, message, self._executor.catalogue(_session(context)))
        if rows is None:
            raise NotOfferedError("Statement not supported.")
        return Wanted(Plan(rows.schema, rows=rows), body)

    def _statement(self, context: Any, sql: str, *, as_flight_sql: bool) -> "Wanted":  # noqa: ANN401
        plan = self._plan(context, sql)
        handle = Ticket(self._plans.keep(plan), sql).to_bytes()
        return Wanted(
            plan, flight_sql.pack("TicketStatementQuery", statement_handle=handle) if as_flight_sql else handle
        )

    def _taken(self, context: Any, body: bytes) -> Plan:  # noqa: ANN401
        found = flight_sql.unpack(body)
        if found is not None and found[0] != "TicketStatementQuery":
            wanted = self._wanted(context, body)
            if wanted is None:
                raise NotOfferedError("this call has no rows")
            return wanted.plan
        ticket = Ticket.from_bytes(found[1].statement_handle if found else body)
        known = self._plans.take(ticket.key)
        if known is not None:
            session = _session(context)
            return self._executor.again(known, in_double_quotes(ticket.sql, session.quoting), session)
        return self._plan(context, ticket.sql)

    def _prepared(self, context: Any, sql: str) -> bytes:  # noqa: ANN401
        plan = self._plan(context, sql)
        return flight_sql.pack(
            "ActionCreatePreparedStatementResult",
            prepared_statement_handle=Ticket(PREPARED, sql).to_bytes(),
            dataset_schema=plan.described.serialize().to_pybytes(),
            parameter_schema=pa.schema([]).serialize().to_pybytes(),
        )

    def _plan(self, context: Any, sql: str) -> Plan:  # noqa: ANN401
        session = _session(context)
        return self._executor.plan(in_double_quotes(sql, session.quoting), session)

    def _rows(self, plan: Plan, context: Any) -> Iterator[pa.RecordBatch]:  # noqa: ANN401
        with _translated():
            yield from self._executor.run(plan, gone=context.is_cancelled)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A plan and the ticket that fetches its rows."""

    plan: Plan
    ticket: bytes


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except LakehouseError as error:
        raise flight_error(error) from None
    except BUGS as error:
        # A fault of this program: its traceback belongs in the log, never on the wire.
        log.exception("statement met a fault of the endpoint")
        raise flight_error(
            BrokenEngineError(f"the endpoint failed ({type(error).__name__}); its log says why")
        ) from None


def flight_error(error: LakehouseError) -> Exception:
    """Return the Flight exception whose status Dremio uses for such a fault."""
    kind = getattr(error, "kind", "RESOURCE" if isinstance(error, ServiceUnavailableError) else "VALIDATION")
    return ERRORS[kind](str(error))


def _session(context: Any) -> Session:  # noqa: ANN401 (pyarrow's type)
    return _caller(context).session()


def _caller(context: Any) -> Caller:  # noqa: ANN401 (pyarrow's type)
    caller: Caller = context.get_middleware(MIDDLEWARE)
    return caller


def _close(caller: Caller, _body: bytes) -> bytes:
    caller.close_session()
    return session_options.closed()


SESSION_ACTIONS: dict[str, Callable[[Caller, bytes], bytes]] = {
    session_options.SET: lambda caller, body: session_options.set_options(caller.session(), body),
    session_options.GET: lambda caller, _body: session_options.get_options(caller.session()),
    session_options.CLOSE: _close,
}


def _command(descriptor: flight.FlightDescriptor) -> bytes:
    if descriptor.descriptor_type != flight.DescriptorType.CMD:
        raise NotOfferedError("only commands are answered: send the SQL text as a command descriptor")
    return descriptor.command or b""


def _text(value: Any) -> str:  # noqa: ANN401 (pyarrow gives str or bytes)
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _session_cookie(header: str) -> str | None:
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == "SESSION_ID":
            return value.strip('"')
    return None
