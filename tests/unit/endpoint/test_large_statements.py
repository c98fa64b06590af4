"""Statements of many words: refused before they are read, or read in time that grows as they do."""

import contextlib
import random
import time

import pytest
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lakehouse.endpoint import guard
from lakehouse.endpoint.calls import exchange
from lakehouse.endpoint.decimals import settled
from lakehouse.endpoint.dialect import EndpointDialect, last_text_of, parse, translate
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.reading import read

MOST = guard.MAX_WORDS


@pytest.mark.parametrize(
    "sql", ["SELECT " + "1," * MOST, ";" * (MOST + 1), "SHOW " + "x " * MOST, "SELECT " + "NOT " * MOST + "TRUE"]
)
def test_more_words_than_are_read_are_refused_without_reading_them(sql):
    with pytest.raises(RefusedStatementError, match="more than 100,000 words"):
        guard.check_text(sql)


@pytest.mark.parametrize("sql", ["SELECT '" + "a, b " * 150_000 + "'", 'SELECT "' + "a, b " * 150_000 + '"'])
def test_a_long_text_is_one_word(sql):
    guard.check_text(sql)


@pytest.mark.parametrize("comment", ["/*'*/", '/*"*/', "--'\n", "--'\r", "//'\n", "/* * it's **/"])
def test_a_quote_in_a_comment_hides_no_words(comment):
    with pytest.raises(RefusedStatementError, match="more than 100,000 words"):
        guard.check_text(f"SELECT {comment} " + "1," * (MOST // 2) + "1")


SIGNS = ("/", "*", "'", '"', "{#", "#}", "{", ",", "\\", "$$", "`")
PIECES = (*SIGNS, "SELECT", "/*+", "/*", "*/", "--", "//", "\n", "\r", "1", "a", " ")


def test_no_text_has_more_words_when_it_is_split_than_are_counted_before():
    drawn, compared = random.Random(7), 0
    for _ in range(3000):
        sql = "".join(drawn.choices(PIECES, k=12))
        counted = sum(found.lastgroup is None for found in guard.WORD.finditer(sql))
        with contextlib.suppress(SqlglotError, RefusedStatementError):  # a quote or a comment that stays open
            guard.check_text(sql)
            assert len(EndpointDialect().tokenize(sql)) <= counted, repr(sql)
            compared += 1
    assert compared > 500


def test_a_comment_ends_where_calcite_ends_it_and_a_template_is_none():
    assert translated("SELECT 1 /* /* */ + 1 AS x") == translated("SELECT 1 + 1 AS x")
    for sql in ("SELECT 1 /* /* */ + 1 */ AS x", "SELECT 1 {# a #} AS x"):
        with pytest.raises(RefusedStatementError, match="PARSE ERROR"):
            parse(sql)


def test_words_are_counted_once_more_when_they_are_split(monkeypatch):
    monkeypatch.setattr(guard, "check_text", lambda _sql: None)
    with pytest.raises(RefusedStatementError, match="more than 100,000 words"):
        parse("SELECT " + "1," * MOST)


@pytest.mark.parametrize("part", ["1.5,", "1.5e-7,", "1E5,", "'O''Brien',", '"a""b",', "1,/* it's */", "1, -- one\n"])
def test_a_decimal_and_a_text_with_a_quote_in_it_are_one_word_and_a_comment_is_none(part):
    guard.check_text("SELECT " + part * (MOST // 2 - 1) + "1")


def translated(sql):
    return last_text_of(translate(sql, lambda *_: "pins.t"))


@pytest.mark.parametrize(
    ("done", "before", "part", "after"),
    [
        (translated, "SELECT ", "1", ""),
        (translated, "SELECT 1 WHERE 'a' IN (", "UPPER('a')", ")"),
        (read, "SELECT 1 WHERE 1 IN (", "1", ")"),
    ],
    ids=["columns", "calls in a list", "values for the record"],
)
def test_reading_a_list_six_times_as_long_takes_about_six_times_as_long(done, before, part, after):
    def seconds(count):
        sql = before + ",".join([part] * count) + after
        started = time.process_time()
        done(sql)
        return time.process_time() - started

    short, long = (min(seconds(count + more) for more in range(2)) for count in (1000, 6000))
    assert long < 14 * short, "more than twenty times where each part looks at all the others"


def test_an_exchanged_part_stands_where_the_other_did():
    call = exp.Anonymous(this="f", expressions=[exp.Literal.number(number) for number in range(3)])
    before = hash(call)
    exchange(call.expressions[1], exp.Literal.string("x"))
    assert [one.sql() for one in call.expressions] == ["0", "'x'", "2"]
    assert [(one.parent, one.arg_key, one.index) for one in call.expressions] == [
        (call, "expressions", place) for place in range(3)
    ]
    assert hash(call) != before


def test_a_long_sum_of_decimals_is_refused_before_its_parts_are_written_out():
    """Each part of a sum is a text with all that stands before it: those of five thousand took minutes."""
    tree = translate("SELECT " + "+".join(["1.5"] * 5000), lambda *_: "pins.t")
    started = time.process_time()
    with pytest.raises(RefusedStatementError, match="more than 60 places of arithmetic beside DECIMALs"):
        settled(tree, (), lambda _text: None)
    assert time.process_time() - started < 5.0


def test_intervals_that_are_added_one_after_the_other_are_bounded():
    def moved(count):
        return translated("SELECT DATE '2024-01-01'" + " + INTERVAL '1' DAY" * count)

    assert moved(guard.MAX_MOVES)
    with pytest.raises(RefusedStatementError, match="more than 30 INTERVALs one after the other"):
        moved(guard.MAX_MOVES + 1)
