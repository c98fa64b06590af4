"""Promises of the figures beside bits per byte, and of reading published tests."""

import gzip
import io
import json
import tarfile

import numpy as np
import pytest

from models.batches import pack
from models.checkpoint import load
from models.device import choose_device
from models.documents import of_split
from models.errors import DocumentsError
from models.evaluate import evaluate, model_bits
from models.known_tests import Pair, Question, published_blimp, read_arc, read_blimp
from models.likelihood import bits_of
from models.measures import arc, blimp, own_measures, published
from models.requests import EvaluateResult, evaluate_result, evaluate_values


@pytest.fixture(scope="module")
def device():
    return choose_device("auto", threads=1)


@pytest.fixture(scope="module")
def loaded(checkpoint):
    return load(checkpoint)


@pytest.fixture(scope="module")
def own(loaded, documents, device):
    evaluation = evaluate(loaded, documents, threads=1)
    return evaluation, own_measures(loaded, documents, evaluation.scores, evaluation.evaluation_snapshot, device)


def test_bits_of_short_sequences_are_those_of_the_evaluation(loaded, documents, device):
    held = of_split(documents, "test")
    packed = pack(held, loaded.tokenizer)
    short = [tokens[: loaded.recipe.context] for tokens in packed.documents]
    cut = type(packed)(documents=short, names=packed.names, byte_count=1)
    np.testing.assert_allclose(bits_of(loaded, short, device), model_bits(loaded, cut, device=device), rtol=1e-5)
    skipped = bits_of(loaded, short, device, skip=[5] * len(short))
    opened = bits_of(loaded, [tokens[:6] for tokens in short], device)
    np.testing.assert_allclose(skipped + opened, bits_of(loaded, short, device), rtol=1e-5)


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


def test_calibration_latency_and_memory_are_measured(own):
    _, measures = own
    found = {each.measure: each for each in measures}
    assert 0 <= found["calibration_error"].value < 1
    assert found["cpu_milliseconds_per_token"].low <= found["cpu_milliseconds_per_token"].value
    assert found["peak_memory_bytes"].value > 2**26


def test_figures_survive_their_journey_as_values(own, tmp_path):
    evaluation, measures = own
    result = EvaluateResult(
        evaluation_snapshot="s", rows=evaluation.rows, scores=tmp_path, predictions=tmp_path, seconds=1.0,
        measures=measures,
    )  # fmt: skip
    assert evaluate_result(json.loads(json.dumps(evaluate_values(result)))) == result


def test_sentences_of_training_text_win_against_noise(loaded, documents, device):
    texts = [each.text[:60] for each in of_split(documents, "train")][:30]
    pairs = [Pair(f"paradigm {at % 3}", text, text[::-1]) for at, text in enumerate(texts)]
    whole, *parts = blimp(loaded, pairs, device)
    assert whole.value > 0.9
    assert [each.slice for each in parts] == ["paradigm 0", "paradigm 1", "paradigm 2"]
    assert sum(each.count for each in parts) == 30
    turned = [Pair(each.paradigm, each.bad, each.good) for each in pairs]
    assert blimp(loaded, turned, device)[0].value == pytest.approx(1 - whole.value)


def test_answers_are_judged_by_their_bits_a_byte(loaded, device):
    ours, noise = "the school of every new town", "Qxzj kvvw"
    asked = [Question("easy", "what", (ours, noise), 0), Question("easy", "what " * 50, (noise, ours), 0)]
    (measure,) = arc(loaded, asked, device)
    assert (measure.slice, measure.value, measure.count) == ("easy", 0.5, 2)


def blimp_folder(folder, rows):
    with tarfile.open(folder / "pairs.tar.xz", "w:xz") as archive:
        for name, lines in rows.items():
            content = "".join(json.dumps(line) + "\n" for line in lines).encode()
            member = tarfile.TarInfo(f"{name}.jsonl")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return folder


def test_blimp_is_drawn_evenly_and_always_the_same(tmp_path):
    rows = {
        name: [{"UID": name, "sentence_good": f"good {at}", "sentence_bad": f"bad {at}"} for at in range(10)]
        for name in ("one", "two")
    }
    folder = blimp_folder(tmp_path, rows)
    drawn = read_blimp(folder, per_paradigm=3)
    assert [each.paradigm for each in drawn] == ["one"] * 3 + ["two"] * 3
    assert drawn == read_blimp(folder, per_paradigm=3)
    assert len(read_blimp(folder, per_paradigm=99)) == 20
    (tmp_path / "models_summary.jsonl").write_text(
        '{"UID": "one", "ngram": 0.4, "lstm": 0.5, "txl": 0.6, "gpt2": 0.7}\n'
        '{"UID": "other", "ngram": 1, "lstm": 1, "txl": 1, "gpt2": 1}\n'
    )
    others = {each.slice: each.value for each in published(published_blimp(folder), ["one", "two"])}
    assert others == {"published: ngram": 0.4, "published: lstm": 0.5, "published: txl": 0.6, "published: gpt2": 0.7}


def test_arc_is_read_with_the_place_of_the_right_answer(tmp_path):
    row = {"question": "Q", "choices": [{"label": "1", "text": "a"}, {"label": "2", "text": "b"}], "answerKey": "2"}
    for part in ("easy", "challenge"):
        with gzip.open(tmp_path / f"arc_{part}_dev.jsonl.gz", "wt") as file:
            file.write(json.dumps(row) + "\n")
    assert read_arc(tmp_path, most=5) == [
        Question("easy", "Q", ("a", "b"), 1),
        Question("challenge", "Q", ("a", "b"), 1),
    ]


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_what_is_not_there_or_not_whole_is_refused(tmp_path, content):
    with pytest.raises(DocumentsError, match="name its folder"):
        read_blimp(tmp_path, per_paradigm=1)
    (tmp_path / "pairs.tar.xz").write_bytes(content)
    (tmp_path / "arc_easy_dev.jsonl.gz").write_bytes(content)
    with pytest.raises(DocumentsError, match="name its folder"):
        read_blimp(tmp_path, per_paradigm=1)
    with pytest.raises(DocumentsError, match=r"cannot read ARC|cannot read .*easy|challenge"):
        read_arc(tmp_path, most=1)
    with pytest.raises(DocumentsError, match="name BLiMP's folder"):
        published_blimp(tmp_path)
    with pytest.raises(DocumentsError, match="holds no minimal pairs"):
        read_blimp(blimp_folder(tmp_path, {}), per_paradigm=1)
