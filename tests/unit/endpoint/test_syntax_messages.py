"""A statement that cannot be parsed is told where it goes wrong and, where that can be guessed, what was meant."""

import pytest

from lakehouse.endpoint.dialect import parse
from lakehouse.endpoint.faults import RefusedStatementError

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
    ("select t.* b from t", "t.* cannot have the name b; is a comma missing?"),
]


@pytest.mark.parametrize(("sql", "message"), TOLD, ids=[sql for sql, _ in TOLD])
def test_a_syntax_error_says_where_and_what_may_have_been_meant(sql, message):
    with pytest.raises(RefusedStatementError) as refused:
        parse(sql)
    assert str(refused.value).startswith("PARSE ERROR: ")
    assert message in str(refused.value)
    assert "sqlglot" not in str(refused.value)
