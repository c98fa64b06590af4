"""The two engines find the same, in whatever chunks the cells come, and nothing said repeats a value."""

import random
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.archive.privacy import ColumnScan, TextScan, engine
from lakehouse.archive.privacy.asked import anywhere, behind_sieve, behind_wide_sieve
from lakehouse.archive.privacy.disguise import VEILS
from lakehouse.archive.privacy.finder import find, matches
from lakehouse.archive.privacy.kinds import compiled, identifiers
from lakehouse.archive.privacy.names import weights

PIECES = (
    "ann.lee@west-school.org", "(212) 555-0123", "+49 30 1234567", "900-12-3456", "4111 1111 1111 1111", "8.8.8.8",
    "12 Oak Street", "Bahnhofstraße 7", "DE89370400440532013000", "00:1b:44:11:3a:b7", "MRN: 12345678", "born 1/2/2001",
    "https://www.school.org/7", "SW1A 1AA", "aged 93", "AB 12 34 56 C", "48.85837, 2.29448", "plain words", "x", "",
    "123456789012345", "ünïcode wörds", "two\nlines", "a@b", "19.99", "-3", "2019-09-01",
)  # fmt: skip


PLAIN_PIECES = ("plain words", "x", "", "ünïcode wörds", "a@b", "19", "in room 7")


def cells(seed, count=400):
    draw = random.Random(seed)
    return [" ".join(draw.choice(PIECES) for _ in range(draw.randrange(1, 4))) for _ in range(count)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_both_engines_name_every_cell_that_the_finder_confirms(seed):
    if not engine.HAS_HYPERSCAN:
        pytest.skip("Hyperscan is not built for this processor")
    array = pa.array(cells(seed), pa.string())
    groups = anywhere("columns") + VEILS, behind_sieve("columns"), behind_wide_sieve("columns")
    fast, plain = (ask(groups[0], array, *groups[1:]) for ask in (engine.with_hyperscan, engine.with_re2))
    for kind in identifiers():
        sure = {row for row, cell in enumerate(array.to_pylist()) if any(f.kind == kind for f in find(cell, [kind]))}
        if identifiers()[kind].where == "texts":
            continue
        assert sure <= set(fast.get(kind, [])), kind
        assert sure <= set(plain.get(kind, [])), kind
        assert sure <= set(engine.fitting(identifiers()[kind].exact, array)), kind


SIEVED_KINDS = [kind for kind, one in identifiers().items() if one.sieved]


@pytest.mark.parametrize("kind", SIEVED_KINDS)
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_value_of_a_sieved_kind_passes_the_sieve(kind, data):
    one = identifiers()[kind]
    value = data.draw(st.from_regex(compiled(one.pattern), fullmatch=True, alphabet=st.characters(codec="ascii")))
    # A number of a vehicle that is letters only does not count, so the sieve need not know it.
    if next(matches(one, value), None) is not None or one.confirm != "vehicle":
        assert re.search(f"{engine.SIEVE}|{engine.BESIDE}", value), value


@pytest.mark.parametrize("kind", [kind for kind, one in identifiers().items() if one.cue_sieved])
@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_value_behind_a_word_passes_the_wide_sieve(kind, data):
    one = identifiers()[kind]
    value = data.draw(
        st.from_regex(compiled(one.cue_probe or one.cue_pattern), fullmatch=True, alphabet=st.characters(codec="ascii"))
    )
    assert re.search(engine.WIDE_SIEVE, value), value


@pytest.mark.parametrize("seed", [6, 7])
def test_cells_behind_the_sieve_are_found_as_in_one_pass(seed, monkeypatch):
    if not engine.HAS_HYPERSCAN:
        pytest.skip("Hyperscan is not built for this processor")
    draw = random.Random(seed)
    mixed = [draw.choice(PIECES if draw.random() < 0.05 else PLAIN_PIECES) for _ in range(4_000)]
    array = pa.array(mixed, pa.string())
    direct, sieved, widely = anywhere("texts"), behind_sieve("texts"), behind_wide_sieve("texts")
    once = engine.with_hyperscan(direct + sieved + widely, array)
    for many, sieve in ((engine.MANY_BYTES, engine.SIEVE), (0, engine.WIDE_SIEVE)):
        monkeypatch.setattr(engine, "MANY_BYTES", many)
        assert engine._sieve(array, sieved, widely) == sieve
        twice = engine.with_hyperscan(direct, array, sieved, widely)
        assert {k: v.tolist() for k, v in once.items()} == {k: v.tolist() for k, v in twice.items()}
    assert {"email", "phone", "social_security", "postcode"} <= set(once)


def test_numbers_that_count_on_are_not_sieved_by_the_short_ones_at_the_start(monkeypatch):
    if not engine.HAS_HYPERSCAN:
        pytest.skip("Hyperscan is not built for this processor")
    monkeypatch.setattr(engine, "MANY_BYTES", 0)
    counted = pa.array([f"the pupil read {n}" for n in range(40_000)])
    sieved, widely = behind_sieve("columns"), behind_wide_sieve("columns")
    assert engine._sieve(counted, sieved, widely) == engine.SIEVE
    assert engine._sieve(counted[:9_000], sieved, widely) == engine.WIDE_SIEVE


# What stands between a word and its number is counted in letters, however many bytes each has.
BEHIND_DASHES = (
    ("MRN \u2013 12345678", "medical_record"), ("passport no. \u201cX1234567\u201d", "licence"),
    ("born \u2013 1/2/2001", "birth_date"), ("Fax\u00a0:\u00a0+49 30 1234567", "fax"),
    ("account \u2014 12345678", "account"), ("at https://übung.schule.de/x", "url"),
    ("mail to ann.@west-school.org", "email"), ("ann@west-school.\u200borg", "email"),
    *((f"ann@west{letter}-school.org", "email") for letter in "\u200e\u202b\u2062\ufe0f\u180e"),
    *((f"ann{letter}@west{letter}-school.org", "email") for letter in "\u034f\u061c\u1160\u3164\uffa0"),
    *((f"ann{letter}@west{letter}-school.org", "email") for letter in "\U0001d173\U000e0041\U000e0101"),
    ("900-\u316412-\uffa03\U000e0020456", "social_security"),
    ("(212)\u00ad-\u00ad555-\u00ad0123", "phone"), ("900-\u200b12-\u200b3456", "social_security"),
)  # fmt: skip


@pytest.mark.parametrize("has_hyperscan", [True, False])
def test_letters_of_several_bytes_hide_nothing(has_hyperscan, monkeypatch):
    monkeypatch.setattr(engine, "HAS_HYPERSCAN", has_hyperscan and engine.HAS_HYPERSCAN)
    for cell, kind in BEHIND_DASHES:
        column, texts = ColumnScan("x", ""), TextScan()
        column.add(pa.array([cell]), 0)
        texts.add([cell], 0)
        assert {kind} <= {s.kind for s in column.suspicions()} & {s.kind for s in texts.suspicions()}, cell


@pytest.mark.parametrize("has_hyperscan", [True, False])
def test_a_break_after_a_value_hides_it_nowhere(has_hyperscan, monkeypatch):
    monkeypatch.setattr(engine, "HAS_HYPERSCAN", has_hyperscan and engine.HAS_HYPERSCAN)
    for others in (["x"], ["é"]):
        scan = ColumnScan("fax", "")
        scan.add(pa.array(["0301234567\n", "0301234567", *others]), 0)
        assert [(s.kind, s.rows) for s in scan.suspicions()] == [("fax", (0, 1))]


def test_positions_come_once_and_in_order():
    rows = np.array([3, 1, 1, 7, 3], np.int64)
    assert engine.once(rows).tolist() == [1, 3, 7]
    assert engine.either(rows, np.array([0, 7], np.int64)).tolist() == [0, 1, 3, 7]
    assert engine.either(engine.NOWHERE, engine.NOWHERE).tolist() == []


def test_the_first_document_of_a_kind_is_the_first_in_which_it_stands():
    texts = TextScan()
    texts.add(pa.array(["(212) 555-0123", "ann@west-school.org", "bo@west-school.org or (212) 555-0123"]), 4)
    found = {s.kind: s.rows for s in texts.suspicions()}
    assert (found["email"], found["phone"]) == ((5, 6), (4, 6))


@pytest.mark.parametrize("seed", [4, 5])
def test_without_hyperscan_the_same_is_found(seed, monkeypatch):
    def scanned():
        column, texts = ColumnScan("note", ""), TextScan()
        column.add(pa.array(cells(seed)), 1)
        texts.add(pa.array(cells(seed)), 1)
        return column.suspicions(), texts.suspicions()

    fast = scanned()
    monkeypatch.setattr(engine, "HAS_HYPERSCAN", False)
    assert scanned() == fast
    assert fast[0]


@pytest.mark.parametrize("step", [1, 7, 64, 400])
def test_the_size_of_chunks_changes_nothing(step):
    values = cells(9)
    whole, parts = ColumnScan("note", ""), ColumnScan("note", "")
    whole.add(pa.array(values), 5)
    for first in range(0, len(values), step):
        parts.add(pa.array(values[first : first + step], pa.string()), 5 + first)
    assert parts.suspicions() == whole.suspicions()


def test_rows_are_those_of_the_values():
    scan = ColumnScan("x", "")
    scan.add(pa.array(["a", "b", "ann@west-school.org"]), 10)
    scan.add(pa.array([None, "bo@west-school.org"]), 13)
    (found,) = scan.suspicions()
    assert (found.count, found.first_row, found.rows) == (2, 12, (12, 14))
    assert found.example == "xxx@xxxx-xxxxxx.xxx"


def test_repeated_values_count_every_time():
    values = (["Less than two-year"] * 9 + ["ask ann@west-school.org"]) * 2_000
    scan = ColumnScan("x", "")
    scan.add(pa.array(values), 0)
    (found,) = [s for s in scan.suspicions() if s.kind == "email"]
    assert (found.count, found.first_row) == (2_000, 9)


def test_empty_columns_and_types_of_text_are_taken():
    for cells_of in (pa.array([], pa.string()), pa.array([None, None], pa.string()), pa.array(["", ""])):
        scan = ColumnScan("x", "")
        scan.add(cells_of, 0)
        assert scan.suspicions() == ()
    scan = ColumnScan("x", "")
    scan.add(pa.array(["ann@west-school.org"], pa.large_string()), 0)
    assert [s.kind for s in scan.suspicions()] == ["email"]


def test_the_memory_of_a_scan_is_bounded():
    import sys

    scan = ColumnScan("x", "")
    for first in range(0, 50_000, 10_000):
        scan.add(pa.array([f"a{n}@west-school.org" for n in range(first, first + 10_000)]), first)
    (found,) = [s for s in scan.suspicions() if s.kind == "email"]
    assert found.count == 50_000
    assert len(found.rows) == 100
    assert sum(sys.getsizeof(tally) for tally in scan._tallies.values()) < 100_000


def test_every_pattern_says_its_shortest_value():
    from re import _parser

    for kind, one in identifiers().items():
        if one.pattern is not None:
            assert one.shortest <= _parser.parse(one.pattern).getwidth()[0], kind


def test_the_weights_are_text_and_numbers():
    assert len(weights()) > 1_000
    assert all(abs(weight) < 1_000 for weight in weights().values())


def test_compiled_patterns_are_kept_and_damaged_ones_made_again(tmp_path, monkeypatch):
    patterns = (("word", "abc[0-9]+"),)
    cells = pa.array(["xabc1", "none"])
    monkeypatch.setattr(engine, "COMPILED", tmp_path / "patterns")
    engine._database.cache_clear()
    first = engine.with_hyperscan(patterns, cells)
    (kept,) = (tmp_path / "patterns").iterdir()
    body = kept.read_bytes()
    for damaged in (body, body[:-9], b"", body[:40] + b"\0\1\2\3" + body[44:]):
        kept.write_bytes(damaged)
        engine._database.cache_clear()
        found = engine.with_hyperscan(patterns, cells)
        assert {kind: rows.tolist() for kind, rows in found.items()} == {"word": [0]}
        assert kept.read_bytes() == body
    assert {kind: rows.tolist() for kind, rows in first.items()} == {"word": [0]}
    engine._database.cache_clear()
