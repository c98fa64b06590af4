"""What can be named in SQL: the tables and views of one release, and the metadata tables that describe them."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa
from sqlglot.tokenizer_core import Token

from lakehouse.endpoint import information
from lakehouse.endpoint.decimals import Describe, settled
from lakehouse.endpoint.dialect import Moment, translate
from lakehouse.endpoint.duck import Duck
from lakehouse.endpoint.faults import BusyError, DeniedStatementError, RefusedStatementError
from lakehouse.endpoint.groups import Shape
from lakehouse.endpoint.honesty import check
from lakehouse.endpoint.known_columns import known_columns
from lakehouse.endpoint.messages import clean
from lakehouse.endpoint.names import Path, folded, look_up, unknown_table
from lakehouse.endpoint.relations import Relation, pin_name
from lakehouse.endpoint.translations import Translated, Translations, Tree, plainly
from lakehouse.errors import LakehouseError, NoReleaseError
from lakehouse.policy.decisions import Decision
from lakehouse.ports import TablePointer
from lakehouse.tables.release import Release

log = logging.getLogger(__name__)
SOURCE = "lakehouse"
RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One published name. `relation` is None for a view that does not work; `fault` then says why.

    `shape` is that of a table about people that is shown as groups of them, `pointer` where a table's files are, and
    `groups_of` the least number of people in the groups that a view reads, 0 for none.
    """

    schema: str
    name: str
    kind: str
    relation: Relation | None
    definition: str = ""
    fault: str = ""
    shape: Shape | None = None
    pointer: TablePointer | None = None
    groups_of: int = 0

    @property
    def path(self) -> str:
        """The dotted name."""
        return f"{self.schema}.{self.name}"


@dataclass(slots=True)
class Catalogue:
    """Everything a statement can see, for ever the same: a statement keeps the catalogue it was planned with."""

    release: int
    entries: dict[Path, Entry] = field(default_factory=dict)
    unread: bool = False
    denied: dict[Path, Decision] = field(default_factory=dict)
    past: Callable[[Entry, Moment], Entry] | None = None
    describe: Describe | None = None
    translations: Translations = field(default_factory=Translations)
    made_of: object = field(default_factory=object)
    """Equal for catalogues that show the same: made of the same release, by the same policy, on the same day."""

    def find(self, path: Sequence[str], schema: Sequence[str] = ()) -> Entry:
        """Return the entry a path names; refuse unknown names with the nearest known one, and broken views.

        Raises DeniedStatementError for a name that is published and may not be seen here.
        """
        found = look_up(self.entries, path, schema)
        if found is None:
            denied = look_up(self.denied, path, schema)
            if denied is not None:
                raise DeniedStatementError(denied)
            raise unknown_table(path, [entry.path for entry in self.entries.values()])
        if found.relation is None:
            raise _unusable(found)
        return found

    def column_names(self) -> set[str]:
        """Return the names of all columns that can be seen here, in lower case."""
        relations = [entry.relation for entry in self.entries.values() if entry.relation is not None]
        return {name.lower() for relation in relations for name in relation.schema.names}

    def find_at(self, path: Sequence[str], schema: Sequence[str], moment: Moment) -> Entry:
        """Return a table as it was, as `find` does; refuse moments that are not in its history."""
        entry = self.find(path, schema)
        if self.past is None:
            raise RefusedStatementError("time travel (AT ...) is not supported here")
        return self.past(entry, moment)

    def translate(self, sql: str, schema: Sequence[str] = ()) -> Translated:
        """Return DuckDB's text for a query over this catalogue, remembered for as long as the catalogue lives."""
        return self.translations.find(sql, tuple(schema), lambda tokens: self._tree(sql, schema, tokens))

    def translate_once(self, sql: str) -> Translated:
        """Return DuckDB's text for a query while the catalogue is still being built."""
        return plainly(self._tree(sql, (), ()))

    def _tree(self, sql: str, schema: Sequence[str], tokens: Sequence[Token]) -> Tree:
        """Return DuckDB's tree for a query, which holds the relations it reads that the catalogue does not hold."""
        shapes: dict[str, Shape | None] = {}
        held: list[Relation] = []
        read: dict[str, pa.Schema] = {}
        groups = [0]

        def resolve(path: Sequence[str], alias: str, moment: Moment | None) -> str:
            entry = self.find(path, schema) if moment is None else self.find_at(path, schema, moment)
            relation = _relation(entry)
            # What is found beside the entries is of the past or made for this statement, and engines forget what
            # nobody holds.
            if self.entries.get(folded((entry.path,))) is not entry:
                held.append(relation)
            read[relation.name] = relation.schema
            shapes[alias.lower()] = entry.shape or shapes.get(alias.lower())
            groups.append(entry.shape.least if entry.shape else entry.groups_of)
            return relation.qualified

        tree = translate(sql, resolve, lambda tree: check(tree, shapes), tokens)
        if self.describe is not None:
            tree = settled(tree, (kind for schema in read.values() for kind in schema.types), self.describe)
        return Tree(tree, tuple(held), known_columns(tree, read), max(groups))


def _relation(entry: Entry) -> Relation:
    if entry.relation is None:
        raise _unusable(entry)
    return entry.relation


def _unusable(entry: Entry) -> RefusedStatementError | BusyError:
    if entry.kind == "TABLE":
        return BusyError(entry.fault)
    return RefusedStatementError(f"view {entry.path} does not work: {entry.fault}")


class Catalogues:
    """Follows the release log: one catalogue for each release, replaced in one step when a newer one appears."""

    def __init__(
        self,
        duck: Duck,
        newest: Callable[[], Release],
        past: Callable[[Entry, Moment], Entry] | None = None,
        *,
        poll_seconds: float,
    ) -> None:
        self._duck = duck
        self._past = past
        self._newest = newest
        self._poll_seconds = poll_seconds
        self._current: Catalogue | None = None
        self._checked = -1e9
        self._built = -1e9
        self._lock = threading.Lock()

    def current(self) -> Catalogue:
        """Return the catalogue of the newest release, looked for at most once in `poll_seconds`.

        While storage is away the last catalogue stays; without one BusyError says so.
        """
        if self._current is not None and time.monotonic() - self._checked < self._poll_seconds:
            return self._current
        # While one statement builds the next catalogue, the others go on with the last one.
        if self._lock.acquire(blocking=self._current is None):
            try:
                if self._current is None or time.monotonic() - self._checked >= self._poll_seconds:
                    self._refresh()
            finally:
                self._lock.release()
        if self._current is None:
            raise BusyError("the current release cannot be read now; try again later")
        return self._current

    def _refresh(self) -> None:
        try:
            release = self._newest()
        except NoReleaseError:
            release = Release(number=0, created_at="")
        except LakehouseError as error:
            log.warning("release not readable, keeping the last one: %s", error)
            self._duck.kept.show(())  # nothing says that they may still be seen
            self._checked = time.monotonic()
            return
        # Before the catalogue is built, which takes time and may fail: what is withdrawn is not handed out meanwhile.
        self._duck.kept.keep_only([pin_name(pointer) for pointer in release.tables.values()])
        if self._current is None or release.number != self._current.release or self._may_retry():
            started = time.monotonic()
            with self._duck.changing:
                self._current = build(self._duck, release)
                self._current.past = self._past
            self._built = started
            log.info("serving release=%d seconds=%.2f", release.number, time.monotonic() - started)
        self._duck.kept.show(_large_tables(self._current))
        self._checked = time.monotonic()
        with self._duck.changing:
            self._duck.sweep()

    def _may_retry(self) -> bool:
        """Say whether tables that could not be read should be tried again, after a while."""
        unread = self._current is not None and self._current.unread
        return unread and time.monotonic() - self._built >= RETRY_SECONDS


def _large_tables(catalogue: Catalogue) -> list[str]:
    """Return the relations of tables that are large."""
    relations = (entry.relation for entry in catalogue.entries.values() if entry.pointer is not None)
    return [relation.name for relation in relations if relation is not None and relation.large]


def build(duck: Duck, release: Release) -> Catalogue:
    """Pin every table, then add the views, then the metadata tables that describe both."""
    catalogue = Catalogue(release.number, describe=duck.describe)
    for name, pointer in sorted(release.tables.items()):
        namespace, table = name.rsplit(".", 1)
        schema = f"{SOURCE}.{namespace}"
        try:
            entry = Entry(schema, table, "TABLE", duck.pin(pointer), pointer=pointer)
        except BusyError as error:
            entry = Entry(schema, table, "TABLE", None, fault=str(error))
            catalogue.unread = True
        catalogue.entries[folded((entry.path,))] = entry
    complete(duck, catalogue, {name: view.sql for name, view in release.views.items()})
    return catalogue


def complete(duck: Duck, catalogue: Catalogue, views: Mapping[str, str]) -> None:
    """Add the views over a catalogue's tables, and the metadata tables that describe both."""
    _add_views(duck, catalogue, views)
    catalogue.entries = dict(sorted(catalogue.entries.items()))
    _add_information(duck, catalogue)


def _add_views(duck: Duck, catalogue: Catalogue, texts: Mapping[str, str]) -> None:
    """Add views in the order of their dependencies: again and again until none of the rest works.

    A view over what may not be seen may not be seen either.
    """
    waiting, faults = dict(texts), dict[str, str]()
    while waiting:
        settled = [name for name, sql in sorted(waiting.items()) if _settled(duck, catalogue, name, sql, faults)]
        for name in settled:
            del waiting[name]
        if not settled:
            break
    for name, sql in waiting.items():
        log.error("view does not work name=%s fault=%s", name, faults[name])
        schema, _, view = name.rpartition(".")
        catalogue.entries[folded((name,))] = Entry(schema, view, "VIEW", None, sql, faults[name])


def _settled(duck: Duck, catalogue: Catalogue, name: str, sql: str, faults: dict[str, str]) -> bool:
    """Add a view, or note that it is denied; say False, with its fault, when it does not work as things are."""
    try:
        catalogue.entries[folded((name,))] = _view(duck, catalogue, name, sql)
    except (RefusedStatementError, BusyError) as error:
        faults[name] = str(error)
        return False
    except DeniedStatementError as error:
        catalogue.denied[folded((name,))] = error.decision
    return True


def _view(duck: Duck, catalogue: Catalogue, name: str, sql: str) -> Entry:
    schema, _, view = name.rpartition(".")
    translated = catalogue.translate_once(sql)
    try:
        relation = duck.view(name, translated.text)
        return Entry(schema, view, "VIEW", relation, sql, groups_of=translated.groups_of)
    except duckdb.Error as error:
        raise RefusedStatementError(clean(str(error))) from error


def _add_information(duck: Duck, catalogue: Catalogue) -> None:
    published = [
        information.Published(entry.schema, entry.name, entry.kind, entry.definition, entry.relation.schema)
        for entry in catalogue.entries.values()
        if entry.relation is not None
    ]
    for path, rows in information.tables(published, SOURCE).items():
        schema, name = path
        relation = duck.rows(f"{catalogue.release}.{schema}.{name}", rows)
        catalogue.entries[folded(path)] = Entry(schema, name, "SYSTEM_TABLE", relation)
