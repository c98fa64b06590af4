"""What lies in a submission's folder, read once and leniently: files, tables, columns and texts for the checks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import pyarrow as pa

from lakehouse.archive import eds, privacy
from lakehouse.archive.arrays import Cells, flat, joined, positions
from lakehouse.archive.csv_files import CsvContent, read_csv
from lakehouse.archive.eds import CollectionDescription, ColumnDescription, TableDescription
from lakehouse.archive.encoding import NotUtf8Error
from lakehouse.archive.event_contents import EventContent, EventFile
from lakehouse.archive.event_files import is_event_file
from lakehouse.archive.metadata.adopting import DESCRIPTORS, IMPORT_FILE
from lakehouse.archive.text_files import BadLine, Document, read_documents
from lakehouse.archive.values import Parsed, parse
from lakehouse.errors import SchemaError

Role = Literal["description", "table", "text", "event", "about", "unknown"]
DESCRIPTIONS = {
    eds.TABLES_FOLDER: eds.DICTIONARY_FILE,
    eds.TEXTS_FOLDER: eds.COLLECTION_FILE,
    eds.EVENTS_FOLDER: eds.LOG_FILE,
}
# What a package of another standard says about itself, and what was made of it.
PACKAGE_FILES = frozenset({*DESCRIPTORS, IMPORT_FILE})
ABOUT_NAMES = ("README", "CHANGES", "LICENSE", "LICENCE", "CITATION", "ATTRIBUTION")


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of the submission. `fault` says why its content could not be read, `encoding` if it is not UTF-8."""

    place: str
    path: Path
    size_bytes: int
    role: Role
    csv: CsvContent | None = None
    documents: tuple[Document, ...] = ()
    bad_lines: tuple[BadLine, ...] = ()
    fault: str | None = None
    encoding: NotUtf8Error | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """Where something was found first: file and data row, and in how many rows in all."""

    place: str
    row: int
    occurrences: int


@dataclass(frozen=True)
class TableContent:
    """One table folder: its dictionary, if it has a usable one, and its readable files' rows side by side."""

    name: str
    description: TableDescription | None
    files: tuple[DataFile, ...]

    @property
    def folder(self) -> str:
        """The folder's path inside the submission."""
        return f"{eds.TABLES_FOLDER}/{self.name}"

    @cached_property
    def readable(self) -> tuple[tuple[DataFile, CsvContent], ...]:
        """The files that could be read as CSV, with their content."""
        return tuple((file, file.csv) for file in self.files if file.csv is not None)

    @cached_property
    def row_count(self) -> int:
        """Data rows in all readable files."""
        return sum(content.rows.num_rows for _, content in self.readable)

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """Declared columns first, then what the headers have besides."""
        declared = tuple(self.description.columns) if self.description else ()
        seen = dict.fromkeys(name for _, content in self.readable for name in content.header)
        return tuple(dict.fromkeys((*declared, *seen)))

    def cells(self, name: str) -> Cells:
        """Return a column's text over all readable files; null where a file lacks the column."""
        pieces = [_cells(content, name) for _, content in self.readable]
        return joined(pieces, pa.string())

    @cached_property
    def _rows(self) -> Cells:
        pieces = [content.row_numbers for _, content in self.readable]
        return joined(pieces, pa.int64())

    def spot(self, mask: Cells) -> Spot | None:
        """Return the first row where `mask` is true and how many there are; None when there is none."""
        found = positions(mask)
        if not found:
            return None
        return Spot(self._place_of(found[0]), self._rows[found[0]].as_py(), len(found))

    def rows(self, mask: Cells, limit: int = 3) -> str:
        """Return the first row numbers where `mask` is true, for a message."""
        return ", ".join(str(self._rows[position].as_py()) for position in positions(mask)[:limit])

    def _place_of(self, position: int) -> str:
        for file, content in self.readable:
            if position < content.rows.num_rows:
                return file.place
            position -= content.rows.num_rows
        raise IndexError(position)

    def spot_of(self, position: int) -> Spot:
        """Return where the table's row at a position stands."""
        return Spot(self._place_of(position), self._rows[position].as_py(), 1)

    @cached_property
    def suspicions(self) -> tuple[tuple[str, privacy.Suspicion], ...]:
        """Return what looks like a personal identifier, by column, declared or not; rows are positions in the table."""
        described = {n: c.description for n, c in self.description.columns.items()} if self.description else {}
        found = []
        for name in self.column_names:
            scan = privacy.ColumnScan(name, described.get(name, ""))
            scan.add(self.cells(name), 0)
            found += [(name, suspicion) for suspicion in scan.suspicions()]
        return tuple(found)

    @cached_property
    def groups(self) -> tuple[tuple[str, ...], privacy.GroupScan]:
        """Return the columns that narrow persons down, and how many rows share them; none where no row is a person."""
        columns = privacy.quasi_columns(self.column_names, self._roles) if self._is_about_persons else ()
        sensitive = [name for name, role in self._roles.items() if role == "sensitive"]
        scan = privacy.GroupScan()
        if columns:
            scan.add({n: self.cells(n) for n in columns}, {n: self.cells(n) for n in sensitive}, 0)
        return columns, scan

    @property
    def _roles(self) -> dict[str, str]:
        return {name: c.role for name, c in self.description.columns.items()} if self.description else {}

    @property
    def _is_about_persons(self) -> bool:
        return any(role != "none" for role in self._roles.values()) or any(
            suspicion.kind in privacy.NAMES_A_ROW for _, suspicion in self.suspicions
        )

    @cached_property
    def parsed(self) -> Mapping[str, Parsed]:
        """The declared columns in their types."""
        if self.description is None:
            return {}
        return {name: parse(self.cells(name), column) for name, column in self.description.columns.items()}


def _cells(content: CsvContent, name: str) -> Cells:
    if name not in content.header:
        return pa.nulls(content.rows.num_rows, pa.string())
    return flat(content.rows.column(content.header.index(name)))


@dataclass(frozen=True, slots=True)
class ColumnContent:
    """One declared column of one table, with the submission it may refer into."""

    submission: "Contents"
    table: TableContent
    name: str
    description: ColumnDescription
    parsed: Parsed

    @property
    def cells(self) -> Cells:
        """The column's text."""
        return self.table.cells(self.name)


@dataclass(frozen=True)
class TextContent:
    """One text collection: its description, if it has a usable one, and its documents."""

    name: str
    description: CollectionDescription | None
    files: tuple[DataFile, ...]

    @property
    def folder(self) -> str:
        """The folder's path inside the submission."""
        return f"{eds.TEXTS_FOLDER}/{self.name}"

    @cached_property
    def documents(self) -> tuple[tuple[DataFile, Document], ...]:
        """Every document with its file."""
        return tuple((file, document) for file in self.files for document in file.documents)

    @cached_property
    def suspicions(self) -> tuple[privacy.TextSuspicion, ...]:
        """Return what looks like personal identifiers in the documents; rows are positions among them."""
        scan = privacy.TextScan()
        scan.add([document.text for _, document in self.documents], 0)
        return scan.suspicions()


@dataclass(frozen=True)
class Contents:
    """A submission's folder as the checks see it."""

    folder: Path
    reading: eds.Reading
    files: tuple[DataFile, ...]
    tables: Mapping[str, TableContent] = field(default_factory=dict)
    texts: Mapping[str, TextContent] = field(default_factory=dict)
    events: Mapping[str, EventContent] = field(default_factory=dict)

    def columns(self) -> Iterator[ColumnContent]:
        """Yield every declared column of every table with a usable dictionary."""
        for table in self.tables.values():
            if table.description is not None:
                for name, column in table.description.columns.items():
                    yield ColumnContent(self, table, name, column, table.parsed[name])


def read_contents(folder: Path) -> Contents:
    """Read a folder; what cannot be read becomes a fault of its file, never an exception."""
    reading = eds.read_description(folder)
    files = tuple(_file(path, folder) for path in sorted(folder.rglob("*")) if path.is_file())
    tables = {
        name: TableContent(name, reading.tables.get(name), _of(files, "table", f"{eds.TABLES_FOLDER}/{name}/"))
        for name in eds.folders(folder / eds.TABLES_FOLDER)
    }
    texts = {
        name: TextContent(name, reading.texts.get(name), _of(files, "text", f"{eds.TEXTS_FOLDER}/{name}/"))
        for name in eds.folders(folder / eds.TEXTS_FOLDER)
    }
    return Contents(folder, reading, files, tables, texts, _events(folder, reading, files))


def _events(folder: Path, reading: eds.Reading, files: tuple[DataFile, ...]) -> dict[str, EventContent]:
    found = {}
    for name in eds.folders(folder / eds.EVENTS_FOLDER):
        mine = _of(files, "event", f"{eds.EVENTS_FOLDER}/{name}/")
        places = tuple(EventFile(file.place, file.path) for file in mine if file.size_bytes)
        found[name] = EventContent(name, reading.events.get(name), places)
    return found


def _of(files: tuple[DataFile, ...], role: Role, prefix: str) -> tuple[DataFile, ...]:
    return tuple(file for file in files if file.role == role and file.place.startswith(prefix))


def _file(path: Path, folder: Path) -> DataFile:
    place = path.relative_to(folder).as_posix()
    role = _role(place)
    plain = DataFile(place, path, path.stat().st_size, role)
    if role not in ("table", "text") or not plain.size_bytes:
        return plain
    try:
        if role == "table":
            return replace(plain, csv=read_csv(path))
        documents, bad = read_documents(path)
        return replace(plain, documents=tuple(documents), bad_lines=tuple(bad))
    except NotUtf8Error as error:
        return replace(plain, encoding=error)
    except SchemaError as error:
        return replace(plain, fault=str(error))


def _role(place: str) -> Role:
    parts = place.split("/")
    if place == eds.DESCRIPTION_FILE:
        return "description"
    if len(parts) == 1:
        return "about" if parts[0] in PACKAGE_FILES or parts[0].upper().startswith(ABOUT_NAMES) else "unknown"
    if len(parts) != 3:
        return "unknown"
    top, _, name = parts
    if DESCRIPTIONS.get(top) == name:
        return "description"
    if top == eds.TABLES_FOLDER and name.endswith(".csv"):
        return "table"
    if top == eds.TEXTS_FOLDER and name.endswith((".jsonl", ".txt")):
        return "text"
    if top == eds.EVENTS_FOLDER and is_event_file(name):
        return "event"
    return "unknown"
