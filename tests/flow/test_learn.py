"""A model is published only when it beats the baselines, becomes current only when it beats the current one."""

import dataclasses
import json

import dagster as dg
import pytest
from click.testing import CliRunner

from dagster_project import demo
from dagster_project.cli import lakehouse as command
from dagster_project.code_location import build
from dagster_project.wiring import lakehouse
from models.config import TINY
from models.errors import FormRefusedError

COPYIST = dataclasses.replace(TINY, vocabulary_size=257, context=48, batch=16, steps=120, validate_every=60)
HASTY = dataclasses.replace(COPYIST, steps=2, warmup_steps=1)
SHORTER = dataclasses.replace(COPYIST, steps=70)


def current(bench):
    return lakehouse(bench.settings).releases.current().model_version


def test_a_model_is_trained_measured_and_published_once(learned):
    assert current(learned) == "gpt-0001"
    scores = {
        row["evaluator"]: row["bits_per_byte"] for row in learned.rows("gold.evaluations") if row["slice"] == "all"
    }
    assert scores["gpt"] < min(scores["unigram"], scores["trigram"])
    (model,) = learned.rows("gold.model_versions")
    assert model["cause"] == "first"
    assert learned.rows("gold.predictions")
    before = learned.state()
    assert learned.loop.learn("schedule").success
    assert learned.state() == before, "unchanged documents make no new model, release or snapshot"
    tokenizer, tokens = told(learned, "tokenizer"), told(learned, "tokens")
    assert tokens["snapshot_id"] == tokenizer["snapshot_id"] == model["documents_snapshot"]
    assert tokens["vocabulary_size"] == tokenizer["vocabulary_size"] == COPYIST.vocabulary_size
    assert tokens["train_tokens"] == learned.workshop.checkpoints.training("gpt-0001")["distinct_tokens"]
    assert isinstance(tokens["near_duplicates_removed"], int)
    assert not tokens["new"]
    assert not tokenizer["new"]


def told(bench, asset):
    """Return what the newest materialisation of an asset tells."""
    event = bench.loop.instance.get_latest_materialization_event(dg.AssetKey(asset))
    return {name: each.value for name, each in event.asset_materialization.metadata.items()}


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_whoever_learns_again_from_the_same_is_told_that_all_was_unchanged(learned, capsys):
    assert demo._learn(learned.loop, learned.settings).success
    assert capsys.readouterr().out.startswith("  unchanged\n  bits per byte on ")


def test_what_a_model_knows_of_its_origin_leads_back_to_the_commit_and_makes_it_again(taught):
    taught.learns_with(SHORTER)
    taught.loop.learn("first")
    (commit,) = {row["dataset_commit"] for row in taught.rows("gold.documents")}
    assert taught.workshop.checkpoints.training("gpt-0001")["dataset_commits"] == {"echoes@1": commit}
    assert {row["dataset_commit"] for row in taught.rows("gold.predictions")} == {commit}
    environment = {"LAKEHOUSE_HOME": str(taught.settings.home), "LAKEHOUSE_STORAGE": "folder"}
    require_smaller_form(taught, environment)
    passage = taught.rows("gold.predictions")[0]["passage_id"]
    told = CliRunner().invoke(command, ["explain", passage, "--format", "json"], env=environment)
    assert told.exception is None, told.output
    links = {(link["kind"], link["name"]): link for link in walked(json.loads(told.stdout))}
    (training,) = taught.rows("gold.model_versions")
    assert links["dataset version", "echoes@1"]["facts"]["DataLad commit"] == commit
    assert ("Iceberg snapshot", f"gold.documents@{training['documents_snapshot']}") in links
    assert links["learned from", "echoes under CC0-1.0"]["facts"]["token share"] == 1.0
    trained_by = taught.workshop.checkpoints.training("gpt-0001")["run_id"]
    assert taught.loop.instance.get_run_by_id(trained_by).job_name == "learn"
    assert ("run", trained_by) in links
    gone = {link["kind"] for link in links.values() if link["gone"]}
    assert gone <= {"person responsible", "code commit"}, "echoes name nobody; a test may run on changed code"

    told = CliRunner().invoke(command, ["reproduce", "gpt-0001", "--allow-current-code"], env=environment)
    assert told.exception is None, told.output
    assert "agrees   weights: sha256" in told.output
    assert "agrees   gpt on echoes: " in told.output
    assert "gpt-0001 is reproduced" in told.output
    assert told.output.index("environment: ") < told.output.index("step 70/70")
    assert taught.workshop.checkpoints.versions() == ["gpt-0001"], "nothing is kept"
    assert not list((taught.workshop.root / "work").glob("reproduce-*"))


def require_smaller_form(taught, environment):
    """A form is made by a run of Dagster, judged beside its version, and recorded though it is refused."""
    told = CliRunner().invoke(command, ["models", "shrink", "--to", "int8"], env=environment)
    # So small a model is a third headers and norms: the gate refuses what saves less than it asks.
    assert isinstance(told.exception, FormRefusedError), told.output
    assert "gpt-0001-int8: refused: its file has" in str(told.exception)
    (row,) = taught.rows("gold.model_forms")
    assert (row["form"], row["model_version"], row["accepted"]) == ("gpt-0001-int8", "gpt-0001", False)


def walked(link):
    yield link
    for part in link["parts"]:
        yield from walked(part)


def test_an_unfit_model_is_not_published_by_any_path(taught):
    taught.learns_with(HASTY)
    before = taught.state()
    outcome = taught.loop.learn("first")
    assert not outcome.success
    assert outcome.failure.startswith("evaluation fails beats_the_baselines: gpt-0001 needs "), outcome.failure
    job = build(taught.settings, workshop=taught.workshop)
    result = dg.materialize(
        [asset for asset in job.assets if asset.key.to_user_string() == "release"],
        instance=taught.loop.instance,
        resources=job.resources,
        raise_on_error=False,
    )
    assert not result.success
    after = taught.state()
    assert current(taught) is None
    assert after["snapshots"]["gold.evaluations"] == before["snapshots"]["gold.evaluations"]


def test_a_worse_candidate_is_recorded_and_does_not_become_current(learned):
    learned.learns_with(SHORTER)
    outcome = learned.loop.learn("request")
    assert outcome.success, outcome.failure
    assert current(learned) == "gpt-0001"
    decisions = {
        row["model_version"]: (row["compared_with"], row["promoted"]) for row in learned.rows("gold.promotions")
    }
    assert decisions == {"gpt-0001": (None, True), "gpt-0002": ("gpt-0001", False)}
    snapshots = {row["evaluation_snapshot"] for row in learned.rows("gold.evaluations")}
    assert len(snapshots) == 1, "both were measured on the same documents"
