"""Documents for the language model: ids, words, splits and uniqueness by value."""

import random
from collections import Counter

import pyarrow as pa
import pytest

from lakehouse.errors import SchemaError
from lakehouse.tables.documents import assemble, documents_sha256, from_outcomes, from_texts, split_of
from lakehouse.tables.gold import DOCUMENTS
from lakehouse.tables.us_states import STATES

COMMIT = "c" * 40


def texts(*rows: tuple[str, str], version: str = "3.11", **more: str) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"document_id": name, "title": name.title(), "text": text, "dataset_version": version,
             "dataset_commit": COMMIT, **more}
            for name, text in rows
        ]
    )  # fmt: skip


def outcome(state: str | None, degree: str | None, earnings: float | None, idle: float | None, working: float | None):
    return {
        "unitid": 1,
        "state_abbr": state,
        "pred_degree_awarded_ipeds": degree,
        "year": 2011,
        "earnings_med": earnings,
        "count_not_working": idle,
        "count_working": working,
        "dataset_version": "2011",
        "dataset_commit": COMMIT,
    }


OUTCOME_TYPES = pa.schema(
    [
        ("unitid", pa.int64()),
        ("state_abbr", pa.string()),
        ("pred_degree_awarded_ipeds", pa.string()),
        ("year", pa.int64()),
        ("earnings_med", pa.float64()),
        ("count_not_working", pa.float64()),
        ("count_working", pa.float64()),
        ("dataset_version", pa.string()),
        ("dataset_commit", pa.string()),
    ]
)


def outcomes(*rows: dict[str, object]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=OUTCOME_TYPES)


def test_a_text_becomes_a_document_with_its_origin():
    table = from_texts(texts(("for", "Grüße \n\n")), dataset="python_docs", collection="topics", licence="PSF-2.0")
    assert table.schema.equals(DOCUMENTS.arrow_schema())
    assert table.to_pylist() == [
        {
            "document_id": "python_docs/topics/for@3.11",
            "dataset": "python_docs",
            "dataset_version": "3.11",
            "dataset_commit": COMMIT,
            "title": "For",
            "text": "Grüße",
            "byte_count": 7,
            "licence": "PSF-2.0",
            "split": split_of("Grüße"),
        }
    ]


def test_leading_space_and_unicode_form_stay_as_they_are():
    text = "    indented e\N{COMBINING ACUTE ACCENT}\n  code"
    table = from_texts(texts(("a", text)), dataset="d", collection="c", licence=None)
    assert table["text"].to_pylist() == [text]


def test_texts_without_words_are_left_out():
    table = from_texts(texts(("a", " \n"), ("b", ""), ("c", "x")), dataset="d", collection="c", licence=None)
    assert table["document_id"].to_pylist() == ["d/c/c@3.11"]


def test_a_document_keeps_its_own_licence():
    table = from_texts(texts(("a", "x"), licence="CC-BY-4.0"), dataset="d", collection="c", licence="MIT")
    assert table["licence"].to_pylist() == ["CC-BY-4.0"]


def test_outcomes_are_put_into_words_with_their_numbers():
    table = from_outcomes(
        outcomes(
            outcome("VT", "Four-year+ degree", 30000.0, 10.0, 90.0),
            outcome("VT", "Four-year+ degree", 40000.0, 30.0, 70.0),
            outcome("VT", "Two-year degree", None, None, 50.0),
        ),
        dataset="college_scorecard",
        licence="ODC-By-1.0",
    )
    (row,) = table.to_pylist()
    assert row["document_id"] == "college_scorecard/outcomes/VT@2011"
    assert row["title"] == "College outcomes in Vermont, 2011"
    assert row["text"] == (
        "The College Scorecard lists 3 institutions in Vermont for 2011. Of these, 2 mostly award four-year degrees "
        "and 1 mostly awards two-year degrees. Median earnings lie between $30,000 and $40,000 a year, and half of the "
        "reporting institutions are at $35,000 or more. 1 institution does not report earnings. At the 2 institutions "
        "that count both, 80.0 percent of 200 former students work: 160 do and 40 do not."
    )
    assert row["byte_count"] == len(row["text"])


def test_outcomes_that_are_absent_are_said_to_be_not_reported():
    table = from_outcomes(outcomes(outcome(None, None, None, None, None)), dataset="d", licence=None)
    (row,) = table.to_pylist()
    assert row["document_id"] == "d/outcomes/unknown@2011"
    assert row["text"] == (
        "An unnamed state has 1 institution in the College Scorecard of 2011. Of these, 1 mostly awards degrees that "
        "are not stated. None of them has median earnings on record: they are not reported. How many former students "
        "work is not reported."
    )


def test_every_version_and_state_is_one_document_worded_in_more_than_one_way():
    rows = [outcome(state, "Two-year degree", 30000.0, 1.0, 2.0) for state in sorted(STATES)]
    table = from_outcomes(outcomes(*rows), dataset="d", licence=None)
    assert table.num_rows == len(STATES) == 59
    shapes = {text.replace("the ", "").split()[0] for text in table["text"].to_pylist()}
    assert {"In", "The"} <= shapes
    assert from_outcomes(outcomes(*rows[::-1]), dataset="d", licence=None).equals(table)


def test_a_text_that_comes_twice_stays_once_under_the_smallest_id():
    old = from_texts(texts(("a", "same"), ("b", "other")), dataset="d", collection="c", licence=None)
    new = from_texts(texts(("a", "same  "), ("b", "newer"), version="3.12"), dataset="d", collection="c", licence=None)
    ids = ["d/c/a@3.11", "d/c/b@3.11", "d/c/b@3.12"]
    assert assemble([old, new])["document_id"].to_pylist() == ids
    assert assemble([new, old]).equals(assemble([old, new]))
    assert assemble([old, old]).equals(assemble([old]))


def test_one_id_with_two_texts_is_an_error():
    one = from_texts(texts(("a", "x"), ("a", "y")), dataset="d", collection="c", licence=None)
    with pytest.raises(SchemaError, match=r"d/c/a@3\.11 has two texts"):
        assemble([one])


def test_no_parts_give_an_empty_table():
    assert assemble([]).num_rows == 0
    assert assemble([]).schema.equals(DOCUMENTS.arrow_schema())


def test_the_split_of_a_text_never_changes():
    # int(sha256(text)[:16 hex digits]) % 100, worked out beside the code
    known = {
        "r": "test",
        "exam": "test",
        "desk": "validation",
        "paper": "validation",
        "archive": "train",
        "lake": "train",
        "school": "train",
    }
    assert {text: split_of(text) for text in known} == known


def test_reprints_stand_on_the_same_side():
    for number in range(200):
        text = f"The {number}. café\nopens"
        reprints = (f"the {number}.  cafe\N{COMBINING ACUTE ACCENT} opens ", text.upper())
        assert {split_of(reprint) for reprint in reprints} == {split_of(text)}


def test_nine_in_ten_texts_train_and_one_in_twenty_validates_and_tests():
    counts = Counter(split_of(f"text {number}") for number in range(20_000))
    assert counts["train"] == pytest.approx(18_000, abs=200)
    assert counts["validation"] == pytest.approx(1_000, abs=150)
    assert counts["test"] == pytest.approx(1_000, abs=150)


def test_the_hash_of_documents_follows_content_and_nothing_else():
    rows = [(f"n{number}", f"text {number}") for number in range(20)]
    table = from_texts(texts(*rows), dataset="d", collection="c", licence=None)
    order = list(range(20))
    random.Random(1).shuffle(order)
    shuffled = pa.concat_tables([table.take(order[:7]), table.take(order[7:])])
    assert documents_sha256(shuffled) == documents_sha256(table)
    other = from_texts(texts(*rows[:-1], ("n19", "Text 19")), dataset="d", collection="c", licence=None)
    assert documents_sha256(other) != documents_sha256(table)
    assert documents_sha256(table.slice(0, 19)) != documents_sha256(table)
