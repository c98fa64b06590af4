"""Models learn from what terms and people permit: anything else stops the training, and the last model stays."""

import dataclasses
import json
from collections import Counter

import dagster as dg
import pytest

from assets.model_card import CARD, USE
from dagster_project.code_location import build
from dagster_project.loop import Loop
from dagster_project.wiring import lakehouse
from lakehouse.errors import PurposeError
from models.config import TINY

# Learns to copy from five bytes back, which takes about a hundred steps.
COPYIST = dataclasses.replace(TINY, vocabulary_size=257, context=48, batch=16, steps=120, validate_every=60)
CONSENT = "consent: {basis: consent, table: consents, subject: writer, purpose: purpose, given: given}\n"
SUBJECTS = "subjects: {writer: {description: Who wrote., identifiers: [consents.writer, essays.id]}}\n"
COLUMNS = """\
description: Who agreed to what.
grain: one row per writer and purpose
primary_key: [writer, purpose]
columns:
  writer: {type: string, description: Who wrote}
  purpose: {type: string, description: Purpose}
  given: {type: boolean, description: Whether the writer agreed}
"""


def hand_in(bench, name, version, texts, *, more="", consents=()):
    folder = bench.settings.home / "scratch" / f"{name}-{version}"
    collection = folder / "texts" / "essays"
    collection.mkdir(parents=True)
    (folder / "dataset.yaml").write_text(
        f'eds_version: "1.0"\nname: {name}\nversion: "{version}"\ntitle: Essays\ndescription: Essays.\n'
        f"licence: CC-BY-SA-4.0\naccumulates: waves\n{more}"
    )
    (collection / "collection.yaml").write_text("title: Essays\ndescription: Essays of writers.\n")
    lines = [json.dumps({"id": writer, "title": "Essay", "text": text}) for writer, text in texts.items()]
    (collection / "documents.jsonl").write_text("\n".join(lines) + "\n")
    if consents:
        table = folder / "tables" / "consents"
        table.mkdir(parents=True)
        (table / "columns.yaml").write_text(COLUMNS)
        (table / "consents.csv").write_text("\n".join(["writer,purpose,given", *consents]) + "\n")
    outcome = bench.loop.store(bench.arrive(folder))
    assert outcome.success, outcome.failure


def current(bench):
    return lakehouse(bench.settings).releases.current().model_version


def denials(bench):
    path = bench.settings.home / "logs" / "denied.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_model_names_its_licences_and_a_forbidden_dataset_stops_the_next_one(bench):
    assert bench.loop.store(bench.periodic_texts()).success
    hand_in(bench, "novels", "1", {f"w{n}": f"word{n} " * 9 for n in range(40)}, more="terms: {attribution: By W.}\n")
    bench.learns_with(COPYIST)
    outcome = bench.loop.learn("first")
    assert outcome.success, outcome.failure
    assert current(bench) == "gpt-0001"
    require_card(bench)

    hand_in(bench, "diaries", "1", {"w1": "Nobody may learn from this."}, more="terms: {forbidden: [model_training]}\n")
    before = bench.state()
    outcome = bench.loop.learn("request")
    assert not outcome.success
    assert outcome.exit_code == PurposeError.exit_code == 29
    assert "dataset diaries may not be used for model_training: its terms permit research, teaching" in outcome.failure
    assert bench.state() == before
    assert current(bench) == "gpt-0001"
    (denial,) = denials(bench)
    assert (denial["asked_by"], denial["user"], denial["dataset"]) == ("training", "training", "diaries")

    settings = bench.settings.model_copy(update={"training_forbidden": "leave_out"})
    outcome = Loop(build(settings, workshop=bench.workshop), bench.loop.instance).learn("request")
    assert outcome.success, outcome.failure
    assert {row["dataset"] for row in bench.rows("gold.documents")} == {"echoes", "novels"}
    assert current(bench) == "gpt-0001"


def require_card(bench):
    """The card and gold.token_shares name every licence with its share of the tokens that training packed."""
    folder = bench.workshop.checkpoints.folder("gpt-0001")
    rows = {row["dataset"]: row for row in bench.rows("gold.token_shares")}
    assert {name: row["licence"] for name, row in rows.items()} == {"echoes": "CC0-1.0", "novels": "CC-BY-SA-4.0"}
    packed = json.loads((folder / "training.json").read_text())["distinct_tokens"]
    assert sum(row["token_count"] for row in rows.values()) == packed
    learned = Counter(row["dataset"] for row in bench.rows("gold.documents") if row["split"] == "train")
    assert {name: row["document_count"] for name, row in rows.items()} == learned
    card, share = (folder / CARD).read_text(), rows["novels"]["token_share"]
    assert f"| CC-BY-SA-4.0 | {rows['novels']['token_count']:,} | {share:.2%} | attribution, share alike |" in card
    assert f"| CC0-1.0 | {rows['echoes']['token_count']:,} | {1 - share:.2%} | nothing |" in card
    assert "- novels: By W." in card
    assert f"## Intended use\n\n{USE}\n" in card


@pytest.mark.slow
def test_a_writer_is_learned_from_while_the_newest_answer_is_yes(bench):
    texts = {"w1": "The first essay.", "w2": "The second essay.", "w3": "The third essay.", "w4": "The fourth essay."}

    def learned(version, *consents):
        hand_in(bench, "essays", version, texts, more=CONSENT + SUBJECTS, consents=consents)
        made = build(bench.settings, workshop=bench.workshop)
        assets = [asset for asset in made.assets if asset.key.to_user_string() == "documents"]
        done = dg.materialize(assets, instance=bench.loop.instance, resources=made.resources, raise_on_error=False)
        assert done.success
        return {row["document_id"].split("/")[2].split("@")[0] for row in bench.rows("gold.documents")}

    assert learned("1", "w1,any,true", "w2,model_training,false", "w3,research,true", "w4,any,true") == {"w1", "w4"}
    assert learned("2", "w1,any,false", "w2,model_training,true") == {"w2", "w4"}
    assert learned("3", "w1,any,true", "w2,model_training,false") == {"w1", "w4"}, "the same documents as at first"

    hand_in(bench, "essays", "4", texts, more=CONSENT + SUBJECTS, consents=["w1,any,false"])
    made = build(bench.settings, workshop=bench.workshop)
    for name in ("tokenizer", "tokens", "language_model"):
        (asset,) = (each for each in made.assets if each.key.to_user_string() == name)
        done = dg.materialize([asset], instance=bench.loop.instance, resources=made.resources, raise_on_error=False)
        (failed,) = (event for event in done.all_events if event.is_step_failure)
        told = failed.step_failure_data.user_failure_data.description
        assert "1 of 2 published documents of essays/essays are not those" in told
