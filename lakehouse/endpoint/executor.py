"""Runs statements: planned once, run by an engine process, bounded in every way, stopped when nobody listens."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from lakehouse.endpoint.auth import Session
from lakehouse.endpoint.catalogue import Catalogue, Catalogues
from lakehouse.endpoint.commands import answer
from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.duck import Duck
from lakehouse.endpoint.faults import (
    BusyError,
    CancelledStatementError,
    DeadlineError,
    DeniedStatementError,
    RefusedStatementError,
    TooLargeError,
)
from lakehouse.endpoint.known_columns import Columns
from lakehouse.endpoint.messages import ENGINE_ERRORS, translated_error
from lakehouse.endpoint.permission import Permissions
from lakehouse.endpoint.plain_reads import PlainRead
from lakehouse.endpoint.relations import Described
from lakehouse.endpoint.translations import Held, Translated
from lakehouse.endpoint.turns import turn
from lakehouse.endpoint.wire import unique_names
from lakehouse.policy.rules import GROUPS_OF


@dataclass(frozen=True, slots=True)
class Plan:
    """A statement that can run: rows that are known already, or DuckDB's text. Holds in life all that it reads.

    It is for whoever sees what its own session saw, for as long as that is what there is to see.
    """

    schema: pa.Schema
    translated: str = ""
    rows: pa.Table | None = None
    catalogue: Catalogue | None = None
    sight: tuple[str, str] = ("", "")
    held: Held = ()
    read: PlainRead | None = None
    default_schema: tuple[str, ...] = ()
    groups_of: int = 0

    @property
    def described(self) -> pa.Schema:
        """The schema as clients are told it, with `GROUPS_OF` where the rows are made of groups of people."""
        return self.schema.with_metadata({GROUPS_OF: str(self.groups_of)}) if self.groups_of else self.schema


class Executor:
    """Plans statements here, and has engines bind and run them."""

    def __init__(
        self, config: EndpointConfig, duck: Duck, catalogues: Catalogues, permissions: Permissions | None = None
    ) -> None:
        self._config = config
        self._duck = duck
        self._catalogues = catalogues
        self._permissions = permissions

    def catalogue(self, session: Session) -> Catalogue:
        """Return what a session can name now; raise DeniedStatementError when its user may not state its purpose."""
        everything = self._catalogues.current()
        if self._permissions is None:
            return everything
        with self._permissions.recorded():
            return self._permissions.seen(everything, session)

    def _sees(self, session: Session, catalogue: Catalogue) -> bool:
        """Say whether a session would be given a catalogue like this one now. A denial is raised and not recorded."""
        everything = self._catalogues.current()
        made_of = everything.made_of if self._permissions is None else self._permissions.made_of(everything, session)
        return catalogue.made_of == made_of

    def plan(self, sql: str, session: Session, promised: pa.Schema | None = None) -> Plan:
        """Return what a statement will do and the schema of its rows, which must be the promised one if there is one.

        Raises RefusedStatementError for what is unknown or not allowed, DeniedStatementError for what the session may
        not see, BusyError while no release can be read and when the columns are others than were promised.
        """
        found = self._planned(sql, session)
        if promised is not None and found.schema != promised:
            raise BusyError("the tables changed after this statement was planned; send it again")
        return found

    def _planned(self, sql: str, session: Session) -> Plan:
        catalogue, default_schema = self.catalogue(session), session.schema
        recorded = contextlib.nullcontext() if self._permissions is None else self._permissions.recorded()
        with recorded, turn(sql, session.user, self._config.queue_seconds):
            rows = answer(sql, catalogue, session)
            if rows is not None:
                return Plan(
                    rows.schema, rows=rows, catalogue=catalogue, sight=session.sight, default_schema=default_schema
                )
            translated = catalogue.translate(sql, default_schema)
        try:
            columns = self._columns(translated)
        except ENGINE_ERRORS as error:
            raise translated_error(error, catalogue.column_names()) from error
        names = _output_names([name for name, _ in columns])
        schema = pa.schema(list(zip(names, [kind for _, kind in columns], strict=True)))
        if not session.complex_types:
            _require_plain(schema)
        text, held, read = translated.text, translated.held, translated.read
        return Plan(schema, text, None, catalogue, session.sight, held, read, default_schema, translated.groups_of)

    def again(self, plan: Plan, sql: str, session: Session) -> Plan:
        """Return a plan that was made before, or a new one where its session would now get another.

        So a right that was taken away, a withdrawal and a new release hold for what was planned before them, too. Names
        mean what they meant before, whatever USE the session has seen since. Raises what `plan` does.
        """
        if plan.sight != session.sight:
            return self.plan(sql, session)
        with contextlib.suppress(DeniedStatementError, BusyError):  # which planning anew meets, and records
            if plan.catalogue is not None and self._sees(session, plan.catalogue):
                return plan
        return self.plan(sql, replace(session, schema=plan.default_schema), plan.schema)

    def _columns(self, translated: Translated) -> Columns:
        """Return the columns of a statement, from an engine where they are not known."""
        if translated.columns is not None:
            return translated.columns
        described = self._described(translated)
        return list(zip(described.names, described.types, strict=True))

    def _described(self, translated: Translated) -> Described:
        """Return what an engine says of a statement, which does not depend on the values that it compares with."""
        if translated.pattern != translated.text:
            # What is wrong with the statement is better said about its own values.
            with contextlib.suppress(*ENGINE_ERRORS):
                return self._duck.describe(translated.pattern)
        return self._duck.describe(translated.text)

    def run(self, plan: Plan, *, gone: Callable[[], bool]) -> Iterator[pa.RecordBatch]:
        """Yield the rows in batches, at least one. `gone` says whether the client went away; it is asked here only.

        Raises BusyError when no engine becomes free or it runs out of memory, DeadlineError, TooLargeError,
        CancelledStatementError, FailedStatementError.
        """
        if plan.rows is not None:
            yield from plan.rows.to_batches() or [_empty(plan.schema)]
            return
        clock = _Clock(self._config.statement_seconds, gone)
        rows = size = sent = 0

        def began() -> None:
            if plan.read is not None:
                self._catalogues.current()  # looked for anew: what the newest release does not show is not kept
            clock.begin()

        stream = self._duck.stream(plan.sight[0], plan.translated, plan.schema, clock.check, began, plan.read)
        try:
            with contextlib.closing(stream):  # at once: an error that is looked at keeps this frame, and so the engine
                for batch in stream:
                    rows, size, sent = rows + batch.num_rows, size + batch.nbytes, sent + 1
                    self._check_size(rows, size)
                    yield batch
        except ENGINE_ERRORS as error:
            raise translated_error(error) from error
        if not sent:
            yield _empty(plan.schema)

    def _check_size(self, rows: int, size: int) -> None:
        if rows > self._config.result_rows:
            raise TooLargeError(f"the result has more than {self._config.result_rows} rows; add a LIMIT or aggregate")
        if size > self._config.result_bytes:
            most = self._config.result_bytes
            raise TooLargeError(f"the result is larger than {most} bytes; ask for fewer rows or columns")


class _Clock:
    """Ends a statement that is late, or that nobody waits for. Its time begins when an engine takes it."""

    def __init__(self, seconds: float, gone: Callable[[], bool]) -> None:
        self._seconds = seconds
        self._gone = gone
        self._until = float("inf")

    def begin(self) -> None:
        """Start counting."""
        self._until = time.monotonic() + self._seconds

    def check(self) -> None:
        """Raise CancelledStatementError or DeadlineError when it is time to stop."""
        if self._gone():
            raise CancelledStatementError("the statement was cancelled by its client")
        if time.monotonic() > self._until:
            raise DeadlineError(f"the statement took longer than {self._seconds:g} seconds; ask for less at a time")


def _require_plain(schema: pa.Schema) -> None:
    """Refuse lists and structs for a client that asked for none; a Dremio would give it texts of its own making."""
    for column in schema:
        if pa.types.is_nested(column.type):
            raise RefusedStatementError(
                f"column {column.name} is {column.type}, and the session's header supports_complex_types says that it "
                "takes none; leave the header out, or write ARRAY_TO_STRING"
            )


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _output_names(names: Sequence[str]) -> list[str]:
    """Number unnamed outputs by their place in the whole row, stars included."""
    named = [f"EXPR${place}" if name.startswith("EXPR$") else name for place, name in enumerate(names)]
    return unique_names(named)
