"""Turns an accepted version into the writes of its layers, some rows at a time: bronze as submitted, silver typed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from lakehouse.archive.deidentified import NOBODY_NAMED, Deidentified
from lakehouse.archive.eds import CollectionDescription, Description, TableDescription
from lakehouse.archive.event_tables import event_definition, event_rows
from lakehouse.archive.reading import (
    Layer,
    raw_batches,
    raw_documents,
    stamped,
    table_definition,
    text_definition,
    typed,
)
from lakehouse.archive.sifting import Keep, Placed, Sift, Write, all_stay
from lakehouse.definition import TableDefinition
from lakehouse.ports import AnyWrite, Change, DatasetVersion, StoredRows, StoredWrite

PLACE = ["_source_file", "_row_number"]

Far = Callable[[TableDefinition, TableDefinition, Mapping[str, str], Change], StoredRows | None]
"""Given a table in bronze and in silver, which rows of bronze are meant, and what makes silver rows of them, returns
those made on other machines; None leaves them to be made here."""


def bronze_writes(folder: Path, description: Description, version: DatasetVersion, keep: Keep[Write]) -> list[Write]:
    """Have every table, text collection and event log kept as submitted, cells as text; one after the other."""
    writes = []
    for table in description.tables.values():
        definition, values = table_definition(description.name, table, "bronze"), _values(version, "_")
        writes.append(keep(definition, _stamped(raw_batches(folder, table), definition, values)))
    for collection in description.texts.values():
        definition, values = _text_table(description, collection, version, "bronze")
        writes.append(keep(definition, _stamped(raw_documents(folder, collection.name), definition, values)))
    for log in description.events.values():
        definition = event_definition(description.name, log, "bronze")
        writes.append(keep(definition, (rows for rows, _ in event_rows(folder, log, definition, version))))
    return writes


def silver_writes(
    folder: Path,
    description: Description,
    version: DatasetVersion,
    keep: Keep[Write],
    sift: Sift = all_stay,
    far: Far = lambda _bronze, _silver, _where, _change: None,
    named: Deidentified = NOBODY_NAMED,
) -> list[Write | StoredWrite]:
    """Have every table kept in the types of its data dictionary, every text collection and every event log.

    `sift` may keep rows out of each of them; it sees what was submitted, and what is kept names nobody, by `named`.
    Tables that `far` makes are neither read nor sifted here.
    """
    writes: list[Write | StoredWrite] = []
    where = {"_dataset_commit": version.commit}

    def keep_sifted(definition: TableDefinition, part: str, placed: Iterator[Placed]) -> None:
        definition = named.told(definition, part)
        writes.append(keep(definition, named.batches(sift(definition, placed), part)))

    for table in description.tables.values():
        definition = table_definition(description.name, table, "silver")
        change = partial(_silver_rows, table=table, definition=definition, values=_values(version, ""))
        source, hide = table_definition(description.name, table, "bronze"), partial(named.rows, part=table.name)
        there = far(source, named.told(definition, table.name), where, partial(_hidden, change=change, hide=hide))
        if there is not None:
            writes.append(StoredWrite(named.told(definition, table.name), there))
            continue
        keep_sifted(definition, table.name, _placed(raw_batches(folder, table), change))
    for collection in description.texts.values():
        definition, values = _text_table(description, collection, version, "silver")
        change = partial(stamped, definition=definition, values=values)
        keep_sifted(definition, collection.name, _placed(raw_documents(folder, collection.name), change))
    for log in description.events.values():
        definition = event_definition(description.name, log, "silver")
        keep_sifted(definition, log.name, event_rows(folder, log, definition, version))
    return writes


def _placed(batches: Iterator[pa.Table], change: Change) -> Iterator[tuple[pa.Table, pa.Table]]:
    return ((change(raw), raw.select(PLACE)) for raw in batches)


def _stamped(
    batches: Iterator[pa.Table], definition: TableDefinition, values: dict[str, str | None]
) -> Iterator[pa.Table]:
    return (stamped(rows, definition, values) for rows in batches)


def _values(version: DatasetVersion, prefix: str) -> dict[str, str | None]:
    return {f"{prefix}dataset_version": version.version, f"{prefix}dataset_commit": version.commit}


def _text_table(
    description: Description, collection: CollectionDescription, version: DatasetVersion, layer: Layer
) -> tuple[TableDefinition, dict[str, str | None]]:
    values = _values(version, "_" if layer == "bronze" else "")
    licence = collection.licence or description.licence
    return text_definition(description.name, collection, layer), {**values, "licence": licence}


def _silver_rows(
    raw: pa.Table, *, table: TableDescription, definition: TableDefinition, values: dict[str, str | None]
) -> pa.Table:
    return stamped(typed(raw, table), definition, values)


def _hidden(raw: pa.Table, *, change: Change, hide: Change) -> pa.Table:
    return hide(change(raw))


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
