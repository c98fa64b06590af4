"""Promises of packing and sampling."""

import json
from itertools import islice

import numpy as np
import pytest
import torch

from models.ahead import Ahead
from models.batches import Loader, batches, fixed_windows, pack
from models.config import TINY
from models.counted import Counted
from models.documents import of_split
from models.errors import NoDocumentsError
from models.token_file import read_tokens, write_tokens
from models.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def tokenizer(documents):
    return train_tokenizer((each.text for each in of_split(documents, "train")), vocabulary_size=TINY.vocabulary_size)


@pytest.fixture(scope="module")
def packed(documents, tokenizer):
    return pack(of_split(documents, "train"), tokenizer)


def test_every_document_is_opened_by_the_mark_and_keeps_its_text(documents, packed, tokenizer):
    for document, tokens in zip(of_split(documents, "train"), packed.documents, strict=True):
        assert tokens[0] == tokenizer.end_of_text
        assert tokenizer.decode(tokens.tolist()) == document.text


def test_tokens_in_a_file_are_those_in_memory(documents, packed, tokenizer, tmp_path):
    path = tmp_path / "tokens"
    stored = read_tokens(path, write_tokens(of_split(documents, "train"), tokenizer, path))
    assert (stored.names, stored.bytes_per_token) == (packed.names, packed.bytes_per_token)
    assert isinstance(stored.documents[0].base, np.memmap)
    assert {each.dtype for each in stored.documents} == {np.dtype(np.uint16)}
    for one, two in islice(zip(batches(packed, TINY), batches(stored, TINY), strict=True), 40):  # more than one pass
        assert np.array_equal(one.inputs_BT, two.inputs_BT)
        assert np.array_equal(one.targets_BT, two.targets_BT)
        assert one.document_names() == two.document_names()
    assert np.array_equal(*(fixed_windows(each, context=16, count=5) for each in (packed, stored)))
    counted = (Counted.count(each, order=3, vocabulary_size=TINY.vocabulary_size) for each in (packed, stored))
    assert np.array_equal(*(each.chances(packed.documents[0][None, :20]) for each in counted))
    none = tmp_path / "none"
    assert read_tokens(none, write_tokens([], tokenizer, none)).documents == []


def test_windows_are_cut_from_all_documents_joined(packed):
    stream = np.concatenate(packed.documents)
    windows = fixed_windows(packed, context=16, count=10**6)
    assert np.array_equal(windows[:, :-1].ravel(), stream[: 16 * len(windows)])


def test_bytes_per_token_counts_every_byte(documents, packed):
    size = sum(len(each.text.encode()) for each in of_split(documents, "train"))
    assert packed.bytes_per_token * packed.token_count == pytest.approx(size)


def test_an_epoch_shows_each_token_at_most_once_and_nearly_all(packed):
    drawn = Loader(packed, context=16, batch=1, seed=0)
    first = [batch.inputs_BT[0] for batch in islice(drawn, packed.token_count) if batch.epoch == 0]
    shown = np.bincount(np.concatenate(first), minlength=400)
    there = np.bincount(np.concatenate(packed.documents), minlength=400)
    assert np.all(shown <= there)
    assert there.sum() - shown.sum() <= 17


def test_targets_are_the_inputs_moved_by_one(packed):
    batch = next(batches(packed, TINY))
    assert batch.inputs_BT.shape == (TINY.batch, TINY.context)
    assert np.array_equal(batch.inputs_BT[:, 1:], batch.targets_BT[:, :-1])


def test_the_seed_fixes_the_order(packed):
    def order(recipe):
        return np.stack([batch.inputs_BT for batch in islice(batches(packed, recipe), 40)])

    assert np.array_equal(order(TINY), order(TINY))
    assert not np.array_equal(order(TINY), order(TINY.with_seed(1)))


def test_too_little_text_is_an_error(packed):
    with pytest.raises(NoDocumentsError, match="do not fill one window"):
        Loader(packed, context=10**6, batch=1, seed=0)


@pytest.mark.parametrize("done", [0, 1, 7, 40])
def test_a_loader_taken_up_again_goes_on_as_if_it_had_never_stopped(packed, done):
    whole, other = batches(packed, TINY), batches(packed, TINY)
    for _ in range(done):
        next(whole)
    other.resume(json.loads(json.dumps(whole.state())))
    for one, two in islice(zip(whole, other, strict=True), 40):  # more than one pass
        assert np.array_equal(one.inputs_BT, two.inputs_BT)
        assert one.epoch == two.epoch


@pytest.mark.parametrize("done", [0, 1, 7])
def test_batches_made_ready_ahead_are_the_same_and_stand_where_the_last_one_given_was(packed, done):
    plain = batches(packed, TINY)
    with Ahead(batches(packed, TINY), torch.device("cpu")) as ahead:
        for _ in range(done):
            assert np.array_equal(next(ahead).inputs_BT, next(plain).inputs_BT)
        assert ahead.state() == plain.state()
        with Ahead(batches(packed, TINY), torch.device("cpu")) as again:
            again.resume(json.loads(json.dumps(ahead.state())))
            for one, two in islice(zip(iter(ahead.__next__, None), plain, strict=False), 40):  # more than one pass
                assert np.array_equal(one.targets_BT, two.targets_BT)
                assert np.array_equal(next(again).targets_BT, two.targets_BT)


def test_a_batch_names_the_documents_it_shows(packed, tokenizer, documents):
    texts = {each.document_id: each.text for each in documents}
    for batch in islice(batches(packed, TINY), 30):
        named = batch.document_names()
        assert len(named) == len(set(named))
        for epoch, at in batch.windows:
            shown = tokenizer.decode(epoch.window(at).tolist())
            joined = "".join(texts[name] for name in epoch.names_in(at))
            assert shown.strip("\ufffd") in joined


def test_validation_windows_are_fixed_and_absent_when_there_is_no_text(packed):
    one, two = (fixed_windows(packed, context=16, count=5) for _ in range(2))
    assert one.shape == (5, 17)
    assert np.array_equal(one, two)
    assert fixed_windows(packed, context=10**6, count=5) is None
    assert fixed_windows(type(packed)(documents=[], names=[], byte_count=0), context=16, count=5) is None
