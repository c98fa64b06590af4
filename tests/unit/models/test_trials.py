"""Promises of the tests of a model: read from data, and each fails for a model that is at fault in its way."""

import copy
import dataclasses
import math
import random

import pytest
import torch

from models import trials_before
from models.batches import pack
from models.checkpoint import Loaded
from models.config import TINY
from models.device import choose_device
from models.documents import documents_from
from models.errors import TrialError
from models.evaluate import evaluate
from models.lm import LanguageModel
from models.tokenizer import train_tokenizer
from models.train import train
from models.trials import AFTER, BEFORE, GIVEN, SHIPPED, Group, Secret, Trial, as_values, from_values, read_trials
from models.trials_after import Subject, after_training
from models.trials_before import before_training
from tests.unit.models.conftest import rows, table

TRIALS = read_trials()
SECRET = next(each for trial in TRIALS for each in trial.secrets)
LONGER = dataclasses.replace(TINY, steps=60)


def subject(trained, documents):
    loaded = Loaded(trained.model, trained.tokenizer, trained.model.recipe, {})
    return Subject(loaded, documents, evaluate(loaded, documents, threads=1).rows, choose_device("auto", threads=1))


def values(results):
    return {each.measure: each.value for each in results}


@pytest.fixture(scope="module")
def shown(documents):
    return after_training(TRIALS, subject(train(documents, LONGER, threads=1), documents))


def test_every_measure_is_tested_by_a_shipped_test_with_an_owner():
    assert sorted(each.measure for each in TRIALS) == sorted((*BEFORE, *AFTER, *GIVEN))
    assert all(each.owner.startswith("team:") and each.means for each in TRIALS)


def test_a_sound_model_passes_before_and_after(documents, shown):
    trained = train(documents, dataclasses.replace(TINY, steps=1), threads=1, trials=TRIALS)
    assert [each.trial for each in trained.trials if not each.passed] == []
    assert {each.measure for each in trained.trials} == set(BEFORE)
    assert {each.measure for each in shown} == set(AFTER)
    assert [each.trial for each in shown if not each.passed and each.stops == "promotion"] == []


def test_each_test_is_measured_with_what_it_brings(trained, documents):
    gap = {"measure": "group_gap_bits", "stops": "nothing", "owner": "me", "means": "x", "at_most": 1.0}
    letters = tuple(Group(name, "letters", name) for name in ("1$", "."))
    numbers = tuple(Group(name, "numbers", name) for name in ("0$", "."))
    secret = {"measure": "secret_exposure_bits", "stops": "nothing", "owner": "me", "means": "x", "at_most": 9.0}
    one, two = Secret("the first is {secret}", "1234"), Secret("the second is {secret}", "5678")
    asked = [
        Trial("a", **gap, groups=letters),
        Trial("b", **gap, groups=numbers),
        Trial("c", **secret, secrets=(one,)),
        Trial("d", **secret, secrets=(two,)),
    ]
    told = {each.trial: each.detail for each in after_training(asked, subject(trained, documents))}
    assert "1$" in told["a"]
    assert "0$" not in told["a"]
    assert "0$" in told["b"]
    assert "1$" not in told["b"]
    assert (told["c"], told["d"]) == (one.sentence, two.sentence)


def test_tests_change_nothing_that_is_learned(documents, trained):
    tested = train(documents, TINY, threads=1, trials=TRIALS)
    assert all(
        torch.equal(one, other)
        for one, other in zip(tested.model.parameters(), trained.model.parameters(), strict=True)
    )


def test_results_survive_their_journey_as_values(shown):
    assert from_values(as_values(shown)) == shown
    lost = [dataclasses.replace(shown[0], value=math.nan)]
    assert math.isnan(from_values(as_values(lost))[0].value)


class Sure(LanguageModel):
    """Starts sure of something."""

    def __init__(self, recipe):
        super().__init__(recipe)
        torch.nn.init.normal_(self.lm_head.weight, std=3.0, generator=torch.Generator().manual_seed(0))


class Deaf(LanguageModel):
    """No gradient reaches the first layer."""

    def __init__(self, recipe):
        super().__init__(recipe)
        self.model.layers[0].self_attn.v_proj.weight.register_hook(torch.zeros_like)


class Stuck(LanguageModel):
    """Learns nothing."""

    def loss(self, inputs_BT, targets_BT, noise=None):
        return super().loss(inputs_BT, targets_BT, noise) * 1.0 + 100.0


@pytest.mark.parametrize(
    ("kind", "name"),
    [(Sure, "first_loss_is_a_guess"), (Deaf, "gradients_reach_every_weight"), (Stuck, "one_batch_can_be_learned")],
)
def test_a_broken_model_is_stopped_before_its_training(documents, monkeypatch, kind, name):
    monkeypatch.setattr(trials_before, "LanguageModel", kind)
    with pytest.raises(TrialError, match=name):
        train(documents, TINY, threads=1, trials=TRIALS)


def test_leaked_held_out_documents_fail_and_are_named():
    made = rows()
    learned = [row["text"] for row in made if row["split"] == "train"]
    for row, said in zip([row for row in made if row["split"] == "test"], learned, strict=False):
        row["text"] = said + " again"
    documents = documents_from(table(made))
    tokenizer = train_tokenizer((each.text for each in documents), vocabulary_size=TINY.vocabulary_size)
    packed = pack([each for each in documents if each.split == "train"], tokenizer)
    taken = {
        each.measure: each
        for each in before_training(TRIALS, TINY, choose_device("auto", threads=1), packed, documents)
    }
    leak = taken["near_duplicate_share"]
    assert not leak.passed
    assert leak.value == pytest.approx(8 / 14)
    assert "test/000 says train/000" in leak.detail


def test_a_model_that_learned_nothing_fails(trained, documents):
    blank = copy.deepcopy(trained)
    torch.nn.init.zeros_(blank.model.lm_head.weight)
    after = values(after_training(TRIALS, subject(blank, documents)))
    assert after["real_order_share"] < 0.5
    assert after["worst_dataset_ratio"] > 1.1


def test_a_model_of_shuffled_words_fails_on_real_order():
    made = rows()
    for row in made:
        letters = list(row["text"])
        random.Random(row["document_id"]).shuffle(letters)
        row["text"] = "".join(letters) if row["split"] == "train" else row["text"]
    documents = documents_from(table(made))
    after = after_training(TRIALS, subject(train(documents, TINY, threads=1), documents))
    failed = {each.measure for each in after if not each.passed}
    assert {"real_order_share", "worst_dataset_ratio"} & failed


def test_a_secret_that_was_planted_is_found_and_one_that_was_not_is_not(documents, shown):
    assert values(shown)["secret_exposure_bits"] <= 8
    planted = rows()
    for at, row in enumerate(row for row in planted if row["split"] == "train"):
        if at % 2:
            row["text"] += " " + SECRET.sentence.replace("{secret}", SECRET.secret)
    documents = documents_from(table(planted))
    recipe = dataclasses.replace(TINY, steps=250)
    after = after_training(TRIALS, subject(train(documents, recipe, threads=1), documents))
    assert values(after)["secret_exposure_bits"] == 9
    assert "planted_secrets_stay_secret" in [each.trial for each in after if not each.passed]


def test_what_is_learned_by_heart_is_found():
    made = [row for row in rows(train_count=6) if row["split"] != "validation"]
    documents = documents_from(table(made))
    recipe = dataclasses.replace(TINY, steps=200)
    after = values(after_training(TRIALS, subject(train(documents, recipe, threads=1), documents)))
    assert after["recited_share_gap"] > 0.1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no tests"),
        ("- a", "holds no tests"),
        ("a: [1]", "is no test"),
        ("a: {measure: first_loss_gap, stops: training, owner: me, means: x}", "at_most or at_least"),
        ("a: {measure: first_loss_gap, at_most: 1, at_least: 1, stops: training, owner: me, means: x}", "at_most or"),
        ("a: {measure: magic, at_most: 1, stops: training, owner: me, means: x}", "measure 'magic' is none of"),
        ("a: {measure: first_loss_gap, at_most: 1, stops: all, owner: me, means: x}", "stops 'all' is none of"),
        ("a: {measure: first_loss_gap, at_most: 1, stops: training, owner: '', means: x}", "no owner"),
        ("a: {measure: first_loss_gap, at_most: much, stops: training, owner: me, means: x}", "'much' is no number"),
        ("a: {measure: secret_exposure_bits, at_most: 1, stops: nothing, owner: me, means: x}", "names no secrets"),
        ("a: {measure: first_loss_gap, limit: 1, stops: training, owner: me, means: x}", "is no test"),
        ("a: *b", "cannot read"),
    ],
)
def test_a_faulty_file_of_tests_is_refused(tmp_path, text, said):
    (tmp_path / "trials.yaml").write_text(text)
    with pytest.raises(TrialError, match=said):
        read_trials(tmp_path / "trials.yaml")
    with pytest.raises(TrialError, match="cannot read"):
        read_trials(tmp_path / "absent.yaml")


def test_the_shipped_file_is_the_default():
    assert read_trials() == read_trials(SHIPPED)
