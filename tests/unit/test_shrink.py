"""Forms are made only of versions that may be used, and go with the version that must be forgotten."""

import dataclasses
import json

import pytest

from assets.explain import explain
from assets.shrink import SMALLER, shrink, usable_version
from assets.workshop import Workshop
from dagster_project.shrinking import line, newest, require_forms
from lakehouse.errors import StageError
from lakehouse.lineage import walk
from lakehouse.masking import Mask
from lakehouse.ports import Provenance
from lakehouse.tables.gold import DOCUMENTS, MODEL_FORMS, MODEL_STAGES
from lakehouse.tables.withdrawals import quarantine
from models.checkpoint import Origin
from models.config import TINY
from models.documents import COLUMNS, documents_from
from models.durable import write_json
from models.errors import FormError
from models.form_store import FORM
from models.form_verbs import run_measure, run_shrink
from models.requests import RESULT
from models.train import train
from tests.unit.explained_lake import COMMIT, open_lake

HERE = Provenance(run_id="test", code_commit="c" * 40)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_a_version_that_may_not_be_used_is_not_made_smaller(tmp_path):
    lake = open_lake(tmp_path)
    with pytest.raises(StageError, match="no model is current"):
        usable_version(lake.house, "")
    assert usable_version(lake.house, "gpt-0001") == "gpt-0001"
    lake.publish(MODEL_STAGES, {"event_key": "1", "model_version": "gpt-0001", "stage": "retired"})
    with pytest.raises(StageError, match="gpt-0001 is retired"):
        usable_version(lake.house, "gpt-0001")
    quarantine(lake.house.objects, "gpt-0002", "receipt-1")
    with pytest.raises(StageError, match="gpt-0002 is in quarantine"):
        usable_version(lake.house, "gpt-0002")


def test_forms_of_a_version_in_quarantine_are_destroyed_and_others_stay(tmp_path):
    workshop = Workshop(tmp_path, TINY)
    for version, form in (
        ("gpt-0001", "gpt-0001-int8"),
        ("gpt-0001", "gpt-0001-onnx.2"),
        ("gpt-0002", "gpt-0002-int8"),
    ):
        (workshop.checkpoints.root / version).mkdir(parents=True, exist_ok=True)
        (workshop.forms.root / form).mkdir(parents=True)
        write_json(workshop.forms.root / form / FORM, {"key": "k"})
    workshop.quarantine("gpt-0001", Mask(()), "receipt-1")
    assert workshop.forms.names() == ["gpt-0002-int8"]


def in_this_process(verb, values, work, place):
    """What the child process does, here: three processes would load torch three times."""
    work.mkdir(parents=True, exist_ok=True)
    (work / "request.json").write_text(json.dumps(values))
    {"shrink": run_shrink, "measure": run_measure}[verb](work / "request.json")
    return json.loads((work / RESULT).read_text())


def test_a_form_is_recorded_once_beside_its_version_and_explained_through_it(tmp_path, monkeypatch):
    monkeypatch.setattr("assets.shrink.perform", in_this_process)
    lake = open_lake(tmp_path)
    texts = [f"{at} " + "the school reads and the town learns " * 9 for at in range(30)]
    documents = [
        {"document_id": f"lessons/notes/{at}", "dataset": "lessons", "dataset_version": "1", "text": text}
        | {"dataset_commit": COMMIT, "split": "test" if at % 5 == 0 else "train"}
        for at, text in enumerate(texts)
    ]
    lake.publish(DOCUMENTS, *documents)
    rows = documents_from(lake.house.tables.read(DOCUMENTS.name).select(COLUMNS))
    origin = Origin(
        training_key="k",
        documents_snapshot=str(lake.documents_snapshot()),
        documents_sha256="d" * 64,
        dataset_commits={"lessons@1": COMMIT},
        code_commit="c" * 40,
        cause="first",
        run_id="run-6",
    )
    short = dataclasses.replace(TINY, steps=3, validate_every=3)
    version = lake.workshop.checkpoints.add(train(rows, short, threads=1), origin)
    first = shrink(lake.house, lake.workshop, version, "int8", HERE)
    assert first.name == f"{version}-int8"
    (row,) = lake.house.tables.read(MODEL_FORMS.name).to_pylist()
    assert (row["form"], row["model_version"]) == (first.name, version)
    assert (row["accepted"], row["reason"]) == (first.verdict.accepted, first.verdict.reason)
    assert row["evaluation_snapshot"] == lake.workshop.evaluation_snapshot(lake.workshop.corpus(lake.house))
    card = (lake.workshop.forms.folder(first.name) / "MODEL_CARD.md").read_text()
    assert first.verdict.reason in card
    before = lake.house.releases.current().number
    assert shrink(lake.house, lake.workshop, version, "int8", HERE).name == first.name
    assert lake.house.releases.current().number == before, "the same form on the same documents is told once"
    link = explain(lake.sources(), first.name)
    assert (link.kind, link.gone) == ("model form", "")
    kinds = {each.kind for each in walk(link)}
    assert {"judgement", "recipe", "model version", "dataset version", "person responsible"} <= kinds


def test_forms_are_asked_for_by_name_all_of_them_by_none():
    assert require_forms([]) == list(SMALLER) == ["int8", "int4", "onnx", "distilled"]
    assert require_forms(["onnx", "int8", "onnx"]) == ["onnx", "int8"]
    with pytest.raises(FormError, match="there is no form int3; name some of int8, int4"):
        require_forms(["int3", "int8"])


def test_the_newest_judgement_of_a_form_is_told():
    row = {
        "form": "gpt-0001-int8",
        "size_bytes": 25,
        "whole_size_bytes": 100,
        "difference": 0.001,
        "low": -0.001,
        "high": 0.003,
        "tokens_per_cpu_second": 50.0,
        "whole_tokens_per_cpu_second": 100.0,
        "reason": "accepted",
        "recorded_at": 1,
    }
    (told,) = newest([row, row | {"recorded_at": 2, "reason": "refused"}, row | {"recorded_at": 0}])
    assert told["reason"] == "refused"
    anew = row | {"form": "gpt-0001-int8.2", "recorded_at": 3}
    assert len(newest([row, anew])) == 2
    assert newest([anew, row], by=lambda one: one["form"].partition(".")[0]) == [anew]
    figures = "25% of the bytes, +0.0010 [-0.0010, +0.0030] bits/byte, 0.50 x the speed, accepted"
    assert " ".join(line(row).split()) == f"gpt-0001-int8 {figures}"
