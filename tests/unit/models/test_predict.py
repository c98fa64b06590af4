"""Promises of predictions on held-out passages."""

import json

import pytest
import torch

from models.checkpoint import load
from models.device import choose_device
from models.documents import documents_from, of_split
from models.predict import CONTINUATION_TOKENS, PREDICTIONS, passages, predict, write_on
from tests.unit.models.conftest import rows, table


@pytest.fixture(scope="module")
def predictions(checkpoint, documents):
    return predict(load(checkpoint), documents, count=6, threads=1)


def test_rows_have_the_promised_columns_and_one_passage_a_document(predictions):
    assert predictions.schema == PREDICTIONS
    made = predictions.to_pylist()
    assert len({row["document_id"] for row in made}) == len(made) == 6
    assert {row["dataset"] for row in made} == {"letters", "numbers"}


def test_a_passage_is_found_in_its_document_at_its_offset(predictions, documents):
    text_of = {document.document_id: document.text.encode() for document in documents}
    for row in predictions.to_pylist():
        document_id, _, offset = row["passage_id"].rpartition("#")
        assert document_id == row["document_id"]
        rest = text_of[document_id][int(offset) :]
        passage = row["passage"].encode()
        assert rest.startswith(passage) or "�" in row["passage"]
        follows = row["next_token"].encode()
        if follows.startswith(b"\\x"):  # part of a character
            follows = bytes.fromhex(follows[2:4].decode())
        assert "�" in row["passage"] or rest[len(passage) :].startswith(follows)


def test_the_five_likeliest_tokens_come_best_first(predictions):
    for row in predictions.to_pylist():
        tokens, chances = json.loads(row["top_tokens"]), json.loads(row["top_probabilities"])
        assert len(tokens) == len(chances) == 5
        assert chances == sorted(chances, reverse=True)
        assert 0 < sum(chances) <= 1
        assert row["in_top_5"] == (row["next_token_probability"] >= chances[-1] - 1e-6)
        assert row["bits_per_byte"] > 0
        assert row["continuation"]


def test_the_same_documents_give_the_same_predictions(predictions, checkpoint, documents):
    assert predict(load(checkpoint), documents, count=6, threads=1).equals(predictions)


def test_only_held_out_documents_are_used(checkpoint, documents):
    made = predict(load(checkpoint), documents, count=1000, threads=1).to_pylist()
    assert {row["document_id"].split("/")[0] for row in made} == {"test"}
    assert len(made) == len(of_split(documents, "test"))


def test_other_documents_do_not_move_a_passage(checkpoint, documents):
    loaded = load(checkpoint)
    held = of_split(documents, "test")
    chosen = {passage.document.document_id: passage.passage_id for passage in passages(held, loaded, count=100)}
    fewer = {passage.document.document_id: passage.passage_id for passage in passages(held[::2], loaded, count=100)}
    assert fewer == {key: chosen[key] for key in fewer}


def test_a_document_of_one_byte_is_predicted(checkpoint):
    made = [*rows(test_count=0), {"document_id": "t", "dataset": "d", "text": "\0", "split": "test"}]
    row = predict(load(checkpoint), documents_from(table(made)), threads=1).to_pylist()[0]
    assert row["passage_id"] == "t#0"
    assert row["passage"] == ""
    assert row["bits_per_byte"] == 0.0
    assert row["next_token"] == "\0"


def test_writing_on_stops_where_the_context_ends(checkpoint):
    model = load(checkpoint).model
    device = choose_device("float32", threads=1)
    prompts = torch.ones((2, 30), dtype=torch.int64)
    assert write_on(model, prompts, CONTINUATION_TOKENS, device=device).shape == (2, 2)
    assert write_on(model, prompts[:, :5], 7, device=device).shape == (2, 7)
