"""A classifier as an asset: from a published table and a base to a version that is tested, recorded and in use."""

import json
import random
from dataclasses import fields, replace

import dagster as dg
import pytest

from assets.learning import PURPOSE, Permission
from assets.tuned_registry import current_tuned
from assets.tuned_reproduction import recorded_finetuning, recorded_texts
from dagster_project.classifying import lines_of
from dagster_project.code_location import build
from dagster_project.explaining import sources
from dagster_project.loop import Loop
from dagster_project.registering import listed, shown_tuned
from dagster_project.reproducing import Books, reproduce
from dagster_project.wiring import lakehouse, permission, shelf
from lakehouse.errors import NoReleaseError, NotReproducibleError, PurposeError
from models.classifier_store import load_classifier

NAME, VERSION = "subject_classifier", "subject_classifier-0001"
SUBJECTS = {
    "anatomy-physiology": "muscle bone heart ventricle blood forearm tendon joint valve arteries",
    "biology": "plants photosynthesis chloroplasts species evolve selection heritable sugars light population",
    "chemistry": "acid base proton molarity solution bond atoms reaction molar equation",
    "economics": "market price demand inflation bank firms monopoly revenue cost profit",
    "microbiology": "bacteria virus pathogen infection antibiotic staining cell host contaminated disease",
    "physics": "force mass velocity current coil voltage magnetic resistor acceleration object",
    "sociology": "norms socialization roles peer inequality race gender class stratification families",
    "us-history": "congress president colonists war republicans election british independence soldiers boston",
}
COMMON = ["the", "of", "a", "in", "and", "to", "that", "with", "for", "this", "which", "is", "its", "by"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def textbook(folder):
    """A dataset of paragraphs whose words belong to their subjects."""
    draw, lines = random.Random(5), ["paragraph,module,subject,text"]
    for at in range(400):
        subject = list(SUBJECTS)[at % 8]
        words = [draw.choice(SUBJECTS[subject].split() if draw.random() < 0.5 else COMMON) for _ in range(14)]
        lines.append(f"{at},{subject}-{at // 8 % 20},{subject},{' '.join(words)}")
    described = (
        'eds_version: "1.0"\nname: openstax_paragraphs\nversion: "1"\ntitle: Paragraphs\ndescription: Paragraphs.\n'
        "licence: CC-BY-4.0\naccumulates: snapshots\n"
    )
    columns = (
        "description: Paragraphs.\ngrain: one row per paragraph\nprimary_key: [paragraph]\ncolumns:\n"
        "  paragraph: {type: integer, description: Number, required: true}\n"
        "  module: {type: string, description: Chapter}\n  subject: {type: string, description: Subject}\n"
        "  text: {type: string, description: Text}\n"
    )
    for name, text in {
        "dataset.yaml": described,
        "tables/paragraphs/columns.yaml": columns,
        "tables/paragraphs/paragraphs.csv": "\n".join(lines) + "\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


class Forbidding(Permission):
    """What is published, as if its terms forbade learning from it."""

    def policy(self, house):
        known = super().policy(house)
        terms = {name: replace(each, forbidden=(PURPOSE,)) for name, each in known.terms.items()}
        return replace(known, terms=terms)


def test_a_published_table_becomes_a_classifier_in_use(based, tmp_path):
    absent = based.loop.classify(NAME)
    assert (absent.success, absent.exit_code) == (False, NoReleaseError.exit_code)
    assert "lakehouse submit" in absent.failure

    outcome = based.loop.store(based.arrive(textbook(tmp_path / "paragraphs")))
    assert outcome.success, outcome.failure
    forbidding = build(based.settings, permission=books(based, Forbidding).permission)
    refused = Loop(forbidding, based.loop.instance).classify(NAME)
    assert (refused.success, refused.exit_code) == (False, PurposeError.exit_code)
    assert based.workshop.classifiers.versions() == []

    made = based.loop.classify(NAME)
    assert made.success, made.failure

    house = lakehouse(based.settings)
    (row,) = based.rows("gold.classifier_versions")
    pin = house.releases.current().pin("silver.openstax_paragraphs_paragraphs")
    assert (row["model_version"], row["base"], row["licence"]) == (VERSION, "gpt-0001", "CC-BY-4.0")
    assert (row["table_name"], row["table_snapshot"]) == ("silver.openstax_paragraphs_paragraphs", str(pin.snapshot_id))
    assert json.loads(row["labels"]) == sorted(SUBJECTS)
    results = {(each["kind"], each["name"], each["slice"]): each for each in based.rows("gold.classifier_results")}
    assert results["figure", "accuracy", "all"]["value"] > 0.9
    assert results["figure", "gain_over_commonest_label", "all"]["low"] > 0.5
    tests = {name: each for (kind, name, _), each in results.items() if kind == "test"}
    assert tests["typing_errors_do_not_matter"]["owner"] == "team:models"
    failed = [name for name, each in tests.items() if not each["passed"] and each["stops"] == "promotion"]
    assert (row["promoted"], current_tuned(house, NAME)) == (not failed, None if failed else VERSION)
    assert lines_of(made.told) == [f"{VERSION}: {row['reason']}", f"in use: {'none' if failed else VERSION}"]
    assert all("," not in each["detail"] for each in tests.values() if each["slice"] == "invariance"), "no text is told"

    learned = based.workshop.learned_from(VERSION)
    assert {*learned} == {"letters@1", "openstax_paragraphs@1"}, "its base's data count, too"
    assert VERSION in based.workshop.versions()
    assert VERSION in listed(based.settings)
    assert "figure accuracy on all" in shown_tuned(based.settings, VERSION)
    folder = based.workshop.classifiers.folder(VERSION)
    assert "under CC-BY-4.0" in (folder / "MODEL_CARD.md").read_text()
    assert load_classifier(folder).labels == tuple(sorted(SUBJECTS))
    assert checked(based) == {name: each["passed"] for name, each in tests.items()}

    terms_of_today_count(based)
    told = []
    reproduce(sources(based.settings), VERSION, books(based), allow_current_code=True, tell=told.append)
    assert [line for line in told if line.startswith("DIFFERS")] == []
    assert any(line.startswith("agrees   weights: sha256 ") for line in told)
    assert any(line.startswith("agrees   accuracy on all: ") for line in told), "the published figures were compared"
    assert told[-1].startswith(f"{VERSION} is reproduced: ")

    before = house.releases.current().number
    again = based.loop.classify(NAME)
    assert again.success, again.failure
    assert house.releases.current().number == before, "the same texts, base and recipe are the version there is"
    assert based.workshop.classifiers.versions() == [VERSION]


def books(bench, kind=Permission):
    known = permission(bench.settings)
    return Books(shelf(bench.settings), kind(**{each.name: getattr(known, each.name) for each in fields(Permission)}))


def terms_of_today_count(bench):
    """A classifier is not made again from what may not be learned from any more."""
    opened = sources(bench.settings)
    training = recorded_finetuning(opened, VERSION)
    with pytest.raises(NotReproducibleError, match="may not be used for model_training"):
        recorded_texts(opened, VERSION, training, books(bench).shelf, books(bench, Forbidding).permission)


def checked(bench):
    """What the newest run of the job says of the classifier's checks."""
    run = bench.loop.instance.get_runs(filters=dg.RunsFilter(job_name="classify"), limit=1)[0]
    told = bench.loop.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [each.dagster_event.asset_check_evaluation_data for each in told]
    return {each.check_name: each.passed for each in found}
