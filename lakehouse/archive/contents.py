"""What lies in a submission's folder, read once and leniently: files, tables, columns and texts for the checks."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from lakehouse.archive import eds, privacy
from lakehouse.archive.batches import RaggedRow
from lakehouse.archive.eds import CollectionDescription, ColumnDescription, TableDescription
from lakehouse.archive.encoding import NotUtf8Error
from lakehouse.archive.event_contents import EventContent, EventFile
from lakehouse.archive.event_files import is_event_file
from lakehouse.archive.file_names import TellingNames, telling
from lakehouse.archive.metadata.adopting import IMPORT_FILE
from lakehouse.archive.metadata.stated import DESCRIPTORS
from lakehouse.archive.other_scan import OtherSeen, look_into, look_into_footer
from lakehouse.archive.packed import is_parquet, is_table_file
from lakehouse.archive.plans import plans, resolve, scan_order
from lakehouse.archive.salvage import Said, said_rightly, table_without_faults
from lakehouse.archive.table_scan import FileSeen, Spot, TableScan, TableSeen
from lakehouse.archive.tally import FileTally, RowBudget
from lakehouse.archive.terms import person_columns
from lakehouse.archive.text_files import is_text_file
from lakehouse.archive.text_scan import TextFileSeen, TextScan, TextSeen
from lakehouse.archive.xapi_shape import XapiVersion

Role = Literal["description", "table", "text", "event", "about", "unknown"]
DESCRIPTIONS = {
    eds.TABLES_FOLDER: eds.DICTIONARY_FILE,
    eds.TEXTS_FOLDER: eds.COLLECTION_FILE,
    eds.EVENTS_FOLDER: eds.LOG_FILE,
}
# What a package of another standard says about itself, and what was made of it.
PACKAGE_FILES = frozenset({*DESCRIPTORS, IMPORT_FILE})
ABOUT_NAMES = ("README", "CHANGES", "LICENSE", "LICENCE", "CITATION", "ATTRIBUTION")

Progress = Callable[[str], None]
"""Told the place of each file before it is read."""


@dataclass(slots=True)
class DataFile:
    """One file of the submission; `table` or `text` is what was seen of its content, if it has one.

    `other` is what was found in it where it is neither, and in what a Parquet file says beside its rows.
    """

    place: str
    path: Path
    size_bytes: int
    role: Role
    table: FileSeen | None = None
    text: TextFileSeen | None = None
    other: OtherSeen | None = None

    @property
    def fault(self) -> str | None:
        """Why its content could not be read."""
        seen = self.table or self.text
        return seen.fault if seen else None

    @property
    def encoding(self) -> NotUtf8Error | None:
        """Where it stops being UTF-8."""
        seen = self.table or self.text
        return seen.encoding if seen else None

    @property
    def header(self) -> tuple[str, ...] | None:
        """The names in its header line, where there is one."""
        return self.table.header if self.table else None

    @property
    def ragged(self) -> tuple[FileTally, RaggedRow] | None:
        """The rows with another number of cells than the header, and the first of them."""
        first = self.table.first_ragged if self.table else None
        return (self.table.ragged.files[self.place], first) if self.table and first else None

    @property
    def bad_lines(self) -> FileTally | None:
        """The lines that are no rows or documents."""
        seen = self.table or self.text
        return seen.bad.files.get(self.place) if seen else None


@dataclass(frozen=True)
class TableContent:
    """One table folder: its dictionary, if it has a usable one, its files, and what was seen of their rows.

    The rows are `judged_by` the dictionary, or by what one that is at fault says rightly.
    """

    name: str
    description: TableDescription | None
    files: tuple[DataFile, ...]
    seen: TableSeen
    judged_by: TableDescription | None = None

    @property
    def folder(self) -> str:
        """The folder's path inside the submission."""
        return f"{eds.TABLES_FOLDER}/{self.name}"

    @property
    def row_count(self) -> int:
        """Data rows that could be read in all files."""
        return self.seen.rows

    @property
    def suspicions(self) -> tuple[tuple[str, privacy.Suspicion], ...]:
        """What looks like a personal identifier, by column, declared or not; its rows are addresses for `spot_of`."""
        return self.seen.suspicions

    def spot_of(self, address: int) -> Spot:
        """Return the file and row of an address."""
        return self.seen.spot_of(address)

    def role_of(self, column: str) -> str:
        """Return the role that the dictionary gives a column; ``none`` for one that it does not know."""
        known = self.judged_by.columns.get(column) if self.judged_by else None
        return known.role if known else "none"

    @property
    def groups(self) -> tuple[tuple[str, ...], privacy.GroupScan]:
        """The columns that narrow persons down, and how many rows share them; none where no row is a person."""
        columns = (self.seen.quasi or ()) if self._is_about_persons else ()
        return columns, self.seen.groups if columns else privacy.GroupScan()

    @property
    def _is_about_persons(self) -> bool:
        roles = [column.role for column in self.judged_by.columns.values()] if self.judged_by else []
        return any(role != "none" for role in roles) or any(
            suspicion.kind in privacy.NAMES_A_ROW for _, suspicion in self.suspicions
        )

    @cached_property
    def headed(self) -> tuple[tuple[DataFile, tuple[str, ...]], ...]:
        """The files whose columns are known, with their names."""
        return tuple((file, file.header) for file in self.files if file.header is not None)


@dataclass(frozen=True, slots=True)
class ColumnContent:
    """One declared column of one table, with the submission it may refer into."""

    submission: "Contents"
    table: TableContent
    name: str
    description: ColumnDescription

    @property
    def seen(self) -> TableSeen:
        """What was seen of the table's rows."""
        return self.table.seen


@dataclass(frozen=True)
class TextContent:
    """One text collection: its description, if it has a usable one, its files, and what was seen of its documents."""

    name: str
    description: CollectionDescription | None
    files: tuple[DataFile, ...]
    seen: TextSeen

    @property
    def folder(self) -> str:
        """The folder's path inside the submission."""
        return f"{eds.TEXTS_FOLDER}/{self.name}"

    @property
    def suspicions(self) -> tuple[privacy.TextSuspicion, ...]:
        """What looks like personal identifiers in the documents; its rows are addresses for `spot_of`."""
        return self.seen.suspicions

    def spot_of(self, address: int) -> Spot:
        """Return the file and row of an address."""
        return self.seen.spot_of(address)

    @property
    def document_count(self) -> int:
        """Documents that could be read in all files."""
        return self.seen.documents


@dataclass(frozen=True)
class Contents:
    """A submission's folder as the checks see it."""

    folder: Path
    reading: eds.Reading
    files: tuple[DataFile, ...]
    tables: Mapping[str, TableContent] = field(default_factory=dict)
    texts: Mapping[str, TextContent] = field(default_factory=dict)
    events: Mapping[str, EventContent] = field(default_factory=dict)

    @cached_property
    def judging(self) -> Mapping[str, TableDescription]:
        """By what the rows of each table are judged."""
        return {name: table.judged_by for name, table in self.tables.items() if table.judged_by is not None}

    @cached_property
    def said(self) -> Said | None:
        """What ``dataset.yaml`` says rightly, also where something else in it is at fault."""
        return said_rightly(self.reading)

    @cached_property
    def dataset(self) -> eds.DatasetFile | None:
        """The fields of ``dataset.yaml`` that say something rightly."""
        return self.said.dataset if self.said else None

    @cached_property
    def known(self) -> eds.Description | None:
        """Everything that the description files say rightly: of the dataset by field, of its parts by file."""
        return self.reading.described_by(self.dataset) if self.dataset else None

    @cached_property
    def about_people(self) -> frozenset[str]:
        """The tables whose rows are about people: subjects or consent name a column of them, or one has a role."""
        named = person_columns(self.known) if self.known is not None else {}
        marked = {name for name, table in self.judging.items() if any(c.role != "none" for c in table.columns.values())}
        return frozenset(marked.union(name for name, columns in named.items() if columns))

    @cached_property
    def telling_names(self) -> tuple[TellingNames, ...]:
        """The files and folders whose names tell of persons."""
        titled = frozenset(f"{eds.TEXTS_FOLDER}/{name}" for name in self.texts)
        return tuple(telling((file.place for file in self.files), titled))

    def columns(self) -> Iterator[ColumnContent]:
        """Yield every declared column of every table with a usable dictionary."""
        yield from (column for column in self.judged_columns() if column.table.description is not None)

    def judged_columns(self) -> Iterator[ColumnContent]:
        """Yield every declared column, also of tables whose dictionary is at fault elsewhere."""
        for table in self.tables.values():
            if table.judged_by is not None:
                for name, column in table.judged_by.columns.items():
                    yield ColumnContent(self, table, name, column)


def _unheard(_place: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the parts of a folder and says before each file that it will."""

    folder: Path
    reading: eds.Reading
    files: tuple[DataFile, ...]
    progress: Progress
    budget: RowBudget = field(default_factory=RowBudget)

    def tables(self) -> dict[str, TableContent]:
        names = eds.folders(self.folder / eds.TABLES_FOLDER)
        described, mine = self._judging(), {name: self._of("table", eds.TABLES_FOLDER, name) for name in names}
        seen: dict[str, TableSeen] = {}
        for name in scan_order(described, names):
            scan = TableScan(described.get(name), plans(name, described, seen), self.budget)
            for file in self._filled(mine[name]):
                file.table = scan.read(file.path, file.place)
            seen[name] = scan.finish()
        resolve(described, seen)
        usable = self.reading.tables
        return {n: TableContent(n, usable.get(n), mine[n], seen[n], described.get(n)) for n in names}

    def _judging(self) -> dict[str, TableDescription]:
        """Return the dictionaries, and what those that are at fault say rightly."""
        found = dict(self.reading.tables)
        for place, raw in self.reading.at_fault.items():
            kind, name, _ = place.split("/")
            table = table_without_faults(name, raw) if kind == eds.TABLES_FOLDER else None
            if table is not None:
                found[name] = table
        return found

    def texts(self) -> dict[str, TextContent]:
        found: dict[str, TextContent] = {}
        for name in eds.folders(self.folder / eds.TEXTS_FOLDER):
            mine, scan = self._of("text", eds.TEXTS_FOLDER, name), TextScan(self.budget)
            for file in self._filled(mine):
                file.text = scan.read(file.path, file.place)
            found[name] = TextContent(name, self.reading.texts.get(name), mine, scan.finish())
        return found

    def events(self) -> dict[str, EventContent]:
        found: dict[str, EventContent] = {}
        for name in eds.folders(self.folder / eds.EVENTS_FOLDER):
            mine = self._filled(self._of("event", eds.EVENTS_FOLDER, name))
            places = tuple(EventFile(file.place, file.path) for file in mine)
            found[name] = EventContent(name, self.reading.events.get(name), places, self._xapi_version(name))
        return found

    def _xapi_version(self, log: str) -> XapiVersion | None:
        """Return the version that a log's description names, even where something else in it is at fault."""
        described = self.reading.events.get(log)
        said = self.reading.at_fault.get(f"{eds.EVENTS_FOLDER}/{log}/{eds.LOG_FILE}", {}).get("xapi_version")
        return (
            described.xapi_version if described else next((one for one in get_args(XapiVersion) if one == said), None)
        )

    def others(self) -> None:
        """Search what is neither a table, a text nor an event log."""
        for file in self._filled(self.files):
            if file.role == "unknown":
                file.other = look_into(file.path, "kept")
            elif file.role == "description" or file.place in PACKAGE_FILES:
                file.other = look_into(file.path, "describes")
            elif file.role == "about":
                file.other = look_into(file.path, "explains")
            elif file.role == "table" and is_parquet(file.place):
                file.other = look_into_footer(file.path)

    def _filled(self, files: tuple[DataFile, ...]) -> Iterator[DataFile]:
        for file in files:
            if file.size_bytes:
                self.progress(file.place)
                yield file

    def _of(self, role: Role, top: str, name: str) -> tuple[DataFile, ...]:
        return tuple(file for file in self.files if file.role == role and file.place.startswith(f"{top}/{name}/"))


def read_contents(folder: Path, progress: Progress = _unheard) -> Contents:
    """Read a folder; what cannot be read becomes a fault of its file, never an exception."""
    progress(eds.DESCRIPTION_FILE)
    reading = eds.read_description(folder)
    files = tuple(_file(path, folder) for path in sorted(folder.rglob("*")) if path.is_file())
    reader = _Reader(folder, reading, files, progress)
    reader.others()
    return Contents(folder, reading, files, reader.tables(), reader.texts(), reader.events())


def _file(path: Path, folder: Path) -> DataFile:
    place = path.relative_to(folder).as_posix()
    return DataFile(place, path, path.stat().st_size, _role(place))


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
    if top == eds.TABLES_FOLDER and is_table_file(name):
        return "table"
    if top == eds.TEXTS_FOLDER and is_text_file(name):
        return "text"
    if top == eds.EVENTS_FOLDER and is_event_file(name):
        return "event"
    return "unknown"
