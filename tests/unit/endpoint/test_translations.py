"""What is remembered of translated statements gives the text that translating anew gives."""

import pytest
from sqlglot import exp

from lakehouse.endpoint.dialect import text_of, translate
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.translations import LONGEST, Translations, Tree, said

PAIRS = [
    ("select a from t where b = 4711", "select a from t where b = 12"),
    ("select a from t where b = 007", "select a from t where b = 8"),
    ("select a from t where name = 'o''neil' and b >= 5", "select a from t where name = '--' and b >= 999999999"),
    ("select a from t where d > '2026-01-31' or (b <> 3)", "select a from t where d > '' or (b <> 3)"),
    (
        "select case when b < 5 then 'low' else 'high' end from t",
        "select case when b < 6 then 'low' else 'high' end from t",
    ),
    ("select x.a from t x join t y on x.a = y.a and y.b = 1 order by 1 limit 5",
     "select x.a from t x join t y on x.a = y.a and y.b = 2 order by 1 limit 5"),
    (
        "select b = 5, count(*) from t group by b = 5 having count(*) > 1",
        "select b = 6, count(*) from t group by b = 6 having count(*) > 6",
    ),
    ("select a from t where b = 5 and c = 5", "select a from t where b = 5 and c = 6"),
    ('select a from t where "b = 5" = 5', 'select a from t where "b = 5" = 6'),
    ("select a /* b = 5 */ from t where b = 5 -- 'x", "select a /* b = 7 */ from t where b = 8 -- 'x"),
]  # fmt: skip
# What follows, or stands before, the value makes it more than a value that is compared with.
UNLIKE = [
    "select a from t where b = 5 + 1",
    "select a from t where b = -5",
    "select a from t where b = 5.25",
    "select a from t where b = 12345678901",
    "select a from t where name = 'a' || 'b'",
    "select a from t where d = DATE '2026-01-31'",
    "select substring(name, 5) from t limit 5",
    "select repeat(name, 5) from t",
    "select a from t where b in (1, 2)",
]


class Counted:
    """Translates over one table, and counts how often."""

    def __init__(self, *held):
        self.texts = []
        self.held = held

    def of(self, sql):
        """Return what translates a text, as a catalogue does."""

        def translated(tokens):
            self.texts.append(sql)
            return Tree(translate(sql, lambda _path, _alias, _moment: "pins.t_1", tokens=tokens), self.held)

        return translated


def find(kept, sql, count, schema=()):
    return kept.find(sql, schema, count.of(sql))


def plainly(sql):
    return text_of(Counted().of(sql)(()).root)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_other_values_give_the_text_that_translating_gives_but_are_not_translated_again(first, second):
    kept, count = Translations(), Counted()
    assert find(kept, first, count).text == plainly(first)
    assert find(kept, first, count).text == plainly(first)
    assert len(count.texts) == 1
    assert find(kept, second, count).text == plainly(second)
    assert find(kept, first, count).text == plainly(first)


def test_values_in_the_same_places_share_a_pattern():
    kept, count = Translations(), Counted()
    found = {find(kept, f"select a from t where b = {number} and name = 'n{number}'", count) for number in range(9)}
    assert len({one.text for one in found}) == 9
    assert len({one.pattern for one in found}) == len(count.texts) == 1


@pytest.mark.parametrize("sql", UNLIKE)
def test_a_value_that_is_more_than_compared_with_stays_where_it_is(sql):
    found = find(Translations(), sql, Counted())
    assert found.text == found.pattern == plainly(sql)


def test_a_text_that_holds_a_stand_in_has_no_pattern():
    sql = "select a from t where b = 5 and c in (987650000)"
    found = find(Translations(), sql, Counted())
    assert found.text == found.pattern == plainly(sql)


@pytest.mark.parametrize(("sql", "times"), [("select a from t where b = 5", 4), ("select a from t", 2)])
def test_what_may_be_another_table_next_time_is_translated_every_time(sql, times):
    """A statement with a value is translated with a stand-in for it, and then itself."""
    kept, count = Translations(), Counted("a relation")
    assert find(kept, sql, count) == find(kept, sql, count)
    assert count.texts == [sql] * times


def test_a_default_schema_has_translations_of_its_own():
    kept, count = Translations(), Counted()
    find(kept, "select a from t", count, ("one",))
    find(kept, "select a from t", count, ("two",))
    assert len(count.texts) == 2


@pytest.mark.parametrize(
    "sql", ["select evil(a) from t where b = 5", "select a from t where b = 'open", "drop table t where b = 5"]
)
def test_a_refusal_speaks_of_the_statement_itself_every_time(sql):
    kept = Translations()
    for _ in range(2):
        with pytest.raises(RefusedStatementError) as refused:
            find(kept, sql, Counted())
        assert "98765" not in str(refused.value)


def test_a_long_text_is_not_kept():
    kept, count = Translations(), Counted()
    sql = f"select a from t where name = '{'x' * LONGEST}'"
    assert find(kept, sql, count).text == find(kept, sql, count).text
    assert len(count.texts) == 2


@pytest.mark.parametrize("text", ["", "o'neil", "''", "a\\'b", "é\n\t\x00", '"', "%s {0} :x $1 ?", "--", "\\n"])
def test_a_value_is_written_as_the_whole_translation_writes_it(text):
    assert said(exp.Literal.string(text)) == text_of(exp.Literal.string(text))
    assert said(exp.Literal.number("007")) == text_of(exp.Literal.number("007"))
