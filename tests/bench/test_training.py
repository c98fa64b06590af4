"""Training beside transformers' Trainer and litgpt: same shape, tokens, batch and precision, on all cores of a CPU.

Ours is asked three times: with AdamW for its matrices as the others, with Muon, and with Muon that makes directions
orthogonal in bfloat16. A step of Muon is more arithmetic.
"""

import dataclasses
import gzip
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from models import ahead
from models import train as training
from models.batches import batches
from models.config import DEMO
from models.documents import Document
from models.lm import transformers_config
from models.prepared import prepare
from models.progress import Progress
from models.resume import ResumeStore
from models.train import train

TEXT = Path(__file__).parents[3] / "shared/data/tinyshakespeare/input.txt.gz"
TRAINERS = Path(__file__).with_name("trainers.py")
WARM, STEPS = 10, 40
OURS = {
    "ours-adamw": "`train`, AdamW",
    "ours-bfloat16_muon": "`train`, Muon in bfloat16",
    "ours-muon": "`train`, Muon",
}
PLAIN = dataclasses.replace(
    DEMO, steps=WARM + STEPS + 1, warmup_steps=10, precision="float32", record_every=1, validate_every=10**6
)
SHAPES = {
    "of the demo": PLAIN,
    "of 11 million numbers": dataclasses.replace(
        PLAIN, layers=6, heads=6, width=384, mlp_width=1024, context=256, batch=8, steps=WARM + STEPS // 4 + 1
    ),
}
THREADS = os.cpu_count()


@pytest.fixture(scope="module")
def text():
    if not TEXT.is_file():
        pytest.skip(f"{TEXT} is not there")
    return gzip.decompress(TEXT.read_bytes()).decode("ascii")


def documents(text):
    return [Document("text", "text", text, "train")]


@pytest.fixture(params=SHAPES)
def written(request, text, tmp_path):
    """A folder with recipe, text, configuration and windows; and what the shape is called."""
    recipe = SHAPES[request.param]
    prepared = prepare(documents(text), recipe.vocabulary_size)
    config = transformers_config(recipe, end_of_text=prepared.tokenizer.end_of_text, versions={})
    order = batches(prepared.train, recipe)
    drawn = (next(order) for _ in range(recipe.steps))
    windows = np.concatenate([np.hstack([each.inputs_BT, each.targets_BT[:, -1:]]) for each in drawn])
    np.save(tmp_path / "windows.npy", windows)
    (tmp_path / "recipe.json").write_text(recipe.canonical_json(), encoding="utf-8")
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    return request.param, recipe, tmp_path


@pytest.mark.timeout(7200)
def test_tokens_a_second(request, bench, written):
    name, recipe, folder = written
    pythons = dict.fromkeys(["transformers", *OURS], sys.executable)
    if (litgpt := request.config.getoption("--litgpt-python")) is not None:
        pythons["litgpt"] = litgpt.absolute()
    told = {who: [] for who in pythons}

    def asked(who):
        command = ["env", f"OMP_NUM_THREADS={THREADS}", pythons[who], TRAINERS, who, folder, str(WARM), str(THREADS)]
        answer = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
        told[who].append(answer)
        return bench.clocked_elsewhere(
            answer, wall=answer["wall"] / answer["steps"], cpu=answer["cpu"] / answer["steps"]
        )

    labels = {"transformers": "transformers' Trainer", "litgpt": "litgpt's pretrain, compiled"} | OURS
    turns = {labels[who]: lambda _, who=who: lambda: asked(who) for who in labels if who in pythons}
    rounds = request.config.getoption("--training-rounds")
    # Each is a process of its own and takes steps before its clock starts, so no turn is left untimed.
    last = bench.race(f"a training step, shape {name}", turns, rounds=rounds, untimed=0)
    assert len({each["parameters"] for each in last.values()}) == 1
    for who, answers in told.items():
        rates = [recipe.tokens_per_step * each["steps"] / each["wall"] for each in answers]
        peak = statistics.median(each["peak"] for each in answers) / 2**20
        bench.note(
            f"shape {name}, {labels[who]}: {statistics.median(rates):,.0f} tokens a second by the clock, "
            f"{peak:,.0f} MiB at most, {answers[0]['parameters']:,} numbers"
        )


def test_the_loader_hides(bench, text, monkeypatch):
    """What a step waits for its batch, and what making one costs."""
    waited, prepared = [], prepare(documents(text), DEMO.vocabulary_size)

    class Timed(ahead.Ahead):
        def __next__(self):
            began = time.perf_counter()
            ready = super().__next__()
            waited.append(time.perf_counter() - began)
            return ready

    monkeypatch.setattr(training, "Ahead", Timed)
    seen = []
    train(documents(text), PLAIN, prepared=prepared, on_progress=lambda _: seen.append(time.perf_counter()))
    order, alone = batches(prepared.train, PLAIN), []
    for _ in range(STEPS):
        began = time.perf_counter()
        next(order)
        alone.append(time.perf_counter() - began)
    step = statistics.median(np.diff(seen[WARM:]))
    bench.note(
        f"a step of the demo's recipe takes {step * 1000:.1f} ms; making a batch alone "
        f"{statistics.median(alone) * 1000:.2f} ms; a step waits "
        f"{statistics.median(waited[WARM:]) * 1000:.3f} ms for it (highest {max(waited[WARM:]) * 1000:.2f})"
    )
    assert statistics.median(waited[WARM:]) < step / 100


def test_keeping_a_state_and_going_on(bench, text, tmp_path):
    """What it costs that a run can be killed: each kept state, and taking the run up again."""
    prepared, times = prepare(documents(text), DEMO.vocabulary_size), {"keep": [], "find": []}

    class Timed(ResumeStore):
        def save(self, state):
            times["keep"].append(bench.clock(lambda: super(Timed, self).save(state)).wall)

        def newest(self, *, tidy=True):
            found = []
            times["find"].append(bench.clock(lambda: found.append(super(Timed, self).newest(tidy=tidy))).wall)
            return found[0]

    recipe, seen = dataclasses.replace(PLAIN, validate_every=WARM), []
    store = Timed(tmp_path, "0" * 64, Progress)
    train(
        documents(text), recipe, prepared=prepared, resume=store, on_progress=lambda _: seen.append(time.perf_counter())
    )
    whole = train(documents(text), recipe, prepared=prepared, resume=store)
    step, keep = statistics.median(np.diff(seen)), statistics.median(times["keep"])
    assert whole.resumed_at == recipe.steps - 1
    bench.note(
        f"a kept state of the demo's model takes {keep * 1000:.0f} ms, {keep / step:.1f} steps: "
        f"{keep / step / DEMO.validate_every:.2%} of a run that keeps one every {DEMO.validate_every} steps; "
        f"finding the newest one and checking its files {times['find'][-1] * 1000:.0f} ms"
    )
