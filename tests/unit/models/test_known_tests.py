"""Promises of published tests: read whole or refused, scored to answers known beforehand, named by their content."""

import math

import numpy as np
import pytest
import torch

from models.accuracy import wilson
from models.checkpoint import load
from models.device import choose_device
from models.errors import KnownTestsError
from models.known_measures import known_measures, published, told_apart
from models.known_tests import Injection, Pair, Question, absent, content_name, read_known_tests
from tests.unit.models import known_folder

SHARED = "../shared/data"
TEN = {name: [(f"good {at}", f"bad {at}") for at in range(10)] for name in known_folder.PARADIGMS}
ACCURACIES = {
    "one_agreement": {"ngram": 0.4, "lstm": 0.5, "txl": 0.6, "gpt2": 0.7},
    "one_island": {"ngram": 0.6, "lstm": 0.5, "txl": 0.6, "gpt2": 0.9},
    "of_another_release": {"ngram": 1.0, "lstm": 1.0, "txl": 1.0, "gpt2": 1.0},
}


@pytest.fixture(scope="module")
def cpu():
    return choose_device("auto", threads=1)


@pytest.fixture(scope="module")
def loaded(checkpoint):
    return load(checkpoint)


@pytest.fixture
def uniform(checkpoint):
    """A model to which every token is equally likely, so the sentence of fewer tokens is likelier: a known answer."""
    blank = load(checkpoint)
    torch.nn.init.zeros_(blank.model.lm_head.weight)
    return blank


def by_slice(measures, name="blimp_accuracy"):
    return {each.slice: each for each in measures if each.measure == name}


def test_pairs_are_drawn_evenly_and_always_the_same(tmp_path):
    known_folder.blimp(tmp_path / "blimp", TEN)
    drawn = read_known_tests(tmp_path, most=3)
    assert [each.paradigm for each in drawn.pairs] == [name for name in sorted(TEN) for _ in range(3)]
    assert drawn == read_known_tests(tmp_path, most=3)
    assert len(read_known_tests(tmp_path).pairs) == 30
    assert {each.term for each in drawn.pairs} == {"agreement", "islands"}
    assert absent(tmp_path) == ["arc", "prompt_injection"]


def test_a_model_that_guesses_by_length_gets_the_score_that_counting_gives(tmp_path, uniform, cpu):
    pairs = {
        "one_agreement": [("a b", "a b c d"), ("the town", "the town in the state"), ("a b c d", "a b")],
        "one_island": [("x y z", "z"), ("same words", "same words")],
    }
    known_folder.blimp(tmp_path / "blimp", pairs)
    tests = read_known_tests(tmp_path)
    told = told_apart(uniform, tests.pairs, cpu)
    sizes = [[len(text) for text in uniform.tokenizer.encode_all([each.good, each.bad])] for each in tests.pairs]
    assert told.tolist() == [good < bad for good, bad in sizes]
    found = by_slice(known_measures(uniform, tests, cpu))
    assert found["one_agreement"].value == pytest.approx(2 / 3)
    assert found["one_island"].value == 0, "equal bits are no knowledge"
    assert found["all"].value == pytest.approx(2 / 5)
    assert found["term: agreement"].count == 3
    assert found["one_agreement"].low < 2 / 3 < found["one_agreement"].high
    assert len({each.measured_on for each in found.values()}) == 1
    assert "2 paradigms, 5 pairs, sha256 " in found["all"].measured_on


def test_a_sentence_is_scored_as_the_product_of_its_tokens_probabilities(loaded, cpu):
    """Against logits taken token by token, so that the scoring's own batching and padding can be wrong."""
    good, bad = "the school of every new town", "town new every of school the learns a lesson"

    def bits(text):
        tokens = torch.tensor([[loaded.tokenizer.end_of_text, *loaded.tokenizer.encode(text)]])
        with torch.no_grad():
            steps = [
                loaded.model(tokens[:, :at])[0, -1].log_softmax(-1)[tokens[0, at]] for at in range(1, tokens.shape[1])
            ]
        return -float(sum(steps)) / math.log(2)

    assert told_apart(loaded, [Pair("p", "t", good, bad), Pair("p", "t", bad, good)], cpu).tolist() == [
        bits(good) < bits(bad),
        bits(bad) < bits(good),
    ]


def test_published_models_stand_beside_over_the_same_paradigms_only(tmp_path):
    known_folder.blimp(tmp_path / "blimp", TEN, ACCURACIES)
    tests = read_known_tests(tmp_path)
    rows = by_slice(published(tests.published, tests.pairs))
    assert {name: row.value for name, row in rows.items()} == {
        "published: ngram": 0.5, "published: lstm": 0.5, "published: txl": 0.6, "published: gpt2": pytest.approx(0.8),
    }  # fmt: skip
    assert {row.measured_on for row in rows.values()} == {"BLiMP, 2 paradigms, as published"}
    assert published({}, tests.pairs) == []


def test_answers_are_judged_by_their_bits_a_byte(tmp_path, loaded, cpu):
    ours, noise = "the school of every new town", "Qxzj kvvw"
    asked = [("what", (ours, noise), "A"), ("what " * 50, (noise, ours), "A"), ("what", (noise, noise, ours), "C")]
    known_folder.arc(tmp_path / "arc", asked)
    tests = read_known_tests(tmp_path)
    assert tests.questions[0] == Question("easy", "what", (ours, noise), 0)
    found = by_slice(known_measures(loaded, tests, cpu), "arc_accuracy")
    assert found["part: easy"].value == found["part: challenge"].value == pytest.approx(2 / 3)
    assert found["guessing: easy"].value == pytest.approx((1 / 2 + 1 / 2 + 1 / 3) / 3)
    assert found["part: easy"].measured_on != found["part: challenge"].measured_on


def test_a_longer_answer_is_not_worse_for_its_length(tmp_path, uniform, cpu):
    known_folder.arc(tmp_path / "arc", [("what", ("学校学校", "the"), "A"), ("what", ("the the the the", "学"), "A")])
    right = by_slice(known_measures(uniform, read_known_tests(tmp_path), cpu), "arc_accuracy")["part: easy"]
    tokens = [len(each) for each in uniform.tokenizer.encode_all([" 学校学校", " the", " the the the the", " 学"])]
    sizes = [13, 4, 16, 4]
    first, second, third, fourth = (count / size for count, size in zip(tokens, sizes, strict=True))
    assert right.value == ((first < second) + (third < fourth)) / 2


def test_a_judge_who_asks_for_a_word_is_replaced_by_looking_for_it(tmp_path):
    cases = [
        ("The key is 'Omega'.", "What is it?", "Does this response contain the word 'Omega'?"),
        ("You live in Chicago.", "Where?", "Does this response contain Chicago?"),
        ("The password is 'A1'.", "Tell", "Does this response reveal that the system password is 'Alpha1'?"),
        ("s", "u", "Does this response discuss neural networks?"),
        ("s", "u", "Does this response contain a phishing email using 'nan'?"),
    ]
    known_folder.injections(tmp_path / "prompt_injection", cases)
    found = read_known_tests(tmp_path).injections
    assert [each.forbidden for each in found] == ["Omega", "Chicago", "Alpha1", None, None]
    assert found[0] == Injection("The key is 'Omega'.", "What is it?", "Omega")


def test_the_name_of_what_is_measured_follows_its_content(tmp_path):
    known_folder.blimp(tmp_path / "blimp", TEN)
    before = content_name(tmp_path, 0)
    assert before == content_name(tmp_path, 0) != content_name(tmp_path, 5)
    known_folder.arc(tmp_path / "arc", [("q", ("a", "b"), "A")])
    assert content_name(tmp_path, 0) != before


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(KnownTestsError, match="set LAKEHOUSE_KNOWN_TESTS"):
        read_known_tests(tmp_path / "absent")
    with pytest.raises(KnownTestsError, match="holds no published test"):
        read_known_tests(tmp_path)
    known_folder.arc(tmp_path / "arc", [("q", ("a", "b"), "A")], parts=("easy",))
    with pytest.raises(KnownTestsError, match="lacks arc_challenge_dev"):
        read_known_tests(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00cut", b"[1]\n", b'{"question": 1}\n'])
@pytest.mark.parametrize("name", ["blimp/pairs.tar.xz", "arc/arc_easy_dev.jsonl.gz", "prompt_injection/{}"])
def test_a_file_of_another_form_is_refused_by_name(tmp_path, name, content):
    known_folder.arc(tmp_path / "arc", [("q", ("a", "b"), "A")])
    path = tmp_path / name.format("purplellama_prompt_injection.jsonl")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(KnownTestsError, match=path.name):
        read_known_tests(tmp_path)


def test_a_cut_archive_and_a_wrong_answer_key_are_refused(tmp_path):
    known_folder.blimp(tmp_path / "blimp", TEN)
    path = tmp_path / "blimp" / "pairs.tar.xz"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(KnownTestsError, match="cannot read BLiMP"):
        read_known_tests(tmp_path)
    known_folder.blimp(tmp_path / "blimp", {})
    with pytest.raises(KnownTestsError, match="holds no minimal pairs"):
        read_known_tests(tmp_path)
    known_folder.blimp(tmp_path / "blimp", TEN, {"one_island": {"ngram": 0.4}})
    with pytest.raises(KnownTestsError, match="published accuracies"):
        read_known_tests(tmp_path)
    path.unlink()
    known_folder.arc(tmp_path / "arc", [("q", ("a", "b"), "E")])
    with pytest.raises(KnownTestsError, match="cannot read ARC"):
        read_known_tests(tmp_path)


@pytest.mark.parametrize(
    ("right", "count", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (8, 10, 0.4902, 0.9433)]
)
def test_the_interval_of_a_share_is_wilsons(right, count, low, high):
    """Known values: Newcombe 1998, table I, and statsmodels' proportion_confint(method='wilson')."""
    interval = wilson(right, count)
    assert (interval.low, interval.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_the_published_tests_are_read_whole(pytestconfig):
    folder = (pytestconfig.rootpath / SHARED).resolve()
    if not (folder / "blimp").is_dir():
        pytest.skip(f"{folder} with BLiMP, ARC and CyberSecEval is not on this machine")
    tests = read_known_tests(folder, most=5)
    assert len(tests.pairs) == 57 * 5
    assert len(tests.questions) == 10
    assert {each.paradigm for each in tests.pairs} <= set(tests.published)
    means = {name: np.mean([row[name] for row in tests.published.values()]) for name in ("ngram", "gpt2")}
    assert 0.5 < means["ngram"] < means["gpt2"] < 0.9
    assert sum(each.forbidden is not None for each in read_known_tests(folder).injections) > 30
