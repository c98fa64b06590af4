"""What a table is: its columns with types, units and keys, and the grain of a row."""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `unit` is a UCUM-like word (``1``, ``s``, ``byte``, ``bit/byte``, ``USD``) or None for labels.

    `formerly` are names it had: a stored column of such a name is renamed, and keeps its rows.
    """

    name: str
    type: pa.DataType
    doc: str
    unit: str | None = None
    nullable: bool = True
    formerly: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Misfit:
    """A column that a stored table cannot take as a definition has it; types by the store's names, `said` in words.

    `now` is what the stored table calls the column since it was renamed. `waiting` is the version that has it so and
    is saved and not stored yet; empty where the table itself has it.
    """

    column: str
    stored: str
    wanted: str
    said: str
    now: str | None = None
    waiting: str = ""


@dataclass(frozen=True, slots=True)
class FormerNames:
    """What columns were called: pairs of a former name and the one after it, oldest first."""

    pairs: tuple[tuple[str, str], ...] = ()

    def of(self, name: str) -> str:
        """Return what a column is called by now, however often it was renamed; its name if it never was."""
        now: dict[str, str] = {}
        for was, after in self.pairs:
            # Whoever goes back to an older name has that one by now.
            now.pop(after, None)
            now[was] = after
        while name in now:
            name = now[name]
        return name

    def all(self, name: str) -> set[str]:
        """Return every name that a column has or had, this one among them."""
        found, size = {name}, 0
        while size < len(found):
            size = len(found)
            found.update(one for pair in self.pairs if found & set(pair) for one in pair)
        return found

    def among(self, name: str, columns: Iterable[str]) -> tuple[str, ...]:
        """Return the names by which a table with these columns has a column: this one first; it alone if by none."""
        known = self.all(name)
        found = [one for one in columns if one in known]
        return tuple(sorted(found, key=lambda one: one != name)) or (name,)


NEVER_RENAMED = FormerNames()

LAYERS, HOUSE = ("bronze", "silver"), ("archive", "gold")
"""The namespaces of datasets' tables, and those of the project's own."""


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """One Iceberg table: ``namespace.table``, the grain of a row, its columns and the key that is unique.

    `dataset` is the only dataset that may write to it; None is one of the project's own tables.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    owner: str = "team:data"
    dataset: str | None = None

    @property
    def namespace(self) -> str:
        """The part before the dot: ``bronze``, ``silver``, ``gold`` or ``archive``."""
        return self.name.split(".", 1)[0]

    def arrow_schema(self) -> pa.Schema:
        """Return the columns as an Arrow schema, with each doc as field metadata."""
        return pa.schema([pa.field(c.name, c.type, c.nullable, {"doc": c.doc}) for c in self.columns])
