"""Promises of the figures beside bits per byte: they agree with the evaluation, and say how a model writes."""

import json

import numpy as np
import pytest

from models.accuracy import Interval, calibration, calibration_error, measured
from models.checkpoint import load
from models.device import choose_device
from models.documents import Document, of_split
from models.evaluate import evaluate
from models.generation import HELD_OUT, distinct, generation_measures, repeated
from models.measures import own_measures
from models.requests import EvaluateResult, evaluate_result, evaluate_values


@pytest.fixture(scope="module")
def cpu():
    return choose_device("auto", threads=1)


@pytest.fixture(scope="module")
def loaded(checkpoint):
    return load(checkpoint)


@pytest.fixture(scope="module")
def own(loaded, documents, cpu):
    evaluation = evaluate(loaded, documents, threads=1)
    return evaluation, own_measures(loaded, documents, evaluation.scores, evaluation.evaluation_snapshot, cpu)


def test_slices_agree_with_the_evaluation_and_have_an_interval(own):
    evaluation, measures = own
    bits = {each.slice: each for each in measures if each.measure == "bits_per_byte"}
    rows = {row.slice: row for row in evaluation.rows if row.evaluator == "gpt"}
    assert bits["all"].value == pytest.approx(rows["all"].bits_per_byte)
    assert bits["source: letters"].value == pytest.approx(rows["letters"].bits_per_byte)
    assert bits["length: under 1 kB"].count == 8
    assert bits["all"].low < bits["all"].value < bits["all"].high
    half_width = (bits["all"].high - bits["all"].low) / 2
    assert half_width == pytest.approx(2 * rows["all"].standard_error, rel=0.5)


def test_every_figure_names_what_it_was_measured_on(own):
    evaluation, measures = own
    assert {each.measured_on for each in measures} == {evaluation.evaluation_snapshot}
    keys = [(each.measure, each.slice) for each in measures]
    assert len(keys) == len(set(keys))
    assert {each.measure for each in measures} >= {
        "bits_per_byte", "calibration_error", "cpu_milliseconds_per_token", "peak_memory_bytes",
        "distinct_2_share", "repeated_4_gram_share", "bits_per_token",
    }  # fmt: skip


def test_figures_survive_their_journey_as_values(own, tmp_path):
    evaluation, measures = own
    result = EvaluateResult(
        evaluation_snapshot="s", rows=evaluation.rows, scores=tmp_path, predictions=tmp_path, seconds=1.0,
        measures=measures,
    )  # fmt: skip
    assert evaluate_result(json.loads(json.dumps(evaluate_values(result)))) == result


def test_an_interval_over_one_draw_is_left_out():
    assert measured("m", "all", Interval(0.5, 0.5, 0.5), 9, "on", draws=1).low is None
    assert measured("m", "all", Interval(0.5, 0.4, 0.6), 9, "on", draws=2).low == 0.4


@pytest.mark.parametrize(
    ("text", "distinct_2", "repeated_4"),
    [("abcdefgh", (7, 7), (0, 5)), ("aaaaaaaa", (1, 7), (4, 5)), ("abababab", (2, 7), (3, 5)), ("ab", (1, 1), (0, 0))],
)
def test_variety_and_repetition_are_counted(text, distinct_2, repeated_4):
    assert distinct([*text.encode()], 2) == distinct_2
    assert repeated([*text.encode()], 4) == repeated_4


def test_people_are_measured_at_the_same_places_and_too_short_documents_give_nothing(loaded, documents, cpu):
    held = of_split(documents, "test")
    found = {(each.measure, each.slice): each for each in generation_measures(loaded, held, "s", cpu)}
    assert {part for _, part in found} == {"all", HELD_OUT}
    for (name, part), each in found.items():
        assert each.low <= each.value <= each.high, (name, part)
        assert each.count == found[name, "all"].count
    # Sampled at a temperature below 1, so it is likelier to the model than what people wrote.
    assert found["bits_per_token", "all"].value < found["bits_per_token", HELD_OUT].value
    again = {(each.measure, each.slice): each for each in generation_measures(loaded, held, "s", cpu)}
    assert again == found
    assert generation_measures(loaded, [Document("a", "b", "short", "test")], "s", cpu) == []


def test_a_calibration_error_has_an_interval_over_groups_and_its_old_value():
    draw = np.random.default_rng(3)
    sure_N = draw.uniform(0.5, 1.0, 600)
    chances_NL = np.stack([sure_N, 1 - sure_N], axis=1)
    groups = [str(at // 20) for at in range(600)]
    true_N = np.where(draw.uniform(size=600) < sure_N - 0.2, 0, 1)  # right a fifth less often than it is sure
    found = calibration(chances_NL, true_N, groups)
    assert found.value == calibration_error(chances_NL, true_N)
    assert found.low < 0.2 < found.high
    assert 0.02 < found.high - found.low < 0.2
    alone = calibration(chances_NL, true_N, ["one"] * 600)
    assert alone.low == pytest.approx(alone.value) == pytest.approx(alone.high)
