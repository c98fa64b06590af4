"""Runs statements: planned once, executed by a worker, bounded in number and time, stopped when nobody listens."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from lakehouse.endpoint.auth import Session
from lakehouse.endpoint.catalogue import Catalogue, Catalogues
from lakehouse.endpoint.commands import answer
from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.duck import Duck
from lakehouse.endpoint.faults import BusyError, CancelledStatementError, DeadlineError
from lakehouse.endpoint.messages import ENGINE_ERRORS, EngineError, translated_error
from lakehouse.endpoint.permission import Permissions
from lakehouse.endpoint.wire import to_wire, unique_names, wire_schema

BATCH_ROWS = 16_384
WAITING_BATCHES = 4
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    """A statement that can run: rows that are known already, or DuckDB's text. Holds its catalogue in life.

    It is for whoever sees what its own session saw.
    """

    schema: pa.Schema
    translated: str = ""
    rows: pa.Table | None = None
    catalogue: Catalogue | None = None
    sight: tuple[str, str] = ("", "")


@dataclass(slots=True)
class _Work:
    """What a worker thread and the call's own thread share."""

    cursor: duckdb.DuckDBPyConnection
    batches: "queue.Queue[pa.RecordBatch | EngineError | None]" = field(
        default_factory=lambda: queue.Queue(WAITING_BATCHES)
    )
    stop: threading.Event = field(default_factory=threading.Event)

    def put(self, item: pa.RecordBatch | EngineError | None) -> None:
        """Hand over an item, or drop it when nobody listens any more."""
        while not self.stop.is_set():
            with contextlib.suppress(queue.Full):
                self.batches.put(item, timeout=POLL_SECONDS)
                return


class Executor:
    """Plans and runs statements in this process. Its methods are all that a child process would need to offer."""

    def __init__(
        self, config: EndpointConfig, duck: Duck, catalogues: Catalogues, permissions: Permissions | None = None
    ) -> None:
        self._config = config
        self._duck = duck
        self._catalogues = catalogues
        self._permissions = permissions
        self._slots = threading.BoundedSemaphore(config.concurrent_statements)

    def catalogue(self, session: Session) -> Catalogue:
        """Return what a session can name now; raise DeniedStatementError when its user may not state its purpose."""
        everything = self._catalogues.current()
        if self._permissions is None:
            return everything
        with self._permissions.recorded():
            return self._permissions.seen(everything, session)

    def plan(self, sql: str, session: Session) -> Plan:
        """Return what a statement will do and the schema of its rows.

        Raises RefusedStatementError for what is unknown or not allowed, DeniedStatementError for what the session may
        not see, BusyError while no release can be read.
        """
        catalogue = self.catalogue(session)
        with contextlib.nullcontext() if self._permissions is None else self._permissions.recorded():
            rows = answer(sql, catalogue, session)
            translated = "" if rows is not None else catalogue.translate(sql, session.schema)
        if rows is not None:
            return Plan(rows.schema, rows=rows, sight=session.sight)
        with self._duck.cursor() as cursor:
            try:
                relation = cursor.sql(translated)
                schema = wire_schema(_output_names(relation.columns), relation.types)
            except duckdb.Error as error:
                raise translated_error(error) from error
        return Plan(schema, translated, catalogue=catalogue, sight=session.sight)

    def run(self, plan: Plan, *, gone: Callable[[], bool]) -> Iterator[pa.RecordBatch]:
        """Yield the rows in batches, at least one. `gone` says whether the client went away; it is asked here only.

        Raises BusyError when no slot becomes free, DeadlineError, CancelledStatementError, FailedStatementError.
        """
        if plan.rows is not None:
            yield from plan.rows.to_batches() or [_empty(plan.schema)]
            return
        if not self._slots.acquire(timeout=self._config.queue_seconds):
            raise BusyError(f"{self._config.concurrent_statements} statements are running already; try again later")
        try:
            yield from self._stream(plan, gone)
        finally:
            self._slots.release()

    def _stream(self, plan: Plan, gone: Callable[[], bool]) -> Iterator[pa.RecordBatch]:
        work = _Work(self._duck.cursor())
        worker = threading.Thread(target=_fetch, args=(work, plan), name="statement", daemon=True)
        deadline = time.monotonic() + self._config.statement_seconds
        worker.start()
        sent = 0
        try:
            while (batch := self._next(work, deadline, gone)) is not None:
                sent += 1
                yield batch
            if not sent:
                yield _empty(plan.schema)
        finally:
            work.stop.set()
            while worker.is_alive():
                work.cursor.interrupt()
                worker.join(POLL_SECONDS)
            work.cursor.close()

    def _next(self, work: _Work, deadline: float, gone: Callable[[], bool]) -> pa.RecordBatch | None:
        while True:
            with contextlib.suppress(queue.Empty):
                item = work.batches.get(timeout=POLL_SECONDS)
                if isinstance(item, Exception):
                    raise translated_error(item) from item
                return item
            if gone():
                raise CancelledStatementError("the statement was cancelled by its client")
            if time.monotonic() > deadline:
                raise DeadlineError(f"the statement took longer than {self._config.statement_seconds:g} seconds")


def _fetch(work: _Work, plan: Plan) -> None:
    """Run in the worker thread: never touches the Flight call."""
    try:
        reader = work.cursor.execute(plan.translated).to_arrow_reader(BATCH_ROWS)
        for batch in reader:
            if work.stop.is_set():
                return
            work.put(to_wire(batch, plan.schema))
        work.put(None)
    except ENGINE_ERRORS as error:
        work.put(error)


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _output_names(names: list[str]) -> list[str]:
    """Number unnamed outputs by their place in the whole row, stars included."""
    named = [f"EXPR${place}" if name.startswith("EXPR$") else name for place, name in enumerate(names)]
    return unique_names(named)
