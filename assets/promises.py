"""Holds rows to what their tables promise, and records how each promise was kept."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pyarrow as pa

from assets.house import Origin, commit, current_release, read_released, rows_of, with_run
from lakehouse.errors import BrokenPromiseError, ExpectationFileError
from lakehouse.ports import DatasetVersion, Provenance, TablePointer, TableWrite
from lakehouse.tables.expectations.book import Expectations
from lakehouse.tables.expectations.inspection import Inspection, Record, recorded, told
from lakehouse.tables.expectations.judge import History, Verdict, judge
from lakehouse.tables.expectations.kinds import TableExpectations
from lakehouse.tables.expectations.own_writes import history_of
from lakehouse.tables.gold import LOADS
from lakehouse.tables.health import EXPECTATION_RESULTS, ROWS_ASIDE
from lakehouse.tables.write_audit_publish import Lakehouse

VERSION = ("dataset", "dataset_version", "dataset_commit")
KEPT = dg.AssetCheckSpec(
    "keeps_its_promises",
    asset="silver_tables",
    blocking=True,
    description="The rows keep what docs/expectations.md says of their tables; a warning lets them through.",
)


def inspection(house: Lakehouse, expectations: Expectations, version: DatasetVersion) -> Inspection:
    """Return a look at one version, with what is known of the versions before it."""
    known = read_released(house, EXPECTATION_RESULTS)
    return Inspection(expectations, known, version, datetime.now(UTC))


def records(found: Inspection, provenance: Provenance) -> tuple[TableWrite, ...]:
    """Return how each promise was kept, and the rows that were set aside, as writes."""
    writes = [_results(found, provenance)] if found.verdicts else []
    aside = found.rows_aside()
    if aside is not None:
        writes.append(TableWrite(ROWS_ASIDE, with_run(aside, provenance, ROWS_ASIDE)))
    return tuple(writes)


def require_kept(
    house: Lakehouse,
    found: Inspection,
    origin: Origin,
    context: dg.AssetExecutionContext,
    version: DatasetVersion,
    *,
    already_published: bool,
) -> None:
    """Raise BrokenPromiseError when nothing may be published, once that is on record.

    A promise that was changed later takes nothing back: what is published stays, and the check says what is broken.
    """
    if not found.blocked or already_published:
        return
    provenance = origin.provenance(context, dataset=version.dataset, dataset_version=version.version)
    key = f"expectations:{version.dataset}@{version.version}:{version.commit}:{found.expectations.version}"
    commit(house, [_results(found, provenance)], key=key, provenance=provenance)
    raise BrokenPromiseError(
        f"nothing of {version.dataset}@{version.version} was published: {'; '.join(found.blocked)}. Correct the data "
        "and hand in a new version, or change the promise (docs/expectations.md) and run again"
    )


def verdict(found: Inspection) -> dg.AssetCheckResult:
    """Return the asset check: passed when every promise is kept, a warning when only such are broken."""
    lines = [f"- {table}: {one.code} ({one.expectation.severity}), {told(one)}" for table, one in found.broken]
    return dg.AssetCheckResult(
        check_name=KEPT.name,
        passed=not found.broken,
        severity=dg.AssetCheckSeverity.ERROR if found.blocked else dg.AssetCheckSeverity.WARN,
        metadata={
            "promises": len(found.verdicts),
            "broken": len(found.broken),
            "rows_aside": found.aside_count,
            "which": dg.MetadataValue.md("\n".join(lines) or "none"),
        },
    )


def _results(found: Inspection, provenance: Provenance) -> TableWrite:
    return TableWrite(EXPECTATION_RESULTS, rows_of(EXPECTATION_RESULTS, found.results(), provenance))


@dataclass(frozen=True)
class Health:
    """How tables keep their promises today: rows for the record, sentences on what is broken or cannot be judged."""

    key: str
    results: list[Record]
    broken: list[str]
    serious: bool


@dataclass
class _Look:
    """One look at what is published, and what was found so far."""

    house: Lakehouse
    expectations: Expectations
    now: datetime
    pins: Mapping[str, TablePointer]
    state: list[str] = field(default_factory=list)
    found: list[tuple[Record, Verdict]] = field(default_factory=list)
    amiss: list[str] = field(default_factory=list)

    def own_tables(self) -> None:
        """Judge every table of the project itself that promises something, against the days before."""
        known = read_released(self.house, EXPECTATION_RESULTS)
        for table, promised_of in self.expectations.of_own_tables():
            if table.name in self.pins:
                history = history_of(known, table.name, self.now.date())
                named = sorted(promised_of.named_columns) or [table.columns[0].name]
                self._judge(table.name, read_released(self.house, table, columns=named), promised_of, history, {})

    def ages(self) -> None:
        """Judge how fresh the published tables of datasets are: one that no version reaches is judged nowhere else."""
        newest = {row["table_name"]: row for row in sorted(read_released(self.house, LOADS).to_pylist(), key=_moment)}
        for name, pin in sorted(self.pins.items()):
            ages = self.expectations.of_ages(name) if name.startswith("silver.") else None
            if ages is not None:
                rows = _columns(self.house, name, pin.snapshot_id, ages.named_columns)
                of = {column: newest[name][column] for column in VERSION} if name in newest else {}
                self._judge(name, rows, ages, {}, of)

    def absent(self) -> None:
        """Tell the tables of datasets that an added file names and that are not there: a slip, or not handed in yet."""
        for name in sorted(self.expectations.added):
            if name.startswith("silver.") and not name.endswith(".*") and name not in self.pins:
                self.amiss.append(f"{name}: no such table is published, so its promises are not judged")

    def _judge(self, name: str, rows: pa.Table, promised_of: TableExpectations, history: History, of: Record) -> None:
        self.state.append(f"{name}={self.pins[name].snapshot_id}")
        try:
            verdicts = judge(rows, promised_of, history=history, now=self.now).verdicts
        except ExpectationFileError as error:
            self.amiss.append(f"{name}: {error}")
            return
        for verdict in verdicts:
            # What is published stays, however it is judged now.
            record = recorded(name, verdict, self.expectations.version) | {"blocked": False}
            self.found.append((of | record, verdict))
            if not verdict.kept:
                self.amiss.append(f"{name}: {verdict.code}, {told(verdict)}")


def health(house: Lakehouse, expectations: Expectations, now: datetime) -> Health:
    """Judge the project's own tables, and the age of the tables of datasets, as they are published."""
    look = _Look(house, expectations, now, current_release(house).tables)
    look.own_tables()
    look.ages()
    look.absent()
    state = ";".join([f"{expectations.version}:{now.date()}", *look.state])
    return Health(
        key=f"health:{hashlib.sha256(state.encode()).hexdigest()}",
        results=[record for record, _ in look.found],
        broken=look.amiss,
        serious=any(verdict.blocks for _, verdict in look.found),
    )


def _moment(row: Mapping[str, Any]) -> datetime:
    moment: datetime = row["recorded_at"]
    return moment


def _columns(house: Lakehouse, table: str, snapshot_id: int | None, names: Collection[str]) -> pa.Table:
    """Return these columns of a table; when one is missing, a row with all columns that are there."""
    head = house.tables.head(table, 1, where={}, snapshot_id=snapshot_id)
    if not set(names) <= set(head.column_names):
        return head
    return house.tables.read(table, columns=sorted(names), snapshot_id=snapshot_id)
