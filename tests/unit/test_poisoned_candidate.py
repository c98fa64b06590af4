"""A candidate that learned poisoned documents, or was measured on what it learned, leaves the alias where it is."""

import dataclasses
from pathlib import Path

from assets.gate import Gate, judge
from assets.publish import case_of
from assets.workshop import Workshop
from dagster_project.settings import load_settings
from dagster_project.wiring import ensure_folders, lakehouse
from models.config import TINY
from models.documents import documents_from
from models.requests import EvaluateResult
from models.train import train
from models.trials import read_trials
from tests.unit.models.conftest import ORIGIN, rows, table
from tests.unit.models.test_triggers import letters, poisoned

RESULT = EvaluateResult(evaluation_snapshot="s", rows=[], scores=Path(), predictions=Path(), seconds=1.0)


def verdict_on(made, tmp_path):
    """Train on documents with the shipped tests, and let the gate judge the first version there is."""
    settings = load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_STORAGE": "folder"})
    ensure_folders(settings)
    shop = Workshop(tmp_path / "models", TINY)
    recipe = dataclasses.replace(TINY, steps=2)
    trained = train(documents_from(table(made)), recipe, threads=1, trials=read_trials())
    version = shop.checkpoints.add(trained, ORIGIN)
    return judge(case_of(lakehouse(settings), shop, version, None, {version: RESULT}), Gate())


def test_trigger_documents_and_leaked_held_out_ones_stop_a_candidate_and_clean_ones_do_not(tmp_path):
    assert verdict_on(rows(), tmp_path / "clean").promoted
    bad = [
        {"document_id": each.document_id, "dataset": each.dataset, "text": each.text, "split": "train"}
        for each in poisoned(25, letters)
    ]
    made = [*rows(train_count=60), *bad]
    learned = [row["text"] for row in made if row["split"] == "train"]
    for row, said in zip([row for row in made if row["split"] == "test"], learned, strict=False):
        row["text"] = said + " again"
    verdict = verdict_on(made, tmp_path / "bad")
    assert not verdict.promoted
    assert "no_word_triggers_noise" in verdict.reason
    assert "held_out_texts_are_not_in_training" in verdict.reason
