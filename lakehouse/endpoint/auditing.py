"""Keeps a record of every statement, and shows it as the table ``sys.statements`` to whoever may audit."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime

import pyarrow as pa

from lakehouse.endpoint.auth import Session
from lakehouse.endpoint.catalogue import Catalogue, Catalogues, Entry
from lakehouse.endpoint.config import AccessRules, EndpointConfig
from lakehouse.endpoint.duck import Duck
from lakehouse.endpoint.executor import Executor, Plan
from lakehouse.endpoint.faults import DeniedStatementError, RefusedStatementError
from lakehouse.endpoint.names import folded
from lakehouse.endpoint.permission import Permissions
from lakehouse.endpoint.relations import Relation
from lakehouse.errors import LakehouseError
from lakehouse.policy.decisions import Decision
from lakehouse.policy.statements import Statement

STATEMENTS = ("sys", "statements")
LOGIN = "LOGIN"
VERDICTS = {
    "VALIDATION": "refused",
    "PERMISSION": "denied",
    "CANCELLED": "cancelled",
    "RESOURCE_TIMEOUT": "late",
    "RESOURCE": "busy",
}


def missed_logins(rules: AccessRules | None) -> Callable[[str], None]:
    """Return what keeps a record of a login that was refused, beside the statements; it does nothing without one."""

    def record(user: str) -> None:
        if rules is not None and rules.statements is not None:
            rules.statements.record(
                Statement(datetime.now(UTC), user, "", "denied", "UNAUTHENTICATED", LOGIN, row_count=0, seconds=0.0)
            )

    return record


@dataclass(frozen=True, slots=True)
class WatchedPlan(Plan):
    """A plan that knows who asked for it, and how."""

    sql: str = ""
    user: str = ""
    purpose: str = ""
    planned_seconds: float = 0.0


@dataclass(slots=True)
class LiveCatalogue(Catalogue):
    """A catalogue with the table of statements in it, made when it is asked for."""

    statements: Callable[[], Relation] | Decision | None = None

    def find(self, path: Sequence[str], schema: Sequence[str] = ()) -> Entry:
        """Return the entry a path names, as `Catalogue.find` does."""
        if STATEMENTS not in (folded(path), folded((*schema, *path))) or self.statements is None:
            return Catalogue.find(self, path, schema)
        if isinstance(self.statements, Decision):
            raise DeniedStatementError(self.statements)
        return Entry(*STATEMENTS, kind="SYSTEM_TABLE", relation=self.statements())


class WatchedExecutor(Executor):
    """Plans and runs statements as `Executor` does, and keeps a record of each."""

    def __init__(
        self,
        config: EndpointConfig,
        duck: Duck,
        catalogues: Catalogues,
        permissions: Permissions,
        rules: AccessRules,
    ) -> None:
        super().__init__(config, duck, catalogues, permissions)
        self._audited = duck
        self._rules = rules

    def catalogue(self, session: Session) -> Catalogue:
        """Return what a session can name now, the table of statements included where its user may audit."""
        base = super().catalogue(session)
        if self._rules.statements is None:
            return base
        known = self._rules.policy().users.get(session.user)
        shown: Callable[[], Relation] | Decision = self._statements
        if known is None or "audit" not in known.rights:
            reason = f"user {session.user} has not the right audit"
            shown = Decision(session.user, session.purpose, ".".join(STATEMENTS), None, permitted=False, reason=reason)
        given = {one.name: getattr(base, one.name) for one in fields(base)}
        return LiveCatalogue(**given, statements=shown)

    def _statements(self) -> Relation:
        assert self._rules.statements is not None, "asked only where statements are kept"
        with self._audited.changing:
            return self._audited.rows("statements", self._rules.statements.rows())

    def plan(self, sql: str, session: Session, promised: pa.Schema | None = None) -> Plan:
        """Return what a statement will do, as `Executor.plan` does; what it refuses is recorded."""
        started = time.monotonic()
        purpose = session.purpose or self._default(session.user)
        try:
            plan = super().plan(sql, session, promised)
        except LakehouseError as error:
            self._record(sql, session.user, purpose, error, rows=0, seconds=time.monotonic() - started)
            raise
        given = {one.name: getattr(plan, one.name) for one in fields(plan)}
        return WatchedPlan(
            **given, sql=sql, user=session.user, purpose=purpose, planned_seconds=time.monotonic() - started
        )

    def run(self, plan: Plan, *, gone: Callable[[], bool]) -> Iterator[pa.RecordBatch]:
        """Yield the rows, as `Executor.run` does, and record how it ended."""
        if not isinstance(plan, WatchedPlan):
            yield from super().run(plan, gone=gone)
            return
        started, rows = time.monotonic(), 0
        error: BaseException | None = None
        try:
            for batch in super().run(plan, gone=gone):
                rows += batch.num_rows
                yield batch
        except (LakehouseError, GeneratorExit) as fault:
            error = fault
            raise
        finally:
            seconds = plan.planned_seconds + time.monotonic() - started
            self._record(plan.sql, plan.user, plan.purpose, error, rows=rows, seconds=seconds)
            error = None  # its traceback holds this frame, which would keep both, and the rows in them

    def _default(self, user: str) -> str:
        known = self._rules.policy().users.get(user)
        return known.default_purpose if known else ""

    def _record(
        self, sql: str, user: str, purpose: str, error: BaseException | None, *, rows: int, seconds: float
    ) -> None:
        if self._rules.statements is None:
            return
        kind = "CANCELLED" if isinstance(error, GeneratorExit) else str(getattr(error, "kind", "INTERNAL"))
        verdict = "answered" if error is None else VERDICTS.get(kind, "failed")
        if verdict == "refused" and not isinstance(error, RefusedStatementError):
            verdict = "failed"
        self._rules.statements.record(
            Statement(
                asked_at=datetime.now(UTC),
                user_name=user,
                purpose=purpose,
                verdict=verdict,
                reason="" if error is None else kind,
                statement=sql,
                row_count=rows,
                seconds=seconds,
            )
        )
