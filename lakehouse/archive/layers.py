"""Turns an accepted version into the writes of its layers: bronze as submitted, silver typed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa

from lakehouse.archive.eds import Description, TableDescription
from lakehouse.archive.event_tables import event_writes
from lakehouse.archive.reading import (
    SOURCE_COLUMNS,
    Layer,
    raw_batches,
    raw_texts,
    stamped,
    table_definition,
    text_definition,
    typed,
)
from lakehouse.archive.sifting import Sift, all_stay
from lakehouse.definition import TableDefinition
from lakehouse.ports import AnyWrite, Change, DatasetVersion, FarRows, FarWrite, TableWrite

PLACE = ["_source_file", "_row_number"]
NOWHERE = pa.schema([pa.field(column.name, column.type) for column in SOURCE_COLUMNS])

Far = Callable[[TableDefinition, TableDefinition, Mapping[str, str], Change], FarRows | None]
"""Given a table in bronze and in silver, which rows of bronze are meant, and what makes silver rows of them, returns
those made on other machines; None leaves them to be made here."""


def bronze_writes(folder: Path, description: Description, version: DatasetVersion) -> list[TableWrite]:
    """Return every table, text collection and event log as submitted, cells as text."""
    tables = []
    for table in description.tables.values():
        definition = table_definition(description.name, table, "bronze")
        values = _values(version, "_")
        rows = [stamped(raw, definition, values) for raw in raw_batches(folder, table)]
        tables.append(TableWrite(definition, _joined(rows, definition)))
    texts = _text_writes(folder, description, version, "bronze", prefix="_")
    return [*tables, *texts, *event_writes(folder, description, version, "bronze")]


def silver_writes(
    folder: Path,
    description: Description,
    version: DatasetVersion,
    sift: Sift = all_stay,
    far: Far = lambda _bronze, _silver, _where, _change: None,
) -> list[AnyWrite]:
    """Return every table in the types of its data dictionary, every text collection and every event log.

    `sift` may keep rows out of each of them. Tables that `far` makes are neither read nor sifted here.
    """
    tables = [
        _far_write(description, table, version, far) or _silver_write(folder, description, table, version, sift)
        for table in description.tables.values()
    ]
    texts = _text_writes(folder, description, version, "silver", prefix="", sift=sift)
    return [*tables, *texts, *event_writes(folder, description, version, "silver", sift)]


def _silver_write(
    folder: Path, description: Description, table: TableDescription, version: DatasetVersion, sift: Sift
) -> TableWrite:
    definition = table_definition(description.name, table, "silver")
    rows, places = [], []
    for raw in raw_batches(folder, table):
        # Only the place of each cell's row is kept of the text: two forms of all cells would be twice the memory.
        rows.append(_silver_rows(raw, table=table, definition=definition, values=_values(version, "")))
        places.append(raw.select(PLACE))
    joined = pa.concat_tables(places) if places else NOWHERE.empty_table()
    return TableWrite(definition, sift(definition, _joined(rows, definition), joined))


def _joined(batches: list[pa.Table], definition: TableDefinition) -> pa.Table:
    return pa.concat_tables(batches) if batches else definition.arrow_schema().empty_table()


def _values(version: DatasetVersion, prefix: str) -> dict[str, str | None]:
    return {f"{prefix}dataset_version": version.version, f"{prefix}dataset_commit": version.commit}


def _far_write(description: Description, table: TableDescription, version: DatasetVersion, far: Far) -> FarWrite | None:
    bronze = table_definition(description.name, table, "bronze")
    silver = table_definition(description.name, table, "silver")
    change = partial(_silver_rows, table=table, definition=silver, values=_values(version, ""))
    rows = far(bronze, silver, {"_dataset_commit": version.commit}, change)
    return None if rows is None else FarWrite(silver, rows)


def _silver_rows(
    raw: pa.Table, *, table: TableDescription, definition: TableDefinition, values: dict[str, str | None]
) -> pa.Table:
    return stamped(typed(raw, table), definition, values)


def load_rows(writes: Sequence[AnyWrite], version: DatasetVersion) -> pa.Table:
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
    folder: Path,
    description: Description,
    version: DatasetVersion,
    layer: Layer,
    *,
    prefix: str,
    sift: Sift = all_stay,
) -> list[TableWrite]:
    writes = []
    for name, raw in raw_texts(folder, description):
        collection = description.texts[name]
        licence = collection.licence or description.licence
        definition = text_definition(description.name, collection, layer)
        write = _stamped(definition, raw, version, prefix=prefix, licence=licence)
        writes.append(replace(write, rows=sift(definition, write.rows, raw.select(PLACE))))
    return writes


def _stamped(
    definition: TableDefinition, rows: pa.Table, version: DatasetVersion, *, prefix: str, **more: str | None
) -> TableWrite:
    return TableWrite(definition, stamped(rows, definition, _values(version, prefix) | more))
