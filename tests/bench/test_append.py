"""An audited, published append, beside bare PyIceberg and beside plain Parquet at the same place."""

from functools import partial

import pytest

ROWS = 500_000
SIZES = (100_000, ROWS, 2_000_000)
# Of as many rows the goal was set: beside `--large` only.
LARGE_SIZE = 4_000_000
ROUNDS = 7
# Every eighth publish moves old snapshots out of the metadata, so each age is looked at for two times eight appends.
AGE_ROUNDS = 15
AGES, LARGE_AGE = (10, 120, 300), 1000
ZSTD, DEFAULT = "bare `pyarrow.write_table`, zstd", "the same, nothing said (Snappy)"
PLAIN = "the same with zstd and row groups as ours"
BARE, OURS = "PyIceberg append", "`write_audit_publish`"
WHO = {PLAIN: "plain", BARE: "iceberg", OURS: "ours"}
PLACES = ["local folder", *(pytest.param(name, marks=pytest.mark.servers) for name in ("MinIO", "SeaweedFS"))]


def contenders(place, rows):
    """Return the ways to store the same rows, each into something new."""
    tables = []

    def zstd(turn):
        return lambda: place.lake.write_bare(f"zstd{turn}", rows, compression="zstd")

    def bare(turn):
        return lambda: place.lake.write_bare(f"bare{turn}", rows)

    def parquet(turn):
        return lambda: place.lake.write_plain(f"turn{turn}", rows)

    def pyiceberg(_turn):
        table = place.plain()
        return lambda: (table.append(rows), table)[1]

    def ours(turn):
        tables.append(place.ready())
        return lambda: (place.publish(tables[-1], rows, turn), tables[-1])[1]

    return {ZSTD: zstd, DEFAULT: bare, PLAIN: parquet, BARE: pyiceberg, OURS: ours}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", [*SIZES, LARGE_SIZE])
@pytest.mark.parametrize("lake", PLACES, indirect=True)
def test_the_same_rows_are_stored(bench, lake, place, made_rows, run_job, request, count):
    if count == LARGE_SIZE and not request.config.getoption("large"):
        pytest.skip("takes long; give --large")
    rows = made_rows.rows(count)
    measure = f"append of {count:,} rows x 8 columns, {lake.place}"
    *_, theirs, ours = bench.race(measure, contenders(place, rows), pids=lake.pids).values()
    stored = lake.duck("turn0").sql("select * from plain").to_arrow_table()
    for found in (stored, theirs.scan().to_arrow(), place.tables.read(ours.name)):
        assert found.cast(rows.schema).sort_by("enrolment").equals(rows)
    assert place.house.releases.current().tables[ours.name].snapshot_id is not None
    peaks = {name: run_job("append", who, lake, f"peak_{who}", count) for name, who in WHO.items()}
    assert [done["result"] for done in peaks.values()] == [count] * len(WHO)
    bench.note(f"{measure}, {rows.nbytes / 1e6:.0f} MB in Arrow: {'; '.join(rates(bench, measure, rows, peaks))}")


def rates(bench, measure, rows, peaks):
    for name, done in peaks.items():
        seconds = bench.walls[measure, name] / 1000
        yield (
            f"{rows.num_rows / seconds / 1e6:.2f} million rows/s, {rows.nbytes / seconds / 1e6:.0f} MB/s, "
            f"peak {done['peak_mb']:.0f} MB by {name}"
        )


@pytest.mark.timeout(1800)
def test_one_row_joins_a_table_that_is_already_large(bench, place, made_rows):
    large, small = place.ready(), place.ready()
    plain = place.plain()
    many = made_rows.rows(ROWS)
    place.publish(large, many, "many")
    plain.append(many)

    def row(turn):
        return made_rows.rows(1, first=ROWS + 1 + turn)

    def theirs(turn):
        return partial(plain.append, row(turn))

    def ours(table):
        return lambda turn: partial(place.publish, table, row(turn), turn)

    bench.race(
        f"append of 1 row to a table of {ROWS:,} rows, local folder",
        {BARE: theirs, f"{OURS}, empty table": ours(small), OURS: ours(large)},
        rounds=ROUNDS,
    )
    assert place.tables.read(large.name).num_rows == plain.scan().to_arrow().num_rows == ROWS + 1 + ROUNDS


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


def bare_table(place):
    table = place.plain()
    return Ageing(place.made, lambda row, _: table.append(row), lambda: table.scan().to_arrow().num_rows)


def our_table(place):
    table = place.ready()
    publish = partial(place.publish, table)
    return Ageing(place.made, publish, lambda: place.tables.read(table.name).num_rows)


@pytest.mark.timeout(7200)
def test_late_commits_lose_no_row(bench, place, request):
    """Tables of several ages get a row each in turns; the middle one of the turns is the age that is told."""
    ages = (*AGES, *([LARGE_AGE] if request.config.getoption("large") else []))
    makers = {BARE: bare_table, OURS: our_table}
    tables = {(who, age): make(place) for age in ages for who, make in makers.items()}
    for (_, age), table in tables.items():
        while table.appends < age - 2 - AGE_ROUNDS // 2:
            table.grow()
    _, spent = bench.turns({key: lambda _, table=table: table.grow for key, table in tables.items()}, rounds=AGE_ROUNDS)
    for who in (BARE, OURS):
        own = {f"at append {age:,}": spent[name, age] for name, age in tables if name == who}
        bench.add(f"append of 1 row as the table grows older, local folder, {who}", own)
    for age in ages:
        bench.add(f"append of 1 row at append {age:,}, local folder", {who: spent[who, age] for who in (BARE, OURS)})
    assert {key: table.rows() for key, table in tables.items()} == {
        (who, age): age + AGE_ROUNDS // 2 for who, age in tables
    }
