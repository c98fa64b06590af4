"""Turns an accepted version into the writes of its layers: bronze as submitted, silver typed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from lakehouse.archive.eds import Description
from lakehouse.archive.event_tables import event_writes
from lakehouse.archive.reading import (
    Layer,
    raw_tables,
    raw_texts,
    stamped,
    table_definition,
    text_definition,
    typed,
)
from lakehouse.definition import TableDefinition
from lakehouse.ports import DatasetVersion, TableWrite

Sift = Callable[[TableDefinition, pa.Table, pa.Table], pa.Table]
"""Given a silver table, its rows, and the file and number of each in bronze, returns the rows that stay in it."""


def bronze_writes(folder: Path, description: Description, version: DatasetVersion) -> list[TableWrite]:
    """Return every table, text collection and event log as submitted, cells as text."""
    tables = [
        _stamped(table_definition(description.name, description.tables[name], "bronze"), raw, version, prefix="_")
        for name, raw in raw_tables(folder, description)
    ]
    texts = _text_writes(folder, description, version, "bronze", prefix="_")
    return [*tables, *texts, *event_writes(folder, description, version, "bronze")]


def silver_writes(
    folder: Path, description: Description, version: DatasetVersion, sift: Sift = lambda _table, rows, _places: rows
) -> list[TableWrite]:
    """Return every table in the types of its data dictionary, every text collection and every event log.

    `sift` may keep rows of tables out.
    """
    tables = []
    for name, raw in raw_tables(folder, description):
        table = description.tables[name]
        definition = table_definition(description.name, table, "silver")
        write = _stamped(definition, typed(raw, table), version, prefix="")
        tables.append(replace(write, rows=sift(definition, write.rows, raw.select(["_source_file", "_row_number"]))))
    texts = _text_writes(folder, description, version, "silver", prefix="")
    return [*tables, *texts, *event_writes(folder, description, version, "silver")]


def load_rows(writes: Sequence[TableWrite], version: DatasetVersion) -> pa.Table:
    """Return one row per written table for ``gold.loads``, without the run columns."""
    names = [write.table.name for write in writes]
    return pa.table(
        {
            "table_name": names,
            "layer": [name.split(".", 1)[0] for name in names],
            "dataset": [version.dataset] * len(names),
            "dataset_version": [version.version] * len(names),
            "dataset_commit": [version.commit] * len(names),
            "row_count": pa.array([write.rows.num_rows for write in writes], pa.int64()),
        }
    )


def _text_writes(
    folder: Path, description: Description, version: DatasetVersion, layer: Layer, *, prefix: str
) -> list[TableWrite]:
    writes = []
    for name, raw in raw_texts(folder, description):
        collection = description.texts[name]
        licence = collection.licence or description.licence
        definition = text_definition(description.name, collection, layer)
        writes.append(_stamped(definition, raw, version, prefix=prefix, licence=licence))
    return writes


def _stamped(
    definition: TableDefinition, rows: pa.Table, version: DatasetVersion, *, prefix: str, **more: str | None
) -> TableWrite:
    values = {f"{prefix}dataset_version": version.version, f"{prefix}dataset_commit": version.commit, **more}
    return TableWrite(definition, stamped(rows, definition, values))
