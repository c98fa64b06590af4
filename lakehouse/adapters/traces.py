"""Masks a withdrawn person in what is beside the archive: logs, databases of other programs, left-over copies."""

import errno
import os
import shutil
import sqlite3
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, SAWarning

from lakehouse.durable_files import remove_unfinished, too_young
from lakehouse.errors import ServiceUnavailableError
from lakehouse.masking import Mask
from lakehouse.storage_ports import ClearedTraces

SQLITE = b"SQLite format 3\0"
WAIT_SECONDS = 30.0
EARLIER_VERSION = (
    "may be an unfinished file of an earlier version, less than a day old: delete it once nothing of that version runs"
)
SETTINGS = "is a file of settings that holds the value: look whether it means the person, and edit it"
WINDOW_BYTES = 1 << 24
OVERLAP_BYTES = 1 << 12
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)
LOOKS = 5
BATCH = 1000
NOT_SEARCHED = "PostgreSQL's log of changes (WAL), its replicas and backups; they keep deleted rows until overwritten"
ASIDE = ("-wal", "-shm")
"""How the files end that SQLite keeps beside a database, which nobody else may write to."""
NO_TEXT = (sa.Integer, sa.Numeric, sa.Boolean, sa.DateTime, sa.Date, sa.Time)


@dataclass(frozen=True)
class DatabaseTraces:
    """Every text of every table that PostgreSQL shows its user by default; `name` is how the database is told.

    `url` is SQLAlchemy's. Whoever may connect owns the tables, since only an owner may rewrite their files.
    """

    name: str
    url: str

    def clear(self, mask: Mask) -> Mapping[str, int]:
        """Mask the person in each row, and write the tables' files anew without what was deleted before or now.

        The planner's statistics, which quote common values, are taken anew.
        What the server's log of changes (WAL) and its backups hold goes when they do. Others may go on writing. Return
        how many rows changed, by table.

        Raises:
            ServiceUnavailableError: the database is away, or its tables stay in use.
        """
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        try:
            counts = self._masked(engine, mask)
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(sa.text("set lock_timeout = '30s'"))
                # First: vacuum alone would keep the statistics, and write their old rows out last.
                _forget_statistics(connection)
                connection.execute(sa.text("vacuum (full)"))
        except OperationalError as error:
            why = " ".join(str(error.orig).split())
            raise ServiceUnavailableError(
                f"{self.name} is away or in use ({why}); see that it runs and is idle, and withdraw again"
            ) from error
        return counts

    def _masked(self, engine: sa.Engine, mask: Mask) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        # A row that another connection changes meanwhile is another row by then, so this looks until nothing is left.
        for _ in range(LOOKS):
            with engine.begin() as connection:
                found = {
                    name: number
                    for name, table in _tables(connection).items()
                    if (number := _clear_table(connection, table, mask, row="ctid"))
                }
            if not found:
                return counts
            counts |= {name: counts.get(name, 0) + number for name, number in found.items()}
        raise ServiceUnavailableError(f"{self.name} is written faster than it can be cleaned; withdraw again later")


def _forget_statistics(connection: sa.Connection) -> None:
    """Have the planner's statistics, which quote the most common values of each column, drawn from what is there now.

    Those of a table without rows would stay; a column that is given its own type anew loses them.
    """
    connection.execute(sa.text("analyze"))
    quote = connection.dialect.identifier_preparer
    for table in _tables(connection).values():
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None:
            continue
        for column in table.columns:
            if not isinstance(column.type, NO_TEXT):
                names = {"column": quote.quote(column.name), "type": column.type.compile(connection.dialect)}
                change = sa.DDL(  # type: ignore[no-untyped-call]
                    "alter table %(fullname)s alter column %(column)s type %(type)s", context=names
                )
                connection.execute(change.against(table))


@dataclass(frozen=True)
class FileTraces:
    """Every file below `root`, but for the folders in `owned`, which are cleaned as what they are.

    The folders in `drop` hold copies that can be made again: one that names the person is removed whole. `databases`
    are those that are kept elsewhere. What killed writes left in the folders `unfinished` goes, whoever it is about: it
    may be half of a file of rows that nobody can read to tell. The files `told` are settings that people write: what
    they say is never changed, only told.
    """

    root: Path
    owned: Sequence[Path] = ()
    drop: Sequence[Path] = ()
    databases: Sequence[DatabaseTraces] = ()
    unfinished: Sequence[Path] = ()
    told: Sequence[Path] = ()

    def clear(self, mask: Mask) -> ClearedTraces:
        """Mask the person in every file that this account may read and write; the others are told, not touched."""
        skipped: dict[str, str] = {}
        counts = {self._name(folder): 1 for folder in self._dropped(mask, skipped)}
        counts |= {
            f"{self._name(folder)}: unfinished files": number for folder, number in self._left_behind(skipped).items()
        }
        for path in self._files(self.root, skipped):
            try:
                changed = _cleared_file(path, mask)
            except OSError as error:
                if error.errno not in CLOSED:
                    raise
                if why := _why(path, mask):
                    skipped[self._name(path)] = why
                continue
            if changed:
                counts[self._name(path)] = changed
        skipped |= {path.name: SETTINGS for path in self.told if path.is_file() and mask.holds(_text(path))}
        for database in self.databases:
            counts |= {f"{database.name} {table}": number for table, number in database.clear(mask).items()}
        return ClearedTraces(counts, skipped, [f"{database.name}: {NOT_SEARCHED}" for database in self.databases])

    def drop_copies(self) -> int:
        """Delete everything in the folders of copies that can be made again; return how many files and folders."""
        copies = [copy for parent in self.drop if parent.is_dir() for copy in sorted(parent.iterdir())]
        for copy in copies:
            shutil.rmtree(copy) if copy.is_dir() else copy.unlink()
        return len(copies)

    def _left_behind(self, skipped: dict[str, str]) -> Mapping[Path, int]:
        counts: dict[Path, int] = {}
        for folder in self.unfinished:
            until = time.monotonic() + WAIT_SECONDS
            while True:
                deleted, held = remove_unfinished(folder)
                counts[folder] = counts.get(folder, 0) + deleted
                closed = [path for path in held if not os.access(path, os.R_OK)]
                skipped |= {self._name(path): "is an unfinished file that this account may not open" for path in closed}
                if len(closed) == len(held):
                    break
                if time.monotonic() > until:
                    raise ServiceUnavailableError(
                        f"{len(held) - len(closed)} files below {folder.name} are still being written, or lie where "
                        "files cannot be locked to tell; wait, or delete them when nothing runs, then withdraw again"
                    )
                time.sleep(0.2)
            skipped |= {self._name(path): EARLIER_VERSION for path in too_young(folder)}
        return {folder: number for folder, number in counts.items() if number}

    def _dropped(self, mask: Mask, skipped: dict[str, str]) -> Iterator[Path]:
        for parent in self.drop:
            for folder in sorted(parent.iterdir()) if parent.is_dir() else ():
                try:
                    if any(mask.holds(_text(path)) for path in self._files(folder, skipped)):
                        shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
                        yield folder
                except PermissionError as error:
                    skipped[self._name(folder)] = f"cannot be removed: {error.strerror}"

    def _files(self, folder: Path, skipped: dict[str, str]) -> Iterator[Path]:
        def closed(error: OSError) -> None:
            skipped[self._name(Path(error.filename))] = f"is a folder that cannot be looked into: {error.strerror}"

        for parent, names, files in os.walk(folder, onerror=closed):
            here = Path(parent)
            names[:] = sorted(name for name in names if here / name not in self.owned)
            paths = (here / name for name in sorted(files))
            plain = (path for path in paths if path not in self.owned and path.is_file() and not path.is_symlink())
            yield from (path for path in plain if not _is_aside(path))

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _cleared_file(path: Path, mask: Mask) -> int:
    if not _is_sqlite(path):
        return _clear_file(path, mask)
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "is not ours to write", str(path))
    return _clear_database(path, mask)


def _why(path: Path, mask: Mask) -> str:
    """Say why a file that cannot be changed may hold the person; empty when it can be read and does not."""
    owner = f"belongs to user {path.stat().st_uid}"
    try:
        holds = mask.holds(_text(path))
    except PermissionError:
        return f"{owner} and cannot be read to tell whether it holds the person"
    return f"{owner} and holds the person; ask its owner to delete it" if holds else ""


def _is_aside(path: Path) -> bool:
    """Say whether a file is a part of the SQLite database beside it, with which it is cleaned."""
    for ending in ASIDE:
        if path.name.endswith(ending):
            whole = path.with_name(path.name.removesuffix(ending))
            return whole.is_file() and os.access(whole, os.R_OK) and _is_sqlite(whole)
    return False


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="replace")


def _clear_file(path: Path, mask: Mask) -> int:
    """Blank the person in place, byte for byte, so that a server may go on writing to the file."""
    changed = 0
    with path.open("r+b") as file:
        place = 0
        while body := file.read(WINDOW_BYTES):
            blanked = mask.blank(body)
            if blanked != body:
                file.seek(place)
                file.write(blanked)
                changed += 1
            if len(body) < WINDOW_BYTES:
                break
            # Windows overlap, so that a value on the border is seen whole once.
            place += WINDOW_BYTES - OVERLAP_BYTES
            file.seek(place)
        file.flush()
        os.fsync(file.fileno())
    return changed


def _clear_database(path: Path, mask: Mask) -> int:
    """Mask the person in every text of every table, and leave no freed page that still holds it."""
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": WAIT_SECONDS}, poolclass=sa.NullPool)
    try:
        with engine.begin() as connection:
            tables = _tables(connection).values()
            # SQLite keeps texts in columns of any type, as in one that is declared STRING, which it takes for numbers.
            for column in (column for table in tables for column in table.columns if isinstance(column.type, NO_TEXT)):
                column.type = sa.types.NullType()
            changed = sum(_clear_table(connection, table, mask) for table in tables)
        if changed or _raw_holds(path, mask):
            _compact(path)
    except (OperationalError, sqlite3.OperationalError) as error:
        raise ServiceUnavailableError(
            f"{path.name} is in use ({error}); stop the servers with `lakehouse down` and withdraw again"
        ) from error
    return changed


def _tables(connection: sa.Connection) -> Mapping[str, sa.Table]:
    """Return the tables of a database by name, with their columns alone: of indexes and keys nothing is asked.

    SQLAlchemy warns of types that it does not know; their columns are taken for text.
    """
    metadata = sa.MetaData()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Did not recognize type|Could not instantiate type", SAWarning)
        found = sa.inspect(connection).get_multi_columns()
    for (_, name), columns in found.items():
        sa.Table(name, metadata, *(sa.Column(column["name"], column["type"]) for column in columns))
    return metadata.tables


def _compact(path: Path) -> None:
    plain = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)
    try:
        plain.execute("vacuum")
        busy, *_ = plain.execute("pragma wal_checkpoint(truncate)").fetchone()
        if busy:
            raise sqlite3.OperationalError("its log of changes is still read")
    finally:
        plain.close()


def _raw_holds(path: Path, mask: Mask) -> bool:
    files = [path, path.with_name(f"{path.name}-wal")]
    return any(mask.loosely.holds(_text(file)) for file in files if file.is_file())


def _clear_table(connection: sa.Connection, table: sa.Table, mask: Mask, row: str = "rowid") -> int:
    """Mask the person in the texts of a table's rows; `row` is the name of the place that the database gives each."""
    texts = [column for column in table.columns if not isinstance(column.type, NO_TEXT)]
    rowid: sa.ColumnClause[object] = sa.literal_column(row)
    asked = sa.select(rowid, *map(_as_text, texts)).select_from(table).execution_options(yield_per=BATCH)
    rows = connection.execute(asked) if texts else ()
    new: dict[object, dict[str, object]] = {}
    for number, *cells in rows:
        # A memoryview of psycopg2 equals no bytes.
        cells = [bytes(cell) if isinstance(cell, memoryview) else cell for cell in cells]
        cleared = [_cleared(cell, mask) for cell in cells]
        if cleared != cells:
            new[number] = {
                one.name: _as_value(one, cell)
                for one, cell, before in zip(texts, cleared, cells, strict=True)
                if cell != before
            }
    for number, values in new.items():
        connection.execute(sa.update(table).where(rowid == number).values(values))
    return len(new)


def _as_text(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return how a column is asked for: without its type, which would make objects of texts; JSON as its text."""
    plain: sa.ColumnClause[Any] = sa.column(column.name)
    return sa.cast(plain, sa.Text) if isinstance(column.type, sa.JSON) else plain


def _as_value(column: sa.Column[Any], cell: object) -> object:
    """Return how a cell is written: JSON as the text that it is, which is not to be made a JSON string once more."""
    return sa.literal(cell, sa.Text) if isinstance(column.type, sa.JSON) else cell


def _cleared(cell: object, mask: Mask) -> object:
    if isinstance(cell, list):
        return [_cleared(one, mask) for one in cell]
    if isinstance(cell, str):
        # Events quote names of files, in which signs stand between words.
        return mask.in_names.document(mask.document(cell))
    return mask.blank(cell) if isinstance(cell, bytes) else cell
