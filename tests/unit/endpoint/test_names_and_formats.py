"""Paths, formats, names of outputs and messages."""

import time

import duckdb
import pytest

from lakehouse.endpoint.faults import BrokenEngineError, BusyError, RefusedStatementError
from lakehouse.endpoint.flight_sql import pack, unpack
from lakehouse.endpoint.formats import strftime_format
from lakehouse.endpoint.messages import translated_error
from lakehouse.endpoint.names import folded, like, look_up, split_path, unknown_schema, unknown_table
from lakehouse.endpoint.wire import unique_names


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a.b", ("a", "b")), ('"a.b".c', ("a.b", "c")), ("", ()), (' "A" . b ', ("A", "b")), ('"x"', ("x",))],
)
def test_a_path_is_split_at_the_dots_outside_quotes(text, parts):
    assert split_path(text) == parts


def test_a_name_is_looked_up_below_the_default_schema_first():
    known = {("s", "t"): "inner", ("t",): "outer", ("a", "b", "c"): "deep"}
    assert look_up(known, ("T",), ("S",)) == "inner"
    assert look_up(known, ("t",), ("elsewhere",)) == "outer"
    assert look_up(known, ("A.b", "C"), ()) == "deep"
    assert look_up(known, ("nothing",), ("s",)) is None
    assert folded(("A.b", "C")) == ("a", "b", "c")


@pytest.mark.parametrize(
    ("text", "pattern", "fits"),
    [
        ("Outcomes", "out%", True),
        ("ab", "a_", True),
        ("ab", "a", False),
        ("a.c", "a.c", True),
        ("abc", "a.c", False),
        ("xaab", "%a_b", True),
        ("xaab", "%ab%%", True),
        ("", "%", True),
        ("a", "", False),
        ("a" * 60 + "b", "%a" * 30, False),
        ("a" * 60, "%a" * 30, True),
    ],
)
def test_a_like_pattern_is_matched_whole_and_without_backtracking(text, pattern, fits):
    assert like(text, pattern) is fits


def test_a_pattern_of_many_signs_is_read_once_for_all_names():
    started = time.process_time()
    assert all(like(f"name_{number}", "%" * 900_000) for number in range(100))
    assert time.process_time() - started < 3.0, "a step for each sign and name takes ten seconds"


def test_an_unknown_name_without_a_near_one_points_to_show_tables():
    assert "SHOW TABLES" in str(unknown_table(("zzz",), ["lakehouse.gold.documents"]))
    assert "lakehouse.gold.documents?" in str(unknown_table(("documents",), ["lakehouse.gold.documents"]))


def test_a_name_that_lacks_its_beginning_gets_that_one_and_not_a_shorter_one():
    known = ["kpi.answers", "lakehouse.gold.answers"]
    assert "did you mean lakehouse.gold.answers?" in str(unknown_table(("Gold", "answers"), known))
    assert "did you mean kpi.answers?" in str(unknown_table(("kp", "answers"), known))


def test_an_unknown_schema_is_told_with_the_nearest():
    known = ["kpi", "lakehouse", "lakehouse.gold"]
    assert str(unknown_schema(("gold",), known)) == "Invalid schema 'gold': did you mean lakehouse.gold?"
    assert "did you mean kpi?" in str(unknown_schema(("kpis",), known))
    assert "SHOW SCHEMAS" in str(unknown_schema(("zzz",), known))


@pytest.mark.parametrize(
    ("dremio", "duck"),
    [
        ("YYYY-MM-DD HH24:MI:SS.FFF", "%Y-%m-%d %H:%M:%S.%g"),
        ("yyyymmdd", "%Y%m%d"),
        ("DD.MM.YY", "%d.%m.%y"),
        ('YYYY"year"', "%Yyear"),
        ("MON DD, YYYY", "%b %d, %Y"),
    ],
)
def test_a_format_is_said_in_duckdbs_words(dremio, duck):
    assert strftime_format(dremio) == duck


@pytest.mark.parametrize("dremio", ["###", "YYYY%", "WW", "TZD", "9999", "CC", "0.00"])
def test_a_format_of_uncertain_meaning_is_refused(dremio):
    with pytest.raises(RefusedStatementError):
        strftime_format(dremio)


def test_names_are_unique_without_case():
    assert unique_names(["a", "A", "a0", "b", "a"]) == ["a", "A0", "a00", "b", "a1"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('IO Error: Cannot open file "/srv/secret/x.parquet"', BusyError),
        ("HTTP Error: https://user:pw@host/x failed", BusyError),
        ("Out of Memory Error: failed", BusyError),
        ("INTERNAL Error: assertion in /build/x.cpp", BrokenEngineError),
        ("Binder Error: column pins.t_0123456789abcdef01234567.x\n  at /usr/lib/x", RefusedStatementError),
    ],
)
def test_what_the_engine_says_is_told_without_places(text, kind):
    error = translated_error(duckdb.Error(text))
    assert type(error) is kind
    assert not any(secret in str(error) for secret in ("/srv", "pw@", "/build", "pins", "t_0123", "/usr"))


def test_flight_sql_messages_are_told_from_plain_sql():
    packed = pack("CommandStatementQuery", query="select 1")
    name, message = unpack(packed)
    assert (name, message.query) == ("CommandStatementQuery", "select 1")
    for text in (b"select 1", b"", b"SHOW SCHEMAS", b"\x0a\x05hello", "wïth x".encode()):
        assert unpack(text) is None
