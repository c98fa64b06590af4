"""Promises of checkpoints on disk."""

import dataclasses
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys

import pytest
import torch

from models.checkpoint import FILES, CheckpointStore, load, load_unverified
from models.config import TINY
from models.durable import SUMS
from models.errors import CheckpointError
from models.lm import LanguageModel
from tests.unit.models.conftest import ORIGIN


@pytest.fixture
def copy(checkpoint, tmp_path):
    folder = tmp_path / "gpt-0001"
    shutil.copytree(checkpoint, folder)
    for path in folder.iterdir():
        path.chmod(0o644)
    return folder


def test_a_model_comes_back_with_its_weights_tokenizer_and_recipe(checkpoint, trained):
    loaded = load(checkpoint)
    assert loaded.recipe == TINY
    assert loaded.tokenizer.encode("the school") == trained.tokenizer.encode("the school")
    for name, weight in trained.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], weight)


def test_what_was_done_is_recorded(checkpoint):
    training = json.loads((checkpoint / "training.json").read_text())
    assert training["training_key"] == "key-1"
    assert training["dataset_commits"] == {"letters": "c0ffee"}
    assert training["recipe"] == dataclasses.asdict(TINY)
    assert training["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert training["parameter_count"] == sum(weight.numel() for weight in LanguageModel(TINY).parameters())
    assert training["train_tokens"] == TINY.steps * TINY.tokens_per_step
    assert training["final_validation_bits_per_byte"] > 0


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_is_refused(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{name} is not what was written"):
        load(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_short_or_missing_is_refused(copy, name):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="is not what was written"):
        load(copy)
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        load(copy)


@pytest.mark.parametrize("content", ["", "abc  model.safetensors\n", "\udcff"])
def test_broken_checksums_are_refused(copy, content):
    (copy / SUMS).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(CheckpointError, match=SUMS):
        load(copy)


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


def test_a_pickle_named_safetensors_is_refused_and_not_executed(copy, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (copy / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError, match="is no safetensors file"):
        load_unverified(copy)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x02", struct.pack("<Q", 2**62) + b"{}", struct.pack("<Q", 2**63 - 1), b"PK\x03\x04" + bytes(100)],
    ids=["empty", "one byte", "a header of 2^62 bytes", "a header and nothing else", "a zip archive as torch saves it"],
)
def test_what_is_no_safetensors_file_is_refused(copy, content):
    (copy / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="is no safetensors file"):
        load_unverified(copy)


def test_weights_cut_short_are_refused_though_nobody_compares_checksums(copy):
    content = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(content[:-100])
    with pytest.raises(CheckpointError, match="is no safetensors file"):
        load_unverified(copy)


def test_weights_of_another_shape_are_refused(copy):
    (copy / "recipe.json").write_text(dataclasses.replace(TINY, layers=1).canonical_json())
    with pytest.raises(CheckpointError, match=r"does not fit recipe\.json"):
        load_unverified(copy)
    (copy / "recipe.json").write_text(dataclasses.replace(TINY, width=64).canonical_json())
    with pytest.raises(CheckpointError, match=r"size mismatch for \S+: .* and \d+ more$") as refused:
        load_unverified(copy)
    assert "\n" not in str(refused.value)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        load(tmp_path / "gpt-0009")


def test_versions_count_up_and_are_found_by_their_key(trained, tmp_path):
    store = CheckpointStore(tmp_path / "checkpoints")
    assert store.versions() == []
    assert store.find("key-1") is None
    assert store.add(trained, ORIGIN) == "gpt-0001"
    assert store.add(trained, dataclasses.replace(ORIGIN, training_key="key-2")) == "gpt-0002"
    assert store.versions() == ["gpt-0001", "gpt-0002"]
    assert store.find("key-1") == "gpt-0001"
    assert store.find("key-3") is None
    assert store.folder("gpt-0002").name == "gpt-0002"


@pytest.mark.parametrize("version", ["gpt-0002", "../gpt-0001", "", "."])
def test_an_unknown_version_is_an_error(checkpoint, version):
    with pytest.raises(CheckpointError, match="no checkpoint"):
        CheckpointStore(checkpoint.parent).folder(version)


def test_an_altered_checkpoint_is_not_reused(copy):
    copy.joinpath("config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="is not what was written"):
        CheckpointStore(copy.parent).find("key-1")


def test_leftovers_of_dead_runs_are_removed_and_those_of_live_ones_kept(trained, tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead, live = tmp_path / f".writing-{ended.pid}-x", tmp_path / f".writing-{os.getpid()}-x"
    dead.mkdir()
    live.mkdir()
    store = CheckpointStore(tmp_path)
    store.add(trained, ORIGIN)
    assert not dead.exists()
    assert live.exists()
    assert store.versions() == ["gpt-0001"]


def test_a_run_that_fails_while_writing_leaves_nothing(trained, tmp_path):
    store = CheckpointStore(tmp_path)
    with pytest.raises(TypeError):
        store.add(trained, dataclasses.replace(ORIGIN, dataset_commits={"a": object()}))
    assert list(tmp_path.iterdir()) == []
