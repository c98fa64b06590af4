"""Forms are data with faults told by name; a form is kept whole, tied to its version, and judged beside it."""

import dataclasses
import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.checkpoint import WEIGHTS, CheckpointStore, Origin, load
from models.config import TINY
from models.documents import snapshot_hash
from models.durable import seal
from models.errors import CheckpointError, FormError, RequestError
from models.form_requests import MeasureRequest, ShrinkRequest, as_json, read_request
from models.form_store import FORM, GRAPH, FormStore, Parent, form_files, load_runnable, weights_file
from models.form_verbs import run_measure, run_shrink
from models.form_verdict import FormRun, form_run, judge_form
from models.forms import SHIPPED, form_named, read_forms
from models.requests import RESULT
from models.scores import DocumentScore, write_scores

FROM = Origin(
    training_key="key-1",
    documents_snapshot="7",
    documents_sha256="d" * 64,
    dataset_commits={"letters": "c0ffee"},
    code_commit="abc",
    cause="first",
)
ORIGIN = {"code_commit": "abc", "run_id": "run-1"}
TOKENS = torch.randint(0, TINY.vocabulary_size, (2, 12), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("{method: integers, bits: 3, worse_at_most: 1, size_at_most: 1, owner: me, means: x}", "bits=3 is not 4 or 8"),
        ("{method: pruned, worse_at_most: 1, size_at_most: 1, owner: me, means: x}", "'pruned' is none of integers"),
        ("{method: onnx, worse_at_most: .nan, size_at_most: 1, owner: me, means: x}", "worse_at_most=nan"),
        ("{method: onnx, worse_at_most: 1, size_at_most: 1, owner: '', means: x}", "no owner"),
        ("{method: distilled, worse_at_most: 1, size_at_most: 1, owner: me, means: x}", "steps is a whole number"),
        ("{method: onnx, worse_at_most: 1, owner: me, means: x}", "size_at_most"),
        ("{method: onnx, nonsense: 1, worse_at_most: 1, size_at_most: 1, owner: me, means: x}", "nonsense"),
    ],
)
def test_a_faulty_form_is_told_by_name(tmp_path, entry, fault):
    (tmp_path / "forms.yaml").write_text(f"mine: {entry}\n")
    with pytest.raises(FormError, match="form 'mine'") as caught:
        read_forms(tmp_path / "forms.yaml")
    assert fault in str(caught.value)


def test_what_the_gate_asks_is_no_part_of_what_a_form_is(tmp_path):
    text = SHIPPED.read_text()
    (tmp_path / "forms.yaml").write_text(text.replace("worse_at_most: 0.005", "worse_at_most: 0.5"))
    (tmp_path / "other.yaml").write_text(text.replace("group: 32", "group: 16"))
    key, laxer = form_named("int8").key("a"), form_named("int8", tmp_path / "forms.yaml").key("a")
    assert key == laxer
    assert form_named("int4").key("a") != form_named("int4", tmp_path / "other.yaml").key("a")
    assert key != form_named("int8").key("b")
    with pytest.raises(FormError, match="names no form 'int2'; it names int8, int4, onnx, distilled"):
        form_named("int2")


def made(root, checkpoint, name):
    parent = Parent.read(checkpoint)
    return FormStore(root).add(form_named(name), parent, parent.loaded.model, ORIGIN)


def test_forms_are_kept_whole_and_found_again(tmp_path, checkpoint):
    store = FormStore(tmp_path / "forms")
    whole = load(checkpoint).model(TOKENS).detach()
    for name, near in (("int8", 0.02), ("int4", 0.35), ("onnx", 1e-5)):
        folder = store.folder(made(store.root, checkpoint, name))
        record = store.record(folder.name)
        assert folder.name == f"{checkpoint.name}-{name}"
        assert (record["made_from"], record["run_id"]) == (checkpoint.name, "run-1")
        assert record["size_bytes"] == weights_file(folder).stat().st_size
        with torch.no_grad():
            given = load_runnable(folder, threads=1).forward(TOKENS)
        assert ((given - whole).norm() / whole.norm()).item() < near
        key = form_named(name).key(Parent.read(checkpoint).weights_sha256)
        assert store.find(key, checkpoint.name) == folder.name
    assert (
        weights_file(store.folder(f"{checkpoint.name}-int8")).stat().st_size
        < 0.5 * (checkpoint / WEIGHTS).stat().st_size
    )
    assert store.find("another key", checkpoint.name) is None
    assert made(store.root, checkpoint, "int8") == f"{checkpoint.name}-int8.2", "nothing is written over"
    killed = store.root / f".writing-{os.getpid()}-abc"  # a process may have the number of the one that was killed
    killed.mkdir()
    (killed / "model.safetensors").write_bytes(b"what a version learned")
    assert store.forget(checkpoint.name) == 4
    assert list(store.root.iterdir()) == []


def test_damaged_forms_are_refused(tmp_path, checkpoint):
    store = FormStore(tmp_path)
    graph, packed = (store.folder(made(tmp_path, checkpoint, name)) for name in ("onnx", "int4"))
    with pytest.raises(FormError, match="no form 'gpt-0009-int8'"):
        store.folder("gpt-0009-int8")
    (graph / GRAPH).chmod(0o644)
    (graph / GRAPH).write_bytes((graph / GRAPH).read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="SHA-256 differs"):
        load_runnable(graph, threads=1)
    weights = load_file(packed / WEIGHTS)
    resealed = tmp_path / "gpt-0001-int4.7"
    shutil.copytree(packed, resealed)
    (resealed / WEIGHTS).unlink()
    save_file(weights | {"lm_head.scales_OG": weights["lm_head.scales_OG"].float()}, resealed / WEIGHTS)
    (resealed / "SHA256SUMS").unlink()
    seal(resealed, form_files(resealed))
    with pytest.raises(FormError, match=r"lm_head\.scales_OG is torch.float32"):
        load_runnable(resealed, threads=1)
    (resealed / WEIGHTS).chmod(0o644)
    (resealed / WEIGHTS).write_bytes(b"\x80\x04K\x01.")  # a pickle
    (resealed / "SHA256SUMS").unlink()
    seal(resealed, form_files(resealed))
    with pytest.raises(CheckpointError, match="no safetensors file"):
        load_runnable(resealed, threads=1)


@pytest.mark.parametrize("name", [WEIGHTS, FORM])
def test_a_damaged_form_is_passed_over_and_made_again(tmp_path, checkpoint, documents_file, name):
    request = shrink_request(tmp_path, checkpoint, documents_file, "int8")
    first = answered(run_shrink, request, tmp_path / "first")["form"]
    damaged = tmp_path / "forms" / first / name
    damaged.chmod(0o644)
    damaged.write_bytes(b" " + damaged.read_bytes()[1:])
    assert answered(run_shrink, request, tmp_path / "again")["form"] == f"{first}.2"
    assert answered(run_shrink, request, tmp_path / "third")["form"] == f"{first}.2"


def run(folder, name, bits, *, size):
    scores = [DocumentScore("gpt", f"d{at}", "letters", 100, value) for at, value in enumerate(bits)]
    write_scores(folder / f"{name}.parquet", scores)
    return FormRun(
        evaluation_snapshot="e",
        scores=folder / f"{name}.parquet",
        size_bytes=size,
        peak_memory_bytes=5,
        tokens_per_cpu_second=3.0,
        whole_tokens_per_cpu_second=2.0,
    )


@pytest.mark.parametrize(
    ("lost", "size", "accepted", "told"),
    [
        ([0.0, 0.1, 0.2], 20, True, "accepted: +0.0010 bits per byte, 20% of the size"),
        ([0.0, 0.0, 3.0], 20, False, "refused: it may lose up to"),
        ([0.0, 0.1, 0.2], 40, False, "its file has 40% of the original's size and 30% are allowed"),
    ],
)
def test_the_upper_end_of_the_paired_interval_and_the_size_decide(tmp_path, lost, size, accepted, told):
    whole = run(tmp_path, "whole", [100.0, 200.0, 300.0], size=100)
    form = run(tmp_path, "form", [100.0 + lost[0], 200.0 + lost[1], 300.0 + lost[2]], size=size)
    verdict = judge_form(form_named("int8"), form, whole)
    assert verdict.accepted is accepted
    assert told in verdict.reason
    assert verdict.difference == pytest.approx(sum(lost) / 300)
    assert verdict.low < verdict.difference < verdict.high


def test_one_document_gives_no_interval_and_no_form(tmp_path):
    one = run(tmp_path, "whole", [100.0], size=100)
    verdict = judge_form(form_named("int8"), run(tmp_path, "form", [100.0], size=20), one)
    assert (verdict.accepted, verdict.high) == (False, None)
    assert "may lose unknown" in verdict.reason


def test_a_request_of_another_kind_is_refused(tmp_path):
    (tmp_path / "request.json").write_text(json.dumps({"documents": "x"}))
    with pytest.raises(RequestError, match="is no ShrinkRequest"):
        read_request(tmp_path / "request.json", ShrinkRequest)


def answered(verb, request, work):
    work.mkdir()
    (work / "request.json").write_text(json.dumps(as_json(request)))
    verb(work / "request.json")
    return json.loads((work / RESULT).read_text())


def shrink_request(tmp_path, checkpoint, documents_file, form):
    return ShrinkRequest(
        documents=documents_file,
        checkpoint=checkpoint,
        forms=tmp_path / "forms",
        form=form,
        forms_file=SHIPPED,
        threads=1,
    )


def test_a_form_is_made_once_and_measured_beside_its_version(tmp_path, checkpoint, documents_file):
    request = shrink_request(tmp_path, checkpoint, documents_file, "int8")
    name = answered(run_shrink, request, tmp_path / "first")["form"]
    assert answered(run_shrink, request, tmp_path / "again")["form"] == name

    def measured(folder):
        scores = tmp_path / f"{folder.name}.parquet"
        asked = MeasureRequest(documents=documents_file, made=folder, whole=checkpoint, scores=scores)
        return form_run(answered(run_measure, asked, tmp_path / f"measure-{folder.name}"))

    form, whole = measured(tmp_path / "forms" / name), measured(checkpoint)
    verdict = judge_form(form_named("int8"), form, whole)
    assert form.evaluation_snapshot == whole.evaluation_snapshot
    assert verdict.document_count == 8
    assert abs(verdict.difference) < 0.01
    assert min(form.tokens_per_cpu_second, form.whole_tokens_per_cpu_second) > 0


def test_a_version_is_distilled_on_the_documents_it_learned_from_and_no_others(
    tmp_path, trained, documents, documents_file
):
    store = CheckpointStore(tmp_path / "versions")
    learned = snapshot_hash(documents, splits=("train", "validation"))
    mine = store.folder(store.add(trained, dataclasses.replace(FROM, documents_sha256=learned)))
    short = tmp_path / "forms.yaml"
    short.write_text(SHIPPED.read_text().replace("steps: 400", "steps: 2"))
    request = dataclasses.replace(shrink_request(tmp_path, mine, documents_file, "distilled"), forms_file=short)
    folder = tmp_path / "forms" / answered(run_shrink, request, tmp_path / "taught")["form"]
    assert load_runnable(folder, threads=1).recipe.layers == TINY.layers // 2

    other = store.folder(store.add(trained, FROM))
    with pytest.raises(FormError, match="learned from other documents"):
        answered(run_shrink, dataclasses.replace(request, checkpoint=other), tmp_path / "refused")


def test_the_record_names_its_form(tmp_path, checkpoint):
    folder = FormStore(tmp_path).folder(made(tmp_path, checkpoint, "int4"))
    assert json.loads((folder / FORM).read_text())["form"]["group"] == 32
