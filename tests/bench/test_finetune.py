"""Subject of a textbook paragraph in modules nobody saw: our classifier beside TF-IDF with logistic regression."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dagster_project.labelled_files import Where, read_labelled
from models.accuracy import accuracy, calibration_error, difference, macro_f1
from models.checkpoint import CheckpointStore, Origin
from models.classified import numbered
from models.classifier_recipe import FinetuneRecipe
from models.config import Recipe
from models.device import choose_device
from models.documents import Document
from models.finetune import finetune
from models.labelled import of_split
from models.train import train

PARAGRAPHS = Path(__file__).parents[3] / "shared/data/openstax_paragraphs/paragraphs.jsonl.gz"
PEER = Path(__file__).with_name("peer_tfidf.py")
SEEDS = (0, 1, 2)

# Chosen on validation modules; the base learns from the training modules' paragraphs alone.
BASE = Recipe(
    vocabulary_size=4096,
    context=128,
    layers=2,
    heads=2,
    width=128,
    mlp_width=256,
    batch=16,
    steps=240,
    matrix_learning_rate=0.03,
    embedding_learning_rate=0.015,
    warmup_steps=20,
    cooldown_share=0.6,
    weight_decay=0.05,
)
RECIPE = FinetuneRecipe(
    context=128, epochs=2, batch=32, base_rate=1e-3, head_rate=3e-3, ngram_buckets=2**18, ngram_rate=0.02
)


@pytest.fixture(scope="module")
def paragraphs():
    if not PARAGRAPHS.is_file():
        pytest.skip(f"{PARAGRAPHS} is not there")
    return read_labelled(PARAGRAPHS, Where(label="subject", group="module"))


@pytest.fixture(scope="module")
def peer(request, paragraphs, tmp_path_factory):
    """What scikit-learn tells of the same test texts, learned from the same training texts."""
    python = request.config.getoption("--sklearn-python")
    if python is None:
        pytest.skip("name an interpreter that has scikit-learn: --sklearn-python PYTHON")
    path = tmp_path_factory.mktemp("peer") / "texts.jsonl"
    rows = [{"text": each.text, "label": each.label, "split": each.split} for each in paragraphs]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    answer = subprocess.run(
        ["env", "OMP_NUM_THREADS=1", python, PEER, path], capture_output=True, text=True, check=True
    )
    return json.loads(answer.stdout)


def pretrained(paragraphs, root):
    documents = [Document(each.text_id, "openstax", each.text, "train") for each in of_split(paragraphs, "train")]
    trained = train(documents, BASE, threads=1)
    unknown = dict.fromkeys(("documents_snapshot", "documents_sha256", "code_commit"), "")
    origin = Origin(training_key="bench", dataset_commits={}, cause="bench", **unknown)
    store = CheckpointStore(root)
    return store.folder(store.add(trained, origin))


@pytest.mark.timeout(7200)
def test_the_subject_of_a_paragraph_of_an_unseen_module(bench, paragraphs, peer, tmp_path):
    began = time.process_time()
    base = pretrained(paragraphs, tmp_path)
    bench.note(f"pretraining on training modules: {time.process_time() - began:.0f} CPU s")
    held = of_split(paragraphs, "test")
    groups, device = [each.group for each in held], choose_device("float32", threads=1)
    for seed in SEEDS:
        began = time.process_time()
        classifier = finetune(
            paragraphs, base, FinetuneRecipe(**{**vars(RECIPE), "seed": seed}), threads=1,
            on_epoch=lambda told: sys.stderr.write(f"{told}\n"),
        )  # fmt: skip
        spent = time.process_time() - began
        true_N = numbered(classifier, held)
        chances_NL = classifier.chances([each.text for each in held], device)
        right_N = chances_NL.argmax(axis=1) == true_N
        bench.note(
            f"ours, seed {seed}: accuracy {accuracy(right_N, groups)}, macro-F1 "
            f"{macro_f1(chances_NL.argmax(axis=1), true_N, len(classifier.labels)):.4f}, calibration error "
            f"{calibration_error(chances_NL, true_N):.4f}, fine-tuning {spent:.0f} CPU s"
        )
        for name, theirs in peer.items():
            theirs_N = np.array([told == each.label for told, each in zip(theirs["told"], held, strict=True)])
            gain = difference(right_N, theirs_N, groups)
            verdict = "beaten" if gain.low > 0 else "not beaten"
            bench.note(f"ours, seed {seed}, less TF-IDF {name}: {gain}, {verdict}")
    for name, theirs in peer.items():
        theirs_N = np.array([told == each.label for told, each in zip(theirs["told"], held, strict=True)])
        bench.note(
            f"TF-IDF {name}, C={theirs['cost']:g}: accuracy {accuracy(theirs_N, groups)}, validation "
            f"{theirs['validation_accuracy']:.4f}, {theirs['cpu_seconds']:.0f} CPU s"
        )
