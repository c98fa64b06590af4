"""Says where a plain list of a snapshot's files shows what reading its metadata at each statement shows."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

PARQUET, DATA = "PARQUET", "0"
# The metadata name bounds of each file, so that DuckDB need not open those that a condition leaves out; of a list it
# opens them all. Up to here that costs no more than the metadata do.
MOST_FILES = 16
PATTERN = frozenset("*?[]{}")


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that a snapshot consists of: what it holds (0 rows, 1 and 2 deletions), its format and where it lies."""

    content: str
    format: str
    path: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a snapshot consists of, as its metadata say. `columns` are the ids and names of its schema's fields.

    `lists` are the metadata themselves and what leads from them to the files.
    """

    version: int
    columns: frozenset[tuple[str, str]]
    files: tuple[DataFile, ...]
    lists: tuple[str, ...] = ()

    @property
    def paths(self) -> list[str]:
        """Where its files lie."""
        return [one.path for one in self.files]

    @property
    def local_paths(self) -> tuple[str, ...]:
        """Where its files lie on this machine; none where one does not."""
        paths = tuple(path.removeprefix("file://") for path in self.paths)
        return () if any("://" in path for path in paths) else paths


def listed(contents: Contents) -> exp.Expr | None:
    """Return a source that reads the files; None where they alone are not the table, or are too many."""
    plain = contents.version == 2 and 0 < len(contents.files) <= MOST_FILES
    if not plain or any((one.content, one.format.upper()) != (DATA, PARQUET) for one in contents.files):
        return None
    if PATTERN & set("".join(contents.paths)):  # DuckDB would take a name for a pattern
        return None
    # A folder named year=2026 would become a column.
    folders = exp.EQ(this=exp.column("hive_partitioning"), expression=exp.false())
    return exp.Anonymous(this="read_parquet", expressions=[_array(contents.paths), folders])


def columns_of(contents: Contents) -> exp.Select:
    """Return a query of one text for each column that each of the files has."""
    parts: list[exp.Expr] = []
    for name in ("file_name", "num_children", "field_id", "type", "type_length", "converted_type", "logical_type"):
        parts += [exp.column(name), exp.Literal.string("\t")]
    value = exp.Anonymous(this="concat", expressions=[*parts, exp.column("name")])
    source = exp.Anonymous(this="parquet_schema", expressions=[_array(contents.paths)])
    return exp.select(exp.alias_(value, "value")).from_(source)


def agree(contents: Contents, found: Sequence[str]) -> bool:
    """Say whether every file has the snapshot's columns, by id and name, in the same type each, and none in parts.

    Then no file is of another schema, whose columns only their ids would tell.
    """
    files: dict[str, list[tuple[str, ...]]] = {}
    for line in found:
        file, *column = line.split("\t", 7)
        files.setdefault(file, []).append(tuple(column))
    schemas = {frozenset(columns) for _root, *columns in files.values()}
    if len(files) != len(contents.files) or len(schemas) != 1:
        return False
    (columns,) = schemas
    in_parts = any(children not in {"", "0"} for children, *_ in columns)
    return not in_parts and {(column[1], column[-1]) for column in columns} == contents.columns


def _array(paths: Sequence[str]) -> exp.Expr:
    return exp.Array(expressions=[exp.Literal.string(path) for path in paths])
