"""What every asset shares: partitions, origins, how rows become visible, and how failures stop or repeat."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pyarrow as pa

from lakehouse.archive.eds import Description
from lakehouse.archive.shelf import Shelf
from lakehouse.definition import TableDefinition
from lakehouse.errors import LakehouseError, NoReleaseError, TransientError
from lakehouse.ports import Provenance, TableStore, TableWrite
from lakehouse.publish.views import publishable_views
from lakehouse.tables.gold import GOLD
from lakehouse.tables.register import REGISTER
from lakehouse.tables.write_audit_publish import Lakehouse, Published, write_audit_publish
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
    writes: Sequence[TableWrite],
    *,
    key: str,
    provenance: Provenance,
    model_version: str | None = None,
) -> Published:
    """Write, audit and publish rows together with every view whose tables are then published."""
    pinned = _founded(house, provenance)
    return write_audit_publish(
        house,
        writes,
        key=key,
        provenance=provenance,
        views=publishable_views(pinned | {write.table.name for write in writes}),
        model_version=model_version,
    )


def _founded(house: Lakehouse, provenance: Provenance) -> set[str]:
    """Return the names of the published tables, first publishing, still empty, any of the project's own that is not.

    So every view can be asked from the first submission on, before there is a model or any drift.
    """
    try:
        pinned = set(house.releases.current().tables)
    except NoReleaseError:
        pinned = set()
    absent = [table for table in (*REGISTER, *GOLD) if table.name not in pinned]
    if absent:
        empty = [TableWrite(table, table.arrow_schema().empty_table()) for table in absent]
        write_audit_publish(house, empty, key="founding", provenance=provenance)
    return pinned | {table.name for table in absent}


def with_run(rows: pa.Table, provenance: Provenance, table: TableDefinition) -> pa.Table:
    """Add the run columns and return the rows in the table's column order and types."""
    now = datetime.now(UTC)
    values: dict[str, Any] = {"run_id": provenance.run_id, "code_commit": provenance.code_commit, "recorded_at": now}
    schema = table.arrow_schema()
    for name, value in values.items():
        if name in schema.names and name not in rows.column_names:
            rows = rows.append_column(name, pa.array([value] * rows.num_rows, schema.field(name).type))
    return rows.select(schema.names).cast(schema)


def descriptions(shelf: Shelf) -> dict[str, Description]:
    """Return the description of every dataset that has an accepted submission, by name."""
    reports = [shelf.judge(key) for key in shelf.landed_keys()]
    return {
        report.description.name: report.description
        for report in reports
        if report.accepted and report.description is not None
    }


def read_or_empty(tables: TableStore, table: TableDefinition, *, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a table's rows, or none in its schema while it has never been written."""
    if tables.exists(table.name):
        return tables.read(table.name, columns=columns)
    empty = table.arrow_schema().empty_table()
    return empty.select(list(columns)) if columns else empty


def current_model(house: Lakehouse) -> str | None:
    """Return the published model's version, or None before the first."""
    try:
        return house.releases.current().model_version
    except NoReleaseError:
        return None


def preview(rows: pa.Table, *, limit: int = 5, width: int = 60) -> dg.MarkdownMetadataValue:
    """Return the first rows as a Markdown table for the asset's page."""
    head = rows.slice(0, limit).to_pylist()
    names = rows.column_names
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in head:
        cells = (str(row[name]).replace("|", "\\|").replace("\n", " ")[:width] for name in names)
        lines.append("| " + " | ".join(cells) + " |")
    return dg.MetadataValue.md("\n".join(lines))


def logged(context: dg.AssetExecutionContext) -> Callable[[str], None]:
    """Return a function that writes progress lines to the run's log."""
    return lambda line: context.log.info("%s", line)
