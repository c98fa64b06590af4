"""Holds rows of the project's own tables to their promises of severity error, before they are written."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime

import pyarrow as pa

from lakehouse.definition import TableDefinition
from lakehouse.ports import AnyWrite, TableWrite
from lakehouse.tables.expectations.book import Expectations
from lakehouse.tables.expectations.judge import Verdict, judge
from lakehouse.tables.expectations.kinds import Expectation, Fresh, RowPromise, Steady, TableExpectations
from lakehouse.tables.expectations.reach import OWN
from lakehouse.tables.health import EXPECTATION_RESULTS

Read = Callable[[TableDefinition], pa.Table]
Named = tuple[str, Verdict]


def broken_by_writes(
    expectations: Expectations, writes: Sequence[AnyWrite], published: Read, now: datetime
) -> list[Named]:
    """Return the promises of severity error that own tables would break with these rows, each with its table.

    What every row promises is asked of the new rows alone, so an old fault does not stop others; the rest is asked of
    the whole table as it would be, and only then is what is published read. Freshness is not asked: a new row is the
    cure of a table gone stale. No rows added break no promise.
    """
    broken = []
    for write in writes:
        promised_of = expectations.of(write.table.name) if write.table.name in OWN else None
        if promised_of is not None and isinstance(write, TableWrite):
            broken += [(write.table.name, verdict) for verdict in _broken_by(write, promised_of, published, now)]
    return broken


def _broken_by(write: TableWrite, promised_of: TableExpectations, published: Read, now: datetime) -> list[Verdict]:
    errors = {code: one for code, one in promised_of.expect.items() if _asked(one)}
    if not errors or (write.mode == "append" and not write.rows.num_rows):
        return []
    single = {code: one for code, one in errors.items() if isinstance(one, RowPromise) and one.mostly == 1}
    together = {code: one for code, one in errors.items() if code not in single}
    verdicts: list[Verdict] = []
    if single:
        verdicts += judge(write.rows, _only(promised_of, single), history={}, now=now).verdicts
    if together:
        rows = write.rows if write.mode == "replace" else _joined(published(write.table), write)
        compared = any(isinstance(one, Steady) for one in together.values())
        history = history_of(published(EXPECTATION_RESULTS), write.table.name, now.date()) if compared else {}
        verdicts += judge(rows, _only(promised_of, together), history=history, now=now).verdicts
    return [verdict for verdict in verdicts if not verdict.kept]


def history_of(known: pa.Table, table: str, today: date) -> Mapping[str, Sequence[float]]:
    """Return what was observed of an own table on the days before, oldest first, the last look of each day.

    `known` is ``gold.expectation_results``; rows that were never published are no history.
    """
    found: dict[str, dict[date, float]] = {}
    for row in sorted(known.to_pylist(), key=lambda row: row["recorded_at"]):
        day = row["recorded_at"].date()
        if row["table_name"] == table and day < today and row["observed"] is not None and not row["blocked"]:
            found.setdefault(row["code"], {})[day] = row["observed"]
    return {code: list(by_day.values()) for code, by_day in found.items()}


def _asked(one: Expectation) -> bool:
    return one.severity == "error" and not isinstance(one, Fresh)


def _only(promised_of: TableExpectations, expect: Mapping[str, Expectation]) -> TableExpectations:
    return promised_of.model_copy(update={"expect": expect})


def _joined(published: pa.Table, write: TableWrite) -> pa.Table:
    schema = write.table.arrow_schema()
    return pa.concat_tables([rows.select(schema.names).cast(schema) for rows in (published, write.rows)])
