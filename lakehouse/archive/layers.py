"""Turns an accepted version into the writes of its layers: bronze as submitted, silver typed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa

from lakehouse.archive.eds import Description, TableDescription
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
from lakehouse.archive.sifting import Sift, all_stay
from lakehouse.definition import TableDefinition
from lakehouse.ports import AnyWrite, Change, DatasetVersion, FarRows, FarWrite, TableWrite

PLACE = ["_source_file", "_row_number"]

Far = Callable[[TableDefinition, TableDefinition, Mapping[str, str], Change], FarRows | None]
"""Given a table in bronze and in silver, which rows of bronze are meant, and what makes silver rows of them, returns
those made on other machines; None leaves them to be made here."""


def bronze_writes(folder: Path, description: Description, version: DatasetVersion) -> list[TableWrite]:
    """Return every table, text collection and event log as submitted, cells as text."""
    tables = [
        _stamped(table_definition(description.name, description.tables[name], "bronze"), raw, version, prefix="_")
        for name, raw in raw_tables(folder, description)
    ]
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
    tables: list[AnyWrite] = []
    here = {}
    for name, table in description.tables.items():
        if (made := _far_write(description, table, version, far)) is None:
            here[name] = table
        else:
            tables.append(made)
    for name, raw in raw_tables(folder, description.model_copy(update={"tables": here})):
        table = description.tables[name]
        definition = table_definition(description.name, table, "silver")
        write = _stamped(definition, typed(raw, table), version, prefix="")
        tables.append(replace(write, rows=sift(definition, write.rows, raw.select(PLACE))))
    texts = _text_writes(folder, description, version, "silver", prefix="", sift=sift)
    return [*tables, *texts, *event_writes(folder, description, version, "silver", sift)]


def _far_write(description: Description, table: TableDescription, version: DatasetVersion, far: Far) -> FarWrite | None:
    bronze = table_definition(description.name, table, "bronze")
    silver = table_definition(description.name, table, "silver")
    values: dict[str, str | None] = {"dataset_version": version.version, "dataset_commit": version.commit}
    change = partial(_silver_rows, table=table, definition=silver, values=values)
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
    values = {f"{prefix}dataset_version": version.version, f"{prefix}dataset_commit": version.commit, **more}
    return TableWrite(definition, stamped(rows, definition, values))
