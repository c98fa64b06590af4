"""One step of a small model, for a test and for the process that takes the step with it: ``MEETING ACCUMULATE``.

Five sequences, so that two processes have unequal shares.
"""

import dataclasses
import sys
from pathlib import Path

import torch

from models.config import TINY
from models.device import choose_device
from models.lm import LanguageModel
from models.team import joined
from models.workers import Workers

TOKENS = torch.randint(0, TINY.vocabulary_size, (5, 33), generator=torch.Generator().manual_seed(0))


def learned(team, accumulate):
    """Return the loss and every weight's gradient."""
    model = LanguageModel(dataclasses.replace(TINY, accumulate=accumulate))
    # The output layer starts at nought, and then nothing below it has a gradient.
    torch.nn.init.normal_(model.lm_head.weight, std=0.1, generator=torch.Generator().manual_seed(1))
    with Workers(model, choose_device("float32", threads=1), team=team) as workers:
        loss = workers.learn(TOKENS[:, :-1], TOKENS[:, 1:])
    return loss, {name: weight.grad for name, weight in model.named_parameters()}


if __name__ == "__main__":
    with joined(Path(sys.argv[1]), 1, 2) as both:
        learned(both, int(sys.argv[2]))
