"""Held-out documents that training documents say are left out of what models learn from and are measured on."""

import random

import pyarrow as pa

from assets.leaks import without_leaks
from lakehouse.tables.gold import DOCUMENTS

WORDS = [f"word{at}" for at in range(500)]


def row(name, split, text):
    known = {"document_id": name, "dataset": "d", "dataset_version": "1", "dataset_commit": "c", "title": name}
    return {**known, "text": text, "byte_count": len(text), "licence": None, "split": split}


def test_the_held_out_twin_goes_and_all_else_stays():
    texts = [" ".join(random.Random(seed).choices(WORDS, k=50)) for seed in range(4)]
    rows = [
        row("a", "train", texts[0]),
        row("b", "test", texts[0] + " again"),
        row("c", "validation", texts[0].upper()),
        row("d", "test", texts[1]),
        row("e", "train", texts[2] + " again"),
        row("f", "train", texts[2]),
    ]
    kept, found = without_leaks(pa.Table.from_pylist(rows, schema=DOCUMENTS.arrow_schema()))
    assert kept["document_id"].to_pylist() == ["a", "d", "e", "f"]
    assert [(each.held, each.learned) for each in found] == [("b", "a"), ("c", "a")]
    assert without_leaks(kept) == (kept, [])


def test_of_a_validation_and_a_test_document_that_say_the_same_the_test_document_stays():
    texts = [" ".join(random.Random(seed).choices(WORDS, k=50)) for seed in range(3)]
    rows = [
        row("a", "train", texts[0]),
        row("b", "validation", texts[1] + " again"),
        row("c", "test", texts[1]),
        row("d", "validation", texts[2]),
        row("e", "test", texts[0] + " again"),
        row("f", "validation", texts[0].upper()),
    ]
    kept, found = without_leaks(pa.Table.from_pylist(rows, schema=DOCUMENTS.arrow_schema()))
    assert kept["document_id"].to_pylist() == ["a", "c", "d"]
    assert sorted((each.held, each.learned) for each in found) == [("b", "c"), ("e", "a"), ("f", "a")]


def test_no_documents_give_none():
    empty = DOCUMENTS.arrow_schema().empty_table()
    assert without_leaks(empty)[0].num_rows == 0
