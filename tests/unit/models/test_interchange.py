"""Promises of the check that transformers opens what is published."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from models.checkpoint import load, load_unverified
from models.errors import CheckpointError
from models.interchange import LARGEST_DIFFERENCE, require_same_logits

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers' own imports, none of ours


@pytest.fixture
def copy(checkpoint, tmp_path):
    folder = tmp_path / "gpt-0001"
    shutil.copytree(checkpoint, folder)
    for path in folder.iterdir():
        path.chmod(0o644)
    return folder


def change_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_trained_checkpoint_gives_the_same_logits_in_transformers(checkpoint, documents):
    assert require_same_logits(checkpoint, load(checkpoint), documents) < LARGEST_DIFFERENCE / 10


def test_a_config_that_means_another_model_is_refused(copy, documents):
    change_config(copy, rms_norm_eps=0.5)
    with pytest.raises(CheckpointError, match=r"differ by .* between transformers and this library"):
        require_same_logits(copy, load_unverified(copy), documents)


def test_weights_that_are_no_numbers_are_refused(copy, documents):
    weights = load_file(copy / "model.safetensors")
    weights["lm_head.weight"][:] = float("nan")
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="differ by nan"):
        require_same_logits(copy, load_unverified(copy), documents)


def test_a_folder_that_transformers_cannot_open_is_refused(copy, documents):
    loaded = load_unverified(copy)
    change_config(copy, model_type="no-such-model")
    with pytest.raises(CheckpointError, match="does not open"):
        require_same_logits(copy, loaded, documents)
