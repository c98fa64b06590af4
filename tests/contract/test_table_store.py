"""What every table store promises."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.definition import Column
from lakehouse.errors import (
    AncestryError,
    LoginError,
    NoTableError,
    PermanentError,
    SchemaError,
    ServiceUnavailableError,
    TableOwnerError,
)
from lakehouse.ports import TableWrite

BRANCH = "audit-test"


def put(tables, definition, rows, *, key="k", mode="append", branch=BRANCH):
    tables.ensure(definition)
    return tables.advance(tables.stage(TableWrite(definition, rows, mode), branch, {"lakehouse.key": key}))


def students(rows):
    return sorted(rows["student"].to_pylist())


def test_appended_rows_come_back(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    put(tables, marks, marks_of("ann", "bo"))
    assert sorted(backend.tables().read(marks.name).to_pylist(), key=str) == marks_of("ann", "bo").to_pylist()


def test_every_column_type_comes_back(backend, new_table):
    moment = datetime(2020, 2, 29, 12, 30, 1, 5, tzinfo=UTC)
    values = {
        "text": (pa.large_string(), "grüße ☃"),
        "count": (pa.int64(), -(2**63)),
        "share": (pa.float64(), 0.1),
        "flag": (pa.bool_(), True),
        "day": (pa.date32(), moment.date()),
        "moment": (pa.timestamp("us", tz="UTC"), moment),
    }
    columns = tuple(Column(name, kind, name) for name, (kind, _) in values.items())
    definition = replace(new_table(), columns=columns, key=("text",))
    rows = pa.table({name: pa.array([value, None], kind) for name, (kind, value) in values.items()})
    put(backend.tables(), definition, rows)
    back = backend.tables().read(definition.name)
    assert back.to_pylist() == rows.to_pylist()
    assert back.schema.types == rows.schema.types


def test_staged_rows_are_invisible_until_advanced(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    put(tables, marks, marks_of("ann"))
    staged = tables.stage(TableWrite(marks, marks_of("bo")), BRANCH, {})
    assert students(tables.read(marks.name)) == ["ann"]
    assert students(tables.read_staged(staged)) == ["ann", "bo"]
    assert tables.advance(staged) == staged.snapshot_id == tables.pointer(marks.name).snapshot_id
    assert students(tables.read(marks.name)) == ["ann", "bo"]


def test_replacing_leaves_only_the_new_rows(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    put(tables, marks, marks_of("ann", "bo"))
    put(tables, marks, marks_of("cy"), mode="replace")
    assert students(tables.read(marks.name)) == ["cy"]
    put(tables, marks, marks_of(), mode="replace")
    put(tables, marks, marks_of("di"), mode="replace")
    assert students(tables.read(marks.name)) == ["di"]


def test_staging_again_drops_what_was_left_on_the_branch(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    tables.ensure(marks)
    tables.stage(TableWrite(marks, marks_of("ann")), BRANCH, {})
    staged = tables.stage(TableWrite(marks, marks_of("bo")), BRANCH, {})
    assert students(tables.read_staged(staged)) == ["bo"]


def test_advancing_twice_changes_nothing(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    tables.ensure(marks)
    staged = tables.stage(TableWrite(marks, marks_of("ann")), BRANCH, {})
    assert tables.advance(staged) == backend.tables().advance(staged)
    assert students(tables.read(marks.name)) == ["ann"]


def test_a_fast_forward_that_would_lose_rows_is_refused(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    tables.ensure(marks)
    slow = tables.stage(TableWrite(marks, marks_of("ann")), "audit-slow", {})
    put(tables, marks, marks_of("bo"))
    with pytest.raises(AncestryError, match=marks.name):
        tables.advance(slow)
    assert students(tables.read(marks.name)) == ["bo"]


def test_a_discarded_branch_is_gone_and_discarding_again_is_no_error(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    tables.discard(marks.name, BRANCH)
    tables.ensure(marks)
    tables.stage(TableWrite(marks, marks_of("ann")), BRANCH, {})
    tables.discard(marks.name, BRANCH)
    tables.discard(marks.name, BRANCH)
    assert tables.read(marks.name).num_rows == 0


def test_a_key_is_committed_once_it_is_on_main(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    assert tables.committed(marks.name, "k1") is None
    tables.ensure(marks)
    staged = tables.stage(TableWrite(marks, marks_of()), BRANCH, {"lakehouse.key": "k1"})
    assert tables.committed(marks.name, "k1") is None
    tables.advance(staged)
    put(tables, marks, marks_of("bo"), key="k2", mode="replace")
    assert tables.committed(marks.name, "k1") == staged.snapshot_id
    assert tables.committed(marks.name, "k3") is None


def test_summaries_tell_the_history_of_main_oldest_first(backend, new_table, marks_of, provenance):
    tables, marks = backend.tables(), new_table()
    tables.ensure(marks)
    first = tables.advance(tables.stage(TableWrite(marks, marks_of("ann")), BRANCH, provenance.summary()))
    second = put(tables, marks, marks_of("bo"), key="k2")
    history = tables.summaries(marks.name)
    assert [summary["snapshot-id"] for summary in history[1:]] == [str(first), str(second)]
    assert provenance.summary().items() <= history[1].items()
    assert history[2]["lakehouse.key"] == "k2"


def test_an_old_snapshot_stays_readable(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    first = put(tables, marks, marks_of("ann"))
    put(tables, marks, marks_of("bo"), mode="replace")
    assert students(tables.read(marks.name, snapshot_id=first)) == ["ann"]
    assert tables.read(marks.name, columns=["student"]).column_names == ["student"]


def test_tables_are_listed_by_namespace(backend, new_table):
    tables, marks = backend.tables(), new_table()
    assert not tables.exists(marks.name)
    assert tables.tables("no_such_namespace") == []
    tables.ensure(marks)
    assert tables.exists(marks.name)
    assert marks.name in tables.tables("silver")


def test_absent_tables_and_snapshots_are_errors(backend, new_table):
    tables, marks = backend.tables(), new_table()
    for call in (tables.read, tables.pointer, tables.summaries):
        with pytest.raises(NoTableError, match=marks.name):
            call(marks.name)
    tables.ensure(marks)
    with pytest.raises(NoTableError, match="42"):
        tables.read(marks.name, snapshot_id=42)
    with pytest.raises(SchemaError, match="colour"):
        tables.read(marks.name, columns=["colour"])


def test_new_columns_are_added_and_old_rows_read_as_null(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    put(tables, marks, marks_of("ann"))
    before = tables.pointer(marks.name)
    grown = replace(marks, columns=(*marks.columns, Column("year", pa.int64(), "Year.")))
    put(tables, grown, marks_of("bo").append_column("year", pa.array([2020])), key="k2")
    assert sorted(tables.read(marks.name)["year"].to_pylist(), key=str) == [2020, None]
    # A definition that lags behind still writes; the column it does not know stays null.
    put(tables, marks, marks_of("cy"), key="k3")
    assert students(tables.read(marks.name)) == ["ann", "bo", "cy"]
    assert students(tables.read(marks.name, snapshot_id=before.snapshot_id)) == ["ann"]


def test_numbers_are_widened_and_old_rows_read_as_the_wider_type(backend, new_table):
    tables = backend.tables()
    narrow = replace(new_table(), columns=(Column("n", pa.int32(), "N."), Column("x", pa.float32(), "X.")), key=("n",))
    put(tables, narrow, pa.table({"n": pa.array([7], pa.int32()), "x": pa.array([0.5], pa.float32())}))
    wide = replace(narrow, columns=(Column("n", pa.int64(), "N."), Column("x", pa.float64(), "X.")))
    put(tables, wide, pa.table({"n": [2**40], "x": [0.25]}), key="k2")
    back = backend.tables().read(wide.name).sort_by("n")
    assert back.to_pylist() == [{"n": 7, "x": 0.5}, {"n": 2**40, "x": 0.25}]
    assert back.schema.types == [pa.int64(), pa.float64()]
    with pytest.raises(SchemaError, match="column n is long and cannot become int; column x is double"):
        backend.tables().ensure(narrow)


def test_a_renamed_column_keeps_its_rows_and_the_old_name_is_refused(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    put(tables, marks, marks_of("ann"))
    before = tables.pointer(marks.name).snapshot_id
    points = Column("points", pa.float64(), "Points.", unit="1", formerly=("mark",))
    renamed = replace(marks, columns=(*marks.columns[:2], points))
    put(tables, renamed, marks_of("bo").rename_columns(["student", "course", "points"]), key="k2")
    back = backend.tables().read(marks.name).sort_by("student")
    assert back.select(["student", "points"]).to_pylist() == [
        {"student": "ann", "points": 3.0},
        {"student": "bo", "points": 2.0},
    ]
    assert students(tables.read(marks.name, snapshot_id=before)) == ["ann"]
    with pytest.raises(SchemaError, match="column mark is called points by now"):
        backend.tables().ensure(marks)


def test_columns_take_the_order_of_the_definition_and_keep_their_rows(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    put(tables, marks, marks_of("ann"))
    before = tables.pointer(marks.name)
    turned = replace(marks, columns=tuple(reversed(marks.columns)))
    put(tables, turned, marks_of("bo").select(["mark", "student", "course"]), key="k2")
    back = backend.tables().read(marks.name).sort_by("student")
    assert back.column_names == ["mark", "course", "student"]
    assert back.to_pylist() == marks_of("ann", "bo").to_pylist()
    assert tables.read(marks.name, snapshot_id=before.snapshot_id).to_pylist() == marks_of("ann").to_pylist()


def test_a_new_column_stands_where_the_definition_has_it(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    put(tables, marks, marks_of("ann"))
    student, _, mark = marks.columns
    points = replace(mark, name="points", formerly=("mark",))
    grown = replace(marks, columns=(Column("year", pa.int64(), "Year."), points, student), key=("student",))
    tables.ensure(replace(grown, dataset="school"))
    assert tables.read(marks.name).column_names == ["year", "points", "student", "course"]
    lagging = replace(marks, columns=(points, student), key=("student",), dataset="school")
    place = tables.pointer(marks.name)
    tables.ensure(lagging)
    assert tables.pointer(marks.name) == place


def test_a_table_takes_rows_of_one_dataset_only(backend, new_table, marks_of):
    tables, marks = backend.tables(), replace(new_table(), dataset="college_scorecard")
    put(tables, marks, marks_of("ann"))
    with pytest.raises(TableOwnerError, match="belongs to dataset 'college_scorecard', and 'college' wants"):
        put(backend.tables(), replace(marks, dataset="college"), marks_of("eve"), key="other")
    assert students(tables.read(marks.name)) == ["ann"]


MISFITS = (
    (Column("mark", pa.string(), "Points."), "mark is double and cannot become string"),
    (Column("mark", pa.float64(), "Points.", nullable=False), "mark may hold nulls"),
    (Column("year", pa.int64(), "Year.", nullable=False), "new column year must be nullable"),
)


def test_an_incompatible_definition_is_refused_with_the_difference(backend, new_table):
    tables, marks = backend.tables(), new_table()
    tables.ensure(marks)
    before = tables.pointer(marks.name)
    for column, message in MISFITS:
        kept = tuple(old for old in marks.columns if old.name != column.name)
        with pytest.raises(SchemaError, match=message):
            tables.ensure(replace(marks, columns=(*kept, column)))
    assert backend.tables().pointer(marks.name) == before


def test_versions_of_a_dataset_need_not_require_the_same_columns(backend, new_table, marks_of):
    tables, first = backend.tables(), replace(new_table(), dataset="school")
    put(tables, first, marks_of("ann"))
    student, _, mark = first.columns
    # `course` is gone, `mark` must have a value from now on, and so must the new column.
    year = Column("year", pa.int64(), "Year.", nullable=False)
    second = replace(first, columns=(student, replace(mark, nullable=False), year), key=("student", "year"))
    rows = pa.table({"student": ["bo"], "mark": [2.0], "year": [2020]})
    put(tables, second, rows, key="k2")
    back = backend.tables().read(first.name).sort_by("student")
    assert back.select(["student", "course", "year"]).to_pylist() == [
        {"student": "ann", "course": marks_of("ann")["course"][0].as_py(), "year": None},
        {"student": "bo", "course": None, "year": 2020},
    ]
    holes = pa.table({"student": ["cy"], "mark": pa.array([None], pa.float64()), "year": [2020]})
    with pytest.raises(SchemaError, match="required column mark has 1 nulls"):
        put(tables, second, holes, key="k3")
    put(tables, first, marks_of("di"), key="k4")
    assert students(tables.read(first.name)) == ["ann", "bo", "di"]


UNFIT = (
    (lambda rows: rows.drop_columns(["mark"]), "lack columns \\['mark'\\]"),
    (lambda rows: rows.append_column("extra", pa.array(["x"])), "unknown columns \\['extra'\\]"),
    (lambda rows: rows.set_column(2, "mark", pa.array(["5"])), "mark is string, not double"),
    (lambda rows: rows.set_column(0, "student", pa.array([None], pa.string())), "student has 1 nulls"),
)


def test_rows_that_do_not_fit_are_refused_before_anything_is_written(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    tables.ensure(marks)
    for change, message in UNFIT:
        with pytest.raises(SchemaError, match=message):
            tables.stage(TableWrite(marks, change(marks_of("ann"))), BRANCH, {})
    assert len(tables.summaries(marks.name)) == 1


def test_two_writers_at_once_lose_nothing(backend, new_table, marks_of):
    marks = new_table()
    backend.tables().ensure(marks)

    def write(writer: str) -> list[str]:
        tables, landed = backend.tables(), []
        for number in range(4):
            student = f"{writer}{number}"
            staged = tables.stage(TableWrite(marks, marks_of(student)), f"audit-{writer}", {})
            try:
                tables.advance(staged)
            except AncestryError:
                continue
            landed.append(student)
        return landed

    with ThreadPoolExecutor(2) as pool:
        landed = sorted(student for students in pool.map(write, "ab") for student in students)
    assert landed
    assert students(backend.tables().read(marks.name)) == landed


def test_data_files_are_compressed_with_zstd(tmp_path, new_table, marks_of):
    tables = IcebergTables.local(tmp_path)
    put(tables, new_table(), marks_of("ann"))
    tables.close()
    (file,) = tmp_path.rglob("*.parquet")
    assert pq.read_metadata(file).row_group(0).column(0).compression == "ZSTD"


def test_readers_can_leave_out_the_parts_of_a_file_that_hold_no_wanted_row(tmp_path, new_table, marks_of):
    tables = IcebergTables.local(tmp_path)
    put(tables, new_table(), marks_of(*(f"{number:06}" for number in range(122_881))))
    tables.close()
    (file,) = tmp_path.rglob("*.parquet")
    groups = [pq.read_metadata(file).row_group(number).column(0).statistics for number in range(2)]
    assert groups[0].max < groups[1].min == "122880"


@pytest.mark.servers
def test_a_wrong_secret_is_a_login_error(seaweed):
    tables = IcebergTables.rest(
        f"http://127.0.0.1:{seaweed.ports.iceberg}",
        warehouse="s3://icewh",
        access_key="test-access",
        secret_key="wrong",
        s3_endpoint=f"http://127.0.0.1:{seaweed.ports.s3}",
    )
    with pytest.raises(LoginError, match="check key and secret"):
        tables.tables("silver")


def test_a_catalog_that_does_not_answer_is_a_transient_error():
    tables = IcebergTables.rest(
        "http://127.0.0.1:9", warehouse="s3://w", access_key="a", secret_key="b", s3_endpoint="http://127.0.0.1:9"
    )
    with pytest.raises(ServiceUnavailableError, match=r"127\.0\.0\.1:9"):
        tables.tables("silver")


def test_a_catalog_that_drops_branches_is_refused_before_anything_lands_on_main(
    backend, new_table, marks_of, monkeypatch
):
    table, tables = new_table(), backend.tables()
    tables.ensure(table)
    before = tables.pointer(table.name)
    # As Nessie answers: 200, and the branch is not there.
    monkeypatch.setattr("lakehouse.adapters.iceberg_branches.commit", lambda _catalog, stored, *_asked: stored)
    with pytest.raises(PermanentError, match="keeps no branches"):
        tables.stage(TableWrite(table, marks_of("a")), "audit", {})
    assert backend.tables().pointer(table.name) == before
