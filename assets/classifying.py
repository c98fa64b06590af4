"""How a classifier that is declared is tuned: from its table's texts and the current language model."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from assets.classified_texts import Learnable, written
from assets.families import CLASSIFIER
from assets.tuning import Task, current_base
from assets.workshop import Workshop
from lakehouse.markdown import plain
from lakehouse.tables.write_audit_publish import Lakehouse
from models.classifiers import Declared
from models.progress import Learned, tuning_line


def classifying(house: Lakehouse, workshop: Workshop, declared: Declared, learnable: Learnable) -> Task:
    """Return how a classifier is made of texts that may be learned from."""
    return Task(
        family=CLASSIFIER,
        name=declared.name,
        verb="classify",
        means=(
            f"{plain(declared.means)} Meant for texts like those it learned from, in their language; it names one of "
            "its labels whatever it is given, and its sureness is calibrated on such texts only."
        ),
        trials=declared.trials,
        recipe=asdict(declared.recipe),
        origin=learnable.origin,
        work=learnable.folder,
        written=partial(written, learnable),
        store=workshop.classifiers,
        gain="gain_over_commonest_label",
        against="always naming the commonest label",
        line=partial(tuning_line, Learned),
        own=partial(_own, declared),
        base=partial(current_base, house, workshop),
    )


def _own(declared: Declared, training: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "classifier": declared.name,
        "recipe": json.dumps(asdict(declared.recipe), sort_keys=True),
        "labels": json.dumps(sorted(training["label_counts"])),
        "train_texts": training["train_texts"],
    }
