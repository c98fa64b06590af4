"""Promises of tokenizers and tokens that are kept."""

import dataclasses
import json
import logging
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from models.child import HERE, perform, run_train
from models.config import TINY
from models.documents import documents_from
from models.durable import in_turn
from models.errors import NoDocumentsError
from models.prepare_verbs import PrepareRequest, as_json, kept_from
from models.prepared import KEPT, PreparedStore, prepare
from models.train import train
from tests.unit.models.conftest import rows, table
from tests.unit.models.test_child import request

SIZE = TINY.vocabulary_size


@pytest.fixture
def store(tmp_path):
    return PreparedStore(tmp_path / "prepared")


def same(one, other):
    assert one.tokenizer.sha256() == other.tokenizer.sha256()
    for left, right in ((one.train, other.train), (one.validation, other.validation)):
        assert left.names == right.names
        assert left.byte_count == right.byte_count
        assert all(np.array_equal(*pair) for pair in zip(left.documents, right.documents, strict=True))


def test_what_is_kept_is_what_would_be_made_and_is_made_once(documents, store):
    made = prepare(documents, SIZE)
    same(store.open(documents, SIZE), made)
    names = sorted(each.name for each in store.root.iterdir())
    before = {each: each.stat().st_ino for each in store.root.rglob("*")}
    same(store.open(documents, SIZE), made)
    assert {each: each.stat().st_ino for each in store.root.rglob("*")} == before
    assert [name.partition("-")[0] for name in names] == ["tokenizer", "tokens"]
    kept = store.find("tokens", documents, SIZE)
    assert kept.about["splits"]["train"] == {
        "documents": len(made.train.names),
        "tokens": made.train.token_count,
        "bytes": made.train.byte_count,
    }
    assert kept.about["splits"]["validation"]["tokens"] == made.validation.token_count


def test_other_documents_and_other_vocabularies_have_their_own(documents, store):
    store.open(documents, SIZE)
    changed = [dataclasses.replace(each, text="new") if each.split != "train" else each for each in documents]
    assert store.find("tokens", documents, SIZE + 1) is None
    assert store.find("tokens", changed, SIZE) is None
    assert store.find("tokenizer", changed, SIZE) is not None, "validation texts do not change the tokenizer"
    assert store.find("tokenizer", [each for each in documents if each.document_id != "train/007"], SIZE) is None


@pytest.mark.parametrize(
    ("kind", "name"), [("tokens", "train.tokens"), ("tokens", "index.json"), ("tokenizer", "tokenizer.json")]
)
@pytest.mark.parametrize("harm", ["altered", "cut short", "missing"])
def test_what_was_tampered_with_is_told_and_made_again(documents, store, caplog, kind, name, harm):
    store.open(documents, SIZE)
    path = store.find(kind, documents, SIZE).folder / name
    whole = path.read_bytes()
    path.chmod(0o644)
    if harm == "altered":
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif harm == "cut short":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        path.unlink()
    caplog.set_level(logging.WARNING)
    assert store.find(kind, documents, SIZE) is None
    assert name in caplog.text
    kept = store.keep(kind, documents, SIZE)
    assert kept.created
    assert f"the {kind} kept before cannot be used and was made again: {path}" in kept.left_aside
    assert path.read_bytes() == whole
    same(store.open(documents, SIZE), prepare(documents, SIZE))


def test_a_tokenizer_that_was_killed_while_it_was_written_is_no_tokenizer(documents, store, monkeypatch):
    monkeypatch.setattr("models.prepared.seal", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store.keep("tokenizer", documents, SIZE)
    assert not store.root.exists()


def test_of_several_that_ask_at_once_for_a_damaged_one_each_gets_what_one_of_them_makes(documents, store):
    """Threads stand in for processes: a lock of a folder is held by who opened it."""
    made = prepare(documents, SIZE)
    for _ in range(3):
        store.open(documents, SIZE)
        for path in store.root.glob("*/train.tokens"):
            path.chmod(0o644)
            path.write_bytes(b"x")
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(store.keep, "tokens", documents, SIZE) for _ in range(4)]
            kept = [each.result() for each in asked]
        assert [each.created for each in kept].count(True) == 1
        assert len({each.sha256 for each in kept}) == 1
        same(store.open(documents, SIZE), made)


def test_a_folder_that_its_holder_takes_away_is_made_again_for_who_waits(tmp_path):
    done = []

    def hold(number):
        with in_turn(tmp_path / "turns"):
            (tmp_path / "turns" / "here").mkdir()  # fails where two are in it at once
            done.append(number)
            (tmp_path / "turns" / "here").rmdir()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hold, range(200)))
    assert sorted(done) == list(range(200))
    assert not (tmp_path / "turns").exists()


def test_a_folder_that_goes_while_it_is_looked_at_is_made_again(tmp_path, monkeypatch):
    """`Path.mkdir` raises FileExistsError for a folder that was there and went before it could look again."""
    calls = []

    made = Path.mkdir

    def mkdir(path, *args, **kwargs):
        calls.append(path)
        if len(calls) < 3:
            raise FileExistsError(17, "File exists", str(path))
        made(path, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with in_turn(tmp_path / "turns"):
        assert len(calls) == 3
        assert (tmp_path / "turns").is_dir()


def test_what_is_no_folder_is_refused_and_stays(tmp_path):
    (tmp_path / "turns").write_text("here")
    with pytest.raises(FileExistsError), in_turn(tmp_path / "turns"):
        pass
    assert (tmp_path / "turns").read_text() == "here"


def test_finding_counts_as_using(store):
    made = [documents_from(table(rows(train_count=2, seed=seed))) for seed in range(KEPT + 1)]
    for at, each in enumerate(made[:KEPT]):
        folder = store.keep("tokenizer", each, SIZE).folder
        os.utime(folder, (at, at))
    assert store.find("tokenizer", made[0], SIZE) is not None
    store.keep("tokenizer", made[KEPT], SIZE)
    assert store.find("tokenizer", made[0], SIZE) is not None
    assert store.find("tokenizer", made[1], SIZE) is None


def test_only_those_used_last_stay(store):
    for seed in range(KEPT + 1):
        store.keep("tokenizer", documents_from(table(rows(train_count=2, seed=seed))), SIZE)
    assert len(list(store.root.iterdir())) == KEPT
    assert store.find("tokenizer", documents_from(table(rows(train_count=2, seed=0))), SIZE) is None


def test_no_training_text_is_an_error_and_leaves_nothing(documents, store):
    with pytest.raises(NoDocumentsError, match="split 'train'"):
        store.keep("tokens", [each for each in documents if each.split != "train"], SIZE)
    assert not store.root.exists()


def test_kept_tokens_give_the_weights_that_tokens_in_memory_give(documents, trained, store):
    learned = train(documents, TINY, threads=1, prepared=store.open(documents, SIZE))
    other = trained.model.state_dict()
    assert all(torch.equal(weight, other[name]) for name, weight in learned.model.state_dict().items())
    assert learned.bytes_per_token == trained.bytes_per_token


def test_a_training_takes_what_children_made_before(documents, documents_file, store, tmp_path):
    asked = PrepareRequest(documents=documents_file, prepared=store.root, vocabulary_size=SIZE)
    made = kept_from(perform("tokens", as_json(asked), tmp_path / "made", HERE))
    assert made.created
    assert made == dataclasses.replace(store.find("tokens", documents, SIZE), created=True)
    before = {each: each.stat().st_mtime_ns for each in made.folder.iterdir()}
    training = request(documents_file, tmp_path)
    result = run_train(dataclasses.replace(training, prepared=store.root))
    assert {each: each.stat().st_mtime_ns for each in made.folder.iterdir()} == before
    shutil.rmtree(store.root)
    index = json.loads((result.folder / "training.json").read_text())
    assert index["distinct_tokens"] == made.about["splits"]["train"]["tokens"]
    assert not (training.work / "prepared").exists()
