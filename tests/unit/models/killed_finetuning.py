"""Fine-tunes, and kills its own process after it kept the state of some step.

Run: python killed_finetuning.py BASE STATES STEP.
"""

import os
import signal
import sys
from pathlib import Path

from models.classifier_recipe import FinetuneRecipe
from models.finetune import finetune, finetuning_key
from models.progress import Learned
from models.resume import ResumeStore
from models.run import Kept
from tests.unit.models.test_finetune import made


def recipe(method: str) -> FinetuneRecipe:
    return FinetuneRecipe(
        method=method, context=24, epochs=2, batch=16, base_rate=5e-3, head_rate=2e-2, ngram_buckets=64
    )


def store(states: Path, base: Path, method: str) -> ResumeStore[Learned]:
    return ResumeStore(states / method, finetuning_key(made(), base, recipe(method)), Learned)


def main(base: Path, states: Path, kill_after: int) -> None:
    keep = Kept.keep

    def kept(self, step, **rest):
        keep(self, step, **rest)
        if step == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    Kept.keep = kept
    finetune(made(), base, recipe("full"), threads=1, resume=store(states, base, "full"), keep_seconds=0.0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
