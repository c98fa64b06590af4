"""What every asset shares: partitions, origins, how rows become visible, and how failures stop or repeat."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dagster as dg
import pyarrow as pa

from lakehouse.archive.eds import Description
from lakehouse.archive.shelf import Shelf
from lakehouse.definition import TableDefinition
from lakehouse.errors import BrokenPromiseError, LakehouseError, TransientError
from lakehouse.markdown import plain, table
from lakehouse.ports import AnyWrite, DatasetVersion, DatasetVersions, FarMaker, Provenance, TableWrite
from lakehouse.tables.expectations.inspection import recorded, told
from lakehouse.tables.expectations.own_writes import broken_by_writes
from lakehouse.tables.gold import GOLD, LOADS
from lakehouse.tables.health import EXPECTATION_RESULTS
from lakehouse.tables.register import REGISTER
from lakehouse.tables.release import Release
from lakehouse.tables.withdrawals import quarantined, require_none_open
from lakehouse.tables.write_audit_publish import Lakehouse, Published, recover, write_audit_publish
from models.errors import ModelError

submissions = dg.DynamicPartitionsDefinition(name="submissions")
"""One partition per submission; its key is ``dataset@version``."""

MAX_RETRIES = 3
RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Origin:
    """The commit of the code that runs."""

    code_commit: str

    def provenance(self, context: dg.AssetExecutionContext, **known: str | None) -> Provenance:
        """Return where rows written by this run come from."""
        return Provenance(run_id=context.run.run_id, code_commit=self.code_commit, **known)


@dataclass(frozen=True, slots=True)
class Engine:
    """What makes rows where this machine's memory ends; nothing, where all are made here."""

    maker: FarMaker | None = None


@contextmanager
def failures() -> Iterator[None]:
    """Turn a transient error into a bounded retry and a permanent one into a failure that ends the run.

    A retry policy on the asset would repeat unknown errors as well, which are faults of the program.
    """
    try:
        yield
    except TransientError as error:
        raise dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=RETRY_SECONDS) from error
    except (LakehouseError, ModelError) as error:
        raise dg.Failure(
            description=str(error),
            metadata={"error": type(error).__name__, "exit_code": error.exit_code},
            allow_retries=False,
        ) from error


def commit(
    house: Lakehouse,
    writes: Sequence[AnyWrite],
    *,
    key: str,
    provenance: Provenance,
    model_version: str | None = None,
) -> Published:
    """Write, audit and publish rows, together with a model when one is named.

    Raises:
        BusyError: a withdrawal is not finished.
        BrokenPromiseError: a table of the project itself would break a promise of severity error; that is on record,
            and nothing else was written.
    """
    require_none_open(house.objects)
    _found(house, provenance)
    _require_kept(house, writes, key, provenance)
    return write_audit_publish(
        house,
        writes,
        key=key,
        provenance=provenance,
        model_version=model_version,
    )


def _found(house: Lakehouse, provenance: Provenance) -> None:
    """Publish, still empty, any of the project's own tables that is not published yet.

    So every view can be asked from the first submission on, before there is a model or any drift.
    """
    pinned = set(current_release(house).tables)
    absent = [table for table in (*REGISTER, *GOLD) if table.name not in pinned]
    if absent:
        empty = [TableWrite(table, table.arrow_schema().empty_table()) for table in absent]
        write_audit_publish(house, empty, key="founding", provenance=provenance)


def _require_kept(house: Lakehouse, writes: Sequence[AnyWrite], key: str, provenance: Provenance) -> None:
    if house.promised is None:
        return
    expectations = house.promised()
    found = broken_by_writes(expectations, writes, partial(read_released, house), datetime.now(UTC))
    # What is published under this key already is not taken back, nor counted twice.
    broken = [(name, verdict) for name, verdict in found if house.tables.committed(name, key) is None]
    if not broken:
        return
    records = [recorded(name, verdict, expectations.version) for name, verdict in broken]
    results = TableWrite(EXPECTATION_RESULTS, rows_of(EXPECTATION_RESULTS, records, provenance))
    refusal = f"refused:{expectations.version}:{provenance.run_id}:{key}"
    write_audit_publish(house, [results], key=refusal, provenance=provenance)
    said = "; ".join(f"{name}: {verdict.code}, {told(verdict)}" for name, verdict in broken)
    raise BrokenPromiseError(
        f"nothing of {key!r} was published: {said}. Mend what made the rows, or change the promise "
        "(docs/expectations.md), and run again"
    )


def with_run(rows: pa.Table, provenance: Provenance, table: TableDefinition) -> pa.Table:
    """Add the run columns and return the rows in the table's column order and types."""
    now = datetime.now(UTC)
    values: dict[str, Any] = {"run_id": provenance.run_id, "code_commit": provenance.code_commit, "recorded_at": now}
    schema = table.arrow_schema()
    for name, value in values.items():
        if name in schema.names and name not in rows.column_names:
            rows = rows.append_column(name, pa.array([value] * rows.num_rows, schema.field(name).type))
    return rows.select(schema.names).cast(schema)


def rows_of(table: TableDefinition, records: list[dict[str, object]], provenance: Provenance) -> pa.Table:
    """Return records as rows of a table, with the run columns; a column that no record has is null."""
    schema = pa.schema(
        [field for field in table.arrow_schema() if field.name not in ("run_id", "code_commit", "recorded_at")]
    )
    return with_run(pa.Table.from_pylist(records, schema), provenance, table)


@dataclass(frozen=True, slots=True)
class Stored:
    """What is published of one dataset: its newest stored description, and its stored versions, oldest first."""

    description: Description
    versions: list[DatasetVersion]


def stored_datasets(house: Lakehouse, shelf: Shelf, versions: DatasetVersions) -> dict[str, Stored]:
    """Return the datasets whose silver tables are published, by name.

    A version counts once all its tables are visible, so one that is saved but not stored yet changes nothing, and
    neither does a submission that was refused.
    """
    loads = read_released(house, LOADS).to_pylist()
    visible = {(row["dataset"], row["dataset_commit"]) for row in loads if row["layer"] == "silver"}
    found = {}
    for name in sorted({dataset for dataset, _ in visible}):
        stored = [version for version in versions.versions(name) if (name, version.commit) in visible]
        report = shelf.accepted_report(stored[-1].content_sha256) if stored else None
        if report is not None and report.description is not None:
            found[name] = Stored(report.description, stored)
    return found


def read_released(house: Lakehouse, table: TableDefinition, *, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a table's rows as the current release shows them; none while it is in no release.

    What a crash left half done is finished first, so that this sees what everybody sees.
    """
    recover(house)
    pin = current_release(house).tables.get(table.name)
    if pin is not None:
        return house.tables.read(table.name, columns=columns, snapshot_id=pin.snapshot_id)
    empty = table.arrow_schema().empty_table()
    return empty.select(list(columns)) if columns else empty


def current_model(house: Lakehouse) -> str | None:
    """Return the published model's version, or None before the first and while it is in quarantine."""
    model = current_release(house).model_version
    return None if model in quarantined(house.objects) else model


def current_release(house: Lakehouse) -> Release:
    """Return the newest release; an empty one, number 0, before the first."""
    return house.releases.current_or_empty()


def preview(rows: pa.Table, *, limit: int = 5, width: int = 60) -> dg.MarkdownMetadataValue:
    """Return the first rows as a Markdown table for the asset's page; a longer text ends with an ellipsis."""
    head = rows.slice(0, limit).to_pylist()
    names = rows.column_names
    lines = table(
        [plain(name) for name in names], ([_shortened(str(row[name]), width) for name in names] for row in head)
    )
    return dg.MetadataValue.md("\n".join(lines))


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
