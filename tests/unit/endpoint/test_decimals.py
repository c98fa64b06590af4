"""Arithmetic of DECIMALs has Dremio's type and value, or fails: by the rules of its source, and by exact arithmetic."""

import random
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext

import pyarrow as pa
import pytest

from lakehouse.endpoint.auth import Session
from lakehouse.endpoint.catalogue import Catalogue
from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.decimal_types import Digits, result, rounded, truncated
from lakehouse.endpoint.duck import Duck
from lakehouse.endpoint.executor import Executor
from lakehouse.endpoint.faults import FailedStatementError, RefusedStatementError


@pytest.fixture(scope="module")
def executor(tmp_path_factory):
    config = EndpointConfig(users={"u": "p"}, roots=(str(tmp_path_factory.mktemp("lake")),))
    duck = Duck(config)

    class OneCatalogue:
        def current(self):
            return Catalogue(0, describe=duck.describe)

    yield Executor(config, duck, OneCatalogue())
    duck.close()


@pytest.fixture
def ask(executor):
    def run(sql):
        plan = executor.plan(sql, Session("u"))
        return pa.Table.from_batches(list(executor.run(plan, gone=lambda: False)), plan.schema)

    return run


# From DecimalOutputDerivationTests of dremio-oss 25.2.
ROUNDED = [((2, 1), 0, (2, 0)), ((1, 1), 0, (1, 0)), ((5, 4), 3, (5, 3)), ((5, 4), -3, (2, 0)), ((10, 2), -12, (9, 0))]
TRUNCATED = [
    ((2, 1), 0, (1, 0)),
    ((1, 1), 0, (1, 0)),
    ((5, 4), 3, (4, 3)),
    ((5, 4), -3, (1, 0)),
    ((10, 2), -12, (8, 0)),
]


def test_rounding_has_the_types_that_dremios_own_tests_expect():
    assert [rounded(Digits(*number), places) for number, places, _ in ROUNDED] == [kind for *_, kind in ROUNDED]
    assert [truncated(Digits(*number), places) for number, places, _ in TRUNCATED] == [kind for *_, kind in TRUNCATED]


VALUES = [
    # what is calculated, its type, its value
    ("7 / 2.0", (17, 6), "3.500000"),
    ("1.00 / 3", (14, 13), "0.3333333333333"),
    ("-2.0 / 3", (13, 12), "-0.666666666667"),
    ("CAST(1 AS BIGINT) * 100.0 / 3", (35, 12), "33.333333333333"),
    ("1.5 * 2", (13, 1), "3.0"),
    ("1.5 * 2.25", (6, 3), "3.375"),
    ("1.5 + 2", (12, 1), "3.5"),
    ("2 - 1.25", (13, 2), "0.75"),
    ("-7.5 % 2", (2, 1), "-1.5"),
    ("MOD(7, 2.5)", (2, 1), "2.0"),
    ("1.5 * 3000000000", (22, 1), "4500000000.0"),
    ("ROUND(9.99, 1)", (3, 1), "10.0"),
    ("ROUND(-24.35, -1)", (3, 0), "-20"),
    ("ROUND(99.567)", (3, 0), "100"),
    ("TRUNCATE(1.59, 1)", (2, 1), "1.5"),
    ("TRUNC(-1.59)", (1, 0), "-1"),
    ("CEILING(1.2)", (2, 0), "2"),
    ("ABS(-1.25)", (3, 2), "1.25"),
    ("CAST(5 AS DECIMAL(38, 10)) + 1", (38, 9), "6.000000000"),
    ("CAST(2 AS DECIMAL(38, 20)) / CAST(3 AS DECIMAL(38, 2))", (38, 18), "0.666666666666666667"),
    ("CAST(999999999999999999 AS DECIMAL(18, 0)) * 999999999", (29, 0), "999999998999999999000000001"),
    ("CAST(82721444663154.0 AS DECIMAL(16, 1)) + CAST(95.637166 AS DECIMAL(11, 6))", (22, 6), "82721444663249.637166"),
    ("CAST(CAST(1.55 AS DECIMAL(5, 2)) AS DECIMAL)", (38, 0), "2"),
    ("CAST(CAST(1.55 AS DECIMAL(5, 2)) AS DECIMAL(5, 1))", (5, 1), "1.6"),
    ("(1.5 + 2) / (0.5 * 4)", (27, 15), "1.750000000000000"),
    ("CASE WHEN 1 = 1 THEN 1 ELSE 2.5 END", (11, 1), "1.0"),
]  # fmt: skip


def test_arithmetic_has_dremios_types_and_values(ask):
    found = ask("SELECT " + ", ".join(f"{text} AS c{number}" for number, (text, *_) in enumerate(VALUES)))
    kinds = {
        text: (field.type.precision, field.type.scale) for (text, *_), field in zip(VALUES, found.schema, strict=True)
    }
    assert kinds == {text: kind for text, kind, _ in VALUES}
    (row,) = found.to_pylist()
    assert {text: str(value) for (text, *_), value in zip(VALUES, row.values(), strict=True)} == {
        text: value for text, _, value in VALUES
    }


DOUBLES = ["1.5 * CAST(2 AS DOUBLE)", "1.5 + CAST(2 AS FLOAT)", "CAST(3 AS FLOAT) / 1.5", "1.5 / 1e0", "POWER(1.5, 2)"]
AVERAGE = "(SELECT AVG(x) FROM (VALUES (1.25), (2.50), (3.00)) AS t(x))"


def test_what_meets_a_double_or_a_float_is_a_double_and_so_is_an_average(ask):
    """As RelDataTypeSystemImpl.deriveAvgAggType and TestDecimalVectorizedAgg of dremio-oss 25.2 have it."""
    found = ask("SELECT " + ", ".join(f"{text} AS c{number}" for number, text in enumerate([*DOUBLES, AVERAGE])))
    assert set(found.schema.types) == {pa.float64()}
    assert list(found.to_pylist()[0].values()) == [3.0, 3.5, 2.0, 1.5, 2.25, 2.25]


def test_types_are_known_through_nested_queries_groups_and_windows(ask):
    found = ask(
        """WITH t AS (SELECT 1 AS n, 1.25 AS x UNION ALL SELECT 1, 2.00),
                s AS (SELECT n, x / 3 AS third, SUM(x) OVER (PARTITION BY n) AS total FROM t)
           SELECT third / 2 AS y, total / COUNT(*) AS mean, COUNT(*) * 1.0 / 2 AS half FROM s
           GROUP BY third / 2, total ORDER BY third / 2"""
    )
    assert [str(kind) for kind in found.schema.types] == [
        "decimal128(25, 24)", "decimal128(38, 6)", "decimal128(33, 12)"
    ]  # fmt: skip
    assert [tuple(map(str, row.values())) for row in found.to_pylist()] == [
        ("0.208333333333350000000000", "3.250000", "0.500000000000"),
        ("0.333333333333350000000000", "3.250000", "0.500000000000"),
    ]


def test_a_sum_that_does_not_fit_38_digits_fails(ask):
    nines = f"CAST({'9' * 38} AS DECIMAL(38, 0))"
    assert ask(f"SELECT SUM(x) AS s FROM (SELECT {nines} AS x) AS t").to_pylist() == [{"s": Decimal("9" * 38)}]
    for total in ("SUM(x)", "SUM(x) OVER ()"):
        with pytest.raises(FailedStatementError, match="more than 38 digits"):
            ask(f"SELECT {total} AS s FROM (SELECT {nines} AS x UNION ALL SELECT 1) AS t")


REFUSED = {
    "CAST(5 AS DECIMAL(38, 20)) * CAST(3 AS DECIMAL(38, 20))": "more than 38 decimals; cast one to fewer",
    "MOD(CAST(5 AS DECIMAL(38, 2)), CAST(3 AS DECIMAL(38, 20)))": "on one scale; cast one to fewer",
    "1 / CAST(3 AS DECIMAL(38, 33))": "too many decimals; cast it to fewer",
    " + ".join(f"{number}.5" for number in range(70)): "cast them to DOUBLE",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=["times", "modulo", "divided", "many"])
def test_what_cannot_be_the_same_is_refused_by_name(ask, text, message):
    with pytest.raises(RefusedStatementError, match=message):
        ask(f"SELECT {text} AS v")


@pytest.mark.parametrize("text", ["1.5 / 0", "1.5 / 0.0", "1.5 % 0", "CAST(1 AS DECIMAL(38, 0)) / 0"])
def test_a_division_by_zero_fails(ask, text):
    with pytest.raises(FailedStatementError, match="divide by zero"):
        ask(f"SELECT {text} AS v")


def test_what_is_wrong_elsewhere_is_said_of_the_statement_itself(ask):
    with pytest.raises(RefusedStatementError, match='"nothing" was not found') as refused:
        ask("SELECT nothing / 1.5 AS v")
    assert "sha256" not in str(refused.value)


def number(rng):
    """Return a number's SQL, its type and its value; small enough that products and quotients fit 128 bits."""
    if rng.random() < 0.3:
        name, digits = rng.choice([("INT", 10), ("BIGINT", 19)])
        value = rng.randint(-(10**8), 10**8)
        return f"CAST({value} AS {name})", Digits(digits, 0), Decimal(value)
    scale = rng.randint(0, 9)
    kind = Digits(scale + rng.randint(1, 9), scale)
    value = Decimal(rng.randint(-(10 ** rng.randint(0, 12)), 10 ** rng.randint(0, 12)) % 10**kind.precision).scaleb(
        -scale
    )
    return f"CAST('{value:f}' AS DECIMAL({kind.precision}, {kind.scale}))", kind, value


def exactly(operation, a, b):
    with localcontext() as context:
        context.prec = 120
        whole = {"/": lambda: a / b, "%": lambda: a - b * (a / b).to_integral_value(ROUND_DOWN)}
        return {"+": a + b, "-": a - b, "*": a * b}.get(operation) or whole.get(operation, lambda: Decimal(0))()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_arithmetic_agrees_with_exact_arithmetic(ask, seed):
    rng, asked, expected = random.Random(seed), [], []
    while len(asked) < 12:
        (text, kind, a), (other, other_kind, b) = number(rng), number(rng)
        operation = rng.choice("+-*/%")
        if "DECIMAL" in text + other and b:
            wanted = result(operation, kind, other_kind)
            with localcontext() as context:
                context.prec = 120
                value = exactly(operation, a, b).quantize(Decimal(1).scaleb(-wanted.scale), ROUND_HALF_UP)
            asked.append(f"{text} {operation} {other}")
            expected.append((*wanted, value))
    found = ask("SELECT " + ", ".join(f"{text} AS c{place}" for place, text in enumerate(asked)))
    kinds = [(kind.precision, kind.scale) for kind in found.schema.types]
    given = zip(asked, kinds, found.to_pylist()[0].values(), strict=True)
    assert [(text, *kind, value) for text, kind, value in given] == [
        (text, *each) for text, each in zip(asked, expected, strict=True)
    ]
