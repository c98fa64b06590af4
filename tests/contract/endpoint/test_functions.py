"""Dremio's documented functions against the endpoint's: each is answered with its value, or refused by its name."""

import datetime as dt
import math
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from lakehouse.endpoint.documented import elsewhere, functions, render
from lakehouse.endpoint.functions import FUNCTIONS

CASES = yaml.safe_load(Path(__file__).with_name("function_cases.yaml").read_text(encoding="utf-8"))
PAGE = Path(__file__).parents[3] / "docs" / "sql-functions.md"
REFUSED = [one for one in functions().values() if one.answer == "refused"]
SYNTAX = {"CASE", "CAST", "EXTRACT", "LIKE", "POSITION", "TRIM"}
# In Dremio's source or its SQL, and not in the documentation's list.
UNLISTED = {"CEIL", "RAND", "TRUNC", "VARIANCE", "IFNULL", "ISNULL", "ISNOTNULL", "ISTRUE", "ISNOTTRUE", "ISFALSE",
            "ISNOTFALSE"}  # fmt: skip


KINDS = {
    type(None): lambda _value: "null",
    bool: lambda value: str(value).lower(),
    Decimal: lambda value: f"{value}d",
    dt.datetime: lambda value: value.isoformat(" ", "milliseconds"),
    dt.date: dt.date.isoformat,
    dt.time: lambda value: value.isoformat("milliseconds"),
    str: lambda value: f"'{value}'",
    bytes: lambda value: f"x'{value.hex().upper()}'",
    list: lambda value: f"[{', '.join(map(shown, value))}]",
}


def shown(value):
    """Write a value so that its kind can be told; floats are compared apart."""
    return KINDS.get(type(value), repr)(value)


def agree(value, expected):
    if isinstance(value, float) and expected[:1] in "-.0123456789":
        return not expected.endswith("d") and math.isclose(value, float(expected), rel_tol=1e-7, abs_tol=1e-15)
    return shown(value) == expected


@pytest.mark.parametrize("name", list(CASES))
def test_a_function_gives_what_dremio_documents(client, name):
    asked = ", ".join(f"{expression} AS c{number}" for number, (expression, *_) in enumerate(CASES[name]))
    ((row),) = client.values(f"SELECT {asked}")
    differing = [
        f"{expression} gives {shown(value)}, not {expected}"
        for value, (expression, expected, *_) in zip(row, CASES[name], strict=True)
        if not agree(value, expected)
    ]
    assert not differing


def test_every_function_that_is_answered_is_documented_and_has_a_case():
    answered = {one.name for one in functions().values() if one.answer != "refused"}
    assert answered == set(CASES)
    plain = {name for name in answered if not name.startswith("IS [NOT]")} - SYNTAX
    assert set(FUNCTIONS) - plain == UNLISTED
    assert plain <= set(FUNCTIONS)


@pytest.mark.parametrize("name", [one.name for one in REFUSED] + list(elsewhere()))
def test_a_function_that_is_not_answered_is_refused_by_name_with_what_to_write(client, name):
    note = functions()[name].note if name in functions() else elsewhere()[name]
    with pytest.raises(pa.ArrowInvalid) as refused:
        client.values("SELECT (1, 2) OVERLAPS (3, 4)" if name == "OVERLAPS" else f"SELECT {name}('a')")
    assert name in str(refused.value)
    assert note in str(refused.value)


def test_an_unknown_function_is_refused_with_the_nearest_name(client):
    with pytest.raises(pa.ArrowInvalid, match="did you mean SUBSTR"):
        client.values("SELECT SUBSTRR('a', 1)")


OTHERWISE = {
    "REGEXP_LIKE('a', '\\bx')": "escape",
    "REGEXP_LIKE('a', '[[:alpha:]]')": r"\[ or && inside",
    "REGEXP_LIKE('a', '(?=a)')": "reads it differently",
    "REGEXP_LIKE('a', 'a++')": "gives nothing back",
    "REGEXP_LIKE('a', '(?i)ä')": "reads it differently",
    "REGEXP_LIKE('a', '(a)\\1')": "escape",
    "REGEXP_LIKE('a', '(a')": "cannot be read",
    "REGEXP_REPLACE('a', 'a*', 'b')": "may fit no sign",
    "REGEXP_REPLACE('a', '(a)', '$2')": "names no group",
    "REGEXP_REPLACE('a', '(a)', '${x}')": "names no group",
    "REGEXP_EXTRACT('a', '(a)', 2)": "from 0 to 1",
    "REGEXP_EXTRACT('a', '(a)')": "does not take 2 arguments",
    "REGEXP_SPLIT('a', 'b*', 'ALL', 1)": "may fit no sign",
    "REGEXP_SPLIT('a', 'b', 'LAST', 1)": "supported with 'ALL'",
    "REGEXP_SPLIT('a', 'b', 'INDEX', 1)": "supported with 'ALL'",
    "REGEXP_SPLIT('a', 'b', 'ALL', 0)": "from 1 to 10000",
    "TO_CHAR(1.25, '#.#')": "ROUND it first",
    "TO_CHAR(1, '#,')": "number format",
    "TO_CHAR(1, '$#')": "format",
    "TO_TIMESTAMP('03-01', 'MM-DD')": "no year",
    "TO_DATE('2024-01-01')": "need a format",
    "CONVERT_TIMEZONE('Europe/Bucharest', 'UTC', TIMESTAMP '2021-10-31 03:30:00')": "twice or skip",
    "CONVERT_TIMEZONE('Europe/Bucharest', 'UTC', TIMESTAMP '2021-03-28 03:30:00')": "twice or skip",
    "CONVERT_TIMEZONE('XYZ', '2021-01-01')": "time zone 'XYZ'",
    "DATE_DIFF(DATE '2022-01-01', DATE '2021-01-01')": "use DATEDIFF",
    "DATE_ADD(DATE '2022-01-01', CAST(1 AS INTERVAL WEEK))": "INTERVAL",
    "CAST(1 AS INTERVAL DAY)": "CAST to INTERVAL",
    "ASCII('ä')": "beyond ASCII",
    "CHR(200)": "CHR takes",
    "LEVENSHTEIN('ä', 'a')": "beyond ASCII",
    "UNHEX('abc')": "two digits",
    "MD5(5)": "cast the argument",
    "FACTORIAL(21)": "0 to 20",
    "FACTORIAL(5.7)": "a whole number",
    "FACTORIAL('5')": "takes a number, not the text '5'",
    "CAST('5.7' AS INT)": "'5<.>7'",
    "CAST('1e3' AS BIGINT)": "'1<e>3'",
    "CAST('+5' AS INT)": r"'<\+>5'",
    "CAST('1_000' AS INT)": "'1<_>000'",
    "CAST('' AS BIGINT)": "'<>'",
    "CAST('1 2' AS INT)": "'1 2'",
    "CAST('yes' AS BOOLEAN)": "true, false, 1 or 0",
    "TIMESTAMPADD(DAY, 1, '2020-01-01')": r"TIMESTAMPADD .* write CAST\(x AS DATE\)",
    "TIMESTAMPADD(HOUR, 1, '2020-01-01')": r"TIMESTAMPADD .* write CAST\(x AS DATE\)",
    "TIMESTAMPADD(DAY, 1, MAX(DATE '2020-01-01'))": "an aggregate in a query of its own",
    "'2020-01-01' + INTERVAL '1' DAY": r"\+ INTERVAL .* write CAST\(x AS DATE\)",
    "DATE_ADD(5, 1)": r"DATE_ADD, .* write CAST\(x AS DATE\)",
    "LSHIFT(1, 120)": "0 to 31",
    "NEXT_DAY(DATE '2022-01-01', 'tu')": "no day of the week",
    "SUBSTR('a1', '[0-9]')": "use REGEXP_EXTRACT",
    "CONVERT_FROM('[1]', 'JSON')": "UTF8 only",
    "'a' LIKE ANY ('a', 'b')": "LIKE ANY",
    "'a' SIMILAR TO 'b'": "SIMILAR_TO",
    "COUNT(FLATTEN(ARRAY[1]))": "FLATTEN is supported once",
    "FLATTEN(ARRAY[1]), FLATTEN(ARRAY[2])": "FLATTEN is supported once",
    "FLATTEN(ARRAY[1]), COUNT(*)": "FLATTEN is supported once",
    "DISTINCT FLATTEN(ARRAY[1])": "FLATTEN is supported once",
    "USER": "function USER",
}


@pytest.mark.parametrize(("expression", "message"), OTHERWISE.items(), ids=list(OTHERWISE))
def test_what_would_mean_something_else_is_refused_or_fails(client, expression, message):
    with pytest.raises(pa.ArrowInvalid, match=message):
        client.values(f"SELECT {expression}")


JOINS = ("a POSITIONAL JOIN b", "a JOIN b", "a INNER JOIN b", "a LEFT JOIN b", "a FULL OUTER JOIN b")


@pytest.mark.parametrize("join", JOINS)
def test_a_join_without_a_condition_is_refused(client, join):
    with pytest.raises(pa.ArrowInvalid, match="a JOIN needs ON or USING"):
        client.values(f"WITH a AS (SELECT 1 AS x), b AS (SELECT 1 AS x) SELECT 1 FROM {join}")


OTHER_JOINS = (
    "a, b",
    "a CROSS JOIN b",
    "a NATURAL JOIN b",
    "a JOIN b USING (x)",
    "a JOIN b ON a.x = b.x",
    "a JOIN b JOIN c ON b.x = c.x ON a.x = b.x",
    "a, b JOIN c ON b.x = c.x",
)


@pytest.mark.parametrize("join", OTHER_JOINS)
def test_other_joins_are_answered(client, join):
    text = f"WITH a AS (SELECT 1 AS x), b AS (SELECT 1 AS x), c AS (SELECT 1 AS x) SELECT COUNT(*) FROM {join}"
    assert client.values(text) == [(1,)]


def test_the_page_of_functions_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == render(), "run `lakehouse docs`"
