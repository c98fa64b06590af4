"""Promises of what an evaluation adds to a model's card."""

import math

import pytest

from assets.card_figures import HEADING, NOT_MEASURED, known_tests_said, write_figures
from assets.model_card import CARD
from assets.workshop import KnownTestsFolder, Workshop
from models.config import TINY
from models.errors import KnownTestsError
from models.scores import Measure
from models.trials import TrialResult
from tests.unit.models import known_folder

BLIMP = "BLiMP, 2 paradigms, 10 pairs, sha256 abc"
MEASURES = [
    Measure("bits_per_byte", "all", 1.40912, 1.375, 1.443, 295, "f" * 64),
    Measure("blimp_accuracy", "all", 0.55, 0.51, 0.59, 10, BLIMP),
    Measure("blimp_accuracy", "term: islands | <b>", 0.5, 0.2, 0.8, 5, BLIMP),
    Measure("blimp_accuracy", "adjunct_island", 0.5, 0.2, 0.8, 5, BLIMP),
    Measure("peak_memory_bytes", "all", 700_000_000.0, None, None, 9, "f" * 64),
]
TAKEN = [
    TrialResult("writes_text", "valid_utf8_share", 0.5, 0.9, "at_least", False, "nothing", "team:models", ""),
    TrialResult("lost", "x", math.nan, 0.9, "at_least", False, "nothing", "team:models", ""),
]


def test_figures_stand_behind_the_card_and_are_replaced_by_the_next_evaluation(tmp_path):
    folder = tmp_path / "gpt-0001"
    folder.mkdir()
    (folder / CARD).write_text("# gpt-0001\n\nLearned from letters.\n")
    write_figures(folder, MEASURES, TAKEN, NOT_MEASURED)
    write_figures(folder, MEASURES, TAKEN, NOT_MEASURED)
    text = (folder / CARD).read_text()
    assert text.startswith("# gpt-0001\n\nLearned from letters.\n\n## Figures")
    assert text.count(HEADING) == 1
    assert "LAKEHOUSE_KNOWN_TESTS names no folder" in text
    assert "| bits_per_byte | all | 1.409 | 1.375 to 1.443 | 295 | ffffffffffff |" in text
    assert f"| blimp_accuracy | all | 0.55 | 0.51 to 0.59 | 10 | {BLIMP} |" in text
    assert "| peak_memory_bytes | all | 700,000,000 |  | 9 | ffffffffffff |" in text
    assert "adjunct_island" not in text
    assert "<b>" not in text
    assert "| writes_text | 0.5 | at least 0.9 | NO | team:models |" in text
    assert "| lost | none |" in text


def test_the_card_says_which_published_tests_were_there(tmp_path):
    assert known_tests_said(Workshop(tmp_path, TINY)) == NOT_MEASURED
    known_folder.arc(tmp_path / "published" / "arc", [("q", ("a", "b"), "A")])
    shop = Workshop(tmp_path, TINY, known_tests=KnownTestsFolder(tmp_path / "published"))
    assert known_tests_said(shop) == "from published; not there: blimp, prompt_injection"
    assert shop.measured_with != Workshop(tmp_path, TINY).measured_with
    with pytest.raises(KnownTestsError, match="LAKEHOUSE_KNOWN_TESTS"):
        _ = Workshop(tmp_path, TINY, known_tests=KnownTestsFolder(tmp_path / "absent")).measured_with
