"""Promises of scores and of the rule for a better model."""

import math

import pytest

from models.errors import ComparisonError
from models.scores import DocumentScore, better, read_scores, summarise, write_scores


def scores(bits, *, evaluator="gpt", sizes=None):
    sizes = sizes or [10] * len(bits)
    return [
        DocumentScore(evaluator, f"d{at}", "letters" if at % 2 else "numbers", size, value)
        for at, (value, size) in enumerate(zip(bits, sizes, strict=True))
    ]


def test_bits_per_byte_and_its_error_worked_out_by_hand():
    row = summarise(scores([10.0, 40.0], sizes=[10, 20]))[0]
    assert row.slice == "all"
    assert row.bits_per_byte == pytest.approx(50 / 30)
    residuals = (10 - 50 / 30 * 10, 40 - 50 / 30 * 20)
    assert row.standard_error == pytest.approx(math.sqrt(2 * sum(each**2 for each in residuals)) / 30)


def test_one_document_has_no_standard_error():
    assert summarise(scores([10.0]))[0].standard_error is None


def test_no_scores_give_no_rows():
    assert summarise([]) == []


def test_a_model_better_on_every_document_wins():
    comparison = better(scores([10, 19, 31, 42]), scores([12, 22, 33, 44]))
    assert comparison.wins
    assert comparison.difference == pytest.approx(-9 / 40)
    assert "difference -0.2250" in comparison.reason


@pytest.mark.parametrize("candidate", [[12, 22, 33, 44], [14, 22, 33, 44], [0, 30, 33, 44], [13, 23, 34, 45]], ids=str)
def test_equal_worse_and_doubtful_models_do_not_win(candidate):
    assert not better(scores(candidate), scores([12, 22, 33, 44])).wins


def test_one_document_never_decides():
    assert not better(scores([1]), scores([100])).wins


def test_only_the_model_is_compared_not_its_baselines():
    ours = scores([10, 19, 31, 42]) + scores([1, 1, 1, 1], evaluator="trigram")
    theirs = scores([12, 22, 33, 44]) + scores([9, 9, 9, 9], evaluator="trigram")
    assert better(ours, theirs).candidate_bits_per_byte == pytest.approx(102 / 40)


@pytest.mark.parametrize("current", [scores([1, 2, 3]), scores([1, 2], sizes=[10, 11]), []])
def test_other_documents_cannot_be_compared(current):
    with pytest.raises(ComparisonError, match="same held-out documents"):
        better(scores([1, 2]), current)
    with pytest.raises(ComparisonError, match="same held-out documents"):
        better(current, scores([1, 2]))


def test_scores_come_back_from_their_file(tmp_path):
    made = scores([1.5, 2.25]) + scores([3.0, 4.0], evaluator="trigram")
    write_scores(tmp_path / "scores.parquet", made)
    assert read_scores(tmp_path / "scores.parquet") == made


def test_a_missing_scores_file_is_an_error(tmp_path):
    with pytest.raises(ComparisonError, match="cannot read scores"):
        read_scores(tmp_path / "scores.parquet")
