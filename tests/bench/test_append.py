"""An audited, published append, beside plain PyIceberg and beside a bare Parquet file."""

import itertools
from functools import partial

import pyarrow.parquet as pq
import pytest

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.iceberg_schema import iceberg_schema
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish

ROWS = 500_000
ROUNDS = 7
ORIGIN = Provenance(run_id="bench", code_commit="0" * 40)
# Every eighth publish moves old snapshots out of the metadata, so each age is looked at for two times eight appends.
AGE_ROUNDS = 15
PLAIN_AGES, AGES = (10, 120, 300), (10, 120, 300, 1000)


class Place:
    """One catalog with its objects, and fresh names in it."""

    def __init__(self, made, tables, objects):
        self.made = made
        self.tables = tables
        self.house = Lakehouse(tables, objects, ReleaseLog(objects))
        self.catalog = tables.connect()
        self.catalog.create_namespace_if_not_exists("bench")
        self._numbers = itertools.count()

    def fresh(self, kind):
        return self.made.enrolments(f"bench.{kind}_{next(self._numbers)}")

    def plain(self):
        """Return a new table as PyIceberg makes it, without a branch, an audit or a release."""
        table = self.fresh("plain")
        return self.catalog.create_table(table.name, iceberg_schema(table))

    def publish(self, table, rows, key):
        write = TableWrite(table, rows)
        return write_audit_publish(self.house, [write], key=f"{table.name}:{key}", provenance=ORIGIN)

    def ready(self):
        """Return a new table of ours that is empty."""
        table = self.fresh("ours")
        self.tables.ensure(table)
        return table

    def close(self):
        self.catalog.close()
        self.tables.close()


@pytest.fixture
def local(tmp_path, made_rows):
    place = Place(made_rows, IcebergTables.local(tmp_path / "tables"), LocalObjects(tmp_path / "objects"))
    yield place
    place.close()


@pytest.fixture
def on_seaweed(seaweed, made_rows):
    place = Place(made_rows, seaweed.tables(), seaweed.objects())
    yield place
    place.close()


def contenders(place, rows, folder):
    """Return the three ways to store the same rows, each into something new."""
    tables = []

    def parquet(turn):
        return lambda: pq.write_table(rows, folder / f"{turn}.parquet", compression="zstd")

    def pyiceberg(_turn):
        table = place.plain()
        return lambda: (table.append(rows), table)[1]

    def ours(turn):
        tables.append(place.ready())
        return lambda: (place.publish(tables[-1], rows, turn), tables[-1])[1]

    return {
        "pyarrow writes one Parquet file (zstd)": parquet,
        "PyIceberg append": pyiceberg,
        "`write_audit_publish`": ours,
    }


def append(bench, place, rows, folder, where, pids=()):
    results = bench.race(f"append of {ROWS:,} rows x 8 columns, {where}", contenders(place, rows, folder), pids=pids)
    _, theirs, ours = results.values()
    assert theirs.scan().to_arrow().sort_by("enrolment").equals(rows.cast(theirs.scan().to_arrow().schema))
    assert place.tables.read(ours.name).num_rows == ROWS
    assert place.house.releases.current().tables[ours.name].snapshot_id is not None


@pytest.mark.timeout(300)
def test_the_same_rows_are_stored_in_a_folder(bench, local, made_rows, tmp_path):
    append(bench, local, made_rows.rows(ROWS), tmp_path, "local folder")


@pytest.mark.servers
@pytest.mark.timeout(300)
def test_the_same_rows_are_stored_on_seaweedfs(bench, on_seaweed, seaweed, made_rows, tmp_path):
    place = on_seaweed
    append(bench, place, made_rows.rows(ROWS), tmp_path, "SeaweedFS", pids=[seaweed.process.pid])


@pytest.mark.timeout(300)
def test_one_row_joins_a_table_that_is_already_large(bench, local, made_rows):
    large, small = local.ready(), local.ready()
    plain = local.plain()
    many = made_rows.rows(ROWS)
    local.publish(large, many, "many")
    plain.append(many)

    def row(turn):
        return made_rows.rows(1, first=ROWS + 1 + turn)

    def theirs(turn):
        return partial(plain.append, row(turn))

    def ours(table):
        return lambda turn: partial(local.publish, table, row(turn), turn)

    bench.race(
        f"append of 1 row to a table of {ROWS:,} rows, local folder",
        {
            "PyIceberg append": theirs,
            "`write_audit_publish`, empty table": ours(small),
            "`write_audit_publish`": ours(large),
        },
        rounds=ROUNDS,
    )
    assert local.tables.read(large.name).num_rows == plain.scan().to_arrow().num_rows == ROWS + 1 + ROUNDS


class Ageing:
    """A table that grows by one row an append, and how many those were."""

    def __init__(self, made, append, count):
        self._made, self._append, self._count = made, append, count
        self.appends = 0

    def grow(self):
        self.appends += 1
        self._append(self._made.rows(1, first=self.appends), self.appends)

    def rows(self):
        return self._count()


def plain_table(place):
    table = place.plain()
    return Ageing(place.made, lambda row, _: table.append(row), lambda: table.scan().to_arrow().num_rows)


def our_table(place):
    table = place.ready()
    publish = partial(place.publish, table)
    return Ageing(place.made, publish, lambda: place.tables.read(table.name).num_rows)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("name", "make", "ages"),
    [("PyIceberg append", plain_table, PLAIN_AGES), ("`write_audit_publish`", our_table, AGES)],
    ids=["plain", "ours"],
)
def test_late_commits_lose_no_row(bench, local, name, make, ages):
    """Tables of several ages get a row each in turns; the middle one of the turns is the age that is told."""
    tables = {age: make(local) for age in ages}
    for age, table in tables.items():
        while table.appends < age - 2 - AGE_ROUNDS // 2:
            table.grow()
    bench.race(
        f"append of 1 row as the table grows older, local folder, {name}",
        {f"at append {age}": lambda _, table=table: table.grow for age, table in tables.items()},
        rounds=AGE_ROUNDS,
    )
    assert {age: table.rows() for age, table in tables.items()} == {age: age + AGE_ROUNDS // 2 for age in tables}
