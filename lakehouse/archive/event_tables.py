"""How an event log becomes rows: bronze as submitted, silver with the parts of a statement that are asked for most."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pyarrow as pa

from lakehouse.archive.eds import EVENTS_FOLDER, LogDescription
from lakehouse.archive.event_fields import actor_of, flag_at, moment_at, number_at, text_at
from lakehouse.archive.event_files import Event, event_files, read_events
from lakehouse.definition import Column, TableDefinition
from lakehouse.errors import SchemaError
from lakehouse.ports import DatasetVersion

Layer = Literal["bronze", "silver"]
ID_SPACE = uuid.UUID("6f1c52a4-6d0f-5b1e-9d0c-4f2a8a3c7b10")
"""Namespace of the ids of statements that came without one."""

SOURCE = (
    Column("_source_file", pa.string(), "File of the submission the statement stands in.", nullable=False),
    Column("_row_number", pa.int64(), "Line in that file, counted from 1.", nullable=False),
)
STATEMENT = Column("statement", pa.large_string(), "The whole statement, JSON as submitted.", nullable=False)
PARTS = (
    Column(
        "statement_id",
        pa.string(),
        "UUID of the statement; where it gave none, one made from its file and line.",
        nullable=False,
    ),
    Column("actor", pa.string(), "Who did it: account name, mailto address, its SHA-1 or OpenID; null for a group."),
    Column("actor_kind", pa.string(), "How the actor is named: account, mbox, mbox_sha1sum, openid or group."),
    Column("actor_home", pa.string(), "Home page of the system the account belongs to."),
    Column("verb", pa.string(), "IRI of what was done.", nullable=False),
    Column("object", pa.string(), "IRI of the activity, or UUID of the statement, it was done to; null for others."),
    Column("object_type", pa.string(), "Activity, Agent, Group, StatementRef or SubStatement.", nullable=False),
    Column("happened_at", pa.timestamp("us", tz="UTC"), "When it happened, as the statement says."),
    Column("score_scaled", pa.float64(), "Score from -1 to 1.", "1"),
    Column("score_raw", pa.float64(), "Score on the activity's own scale.", "1"),
    Column("success", pa.bool_(), "Whether it went well."),
    Column("completion", pa.bool_(), "Whether it was completed."),
    Column("response", pa.large_string(), "What was answered."),
    Column("duration", pa.string(), "How long it took, ISO 8601."),
    Column("registration", pa.string(), "UUID of the attempt or enrolment it belongs to."),
)
READERS: dict[str, Callable[[Event], object]] = {
    "actor": lambda event: actor_of(event.statement).value,
    "actor_kind": lambda event: actor_of(event.statement).kind,
    "actor_home": lambda event: actor_of(event.statement).home,
    "verb": lambda event: text_at(event.statement, "verb", "id"),
    "object": lambda event: text_at(event.statement, "object", "id"),
    "object_type": lambda event: text_at(event.statement, "object", "objectType") or "Activity",
    "happened_at": lambda event: moment_at(event.statement, "timestamp"),
    "score_scaled": lambda event: number_at(event.statement, "result", "score", "scaled"),
    "score_raw": lambda event: number_at(event.statement, "result", "score", "raw"),
    "success": lambda event: flag_at(event.statement, "result", "success"),
    "completion": lambda event: flag_at(event.statement, "result", "completion"),
    "response": lambda event: text_at(event.statement, "result", "response"),
    "duration": lambda event: text_at(event.statement, "result", "duration"),
    "registration": lambda event: text_at(event.statement, "context", "registration"),
    "statement": lambda event: event.text,
}


def event_rows(
    folder: Path, log: LogDescription, definition: TableDefinition, version: DatasetVersion
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield the statements of a log as rows of a table of `event_definition`, and the file and line of each.

    Raises:
        SchemaError: a line is no statement.
    """
    names = definition.arrow_schema().names
    schema = _placed(definition)
    for path in event_files(folder / EVENTS_FOLDER / log.name):
        for rows in _rows(folder, path, log, version, schema):
            yield rows.select(names), rows.select([column.name for column in SOURCE])


def event_definition(dataset: str, log: LogDescription, layer: Layer) -> TableDefinition:
    """Return the definition of ``<layer>.<dataset>_<log>``, a table of statements."""
    bronze = layer == "bronze"
    prefix = "_" if bronze else ""
    provenance = (
        Column(f"{prefix}dataset_version", pa.string(), "Version label of the dataset.", nullable=False),
        Column(f"{prefix}dataset_commit", pa.string(), "DataLad commit of the dataset.", nullable=False),
    )
    columns = (STATEMENT, *provenance, *SOURCE) if bronze else (*PARTS, *provenance)
    return TableDefinition(
        name=f"{layer}.{dataset}_{log.name}",
        grain="one row per statement submitted" if bronze else "one row per statement",
        columns=columns,
        key=("_dataset_version", "_source_file", "_row_number") if bronze else ("statement_id", "dataset_version"),
        dataset=dataset,
    )


def _placed(definition: TableDefinition) -> pa.Schema:
    """Return the table's columns, and file and line of each statement where they are not among them."""
    schema = definition.arrow_schema()
    missing = [pa.field(one.name, one.type) for one in SOURCE if one.name not in schema.names]
    return pa.schema([*schema, *missing])


def _rows(
    folder: Path, path: Path, log: LogDescription, version: DatasetVersion, schema: pa.Schema
) -> Iterator[pa.Table]:
    place = path.relative_to(folder).as_posix()
    constant = {
        "_source_file": place,
        **{f"{prefix}dataset_version": version.version for prefix in ("", "_")},
        **{f"{prefix}dataset_commit": version.commit for prefix in ("", "_")},
    }
    for batch in read_events(path, log.xapi_version):
        if batch.bad:
            raise SchemaError(f"{place} line {batch.bad[0].row} is no statement; validate the submission first")
        columns = [_column(field.name, batch.events, constant, place) for field in schema]
        arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
        yield pa.table(arrays, schema=schema)


def _column(name: str, events: list[Event], constant: dict[str, str], place: str) -> list[object]:
    if name in constant:
        return [constant[name]] * len(events)
    if name == "_row_number":
        return [event.row for event in events]
    if name == "statement_id":
        return [(text_at(e.statement, "id") or made_id(place, e.row)).lower() for e in events]
    return [READERS[name](event) for event in events]


def made_id(place: str, row: int) -> str:
    """Return the id of a statement that came without one, made from its file and line."""
    return str(uuid.uuid5(ID_SPACE, f"{place}#{row}"))
