"""Promises of asking, before training, whether a recipe fits into memory."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models import memory
from models.classifier_recipe import FinetuneRecipe
from models.config import DEMO, TINY
from models.device import Device
from models.errors import TooLargeError
from models.finetune import finetune
from models.memory import Tuned, free_bytes, needed_bytes, require_fits, require_tuning_fits, tuning_bytes
from models.train import train
from tests.unit.models.test_finetune import made

ROOT = Path(__file__).parents[3]
CPU = Device(torch.device("cpu"), torch.float32, "cpu", 2)
CARD = Device(torch.device("cuda"), torch.bfloat16, "a card", 1)
LARGE = dataclasses.replace(DEMO, width=1024, heads=8, mlp_width=3072, layers=24, context=1024, batch=64)


def test_a_recipe_that_fits_is_let_through():
    require_fits(TINY, CPU, tokens=1000, free=2**30)


def test_one_that_does_not_is_refused_with_the_nearest_that_does():
    free = 40 * 2**30
    with pytest.raises(TooLargeError, match=r"needs about \d+\.\d+ GiB and 36\.00 GiB may be used") as refused:
        require_fits(LARGE, CPU, tokens=1000, free=free)
    passes = int(re.search(r"fits has batch=64, accumulate=(\d+) \(the same batch", str(refused.value))[1])
    require_fits(dataclasses.replace(LARGE, accumulate=passes), CPU, tokens=1000, free=free)
    with pytest.raises(TooLargeError):
        require_fits(dataclasses.replace(LARGE, accumulate=passes - 1), CPU, tokens=1000, free=free)


def test_processes_that_share_a_batch_need_less_each():
    alone, shared = (needed_bytes(LARGE, CARD, tokens=1000, processes=count) for count in (1, 4))
    assert shared < alone / 2


def test_processes_without_cards_share_the_memory_of_the_machine():
    one, four = (needed_bytes(TINY, CPU, tokens=1000, processes=count) for count in (1, 4))
    assert four > 3 * one


def test_a_smaller_batch_is_named_with_the_passes_it_fits_with():
    free = 16 * 2**30
    many = dataclasses.replace(LARGE, accumulate=16)
    with pytest.raises(TooLargeError) as refused:
        require_fits(many, CPU, tokens=1000, free=free)
    batch, passes = map(int, re.search(r"batch=(\d+), accumulate=(\d+) and all", str(refused.value)).groups())
    require_fits(dataclasses.replace(many, batch=batch, accumulate=passes), CPU, tokens=1000, free=free)


def test_a_batch_that_is_far_too_large_is_refused_at_once():
    counted = []

    class Counting(type(CPU)):
        def __getattribute__(self, name):
            if name == "dtype":
                counted.append(name)
            return super().__getattribute__(name)

    device, huge = Counting(**{each.name: getattr(CPU, each.name) for each in dataclasses.fields(CPU)}), 10**8
    with pytest.raises(TooLargeError, match=f"has batch={huge}, accumulate=") as refused:
        require_fits(dataclasses.replace(TINY, batch=huge), CPU, tokens=1000, free=4 * 2**30)
    passes = int(re.search(r"accumulate=(\d+)", str(refused.value))[1])
    need = [
        needed_bytes(dataclasses.replace(TINY, batch=huge, accumulate=each), CPU, tokens=1000)
        for each in (passes - 1, passes)
    ]
    assert need[1] <= 4 * 2**30 * memory.MARGIN < need[0], "the fewest that fit"
    with pytest.raises(TooLargeError, match=r"has batch=\d+ and all else") as refused:
        require_tuning_fits(dataclasses.replace(TUNING, batch=huge), TUNED, device, free=8 * 2**30)
    with pytest.raises(TooLargeError, match=re.search(r"has batch=\d+ and", str(refused.value))[0]):
        require_tuning_fits(dataclasses.replace(TUNING, batch=200), TUNED, CPU, free=8 * 2**30)
    assert len(counted) < 100


@pytest.mark.parametrize(("gib", "said"), [(16, "has batch=1"), (6, "layers="), (0.3, "halve the width")])
def test_the_less_memory_the_more_must_give_way(gib, said):
    with pytest.raises(TooLargeError, match=said):
        require_fits(LARGE, CPU, tokens=1000, free=int(gib * 2**30))


def test_it_is_said_before_the_first_step(documents, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 2**20)
    seen = []
    with pytest.raises(TooLargeError):
        train(documents, TINY, threads=1, on_progress=seen.append)
    assert not seen


def test_free_memory_is_a_plausible_number():
    assert 2**26 < free_bytes(CPU) < 2**50


def test_the_peak_is_of_this_program_and_not_of_the_one_that_started_it():
    held = b"x" * 2**30
    code = "from models.memory import peak_bytes; print(peak_bytes())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert 2**24 < int(done.stdout) < len(held)


TUNING = FinetuneRecipe(context=256, batch=32)
TUNED = Tuned(moving=10**8, layers=12, width=768, mlp_width=3072)


def test_a_fine_tuning_that_does_not_fit_is_refused_with_the_nearest_that_does():
    require_tuning_fits(TUNING, TUNED, CPU, free=64 * 2**30)
    free = 8 * 2**30
    with pytest.raises(TooLargeError, match=r"needs about \d+\.\d+ GiB beside .* 7\.20 GiB may be used") as refused:
        require_tuning_fits(TUNING, TUNED, CPU, free=free)
    batch = int(re.search(r"fits has batch=(\d+) and all else the same", str(refused.value))[1])
    require_tuning_fits(dataclasses.replace(TUNING, batch=batch), TUNED, CPU, free=free)
    with pytest.raises(TooLargeError):
        require_tuning_fits(dataclasses.replace(TUNING, batch=batch + 1), TUNED, CPU, free=free)


@pytest.mark.parametrize(
    ("mib", "method", "said"),
    [
        (2000, "full", r"batch=1, context=\d+ and all"),
        (1000, "full", "so take the method head, or a smaller base"),
        (1000, "head", "so take a smaller base"),
    ],
)
def test_the_less_memory_a_fine_tuning_has_the_more_must_give_way(mib, method, said):
    with pytest.raises(TooLargeError, match=said):
        require_tuning_fits(dataclasses.replace(TUNING, method=method), TUNED, CPU, free=mib * 2**20)


def test_a_head_alone_needs_less_than_the_whole_base():
    assert tuning_bytes(dataclasses.replace(TUNING, method="head"), TUNED, CPU) < tuning_bytes(TUNING, TUNED, CPU) / 2


def test_it_is_said_before_fine_tuning_takes_a_step(checkpoint, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 2**10)
    seen = []
    with pytest.raises(TooLargeError, match="beside the model"):
        finetune(made(), checkpoint, FinetuneRecipe(context=24), threads=1, on_epoch=seen.append)
    assert not seen


PEAK = """
import dataclasses
from models.config import DEMO
from models.documents import Document
from models.memory import peak_bytes
from models.train import train
recipe = dataclasses.replace(DEMO, vocabulary_size=400, layers=6, context=256, batch=16, steps=2)
texts = [f"lesson {n} " + "the school of the town reads every new book " * 40 for n in range(200)]
train([Document(str(n), "d", text, "train") for n, text in enumerate(texts)], recipe, threads=2)
print(peak_bytes())
"""


def test_the_estimate_is_above_the_measured_peak_and_not_far_above():
    done = subprocess.run(
        [sys.executable, "-c", PEAK],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=280, check=True,
    )  # fmt: skip
    recipe = dataclasses.replace(DEMO, vocabulary_size=400, layers=6, context=256, batch=16)
    needed = needed_bytes(recipe, CPU, tokens=200 * 500)
    assert int(done.stdout) <= needed <= 2 * int(done.stdout)
