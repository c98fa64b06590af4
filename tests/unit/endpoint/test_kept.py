"""Rows that are kept: within a bound, only while a release shows them, and only if they are whole and sound."""

import gc

import pyarrow as pa
import pytest

from lakehouse.endpoint.dialect import translate
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.kept import Kept
from lakehouse.endpoint.plain_reads import PlainRead, plain_read

SCHEMA = pa.schema([("n", pa.int64()), ("t", pa.string())])
MANY = 10**6


def batches(first=0):
    return [pa.record_batch([[at, at + 1], [f"row {at}", None]], schema=SCHEMA) for at in range(first, first + 10, 2)]


def size(some):
    return sum(batch.serialize().size for batch in some)


def whole(name):
    return PlainRead(name, ("*",))


def fill(kept, name, some):
    filling = kept.filling(whole(name), SCHEMA)
    for batch in some:
        filling.add(batch.serialize(), batch)
    filling.finish()
    filling.close()


def rows(kept, read, schema=SCHEMA):
    found = kept.find(read, schema)
    return None if found is None else pa.Table.from_batches(list(found), schema).to_pylist()


@pytest.fixture
def kept():
    kept = Kept(MANY, 60.0)
    kept.show(["t_1", "t_2", "t_3"])
    return kept


def test_what_was_written_is_handed_out_again_and_in_parts(kept):
    fill(kept, "t_1", batches())
    everything = pa.Table.from_batches(batches()).to_pylist()
    assert rows(kept, whole("t_1")) == everything
    names = pa.schema([("T", pa.string()), ("n0", pa.int64())])
    assert rows(kept, PlainRead("t_1", ("T", "N"), 3), names) == [{"T": r["t"], "n0": r["n"]} for r in everything[:3]]
    assert rows(kept, PlainRead("t_1", ("absent",)), pa.schema([("absent", pa.string())])) is None
    assert rows(kept, PlainRead("t_1", ("n",)), pa.schema([("n", pa.string())])) is None
    assert rows(kept, whole("t_2")) is None


def test_only_whole_reads_of_what_a_release_shows_are_kept_and_one_at_a_time(kept):
    assert kept.filling(PlainRead("t_1", ("n",)), SCHEMA) is None
    assert kept.filling(PlainRead("t_1", ("*",), 5), SCHEMA) is None
    assert kept.filling(whole("t_9"), SCHEMA) is None
    first = kept.filling(whole("t_1"), SCHEMA)
    assert kept.filling(whole("t_1"), SCHEMA) is None
    first.close()
    fill(kept, "t_1", batches())
    assert kept.filling(whole("t_1"), SCHEMA) is None
    assert Kept(0, 60.0).filling(whole("t_1"), SCHEMA) is None


def test_an_unfinished_reading_leaves_nothing(kept):
    filling = kept.filling(whole("t_1"), SCHEMA)
    filling.add(batches()[0].serialize(), batches()[0])
    assert kept.held_bytes > 0
    filling.close()
    assert (kept.held_bytes, rows(kept, whole("t_1"))) == (0, None)


def test_memory_never_passes_its_bound_and_the_rows_read_last_stay():
    some = batches()
    kept = Kept(2 * size(some), 60.0)
    kept.show(["t_1", "t_2", "t_3"])
    fill(kept, "t_1", some)
    fill(kept, "t_2", some)
    assert rows(kept, whole("t_1"))
    fill(kept, "t_3", some)
    assert kept.names == ["t_2", "t_1"], "nothing is dropped for rows whose size is not known yet"
    fill(kept, "t_3", some)
    assert sorted(kept.names) == ["t_1", "t_3"]
    gc.collect()
    assert kept.held_bytes == 2 * size(some)


def test_rows_that_are_still_being_sent_count_until_they_are_let_go_of():
    some = batches()
    kept = Kept(size(some), 60.0)
    kept.show(["t_1", "t_2"])
    fill(kept, "t_1", some)
    sending = kept.find(whole("t_1"), SCHEMA)
    first = next(sending)
    fill(kept, "t_2", some)
    assert kept.filling(whole("t_2"), SCHEMA) is None, "its size is known, and there is no room for it yet"
    assert kept.held_bytes == size(some)
    assert kept.names == ["t_1"], "to drop what is being sent would free nothing"
    assert first.to_pylist() == some[0].to_pylist()
    kept.show(["t_2"])
    assert kept.held_bytes == size(some), "dropped, and still being sent"
    del sending, first
    gc.collect()
    assert kept.held_bytes == 0
    fill(kept, "t_2", some)
    assert kept.names == ["t_2"]


def test_rows_that_were_sent_to_their_end_make_room_for_others():
    some = batches()
    kept = Kept(size(some), 60.0)
    kept.show(["t_1", "t_2"])
    fill(kept, "t_1", some)
    assert rows(kept, whole("t_1"))
    unread = kept.find(whole("t_1"), SCHEMA)
    del unread
    fill(kept, "t_2", some)
    fill(kept, "t_2", some)
    assert kept.names == ["t_2"]


def test_a_table_that_can_never_fit_drops_no_others():
    some, more = batches(), [*batches(), *batches(10), *batches(20)]
    kept = Kept(2 * size(some), 60.0)
    kept.show(["t_1", "t_2"])
    fill(kept, "t_1", some)
    fill(kept, "t_2", more)
    assert kept.filling(whole("t_2"), SCHEMA) is None, "it is not tried again"
    assert kept.names == ["t_1"]
    assert kept.held_bytes == size(some)


def test_a_table_that_does_not_fit_is_not_tried_again():
    kept = Kept(size(batches()) - 1, 60.0)
    kept.show(["t_1"])
    fill(kept, "t_1", batches())
    assert (kept.names, kept.held_bytes) == ([], 0)
    assert kept.filling(whole("t_1"), SCHEMA) is None


def test_what_a_release_shows_no_more_is_gone_also_where_it_was_just_being_read(kept):
    fill(kept, "t_1", batches())
    late = kept.filling(whole("t_2"), SCHEMA)
    late.add(batches()[0].serialize(), batches()[0])
    kept.show(["t_3"])
    late.finish()
    gc.collect()
    assert (kept.names, kept.held_bytes) == ([], 0)
    assert kept.filling(whole("t_1"), SCHEMA) is None


def test_what_a_newer_release_does_not_pin_is_gone_before_anything_else_is_known_of_it(kept):
    fill(kept, "t_1", batches())
    fill(kept, "t_2", batches())
    kept.keep_only(["t_2", "t_9"])
    assert kept.names == ["t_2"]
    assert kept.filling(whole("t_1"), SCHEMA) is None
    assert kept.filling(whole("t_9"), SCHEMA) is None, "nothing says yet that it is shown as a large table"


def test_what_nobody_reads_for_long_is_dropped():
    kept = Kept(MANY, 0.0)
    kept.show(["t_1"])
    fill(kept, "t_1", batches())
    kept.tidy()
    gc.collect()
    assert (kept.names, kept.held_bytes) == ([], 0)


def test_a_batch_whose_parts_do_not_fit_together_is_not_kept(kept):
    body = pa.py_buffer(b"abc")
    offsets = pa.py_buffer(b"".join(n.to_bytes(4, "little") for n in (0, 2, 1)))
    text = pa.Array.from_buffers(pa.string(), 2, [None, offsets, body])
    wrong = pa.record_batch([pa.array([1, 2]), text], schema=SCHEMA)
    filling = kept.filling(whole("t_1"), SCHEMA)
    filling.add(batches()[0].serialize(), batches()[0])
    filling.add(wrong.serialize(), wrong)
    filling.finish()
    assert (kept.names, kept.held_bytes) == ([], 0)
    assert kept.filling(whole("t_1"), SCHEMA) is None


@pytest.mark.parametrize(
    ("sql", "columns", "most"),
    [
        ("select * from x", ("*",), None),
        ("select * from x as y limit 7", ("*",), 7),
        ("select y.* from x as y", ("*",), None),
        ('select b, Y.a, "A", * from x as y', ("b", "a", "A", "*"), None),
        ("select a from x limit 0", ("a",), 0),
        ("select a from x fetch first 5 rows only", ("a",), 5),
    ],
)
def test_a_statement_that_only_hands_columns_on_is_told(sql, columns, most):
    tree = translate(sql, lambda _path, _alias, _moment: "pins.t_1")
    assert plain_read(tree) == PlainRead("t_1", columns, most)


@pytest.mark.parametrize(
    "sql",
    [
        "select a as b from x",
        "select a + 1 from x",
        "select upper(a) from x",
        "select z.a from x",
        "select distinct a from x",
        "select * from x where a = 1",
        "select * from x order by a",
        "select * from x limit 5 offset 5",
        "select a from x group by a",
        "select count(*) from x",
        "select row_number() over (order by a) from x",
        "select a from x qualify row_number() over (order by a) = 1",
        "select * from x, x as y",
        "select * from x join x as y on x.a = y.a",
        "select * from (select a from x) as y",
        "with y as (select a from x) select * from y",
        "select * from x union all select * from x",
        "select * from x as y (c, d)",
        "select 1",
        "select flatten(a) from x",
        "select current_date from x",
        "select user from x",
    ],
)
def test_a_statement_that_does_anything_else_is_not(sql):
    try:
        tree = translate(sql, lambda _path, _alias, _moment: "pins.t_1")
    except RefusedStatementError:
        return  # then it is never run at all
    assert plain_read(tree) is None
