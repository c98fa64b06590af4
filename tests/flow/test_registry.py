"""Decisions of people about models: each moves the alias and its record in one release, and binds the gate after it."""

import dataclasses

import pytest

from assets.gate import Gate
from assets.registry import approve, require_person, roll_back
from assets.retiring import retire
from dagster_project import registering
from dagster_project.code_location import build
from dagster_project.loop import Loop
from dagster_project.people import users_file
from dagster_project.wiring import lakehouse
from lakehouse.errors import ApprovalError, StageError
from lakehouse.ports import Provenance
from models.config import TINY
from models.errors import CheckpointError

COPYIST = dataclasses.replace(TINY, vocabulary_size=257, context=48, batch=16, steps=120, validate_every=60)
SHORTER = dataclasses.replace(COPYIST, steps=70)
HERE = Provenance(run_id="test", code_commit="c" * 40)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def learn(bench, recipe, *, approval):
    bench.learns_with(recipe)
    gate = Gate(approval=approval)
    bench.loop = Loop(build(bench.settings, workshop=bench.workshop, gate=gate), bench.loop.instance)
    outcome = bench.loop.learn("request")
    assert outcome.success, outcome.failure


def current(bench):
    return lakehouse(bench.settings).releases.current().model_version


def decide(bench, what, *arguments, **options):
    return what(lakehouse(bench.settings), bench.workshop, *arguments, provenance=HERE, **options)


def test_a_model_waits_is_approved_rolled_back_and_retired(taught):
    learn(taught, SHORTER, approval=True)
    assert current(taught) is None, "it waits for a person"
    assert "waits for approval" in registering.listed(taught.settings)
    with pytest.raises(StageError, match="no model is current"):
        decide(taught, roll_back, None, by="lakehouse", reason="x")
    first = decide(taught, approve, "gpt-0001", by="lakehouse", reason="read the card")
    assert current(taught) == "gpt-0001"
    release = lakehouse(taught.settings).releases.current()
    assert release.number == first.release_number
    assert release.pin("gold.model_stages").snapshot_id == first.snapshots["gold.model_stages"]
    with pytest.raises(ApprovalError, match="current version already"):
        decide(taught, approve, "gpt-0001", by="lakehouse", reason="again")

    learn(taught, COPYIST, approval=False)
    assert current(taught) == "gpt-0002"
    with pytest.raises(ApprovalError, match="gpt-0002 waits for no approval"):
        decide(taught, approve, "gpt-0002", by="lakehouse", reason="x")
    with pytest.raises(StageError, match="rollback` first"):
        decide(taught, retire, "gpt-0002", by="lakehouse", reason="x")
    assert "recipe.steps: 70 -> 120" in registering.differences(taught.settings, "gpt-0001", "gpt-0002")

    decide(taught, roll_back, None, by="lakehouse", reason="writes nonsense")
    assert current(taught) == "gpt-0001"
    learn(taught, COPYIST, approval=False)
    assert current(taught) == "gpt-0001", "the gate does not bring back what a person rolled back"
    with pytest.raises(StageError, match="no version was current before gpt-0001"):
        decide(taught, roll_back, None, by="lakehouse", reason="x")
    decide(taught, roll_back, "gpt-0002", by="lakehouse", reason="it was the prompt")
    assert current(taught) == "gpt-0002"
    shown = registering.shown(taught.settings, "gpt-0002")
    assert "rolled back" in shown
    assert "it was the prompt" in shown

    _, page = decide(taught, retire, "gpt-0001", by="lakehouse", reason="outdated")
    text = page.read_text()
    assert "Retired by lakehouse: outdated" in text
    assert "echoes@1" in text
    assert "| gpt | all |" in text
    store = taught.workshop.checkpoints
    assert [path.name for path in (taught.workshop.root / "archive").iterdir()] == ["gpt-0001.tar.zst"]
    assert not (store.folder("gpt-0001") / "model.safetensors").exists()
    assert "`lakehouse models restore gpt-0001` brings them back" in text
    learn(taught, SHORTER, approval=False)
    assert store.versions() == ["gpt-0001", "gpt-0002"], "a retired version does not come back by being trained again"
    assert current(taught) == "gpt-0002"
    for what in (retire, roll_back):
        with pytest.raises(StageError, match="retired"):
            decide(taught, what, "gpt-0001", by="lakehouse", reason="x")
    with pytest.raises(CheckpointError, match="no checkpoint 'gpt-0009'"):
        decide(taught, retire, "gpt-0009", by="lakehouse", reason="x")
    assert "it stays retired" in registering.restored(taught.settings, "gpt-0001")
    assert store.whole("gpt-0001").is_dir()


@pytest.mark.parametrize("name", ["nobody", "training", "anyone", ""])
def test_only_a_person_of_the_policy_file_can_decide(bench, name):
    with pytest.raises(ApprovalError, match=r"policy\.yaml names lakehouse"):
        require_person(users_file(bench.settings).users(), name)
