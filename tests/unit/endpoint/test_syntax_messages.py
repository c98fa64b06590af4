"""A statement that cannot be parsed is told where it goes wrong and, where that can be guessed, what was meant."""

import pytest

from lakehouse.endpoint.dialect import EndpointDialect, parse
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.missing_parts import check_parts

TOLD = [
    ("selec 1", "at line 1, column 7, near '1'; did you mean SELECT for 'selec'?"),
    ("select a\nform t", "at line 2, column 6, near 't'; did you mean FROM for 'form'?"),
    ("select a from t wher a = 1", "did you mean WHERE for 'wher'?"),
    ("select a from t where a = 1 ordr by a", "did you mean ORDER for 'ordr'?"),
    ("select a from t where (a = 1", "Expecting ) at line 1, column 28"),
    ("select `a` from t", 'names are quoted with "'),
    ("select top 5 a from t", "write LIMIT at the end instead of TOP"),
    ("select 1 +", "something is missing for Add at line 1, column 10"),
    ("select 1,\n  'abc from t", "the quote ' at line 2, column 3 is never closed"),
    ('select "a from t', 'the quote " at line 1, column 8 is never closed'),
    ("select 'it''s' /* 'never", "the comment at line 1, column 16 is never closed"),
    ("select -- 'one\n 'two", "the quote ' at line 2, column 2 is never closed"),
    ("select from t", "SELECT names no columns; write * for all"),
    ("select a from t group by", "GROUP BY names nothing to group by"),
    ("select a,, b from t", "something is missing after the comma at line 1, column 9"),
    ("select a,\n from t", "something is missing after the comma at line 1, column 9"),
    ("select a from t where a in (1,)", "something is missing after the comma"),
    ("select coalesce(,a) from t", "something is missing before the comma at line 1, column 17"),
    ("select a from t group by a,", "something is missing after the comma"),
    ("values (1), (2),", "something is missing after the comma"),
    ("select a as from t", "something is missing after AS at line 1, column 11"),
    ("select a from t as", "something is missing after AS"),
    ("select sum(a) over (partition by) from t", "something is missing after PARTITION BY"),
    (
        "select a from t group",
        'GROUP at line 1, column 21 is no name; write GROUP BY, or the name in quotes, "group"',
    ),
    ("select a from t offset", "write OFFSET and a number"),
    ("select t.offset from t", 'OFFSET at line 1, column 15 is no name; write it in quotes, "offset"'),
    ("select * from", "Expected table name but got the end"),
    ("select * from where", "Expected table name but got 'where'"),
    ("select t.* b from t", "t.* cannot have the name b; is a comma missing?"),
]


@pytest.mark.parametrize(("sql", "message"), TOLD, ids=[sql for sql, _ in TOLD])
def test_a_syntax_error_says_where_and_what_may_have_been_meant(sql, message):
    with pytest.raises(RefusedStatementError) as refused:
        parse(sql)
    assert str(refused.value).startswith("PARSE ERROR: ")
    assert message in str(refused.value)
    assert "sqlglot" not in str(refused.value)


@pytest.mark.parametrize(
    "sql",
    [
        'select "from", "group" from "order" as "offset"',
        "select listagg(a, ',') within group (order by a) as x from t offset 2",
        "select a from t, u where (a, b) in (select 1, 2) order by 1, 2",
        "select sum(a) over (partition by b, c order by d) as x, ',' as y from t",
        "values (1, 'a'), (2, 'b')",
    ],
)
def test_what_is_whole_lacks_nothing(sql):
    check_parts(EndpointDialect().tokenize(sql))
