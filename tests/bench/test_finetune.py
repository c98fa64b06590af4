"""Measures fine-tuning on textbook paragraphs: the subject of paragraphs of chapters that no training has seen.

One run: TF-IDF and logistic regression, a small language model trained on the training chapters' text, fine-tuned whole
and with adapters. It needs `../shared/data/openstax_paragraphs` and some minutes of CPU time.
"""

import dataclasses
import json
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from models import verbs
from models.checkpoint import CheckpointStore
from models.classify import Tuning, fine_tune, open_base
from models.config import DEMO
from models.judged import fit_baseline, judge
from models.labelled import Columns, read_labelled, split_by_group
from models.requests import TrainRequest, write_request

DATA = Path(__file__).parents[3] / "shared" / "data" / "openstax_paragraphs" / "paragraphs.jsonl.gz"
# Two layers and few tokens: what a few minutes of one core allow.
SMALL = dataclasses.replace(DEMO, vocabulary_size=4096, layers=2, steps=150, validate_every=75, validation_windows=32)
SECONDS = 45.0

pytestmark = [pytest.mark.bench, pytest.mark.timeout(0)]


def tell(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def documents(split, path):
    """Training and validation chapters as documents; no held-out text is among them."""
    rows = [
        {"document_id": f"{side}/{at:05d}", "dataset": "openstax", "text": each.text, "split": side}
        for side, texts in (("train", split.train), ("validation", split.validation))
        for at, each in enumerate(texts)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_the_subject_of_a_paragraph(tmp_path):
    if not DATA.is_file():
        pytest.skip(f"no {DATA}; it is shared data, not part of the project")
    torch.set_num_threads(1)
    split = split_by_group(read_labelled(DATA, Columns(label="subject", group="module")))
    baseline, baseline_seconds = fit_baseline(split)
    told = baseline.logits([each.text for each in split.test]).argmax(dim=1).tolist()
    right = sum(split.labels[at] == each.label for at, each in zip(told, split.test, strict=True))
    accuracy = right / len(told)
    tell(f"\nbaseline alone: {accuracy:.4f} in {baseline_seconds:.1f} CPU seconds")
    began = time.process_time()
    request = TrainRequest(
        documents=documents(split, tmp_path / "documents.parquet"),
        recipe=SMALL,
        checkpoints=tmp_path / "versions",
        work=tmp_path / "work",
        documents_snapshot="openstax",
        threads=1,
    )
    request.work.mkdir()
    write_request(request.work / "request.json", request)
    verbs.run_train(request.work / "request.json", lambda progress: tell(str(progress)))
    store = CheckpointStore(request.checkpoints)
    tell(f"language model: {time.process_time() - began:.0f} CPU seconds")
    for method, rate in (("full", 1e-3), ("lora", 3e-3)):
        torch.set_num_threads(1)
        tuning = Tuning(method=method, epochs=2, cpu_seconds=SECONDS, longest=96, learning_rate=rate)
        tuned = fine_tune(open_base(store.whole("gpt-0001")), split.train, split.labels, tuning)
        report = judge(tuned, split, baseline, baseline_cpu_seconds=baseline_seconds)
        tell(f"\n{method}: {tuned.learned_weights} weights, {tuned.steps} steps, {tuned.epochs_done:.2f} epochs")
        tell("\n".join(report.lines()))
        tell(json.dumps(report.values()))
        assert all(0 < row.accuracy.low <= row.accuracy.value <= row.accuracy.high < 1 for row in report.rows)
