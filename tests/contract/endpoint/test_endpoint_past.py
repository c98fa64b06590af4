"""Time travel: tables as they were, for who may see them, and never what was staged or withdrawn."""

import datetime as dt
import gc
import time

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.definition import Column, TableDefinition
from lakehouse.ports import Cleaned, TableWrite


@pytest.fixture
def lake_with_past(own_lake):
    """Three snapshots of one table, of 1, 3 and 6 rows, and a staged one that was never published."""
    snapshots = []
    for first, count in ((0, 1), (1, 2), (3, 3)):
        rows = pa.table({"id": pa.array(range(first, first + count), pa.int64())})
        snapshots.append(own_lake.write("silver.counts", rows).snapshot_id)
        time.sleep(0.01)
    table = own_lake.catalog.load_table("silver.counts")
    table.manage_snapshots().create_branch(snapshot_id=snapshots[0], branch_name="audit").commit()
    table.append(pa.table({"id": pa.array([99], pa.int64())}), branch="audit")
    own_lake.snapshots = snapshots
    own_lake.staged = own_lake.catalog.load_table("silver.counts").metadata.refs["audit"].snapshot_id
    own_lake.publish(
        [own_lake.pointer("silver.counts")], {"kpi.counted": "select count(*) as n from lakehouse.silver.counts"}
    )
    return own_lake


@pytest.fixture
def ask(lake_with_past, new_client):
    return new_client(uri=lake_with_past.serve().uri).values


COUNTS = "SELECT COUNT(*) FROM lakehouse.silver.counts"


def test_a_table_is_read_at_its_snapshots_and_moments(ask, lake_with_past):
    assert [ask(f"{COUNTS} AT SNAPSHOT '{one}'") for one in lake_with_past.snapshots] == [[(1,)], [(3,)], [(6,)]]
    assert ask(f"{COUNTS} AT BRANCH main") == ask(COUNTS) == [(6,)]
    assert ask(f"{COUNTS} AT REF main AS c") == [(6,)]
    listed = ask("SELECT * FROM TABLE(TABLE_SNAPSHOT('lakehouse.silver.counts')) ORDER BY committed_at")
    assert [row[1] for row in listed] == lake_with_past.snapshots
    assert [row[2] for row in listed] == [None, *lake_with_past.snapshots[:2]]
    moment = listed[1][0]
    assert ask(f"{COUNTS} AT TIMESTAMP '{moment}'") == [(3,)]
    assert ask(f"{COUNTS} AT TIMESTAMP TIMESTAMP '{moment - dt.timedelta(milliseconds=1)}'") == [(1,)]
    assert ask(f"{COUNTS} AT TIMESTAMP '2999-01-01'") == [(6,)]
    old = f"lakehouse.silver.counts AT SNAPSHOT '{lake_with_past.snapshots[0]}'"
    assert ask(f"SELECT n.id FROM lakehouse.silver.counts n LEFT JOIN {old} AS o ON n.id = o.id WHERE o.id IS NULL "
               "ORDER BY n.id LIMIT 2") == [(1,), (2,)]  # fmt: skip


def test_a_plan_keeps_what_it_reads_until_it_has_run(lake_with_past, new_client):
    client = new_client(uri=lake_with_past.serve().uri)
    listed = "SELECT COUNT(*) FROM TABLE(TABLE_SNAPSHOT('lakehouse.silver.counts'))"
    (endpoint,) = client.info(listed).endpoints
    gc.collect()
    assert client.flight.do_get(endpoint.ticket, client.options).read_all().to_pylist() == [{"EXPR$0": 3}]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("{counts} AT SNAPSHOT '12345'", "snapshot 12345 is not in the history of lakehouse.silver.counts"),
        ("{counts} AT SNAPSHOT '{staged}'", "never published"),
        ("{counts} AT TIMESTAMP '2001-01-01'", "no snapshot at or before 2001-01-01"),
        ("{counts} AT TIMESTAMP 'yesterday'", "is no moment"),
        ("{counts} AT TIMESTAMP NOW()", "takes a literal"),
        ("{counts} AT BRANCH audit", "AT BRANCH audit is not supported: main is the only branch"),
        ("{counts} AT TAG v1", "AT TAG v1 is not supported"),
        ("{counts} AT COMMIT \"abc\"", "AT COMMIT abc is not supported"),
        ("SELECT n FROM kpi.counted AT TIMESTAMP '2999-01-01'", "is for tables, and kpi.counted is none"),
        ("WITH c AS (SELECT 1 AS a) SELECT a FROM c AT SNAPSHOT '1'", "is for tables, and c is a WITH query"),
        ("SELECT * FROM TABLE(TABLE_HISTORY('lakehouse.silver.counts'))", "TABLE is not supported"),
        ("SELECT * FROM TABLE(TABLE_SNAPSHOT('kpi.counted'))", "is for tables, and kpi.counted is none"),
    ],
)  # fmt: skip
def test_what_is_not_in_the_published_history_is_refused_by_name(ask, lake_with_past, sql, told):
    with pytest.raises(pa.ArrowInvalid, match=told):
        ask(sql.format(counts=COUNTS, staged=lake_with_past.staged))


def test_a_withdrawn_past_cannot_be_read_again(lake_with_past, new_client):
    """A real withdrawal of one person, by the adapter that the archive uses, and then every way to ask for the past."""
    tables = IcebergTables.local(lake_with_past.warehouse)
    people = TableDefinition(
        name="silver.people", grain="one row per person", key=("name",), columns=(Column("name", pa.string(), "Name."),)
    )
    tables.ensure(people)
    for number, name in enumerate(("ann", "bo")):
        write = TableWrite(people, pa.table({"name": [name]}))
        tables.advance(tables.stage(write, "audit", {"lakehouse.key": str(number)}))
    lake_with_past.publish([tables.pointer("silver.people")])
    ask = new_client(uri=lake_with_past.serve().uri).values
    names = "SELECT name FROM lakehouse.silver.people"
    listed = ask("SELECT snapshot_id, committed_at FROM TABLE(TABLE_SNAPSHOT('lakehouse.silver.people'))")
    newest, moment = listed[0]
    assert sorted(ask(f"{names} AT SNAPSHOT '{newest}'")) == [("ann",), ("bo",)]

    def without_bo(rows):
        kept = rows.filter(pc.not_equal(rows["name"], "bo"))
        return Cleaned(kept, removed=rows.num_rows - kept.num_rows, changed=kept.num_rows < rows.num_rows)

    tables.rewrite("silver.people", without_bo, "r1", lambda key: key)
    lake_with_past.publish([tables.pointer("silver.people")])
    for old in (f"SNAPSHOT '{newest}'", f"TIMESTAMP '{moment}'"):
        with pytest.raises(pa.ArrowInvalid, match=r"withdrawn or expired|no snapshot at or before"):
            ask(f"{names} AT {old}")
    assert ask(f"{names} AT TIMESTAMP '2999-01-01'") == [("ann",)]
