"""The tables and views that engines can make, as recipes, and the columns of what is asked of them."""

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

import pyarrow as pa
from sqlglot import exp

from lakehouse.endpoint.engine_settings import SCHEMA
from lakehouse.endpoint.wire import unique_names
from lakehouse.ports import TablePointer


class Described(NamedTuple):
    """The columns of a query as DuckDB names and types them, and as they travel."""

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    types: tuple[pa.DataType, ...]

    def schema(self, names: Iterable[str] | None = None) -> pa.Schema:
        """Return the schema of the result, with these names, made unique."""
        return pa.schema(list(zip(unique_names(names or self.names), self.types, strict=True)))


class Relation:
    """A table or view that engines can make. Dropped some time after the last catalogue or plan forgets it.

    `statement` makes it, from `rows` (an Arrow stream) where it has any; `needs` are the relations it reads, which
    stay while it does.
    """

    def __init__(self, kind: str, name: str, statement: str, *, rows: bytes, needs: tuple["Relation", ...]) -> None:
        self.kind = kind
        self.name = name
        self.statement = statement
        self.rows = rows
        self.needs = needs
        self.schema = pa.schema([])
        self.files: tuple[str, ...] = ()
        """Where the files on this machine lie that the whole relation is, one after the other, if it is so simple."""
        self.table = ""
        """The table of which it is a snapshot, if it is one."""
        self.sealed: tuple[str, ...] = ()
        """Where all files lie that such a snapshot is made of."""
        self.size_bytes = 0
        """How large the files of a table are, compressed."""
        self.large = False
        """Whether it is a table so large that rows that were read whole are worth keeping."""

    @property
    def qualified(self) -> str:
        """The name statements use."""
        return f"{SCHEMA}.{self.name}"

    @property
    def drop(self) -> str:
        """The statement that drops it."""
        return str(exp.Drop(tables=[table_of(self.name)], kind=self.kind, exists=True).sql("duckdb"))


def pin_name(pointer: TablePointer) -> str:
    """Return the name of the relation that shows a snapshot of a table."""
    return "t_" + digest(pointer.metadata_location, str(pointer.snapshot_id))


def unique(schema: pa.Schema) -> pa.Schema:
    """Return a schema whose columns have names of their own each."""
    return pa.schema(list(zip(unique_names(schema.names), schema.types, strict=True)))


def table_of(name: str) -> exp.Table:
    """Return the name of a relation as a statement names it."""
    return exp.Table(this=exp.to_identifier(name), db=exp.to_identifier(SCHEMA))


def digest(*parts: str) -> str:
    """Return what names are made of: the same for the same parts only."""
    return sha256("\0".join(parts).encode()).hexdigest()[:24]
