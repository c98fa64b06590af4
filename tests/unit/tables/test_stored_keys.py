"""Keys of rows that are stored already: those that repeat are found and named, whatever their order and number."""

import datetime as dt
import math
import random

import pyarrow as pa
import pytest

from lakehouse.tables import stored_keys
from lakehouse.tables.stored_keys import repeated_keys

DAY = dt.date(2026, 1, 1)
MOMENT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


TYPES = (pa.string(), pa.int64())


def tables(*keys, types=TYPES):
    """Return the keys as tables of two rows at most."""
    names = [f"k{at}" for at in range(len(types))]
    pairs = [zip(*keys[at : at + 2], strict=True) for at in range(0, len(keys), 2)]
    return [pa.table([pa.array(*one) for one in zip(columns, types, strict=True)], names) for columns in pairs]


def found(*added, older=(), **options):
    added, older = tables(*added, **options), tables(*older, **options)
    names = added[0].column_names if added else ["k0", "k1"]
    return repeated_keys(names, lambda: added, lambda _: older)


@pytest.fixture
def comparing(monkeypatch):
    """Return the keys that were compared with each other."""
    calls = []
    usual = stored_keys._compared
    monkeypatch.setattr(stored_keys, "_compared", lambda *given: (calls.append(given), usual(*given))[1])
    return calls


def test_keys_that_ascend_are_looked_at_once(comparing):
    assert found(("a", 1), ("a", 2), ("a", 10), ("b", 1), ("b", 2)) == []
    assert found() == []
    assert not comparing


def test_a_number_that_is_none_repeats_like_others():
    said = found((math.nan, 1), (math.nan, 1), (math.nan, 1), types=(pa.float64(), pa.int64()))
    assert said == ["key (k0, k1) is not unique: 3 rows with k0=nan, k1=1"]


def test_texts_of_two_kinds_are_compared_all_the_same():
    kinds = [pa.table({"k0": pa.array([one], kind)}) for one, kind in (("b", pa.string()), ("a", pa.large_string()))]
    assert repeated_keys(["k0"], lambda: kinds, lambda _: []) == []


@pytest.mark.parametrize(
    "keys",
    [
        [("a", 2), ("a", 1)],
        [("a", 1), ("a", 2), ("a", 2)],
        [("a", 1), ("b", 1), ("a", 1)],
        [("b", 1), ("a", 2), ("a", 3), ("b", 1)],
    ],
)
def test_others_are_compared_with_each_other(comparing, keys):
    repeated = {key for key in keys if keys.count(key) > 1}
    said = found(*keys)
    assert len(comparing) == 1
    assert said == [f"key (k0, k1) is not unique: 2 rows with k0='{name}', k1={n}" for name, n in repeated]


def test_older_rows_count_too(comparing):
    assert found(("a", 1), ("a", 2), older=[("b", 1)]) == []
    assert found(("a", 1), ("a", 2), older=[("b", 2), ("a", 2)]) == [
        "key (k0, k1) is not unique: 2 rows with k0='a', k1=2"
    ]
    assert len(comparing) == 2


def test_a_few_keys_are_named_and_the_others_counted():
    keys = [("v", n % 40) for n in range(100)]
    (said,) = found(*keys)
    assert said.count("rows with k0='v', k1=") == 5
    named = sum(int(part.split()[0]) - 1 for part in said.removeprefix("key (k0, k1) is not unique: ").split("; "))
    assert said.endswith(f" and {60 - named} more")


def test_more_keys_than_are_held_in_memory_are_compared(monkeypatch):
    monkeypatch.setattr(stored_keys, "MEMORY_KEYS", 8)
    keys = [("v", n) for n in random.Random(3).sample(range(10**9), 101)]
    assert found(*keys) == []
    assert found(*keys, older=keys[7:8]) == [f"key (k0, k1) is not unique: 2 rows with k0='v', k1={keys[7][1]}"]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.int64(), [2**62, None, 2**62 + 1, 0]),
        (pa.string(), ["b", None, "", "a"]),
        (pa.date32(), [DAY, None, DAY + dt.timedelta(1), DAY - dt.timedelta(1)]),
        (pa.timestamp("us", "UTC"), [MOMENT, None, MOMENT + dt.timedelta(1), MOMENT - dt.timedelta(1)]),
        (pa.float64(), [1.5, None, -0.5, 0.25]),
        (pa.bool_(), [True, None, False]),
    ],
)
def test_keys_of_every_type_and_absent_ones_are_told_apart(kind, values):
    assert found(*[(one,) for one in values], types=[kind]) == []
    for again in values:
        (said,) = found(*[(one,) for one in (*values, again)], types=[kind])
        shown = pa.array([again], kind).to_pylist()[0]
        assert said == f"key (k0) is not unique: 2 rows with k0={shown!r}"
