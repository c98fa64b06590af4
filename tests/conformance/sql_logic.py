"""SQLite's logic tests, run through the SQL endpoint: each expected answer against DuckDB's own and the endpoint's.

`python tests/conformance/sql_logic.py --every 1` runs all of them and prints the table of docs/benchmarks.md.
"""

import argparse
import hashlib
import importlib.util
import io
import random
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.flight as flight

ROOT = Path(__file__).resolve().parents[2]
ARCHIVE = ROOT.parent / "shared" / "data" / "sqllogictest" / "slt.tar.xz"
USER, PASSWORD = "ada", "correct horse 1"
HASH_THRESHOLD = 8


@dataclass(frozen=True)
class Record:
    """A statement or a query: its place, text, and for a query the types, the sort mode and the expected lines."""

    place: str
    sql: str
    types: str = ""
    sort: str = "nosort"
    expected: tuple[str, ...] = ()
    succeeds: bool = True

    @property
    def is_query(self) -> bool:
        return bool(self.types)


@dataclass
class Score:
    """How many queries each side answered as expected; `lost` are those that only DuckDB got right."""

    queries: int = 0
    duckdb_right: int = 0
    through_right: int = 0
    also_right: int = 0
    lost: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def agreement(self) -> float:
        """Share of DuckDB's right answers that come through."""
        return self.also_right / self.duckdb_right if self.duckdb_right else 1.0

    def add(self, other: "Score") -> None:
        self.queries += other.queries
        self.duckdb_right += other.duckdb_right
        self.through_right += other.through_right
        self.also_right += other.also_right
        self.lost += other.lost


def files(archive: Path = ARCHIVE) -> Iterator[tuple[str, str]]:
    """Yield the name and text of every test file."""
    with tarfile.open(archive) as tar:
        for member in sorted(tar.getmembers(), key=lambda one: one.name):
            if member.name.endswith(".test"):
                body = tar.extractfile(member)
                assert body is not None
                yield member.name.removeprefix("./").removeprefix("test/"), body.read().decode()


def records(name: str, text: str, engine: str = "duckdb") -> Iterator[Record]:
    """Yield the records of a file that are meant for `engine`."""
    line_number = 1
    for block in text.split("\n\n"):
        lines = block.split("\n")
        start, line_number = line_number, line_number + len(lines) + 1
        kept = [line for line in lines if line and not line.startswith("#")]
        conditions = [line.split("#")[0].split() for line in kept if line.startswith(("skipif", "onlyif"))]
        kept = [line for line in kept if not line.startswith(("skipif", "onlyif", "hash-threshold"))]
        if not kept or any((word == "skipif") == (named == engine) for word, named in conditions):
            continue
        if kept[0] == "halt":
            return
        yield _record(f"{name}:{start}", kept)


def _record(place: str, lines: list[str]) -> Record:
    head = lines[0].split()
    if head[0] == "statement":
        return Record(place, "\n".join(lines[1:]), succeeds=head[1] == "ok")
    end = lines.index("----") if "----" in lines else len(lines)
    sort = head[2] if len(head) > 2 else "nosort"
    return Record(place, "\n".join(lines[1:end]), head[1], sort, tuple(lines[end + 1 :]))


def answer(rows: Sequence[Sequence[object]], record: Record) -> tuple[str, ...]:
    """Return rows as the expected lines of a record are written."""
    lines = [[_cell(value, kind) for value, kind in zip(row, record.types, strict=True)] for row in rows]
    if record.sort == "rowsort":
        lines.sort()
    cells = [cell for line in lines for cell in line]
    if record.sort == "valuesort":
        cells.sort()
    if len(cells) > HASH_THRESHOLD:
        digest = hashlib.md5("".join(f"{cell}\n" for cell in cells).encode(), usedforsecurity=False).hexdigest()
        return (f"{len(cells)} values hashing to {digest}",)
    return tuple(cells)


def _cell(value: object, kind: str) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        value = int(value)
    if kind == "I":
        return str(int(float(value))) if not isinstance(value, int) else str(value)
    if kind == "R":
        return f"{float(value):.3f}"
    return str(value) or "(empty)"


class Endpoint:
    """A lake in a folder, the embedded endpoint over it, and one session of a Dremio client."""

    def __init__(self, folder: Path) -> None:
        from lakehouse.endpoint.config import EndpointConfig
        from lakehouse.endpoint.server import serve

        self.lake = _sample_lake().SampleLake(folder)
        self.pointers: dict[str, object] = {}
        roots = (str(self.lake.warehouse),)
        config = EndpointConfig(users={USER: PASSWORD}, roots=roots, port=0, poll_seconds=0.0, statement_seconds=20.0)
        self.lake.publish([])
        self.server = serve(config, self.lake.releases)
        self.client = flight.FlightClient(self.server.uri)
        token = self.client.authenticate_basic_token(USER, PASSWORD)
        self.options = flight.FlightCallOptions(headers=[token, (b"schema", b"lakehouse.silver")])

    def show(self, own: duckdb.DuckDBPyConnection) -> None:
        """Publish every table and view of a DuckDB connection, and nothing else."""
        names = [row[0] for row in own.execute("select table_name from information_schema.tables").fetchall()]
        tables = {name: own.execute(f'select * from "{name}"').to_arrow_table() for name in names}
        for name in tables:
            if self.lake.catalog.table_exists(f"silver.{name.lower()}"):
                self.lake.catalog.drop_table(f"silver.{name.lower()}")  # so that what is written is all there is
        self.lake.publish([self.lake.write(f"silver.{name.lower()}", rows) for name, rows in tables.items()])

    def fetch(self, sql: str) -> list[tuple[object, ...]]:
        """Run one statement the way a Dremio client does."""
        info = self.client.get_flight_info(flight.FlightDescriptor.for_command(sql.encode()), self.options)
        table = self.client.do_get(info.endpoints[0].ticket, self.options).read_all()
        return _rows(table)

    def close(self) -> None:
        self.client.close()
        self.server.stop()
        self.lake.close()


def _rows(table: pa.Table) -> list[tuple[object, ...]]:
    columns = [column.to_pylist() for column in table.columns]
    return list(zip(*columns, strict=True))


def _sample_lake():
    path = ROOT / "tests" / "contract" / "endpoint" / "sample_lake.py"
    spec = importlib.util.spec_from_file_location("sql_logic_sample_lake", path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name: str, text: str, endpoint: Endpoint, *, every: int = 1, seed: int = 0) -> Score:
    """Run one file: its statements on DuckDB, one in `every` of its queries on DuckDB and through the endpoint."""
    score, chance = Score(), random.Random(f"{seed} {name}")
    own = duckdb.connect(":memory:", config={"threads": 1})
    stale = True
    for record in records(name, text):
        if not record.is_query:
            _prepare(own, record.sql)
            stale = True
            continue
        if every > 1 and chance.random() * every >= 1:
            continue
        if stale:
            endpoint.show(own)
            stale = False
        _compare(own, endpoint, record, score)
    own.close()
    return score


def _prepare(own: duckdb.DuckDBPyConnection, sql: str) -> None:
    try:
        own.execute(sql)
    except duckdb.Error:
        return  # some statements must fail, some are SQLite's own; what matters is which queries come out right


def _compare(own: duckdb.DuckDBPyConnection, endpoint: Endpoint, record: Record, score: Score) -> None:
    score.queries += 1
    expected = _joined(record.expected)
    direct = _said(lambda: own.execute(record.sql).fetchall(), record)
    through = _said(lambda: endpoint.fetch(record.sql), record)
    score.duckdb_right += direct == expected
    score.through_right += through == expected
    score.also_right += direct == through == expected
    if direct == expected != through:
        score.lost.append((record.place, record.sql, through))


def _said(ask, record: Record) -> str:
    try:
        return _joined(answer(ask(), record))
    except (duckdb.Error, flight.FlightError, pa.ArrowException, ValueError, TypeError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(lines)


def main() -> None:
    """Run the tests and print one line a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=20, help="run one query in this many, drawn by the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="files whose name contains this")
    chosen = parser.parse_args()
    out, whole = io.TextIOWrapper(sys.stdout.buffer, line_buffering=True), Score()
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, text) in enumerate(files()):
            if chosen.only not in name:
                continue
            begun = time.monotonic()
            endpoint = Endpoint(Path(folder) / str(number))
            score = run(name, text, endpoint, every=chosen.every, seed=chosen.seed)
            endpoint.close()
            whole.add(score)
            out.write(_line(name, score) + f"  {time.monotonic() - begun:.1f} s\n")
    out.write(_line("all", whole) + "\n")
    for reason, count in Counter(reason.split(":")[0] for _, _, reason in whole.lost).most_common():
        out.write(f"lost {count}: {reason}\n")
    for place, sql, reason in whole.lost[:40]:
        out.write(f"  {place}: {sql!r} -> {reason!r}\n")


def _line(name: str, score: Score) -> str:
    return (
        f"{name:<34} {score.queries:>7} queries, DuckDB right {score.duckdb_right:>7}, "
        f"endpoint right {score.through_right:>7}, of DuckDB's {score.agreement:8.3%}"
    )


if __name__ == "__main__":
    main()
