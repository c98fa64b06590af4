"""The tables and views that DuckDB shows, as recipes: each engine process makes those that its statements need."""

import contextlib
import json
import logging
import re
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from urllib.parse import urlsplit
from weakref import WeakValueDictionary, finalize

import duckdb
import pyarrow as pa
from sqlglot import exp

from lakehouse.endpoint import listing
from lakehouse.endpoint.channel import BATCH, Frame
from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.engine_settings import setup
from lakehouse.endpoint.faults import BusyError, DamagedTableError, DeadlineError
from lakehouse.endpoint.instants import pinned_column
from lakehouse.endpoint.kept import Kept
from lakehouse.endpoint.listing import Contents
from lakehouse.endpoint.messages import ENGINE_ERRORS
from lakehouse.endpoint.plain_reads import PlainRead
from lakehouse.endpoint.pool import PLANNING, Pool
from lakehouse.endpoint.process import Engine, EngineDiedError, Nursery
from lakehouse.endpoint.relations import Described, Relation, digest, pin_name, table_of, unique
from lakehouse.endpoint.soundness import RECHECK_SECONDS, Soundness
from lakehouse.errors import LakehouseError
from lakehouse.ports import TablePointer

log = logging.getLogger(__name__)
LOWEST_PRIORITY = 19
BARRIER = 2**62  # more rows than there can be
# Of larger tables (compressed bytes) rows that were read whole are worth keeping, also where engines hold the table:
# DuckDB takes four times as long to make Arrow's rows of it as to hand out rows that are kept.
LARGE_BYTES = 16 * 1024 * 1024
LOCAL_EXTENSIONS = ("avro", "iceberg")  # iceberg needs avro first
MAX_DESCRIPTIONS = 1024
REMEMBERED_BYTES = 256 * 1024
UNFILLED_SECONDS = 30.0
NAME = re.compile(r"\b[a-z]_[0-9a-f]{24}\b")
CONTENT = pa.schema([("content", pa.string())])
VALUES = pa.schema([("value", pa.string())])
VALUES_HEX = VALUES.serialize().to_pybytes().hex()
NOTHING_NEW: Mapping[str, object] = {"drop": [], "make": []}


class Duck:
    """Owns the engines and what they show. Who builds a catalogue holds `changing` meanwhile."""

    def __init__(self, config: EndpointConfig) -> None:
        self._config = config
        self._relations: WeakValueDictionary[str, Relation] = WeakValueDictionary()
        self._forgotten: deque[str] = deque()
        self._cached: dict[str, int] = {}
        self._descriptions: OrderedDict[str, Described] = OrderedDict()
        self._describing = threading.Lock()
        self._remembered: dict[str, pa.Table] = {}
        self._soundness = Soundness(self._values)
        self.changing = threading.RLock()
        self._nursery = Nursery([*LOCAL_EXTENSIONS[:1], *(["httpfs"] if config.s3 else []), *LOCAL_EXTENSIONS[1:]])
        self._unfilled: dict[str, float] = {}
        self._told = False
        self.kept = Kept(config.kept_bytes, config.kept_seconds, config.ahead_bytes)
        self.pool = Pool(config, self._engine, self._fill, self.kept.tidy)

    def close(self) -> None:
        """End all engines; running statements end with an error."""
        self._nursery.close()
        self.pool.close()

    def describe(self, translated: str) -> Described:
        """Return the columns of a query in DuckDB's text. Raises duckdb.Error, RefusedStatementError, BusyError.

        The names of relations say what they show, so a text always has the same columns.
        """
        with self._describing:
            known = self._descriptions.get(translated)
        if known is not None:
            return known
        answer = self._described(translated)
        schema = pa.ipc.read_schema(answer.body)
        found = Described(tuple(schema.names), tuple(answer.header["kinds"]), tuple(schema.types))
        with self._describing:
            self._descriptions[translated] = found
            while len(self._descriptions) > MAX_DESCRIPTIONS:
                self._descriptions.popitem(last=False)
        return found

    def stream(
        self,
        user: str,
        translated: str,
        schema: pa.Schema,
        idle: Callable[[], None],
        began: Callable[[], None],
        read: PlainRead | None = None,
    ) -> Generator[pa.RecordBatch, None, None]:
        """Run a query for a user and yield its rows. `idle` is called between and may raise, which stops the query;
        `began` is called when an engine takes it. `read` says what it reads where that is all it does: rows that are
        kept are handed out again, and it takes its place among the others nevertheless, so that its user's share and
        its time hold.
        """  # noqa: D205 (sentences that belong together)
        with self._lent(user, idle, began) as engine:
            # Looked for now, and not before it waited for its place: they may have gone meanwhile.
            again = None if read is None else self.kept.find(read, schema)
            if again is None:
                yield from self._run(engine, translated, schema, idle, read)
                return
            for batch in again:
                idle()
                yield batch

    def _run(
        self, engine: Engine, translated: str, schema: pa.Schema, idle: Callable[[], None], read: PlainRead | None
    ) -> Iterator[pa.RecordBatch]:
        """Have an engine run a query, and keep its rows where they are to be kept."""
        filling = None if read is None else self.kept.filling(read, schema)
        with contextlib.nullcontext() if filling is None else contextlib.closing(filling):
            files = self._files(read)
            for frame in self._told_to(engine, "run", translated, schema, idle, files=files):
                if frame.kind == BATCH:
                    batch = pa.ipc.read_record_batch(frame.body, schema)
                    if filling is not None:
                        filling.add(frame.body, batch)
                    yield batch
            if filling is not None:
                filling.finish()

    def read_ahead(self, relation: Relation, going_on: Callable[[], None]) -> bool:
        """Read a large table whole and keep its rows, before anyone asks for them. `going_on` may raise to stop it.

        False where there is no room now, or its rows are kept or being read already. An engine of its own does it, at
        the lowest priority, so that nobody's statement waits for a place or a processor. Raises duckdb.Error and
        BusyError.
        """
        name, schema = relation.name, relation.schema
        filling = self.kept.filling_ahead(name, schema)
        if filling is None:
            return False
        with contextlib.closing(filling), contextlib.closing(self._engine(nice=LOWEST_PRIORITY)) as engine:
            query = exp.select("*").from_(table_of(name)).sql("duckdb")
            for frame in self._told_to(engine, "run", query, schema, going_on, files=relation.files):
                if frame.kind == BATCH:
                    filling.add(frame.body, pa.ipc.read_record_batch(frame.body, schema))
                    if not filling.is_open:
                        log.info("no room to read ahead relation=%s bytes=%d", name, self.kept.ahead_bytes)
                        return True
            filling.finish()
        return True

    def _files(self, read: PlainRead | None) -> tuple[str, ...]:
        """Return the files that a statement hands on as a whole; none where it does anything else."""
        relation = self._relations.get(read.relation) if read is not None and read.whole else None
        return () if relation is None else relation.files

    def read(self, query: exp.Query) -> pa.Table:
        """Return the rows of a query of this program's own. Raises duckdb.Error, BusyError."""
        text = query.sql("duckdb")
        schema = self.describe(text).schema()
        return self._rows(text, schema)

    def read_once(self, query: exp.Query) -> pa.Table:
        """Return the rows of a query as `read` does, remembered while all that it names is there.

        A text always has the same rows, for the names in it say what they show. Every user's catalogue asks the same.
        """
        text = query.sql("duckdb")
        known = self._remembered.get(text)
        if known is not None:
            return known
        rows = self.read(query)
        if rows.nbytes <= REMEMBERED_BYTES:
            self._remembered[text] = rows
        return rows

    def _values(self, query: exp.Query) -> list[str]:
        """Return the one column of texts, named value, of a query about files."""
        return [str(one) for one in self._rows(query.sql("duckdb"), VALUES).column("value").to_pylist()]

    def _rows(self, text: str, schema: pa.Schema) -> pa.Table:
        batches = self.stream(PLANNING, text, schema, lambda: None, lambda: None)
        return pa.Table.from_batches(list(batches), schema)

    def pin(self, pointer: TablePointer) -> Relation:
        """Return the relation that shows exactly this snapshot of a table; made once for each snapshot.

        Raises BusyError when its files cannot be read, DamagedTableError when one is not what was written.
        """
        name = pin_name(pointer)
        known = self._relations.get(name)
        if known is not None:
            return known
        try:
            self._soundness.require_metadata(pointer)
            size = self._size(pointer)
            kind = "TABLE" if self._fits(size) else "VIEW"
            # A table held in memory is read once; of the others each statement reads the files.
            contents = self._soundness.require_files(pointer, remembered=0.0 if kind == "TABLE" else RECHECK_SECONDS)
            query, files, by_list = self._pin_query(pointer, None if kind == "TABLE" else contents)
            relation = self._made(kind, name, query)
            relation.files, relation.size_bytes = files, size
            relation.table = pointer.name
            if contents is not None:
                relation.sealed = (*(() if by_list else contents.lists), *contents.paths)
            relation.large = kind == "VIEW" or size > LARGE_BYTES
        except DamagedTableError as error:
            log.error("damaged table=%s file=%s: %s", pointer.name, error.path, error.how)
            raise
        except duckdb.Error as error:
            log.warning("cannot read table=%s error=%s", pointer.name, error)
            raise BusyError(f"the files of table {pointer.name} cannot be read now; try again later") from error
        if kind == "TABLE":
            self._cached[name] = size
        return relation

    def view(self, path: str, translated: str) -> Relation:
        """Return the relation for a view whose statement is already DuckDB's. Raises duckdb.Error."""
        return self._known_or_made("VIEW", "v_" + digest(path, translated), translated)

    def restricted(self, query: exp.Query, needs: tuple[Relation, ...]) -> Relation:
        """Return the relation that shows what a query lets through of others, behind a barrier.

        The LIMIT, which limits nothing, keeps DuckDB from asking a statement's own conditions about rows that the
        query leaves out: their values would be seen in errors.
        """
        text = query.limit(BARRIER).sql("duckdb")
        return self._known_or_made("VIEW", "r_" + digest(text), text, needs)

    def stored(self, query: exp.Query) -> Relation:
        """Return a table with the rows that a query of this program's own has now, the same ones in every engine.

        Raises duckdb.Error when the query fails.
        """
        text = query.sql("duckdb")
        name = "g_" + digest(text)
        return self._relations.get(name) or self._filled(name, self.read(query))

    def rows(self, label: str, rows: pa.Table) -> Relation:
        """Return a relation that holds these rows, for metadata tables."""
        name = f"m_{digest(label, repr(rows.to_pydict()))}"
        return self._relations.get(name) or self._filled(name, rows)

    def sweep(self) -> None:
        """Forget what nobody holds any more, and have the engines filled with what is new."""
        while self._forgotten:
            name = self._forgotten.popleft()
            if name not in self._relations:
                self._cached.pop(name, None)
                self._unfilled.pop(name, None)
                self._remembered = {text: rows for text, rows in self._remembered.items() if name not in text}
        self.pool.poke()

    def _known_or_made(self, kind: str, name: str, text: str, needs: tuple[Relation, ...] = ()) -> Relation:
        return self._relations.get(name) or self._made(kind, name, exp.Var(this=text), needs=needs)

    def _filled(self, name: str, rows: pa.Table) -> Relation:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        source = exp.select("*").from_(exp.to_identifier(f"arrow_{name}"))
        return self._made("TABLE", name, source, rows=sink.getvalue().to_pybytes())

    def _made(
        self, kind: str, name: str, select: exp.Expr, *, rows: bytes = b"", needs: tuple[Relation, ...] = ()
    ) -> Relation:
        """Return a new relation, made in one engine to know its columns."""
        statement = exp.Create(this=table_of(name), kind=kind, replace=True, expression=select).sql("duckdb")
        named = tuple(self._relations[other] for other in NAME.findall(statement) if other in self._relations)
        relation = Relation(kind, name, statement, rows=rows, needs=(*needs, *named))
        answer = self._described(exp.select("*").from_(table_of(name)).sql("duckdb"), relation)
        relation.schema = unique(pa.ipc.read_schema(answer.body))
        finalize(relation, self._forgotten.append, name)
        return self._relations.setdefault(name, relation)

    def _fits(self, size: int) -> bool:
        within = size <= self._config.cache_table_bytes
        return within and sum(self._cached.values()) + size <= self._config.cache_bytes

    def _size(self, pointer: TablePointer) -> int:
        """Return the compressed bytes of a snapshot, from its summary; a huge number when it does not say."""
        location = exp.Anonymous(this="read_text", expressions=[exp.Literal.string(pointer.metadata_location)])
        text = exp.select("content").from_(location).sql("duckdb")
        found = self._rows(text, CONTENT).column("content").to_pylist()
        if not found:  # DuckDB takes a file that is gone for a pattern that nothing fits
            raise BusyError(f"the files of table {pointer.name} cannot be read now; try again later")
        metadata = json.loads(found[0] or "{}")
        wanted = pointer.snapshot_id or metadata.get("current-snapshot-id")
        for snapshot in metadata.get("snapshots", []):
            if snapshot["snapshot-id"] == wanted:
                return int(snapshot.get("summary", {}).get("total-files-size", self._config.cache_table_bytes + 1))
        return 0

    def _pin_query(self, pointer: TablePointer, contents: Contents | None) -> tuple[exp.Expr, tuple[str, ...], bool]:
        """Return a query over the snapshot, with its columns as they are shown; over its `contents` where it may be.

        Also the files that it then reads, where they lie on this machine, and whether it reads files alone.
        """
        options: list[exp.Expr] = [exp.Literal.string(pointer.metadata_location)]
        if pointer.snapshot_id is not None:
            number = exp.Literal.number(pointer.snapshot_id)
            options.append(exp.EQ(this=exp.column("snapshot_from_id"), expression=number))
        source: exp.Expr = exp.Anonymous(this="iceberg_scan", expressions=options)
        found = self.describe(exp.select("*").from_(source).sql("duckdb"))
        files: tuple[str, ...] = ()
        list_of_files = None
        if contents is not None and pointer.snapshot_id is not None:
            list_of_files = self._listed(contents, found)
            if list_of_files is not None:
                source, files = list_of_files, contents.local_paths
        columns = [pinned_column(name, kind) for name, kind in zip(found.names, found.kinds, strict=True)]
        return exp.select(*columns).from_(source), files, list_of_files is not None

    def _listed(self, contents: Contents, found: Described) -> exp.Expr | None:
        """Return a source that reads a snapshot's files as they are; None where that could show anything else."""
        source = listing.listed(contents)
        if source is None or not listing.agree(contents, self._values(listing.columns_of(contents))):
            return None
        columns = [exp.column(exp.to_identifier(name, quoted=True)) for name in found.names]
        return source if self.describe(exp.select(*columns).from_(source).sql("duckdb")) == found else None

    def _described(self, sql: str, new: Relation | None = None) -> Frame:
        """Have an engine describe a query, where one becomes free in time."""
        deadline = time.monotonic() + self._config.statement_seconds + self._config.queue_seconds

        def wait() -> None:
            if time.monotonic() > deadline:
                raise DeadlineError("the statement took longer to plan than it may; ask for less at a time")

        with self._lent(PLANNING, wait, lambda: None) as engine:
            (answer,) = self._told_to(engine, "describe", sql, None, wait, new)
            return answer

    def _told_to(
        self,
        engine: Engine,
        what: str,
        sql: str,
        schema: pa.Schema | None,
        idle: Callable[[], None],
        new: Relation | None = None,
        files: tuple[str, ...] = (),
    ) -> Iterator[Frame]:
        """Have an engine do something, with the relations that it needs for it."""
        needed = self._needed(NAME.findall(sql), () if new is None else (new,))
        text = schema.serialize().to_pybytes().hex() if schema is not None else ""
        request = {"what": what, "sql": sql, "schema": text, "files": files}
        yield from self._asked(engine, request, needed, idle)

    @contextlib.contextmanager
    def _lent(self, user: str, idle: Callable[[], None], began: Callable[[], None]) -> Iterator[Engine]:
        with self.pool.lend(user, idle=idle) as engine:
            began()
            engine.deadline = time.monotonic() + self._config.statement_seconds
            yield engine

    def _asked(
        self, engine: Engine, request: Mapping[str, object], needed: list[Relation], idle: Callable[[], None]
    ) -> Iterator[Frame]:
        """Send a request together with the recipes that the engine lacks, and with what it may forget."""
        missing = [relation for relation in needed if relation.name not in engine.has]
        self._require_sound(engine, missing, needed if request["what"] == "run" else [], idle)
        # What is being made again is no one's yet, and an engine may still have it from the last time.
        asked = {relation.name for relation in needed}
        forgotten = [name for name in engine.has if name not in self._relations and name not in asked]
        drops = [engine.has.pop(name) for name in forgotten]
        make = [(relation.name, relation.statement, len(relation.rows)) for relation in missing]
        body = b"".join(relation.rows for relation in missing)
        settled = not missing
        try:
            for frame in engine.ask({**request, "drop": drops, "make": make}, body, idle=idle):
                if not settled:
                    engine.has.update((relation.name, relation.drop) for relation in missing)
                    settled = True
                yield frame
        finally:
            # What was made of the rest is not known, so it could not be dropped one day.
            engine.spent = engine.spent or (not settled and len(missing) > 1)

    def _require_sound(
        self, engine: Engine, missing: list[Relation], asked: list[Relation], idle: Callable[[], None]
    ) -> None:
        """Hash what changed of the files that are read now: of tables that an engine lacks, and of views always.

        Raises DamagedTableError before anything of them is read.
        """

        def values(query: exp.Query) -> list[str]:
            request = {"what": "run", "sql": query.sql("duckdb"), "schema": VALUES_HEX, "files": (), **NOTHING_NEW}
            frames = [frame for frame in engine.ask(request, idle=idle) if frame.kind == BATCH]
            batches = [pa.ipc.read_record_batch(frame.body, VALUES) for frame in frames]
            return [str(one) for batch in batches for one in batch.column("value").to_pylist()]

        read = [*(one for one in missing if one.kind == "TABLE"), *(one for one in asked if one.kind == "VIEW")]
        for relation in read:
            if relation.sealed:
                try:
                    self._soundness.require_unchanged(relation.table, relation.sealed, values)
                except DamagedTableError as error:
                    log.error("damaged table=%s file=%s: %s", relation.table, error.path, error.how)
                    raise

    def _needed(self, names: Iterable[str], more: tuple[Relation, ...] = ()) -> list[Relation]:
        """Return the relations that a text names, each after those that it reads itself."""
        found: dict[str, Relation] = {}

        def add(relation: Relation) -> None:
            if relation.name not in found:
                for need in relation.needs:
                    add(need)
                found[relation.name] = relation

        for name in names:
            relation = self._relations.get(name)
            if relation is not None:
                add(relation)
        for relation in more:
            add(relation)
        return list(found.values())

    def _engine(self, nice: int = 0) -> Engine:
        """Return a new engine, locked; `nice` lowers its priority."""
        engine = self._nursery.fork()
        s3 = self._config.s3
        port = None if s3 is None else urlsplit(f"//{s3.endpoint}").port or (443 if s3.secure else 80)
        roots = [root.removeprefix("file://") for root in self._config.roots]
        roots += [s3.ca_file] if s3 is not None and s3.ca_file else []
        cage = {
            "roots": [root for root in roots if "://" not in root],
            "port": port,
            "address_space_bytes": self._config.address_space_bytes,
        }
        try:
            held = engine.begin({"cage": cage, "setup": setup(self._config), "nice": nice})
        except (OSError, BusyError) as error:
            engine.close()
            raise EngineDiedError("an SQL engine process did not start; the endpoint's log says why") from error
        if not self._told:
            self._told = True
            log.info("sql engines are held by %s", ", ".join(held))
        return engine

    def _fill(self, engine: Engine) -> bool:
        """Make in an engine what statements may ask for; say whether anything was missing."""
        now = time.monotonic()
        lacking = [relation for relation in self._needed(list(self._relations)) if relation.name not in engine.has]
        lacking = [relation for relation in lacking if self._unfilled.get(relation.name, 0.0) < now]
        for relation in lacking:
            try:
                for _ in self._asked(engine, {"what": "", "sql": "", "schema": ""}, [relation], lambda: None):
                    pass
            except (*ENGINE_ERRORS, LakehouseError) as error:
                log.warning("an engine could not be filled relation=%s error=%s", relation.name, error)
                self._unfilled[relation.name] = now + UNFILLED_SECONDS
            if engine.dead or engine.spent:
                break
        return bool(lacking)
