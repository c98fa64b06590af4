"""Reading a stored table with every file judged by its seal, beside DuckDB on plain Parquet of the same rows."""

import pytest

ROWS = 1_000_000
SOME = ("course", "mark")
NUMBERS = 7
DUCK, OURS = "DuckDB on plain Parquet, nothing judged", "`TableStore`, each file judged by its seal"
PLACES = ["local folder", pytest.param("MinIO", marks=pytest.mark.servers)]


@pytest.fixture
def stored(place, made_rows):
    """The same rows as a table of ours and as a plain file."""
    rows, table = made_rows.rows(ROWS), place.ready()
    place.publish(table, rows, "all")
    place.lake.write_plain("all", rows)
    return rows, table.name


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("lake", PLACES, indirect=True)
def test_the_same_rows_are_read(bench, lake, place, stored):
    rows, name = stored
    duck, tables = lake.duck("all"), place.tables
    measure = f"read of {ROWS:,} rows x 8 columns into Arrow, {lake.place}"
    readers = {
        DUCK: lambda _: duck.execute("select * from plain").to_arrow_table,
        OURS: lambda _: lambda: tables.read(name),
    }
    for found in bench.race(measure, readers, pids=lake.pids).values():
        assert found.cast(rows.schema).sort_by("enrolment").equals(rows)
    rates = [f"{ROWS / bench.walls[measure, who] / 1000:.1f} million rows/s by {who}" for who in readers]
    bench.note(f"{measure}: {', '.join(rates)}")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("lake", PLACES, indirect=True)
def test_the_same_columns_are_read(bench, lake, place, stored):
    rows, name = stored
    duck, tables = lake.duck("all"), place.tables
    readers = {
        DUCK: lambda _: duck.execute(f"select {', '.join(SOME)} from plain").to_arrow_table,
        OURS: lambda _: lambda: tables.read(name, columns=SOME),
    }
    by = [(column, "ascending") for column in SOME]
    wanted = rows.select(SOME).sort_by(by)
    measure = f"read of {ROWS:,} rows x {len(SOME)} of 8 columns into Arrow, {lake.place}"
    for found in bench.race(measure, readers, pids=lake.pids).values():
        assert found.cast(wanted.schema).select(SOME).sort_by(by).equals(wanted)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("lake", PLACES, indirect=True)
def test_the_same_row_is_found(bench, lake, place, stored):
    rows, name = stored
    duck, tables = lake.duck("all"), place.tables
    found = {DUCK: [], OURS: []}

    def wanted(turn):
        return (turn + 2) * ROWS // (NUMBERS + 3)

    def by_duck(turn):
        sql, values = "select * from plain where enrolment = $number", {"number": wanted(turn)}
        return lambda: found[DUCK].append(duck.execute(sql, values).to_arrow_table())

    def by_ours(turn):
        where = {"enrolment": str(wanted(turn))}
        return lambda: found[OURS].append(tables.head(name, 2, where=where))

    measure = f"one row of {ROWS:,} by its number, {lake.place}"
    bench.race(measure, {DUCK: by_duck, OURS: by_ours}, rounds=NUMBERS, pids=lake.pids)
    asked = [rows.slice(wanted(turn), 1).to_pylist() for turn in range(-1, NUMBERS)]
    assert [one.to_pylist() for one in found[DUCK]] == asked
    assert [one.to_pylist() for one in found[OURS]] == asked
