"""What is said of the columns of plain statements is what DuckDB says of them."""

import pyarrow as pa
import pytest

from lakehouse.endpoint.dialect import text_of, translate
from lakehouse.endpoint.engine import opened
from lakehouse.endpoint.known_columns import known_columns
from lakehouse.endpoint.wire import wire_schema

COLUMNS = (
    "n integer, big bigint, part float, mark double, word varchar, yes boolean, day date, seen timestamp, "
    "price decimal(9, 2), words varchar[]"
)
PLAIN = [
    "select * from t",
    "select n, word, price, words from t as x where x.n = 5 and (word <> 'a' or not yes)",
    "select t.mark as score, 5, 'five' as five from t where mark >= 5 and day is not null order by score desc, n",
    "select *, 1 as one from t where words is null order by 2 limit 3 offset 1",
    "select count(*) from t where word = ''",
    "select word, count(*) as c, count(n), sum(n), sum(big), sum(part), sum(mark), avg(n) from t group by word",
    "select word as w, yes, min(day), max(seen), min(word), max(big) as most from t group by w, yes order by most, yes",
    "select n, 1 as one from t group by n order by 1",
    "select word, max(mark) as best from t group by 1 order by best desc, word limit 2",
]
# DuckDB, or the rules for DECIMALs, may refuse these, name them otherwise, or give them another type.
NOT_PLAIN = [
    "select none from t",
    "select N from t",
    "select word from t where none = 5",
    "select word from t where word = 5",
    "select n from t where n = 'a'",
    "select n from t where day > '2026-01-31'",
    "select n from t where n",
    "select n from t where n in (1, 2)",
    "select n from t order by none",
    "select n from t order by 2",
    "select n as a, word as a from t",
    "select y.n from t as x",
    "select distinct n from t",
    "select n from t group by word",
    "select word, count(*) from t",
    "select *, count(*) from t",
    "select n from t group by none",
    "select count(*) as c from t group by c",
    "select word, count(*) from t group by word order by n",
    "select word, count(*) from t group by rollup (word)",
    "select word, count(*) from t group by word having count(*) > 1",
    "select sum(word) from t",
    "select avg(day) from t",
    "select max(yes) from t",
    "select sum(price) from t",
    "select count(distinct n) from t",
    "select n + 1 from t",
    "select 12345678901 from t",
    "select 1.5 from t",
    "select n from t join u on t.n = u.n",
    "select n from (select n from t) as x",
    "with x as (select n from t) select n from x",
    "select n from t union select n from t",
    "select count(*) over () from t",
    "select upper(word) from t",
]


@pytest.fixture(scope="module")
def duck():
    with opened([]) as db:
        db.execute("create schema pins")
        db.execute(f"create table pins.t ({COLUMNS})")
        yield db


def schema_of(duck, text):
    relation = duck.sql(text)
    return wire_schema(relation.columns, relation.types)


def known(duck, sql):
    """Return what is known of a statement over the table, and its text."""
    tree = translate(sql, lambda path, _alias, _moment: f"pins.{path[0]}")
    return known_columns(tree, {"t": schema_of(duck, "select * from pins.t")}), text_of(tree)


@pytest.mark.parametrize("sql", PLAIN)
def test_a_plain_statement_gives_the_columns_that_duckdb_gives(duck, sql):
    columns, text = known(duck, sql)
    assert columns is not None
    assert pa.schema(columns) == schema_of(duck, text)


@pytest.mark.parametrize("sql", NOT_PLAIN)
def test_of_other_statements_duckdb_is_asked(duck, sql):
    assert known(duck, sql)[0] is None


def test_of_columns_that_differ_in_case_only_duckdb_is_asked():
    tree = translate("select a from t", lambda _path, _alias, _moment: "pins.t")
    assert known_columns(tree, {"t": pa.schema([("a", pa.int32()), ("A", pa.int32())])}) is None
