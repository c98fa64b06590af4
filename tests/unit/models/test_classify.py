"""Promises of fine-tuning a model to tell classes: read, split by group, learned, measured beside a baseline."""

import copy
import gzip
import json
import random

import numpy as np
import pytest
import torch

from models import judged
from models.accuracy import accuracy, calibration_error, difference, macro_f1
from models.classify import FILES, Tuning, fine_tune, open_base, save_classifier
from models.durable import verify
from models.errors import CheckpointError, DocumentsError, RecipeError
from models.labelled import AG_NEWS, Columns, LabelledText, read_ag_news, read_labelled, split_by_group
from models.lora import add_lora, merge_lora
from models.tfidf import fit_tfidf

WORDS = {"school": "student lesson teacher reads", "town": "state old new college", "end": "writes learns every a"}


def texts(count=240):
    draw = random.Random(0)
    made = []
    for at in range(count):
        label = sorted(WORDS)[at % 3]
        own = [draw.choice(WORDS[label].split()) for _ in range(6)]
        made.append(LabelledText(" ".join([*own, *draw.choices(["the", "in", "of"], k=6)]), label, f"group {at // 4}"))
    return made


@pytest.fixture(scope="module")
def split():
    return split_by_group(texts())


def test_groups_and_rows_come_from_json_lines_and_csv(tmp_path):
    rows = [{"text": "a b", "subject": "x", "module": "m1"}, {"text": "c", "subject": "y", "module": "m2"}]
    columns = Columns(label="subject", group="module")
    wanted = [LabelledText("a b", "x", "m1"), LabelledText("c", "y", "m2")]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "texts.jsonl").write_text(lines)
    with gzip.open(tmp_path / "texts.jsonl.gz", "wt") as file:
        file.write(lines)
    (tmp_path / "texts.csv").write_text("text,subject,module\na b,x,m1\nc,y,m2\n")
    for name in ("texts.jsonl", "texts.jsonl.gz", "texts.csv"):
        assert read_labelled(tmp_path / name, columns) == wanted


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b"", "holds no labelled text"),
        ("a.jsonl", b'{"text": "a"}\n', "row 1 of .* has no label"),
        ("a.jsonl", b'{"text": "a", "label": "x"}\n{"text": " ", "label": "x"}\n', "row 2 of .* has no text"),
        ("a.jsonl", b"[1]\n", "line 1 of .* is no JSON object"),
        ("a.jsonl", b'{"text": "\\ud800", "label": "x"}\n', "cannot read"),
        ("a.jsonl", b"{", "cannot read"),
        ("a.jsonl", b"\xff\n", "cannot read"),
        ("a.jsonl.gz", b"no gzip", "cannot read"),
        ("a.csv", b"words,label\na,x\n", "row 1 of .* has no text"),
    ],
)
def test_faulty_files_are_refused_with_the_row(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DocumentsError, match=said):
        read_labelled(tmp_path / name, Columns())
    with pytest.raises(DocumentsError, match="cannot read"):
        read_labelled(tmp_path / "absent.csv", Columns())


def test_ag_news_is_read_as_it_is_published(tmp_path):
    (tmp_path / "train.csv").write_text('"3","Oil, up","It rose ""again""."\n"1","Vote","A state votes."\n')
    found = read_ag_news(tmp_path / "train.csv")
    assert [(each.label, each.text) for each in found] == [
        (AG_NEWS[2], 'Oil, up. It rose "again".'),
        (AG_NEWS[0], "Vote. A state votes."),
    ]
    (tmp_path / "train.csv").write_text("class,title,text\n")
    with pytest.raises(DocumentsError, match="row 1 of"):
        read_ag_news(tmp_path / "train.csv")


def test_a_group_is_on_one_side_and_the_order_of_texts_changes_nothing(split):
    sides = [{each.group for each in side} for side in (split.train, split.validation, split.test)]
    assert not (sides[0] & sides[1])
    assert not (sides[0] & sides[2])
    assert not (sides[1] & sides[2])
    again = split_by_group(texts()[::-1])
    assert {each.group for each in again.test} == sides[2]


def test_a_split_that_can_teach_nothing_is_refused():
    with pytest.raises(DocumentsError, match="leave nothing for"):
        split_by_group(texts(3))
    with pytest.raises(DocumentsError, match="classes to learn are"):
        split_by_group([LabelledText(each.text, "one", each.group) for each in texts()])


def test_the_baseline_tells_classes_by_their_words(split):
    baseline, _ = judged.fit_baseline(split)
    told = baseline.logits([each.text for each in split.test]).argmax(dim=1)
    right = [split.labels[at] == each.label for at, each in zip(told.tolist(), split.test, strict=True)]
    assert np.mean(right) > 0.95
    assert torch.isfinite(baseline.logits(["", "wholly unknown"])).all()


def test_the_baseline_gives_the_weights_that_can_be_worked_out_by_hand():
    # One word a class: by symmetry w = (a, -a) each, and a solves a = s * (1 - p(a)) with s = C, p the softmax.
    fitted = fit_tfidf(["aa", "bb"], torch.tensor([0, 1]), label_count=2)
    a = float(fitted.weight_FL[0, 0])
    assert float(fitted.weight_FL[0, 1]) == pytest.approx(-a, abs=1e-4)
    assert a == pytest.approx(1 / (1 + np.exp(2 * a)), abs=1e-3)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_model_learns_classes_and_is_measured_beside_the_baseline(checkpoint, split, tmp_path, method):
    tuning = Tuning(method=method, epochs=20, batch=16, longest=24, learning_rate=5e-3, rank=4)
    tuned = fine_tune(open_base(checkpoint), split.train, split.labels, tuning)
    baseline, seconds = judged.fit_baseline(split)
    report = judged.judge(tuned, split, baseline, baseline_cpu_seconds=seconds)
    model = report.rows[1]
    assert model.accuracy.value > 0.8
    assert model.accuracy.low <= model.accuracy.value <= model.accuracy.high
    assert model.over_baseline.low <= 0, "both tell nearly all, so neither may be called better"
    assert not model.beats_baseline
    assert "| both together |" in "\n".join(report.lines())
    save_classifier(tuned, tmp_path / "classifier", report.values())
    verify(tmp_path / "classifier", FILES)
    with pytest.raises(CheckpointError, match="is there already"):
        save_classifier(tuned, tmp_path / "classifier", {})


def test_adapters_learn_few_weights_change_nothing_at_first_and_merge(checkpoint):
    base = open_base(checkpoint)
    tokens = torch.arange(20)[None]
    plain = base.backbone(input_ids=tokens).last_hidden_state
    before = {name: weight.clone() for name, weight in base.backbone.named_parameters()}
    adapters = add_lora(base.backbone, rank=2, alpha=4.0, seed=0)
    assert torch.equal(base.backbone(input_ids=tokens).last_hidden_state, plain)
    learned = [name for name, weight in base.backbone.named_parameters() if weight.requires_grad]
    assert all(".lora_" in name for name in learned)
    for each in adapters:
        torch.nn.init.normal_(each.lora_b_OR, std=0.1)
    changed = base.backbone(input_ids=tokens).last_hidden_state
    assert not torch.allclose(changed, plain)
    kept = copy.deepcopy(adapters[0].base.weight)
    assert any(torch.equal(kept, weight) for weight in before.values())
    assert merge_lora(base.backbone) == len(adapters)
    torch.testing.assert_close(base.backbone(input_ids=tokens).last_hidden_state, changed, atol=1e-4, rtol=1e-3)


def test_a_model_without_such_layers_cannot_have_adapters():
    with pytest.raises(RecipeError, match="no linear layer"):
        add_lora(torch.nn.Sequential(torch.nn.Linear(2, 2)), rank=2, alpha=2.0, seed=0)


def test_the_cpu_budget_ends_learning(checkpoint, split):
    tuned = fine_tune(open_base(checkpoint), split.train, split.labels, Tuning(epochs=1000, cpu_seconds=0.5))
    assert 0 < tuned.steps < 1000 * len(split.train) / 32


def test_intervals_count_groups_and_not_texts():
    right = np.array([True] * 50 + [False] * 50)
    alike = accuracy(right, ["a"] * 50 + ["b"] * 50)
    apart = accuracy(right, [str(at) for at in range(100)])
    assert alike.value == apart.value == 0.5
    assert alike.high - alike.low > 3 * (apart.high - apart.low)
    assert difference(right, right, ["a", "b"] * 50) == type(alike)(0.0, 0.0, 0.0)


def test_f1_and_calibration_are_those_worked_out_by_hand():
    told, true = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    assert macro_f1(told, true, 3) == pytest.approx((2 / 3 + 4 / 5 + 0) / 3)
    chances = np.array([[0.95, 0.05], [0.95, 0.05], [0.45, 0.55], [0.45, 0.55]])
    assert calibration_error(chances, true) == pytest.approx(0.5 * 0.45 + 0.5 * 0.45)


@pytest.mark.parametrize("values", [{"epochs": 0}, {"method": "half"}, {"learning_rate": -1.0}, {"cpu_seconds": 0}])
def test_a_tuning_that_cannot_work_is_refused(values):
    with pytest.raises(RecipeError):
        Tuning(**values)


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        open_base(tmp_path / "absent")
    with pytest.raises(CheckpointError, match="transformers does not open"):
        open_base(tmp_path)
