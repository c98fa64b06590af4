"""Promises about documents, their checks and their hashes."""

import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.documents import documents_from, evaluation_snapshot, of_split, read_documents, snapshot_hash
from models.errors import DocumentsError, NoDocumentsError
from tests.unit.models.conftest import rows, table

SEED, FLIPS = 20261128, 400


def changed(at, **values):
    made = rows()
    made[at] |= values
    return table(made)


def test_rows_come_back_sorted_whatever_their_order():
    assert documents_from(table(rows()[::-1])) == documents_from(table(rows()))


def test_an_empty_table_gives_no_documents_and_says_so_when_they_are_needed():
    documents = documents_from(table([]))
    assert documents == []
    with pytest.raises(NoDocumentsError, match="split 'train' of 0"):
        of_split(documents, "train")


def test_documents_without_text_are_not_chosen():
    chosen = of_split(documents_from(changed(0, text="")), "train")
    assert len(chosen) == 39


def test_an_id_that_comes_twice_is_refused():
    with pytest.raises(DocumentsError, match=r"'train/001' comes twice"):
        documents_from(changed(0, document_id="train/001"))


def test_the_same_text_on_two_sides_is_refused():
    with pytest.raises(DocumentsError, match="same text in different splits"):
        documents_from(changed(0, text=rows()[-1]["text"]))


def test_an_unknown_split_is_refused():
    with pytest.raises(DocumentsError, match="split 'holdout'"):
        documents_from(changed(3, split="holdout"))


def test_a_missing_column_is_named():
    with pytest.raises(DocumentsError, match=r"\['split'\]"):
        documents_from(table(rows()).drop_columns(["split"]))


def test_an_empty_cell_is_refused():
    with pytest.raises(DocumentsError, match="empty column"):
        documents_from(changed(0, text=None))


def test_bytes_that_are_not_utf8_are_refused():
    lone = pa.array([b"ok", b"\xed\xa0\x80 lone"], type=pa.binary()).view(pa.string())
    broken = pa.table({"document_id": ["a", "b"], "dataset": ["d", "d"], "text": lone, "split": ["train", "train"]})
    with pytest.raises(DocumentsError, match="not UTF-8"):
        documents_from(broken)


def test_an_unreadable_file_is_an_error(tmp_path):
    (tmp_path / "documents.parquet").write_bytes(b"PAR1 cut")
    with pytest.raises(DocumentsError, match="cannot read documents"):
        read_documents(tmp_path / "documents.parquet")


def test_the_hash_follows_the_text_the_split_and_nothing_else():
    documents = documents_from(table(rows()))
    assert snapshot_hash(documents) == snapshot_hash(documents_from(table(rows()[::-1])))
    assert snapshot_hash(documents) != snapshot_hash(documents_from(changed(0, text="other")))
    learned = snapshot_hash(documents, splits=("train",))
    assert learned == snapshot_hash(documents_from(changed(-1, text="other")), splits=("train",))


def test_the_evaluation_snapshot_follows_the_held_out_texts():
    held = of_split(documents_from(table(rows())), "test")
    assert evaluation_snapshot(held) == evaluation_snapshot(held[::-1])
    other = of_split(documents_from(changed(-1, text="other")), "test")
    assert evaluation_snapshot(held) != evaluation_snapshot(other)


def test_no_flipped_bit_gives_other_documents(tmp_path):
    draw, file = random.Random(SEED), tmp_path / "documents.parquet"
    pq.write_table(table(rows()), file, write_page_checksum=True)
    good, whole, told = read_documents(file), file.read_bytes(), 0
    for _ in range(FLIPS):
        at = draw.randrange(len(whole))
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << draw.randrange(8)]) + whole[at + 1 :])
        try:
            assert read_documents(file) == good, f"seed {SEED}, byte {at}"
        except DocumentsError:
            told += 1
    assert told > FLIPS / 2
