"""Characters of tiny Shakespeare: our recipe beside nanoGPT's CPU configuration, on the same held-out windows.

The recipe was chosen on the last tenth of the training text, never on these windows.
"""

import dataclasses
import gzip
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from models.batches import pack
from models.config import CHARACTERS, TINY
from models.counted import Counted
from models.documents import Document
from models.train import mean_loss, train

TEXT = Path(__file__).parents[3] / "shared/data/tinyshakespeare/input.txt.gz"
PEER = Path(__file__).with_name("peer_nanogpt.py")
SEEDS = (0, 1, 2)
PUBLISHED = 1.88
"""Nats a character, nanoGPT's README."""
MEASURE = "tiny Shakespeare, training to nanoGPT's loss on a CPU, one thread"


@pytest.fixture(scope="module")
def text():
    if not TEXT.is_file():
        pytest.skip(f"{TEXT} is not there")
    return gzip.decompress(TEXT.read_bytes()).decode("ascii")


@pytest.fixture(scope="module")
def nanogpt(request, text, tmp_path_factory):
    """Ask nanoGPT for one seed."""
    folder = request.config.getoption("--nanogpt")
    if folder is None:
        pytest.skip("name a checkout of github.com/karpathy/nanoGPT: --nanogpt FOLDER")
    path = tmp_path_factory.mktemp("peer") / "text.txt"
    path.write_text(text, encoding="ascii")

    def asked(seed):
        command = ["env", "OMP_NUM_THREADS=1", sys.executable, PEER, folder.resolve(), path, str(seed)]
        return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)

    return asked


def documents(text):
    return [Document("shakespeare", "tinyshakespeare", text[: int(len(text) * 0.9)], "train")]


def held_windows(text, tokenizer):
    tokens, context = np.array(tokenizer.encode(text[int(len(text) * 0.9) :])), CHARACTERS.context
    return np.stack([tokens[at : at + context + 1] for at in range(0, len(tokens) - context, context)])


@pytest.mark.timeout(7200)
def test_nanogpts_loss_on_characters(bench, text, nanogpt):
    learned, spent = documents(text), {"nanoGPT, 4 layers, 2,000 steps": [], "`CHARACTERS`, the whole of `train`": []}
    theirs, ours = spent.values()
    train(learned, dataclasses.replace(TINY, steps=1), threads=1)  # loads half of torch, for seconds
    worst = 0.0
    for seed in SEEDS:
        peer = nanogpt(seed)
        theirs.append(bench.clocked_elsewhere(None, wall=peer["wall"], cpu=peer["cpu"]).spent)
        trained = []
        ours.append(
            bench.clock(
                lambda seed=seed, kept=trained: kept.append(train(learned, CHARACTERS.with_seed(seed), threads=1))
            )
        )
        mine = trained[0]
        loss = mean_loss(mine.model, held_windows(text, mine.tokenizer), device=mine.device, batch=64)
        worst = max(worst, loss)
        bench.note(
            f"seed {seed}: nanoGPT {peer['loss']:.4f} nats a character after {peer['cpu']:.1f} CPU s with "
            f"{peer['parameters']:,} parameters; ours {loss:.4f} after {ours[-1].cpu:.2f} CPU s with "
            f"{mine.model.parameter_count():,}: 1/{peer['cpu'] / ours[-1].cpu:.1f}"
        )
        assert mine.model.parameter_count() <= 2 * peer["parameters"]
    bench.add(MEASURE, spent)
    assert worst <= PUBLISHED


def test_counts_alone(bench, text):
    """No model at all: what the counts that teach the model know themselves."""
    mine = train(documents(text), dataclasses.replace(CHARACTERS, steps=1), threads=1)
    packed, windows = pack(documents(text), mine.tokenizer), held_windows(text, mine.tokenizer)
    began = time.process_time()
    counted = Counted.count(packed, order=CHARACTERS.counted_order, vocabulary_size=CHARACTERS.vocabulary_size)
    spent = time.process_time() - began
    chances = counted.chances(windows[:, :-1])
    loss = -np.log(np.take_along_axis(chances, windows[:, 1:].reshape(-1, 1), axis=1)).mean()
    bench.note(
        f"n-grams of up to {CHARACTERS.counted_order} characters alone, no model: {loss:.4f} nats a character on the "
        f"same windows, {counted.number_count:,} numbers, counted in {spent:.2f} CPU s"
    )
