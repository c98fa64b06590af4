"""A model that answers as an asset: from a published table and a base to a version that is judged and recorded."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from assets.gate import Gate
from assets.instruct import CHECKS
from assets.instructing import Lessons
from assets.tuned_registry import current_tuned
from dagster_project.classifier_place import instructed_place
from dagster_project.code_location import build
from dagster_project.explaining import explained, sources
from dagster_project.loop import Loop
from dagster_project.registering import approved, listed, retired, rolled_back, shown_tuned
from dagster_project.reproducing import Books, reproduce
from dagster_project.wiring import lakehouse, lessons, permission, shelf
from lakehouse.errors import NoReleaseError, UnknownSettingError
from lakehouse.tables.instructed import INSTRUCTED_RESULTS, INSTRUCTED_VERSIONS
from models.instruct_recipe import InstructRecipe
from models.instruct_trials import SHIPPED
from models.instructions import Columns

VERSION = "instructed-0001"
RECIPE = InstructRecipe(context=64, batch=8, epochs=2, base_rate=5e-3, method="full")
NO_PERSON = Gate(approval=False)
LESSONS = Lessons(dataset="questions", table="answers", columns=Columns(group="lesson"), recipe=lambda: RECIPE)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def lesson_book(folder, version="1"):
    """A dataset of questions whose answer repeats a word of theirs."""
    draw, lines = random.Random(1), ["number,lesson,instruction,response"]
    for at in range(60):
        word = draw.choice(["school", "college", "student", "teacher", "lesson", "town"])
        lines.append(f"{at},lesson {at % 30},Say the {word} of {at},the {word}")
    described = (
        f'eds_version: "1.0"\nname: questions\nversion: "{version}"\ntitle: Questions\ndescription: Questions.\n'
        "licence: CC-BY-4.0\naccumulates: snapshots\n"
    )
    columns = (
        "description: Questions.\ngrain: one row per question\nprimary_key: [number]\ncolumns:\n"
        "  number: {type: integer, description: Number, required: true}\n"
        "  lesson: {type: string, description: Lesson}\n  instruction: {type: string, description: Question}\n"
        "  response: {type: string, description: Answer}\n"
    )
    for name, text in {
        "dataset.yaml": described,
        "tables/answers/columns.yaml": columns,
        "tables/answers/answers.csv": "\n".join(lines) + "\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def taught(bench, given=LESSONS, gate=NO_PERSON):
    # So small a model learns which words responses have, not which question each belongs to; it is told so.
    lenient = bench.settings.home / "lenient.yaml"
    entry = {"kind": "own_question", "at_least": 0, "stops": "nothing", "owner": "team:models", "means": "Shown."}
    lenient.write_text(json.dumps({"answers_belong_to_their_questions": entry}))
    given = replace(given, trials=(SHIPPED, lenient))
    return Loop(build(bench.settings, lessons=given, gate=gate), bench.loop.instance).instruct()


def recorded_and_in_use(based):
    """The first version is judged, in use, explained, made again from its record, and described."""
    house = lakehouse(based.settings)
    (row,) = based.rows(INSTRUCTED_VERSIONS.name)
    assert (row["model_version"], row["base"], row["compared_with"]) == (VERSION, "gpt-0001", None)
    assert (row["table_name"], row["licence"]) == ("silver.questions_answers", "CC-BY-4.0")
    assert row["table_snapshot"] == str(house.releases.current().pin("silver.questions_answers").snapshot_id)
    told = {(each["kind"], each["name"], each["slice"]): each for each in based.rows(INSTRUCTED_RESULTS.name)}
    gain = told["figure", "gain_over_base", "all"]
    assert 0 < gain["low"] < gain["value"] < gain["high"]
    tests = {name: each for (kind, name, _), each in told.items() if kind == "test"}
    assert {each.name for each in CHECKS} == set(tests)
    assert all(each["owner"] == "team:models" for each in tests.values())
    assert row["promoted"] == all(each["passed"] or each["stops"] == "nothing" for each in tests.values())
    assert row["promoted"], row["reason"]
    assert current_tuned(house, "instructed") == VERSION
    assert set(json.loads(row["dataset_commits"])) == {"letters@1", "questions@1"}, "its base's data count, too"
    assert f"{VERSION}: in use, from gpt-0001" in listed(based.settings)
    assert "figure gain_over_base on all" in shown_tuned(based.settings, VERSION)
    chain = explained(based.settings, VERSION, "text", None)
    assert all(each in chain for each in ("model version: gpt-0001", "questions@1", "answers_end", "judgement"))
    reproduced(based)
    card = (based.workshop.instructed.folder(VERSION) / "MODEL_CARD.md").read_text()
    assert "| answers_end |" in card
    folder, version = instructed_place(lambda: based.settings, Path(VERSION))
    assert (folder.is_dir(), version) == (True, VERSION)
    assert not list((based.workshop.root / "work" / "instruct").glob("*.parquet")), "no row stays in a work file"


def test_a_published_table_becomes_a_model_that_answers(based, tmp_path):
    unnamed = based.loop.instruct()
    assert (unnamed.success, unnamed.exit_code) == (False, NoReleaseError.exit_code)
    assert "LAKEHOUSE_INSTRUCT_TABLE" in unnamed.failure
    assert based.loop.store(based.arrive(lesson_book(tmp_path / "questions"))).success

    made = taught(based)
    assert made.success, made.failure
    recorded_and_in_use(based)

    again = taught(based)
    assert again.success, again.failure
    assert again.told["new"] == "False"
    assert len(based.rows(INSTRUCTED_VERSIONS.name)) == 1, "unchanged rows, base and recipe give the same version"

    worse = taught(based, replace(LESSONS, recipe=lambda: replace(RECIPE, base_rate=5e-4)))
    assert worse.success, worse.failure
    judged = {each["model_version"]: each for each in based.rows(INSTRUCTED_VERSIONS.name)}
    assert judged["instructed-0002"]["compared_with"] == VERSION
    assert not judged["instructed-0002"]["promoted"]
    assert current_tuned(lakehouse(based.settings), "instructed") == VERSION

    people_decide(based)

    assert {VERSION, "instructed-0002"} < set(based.workshop.versions()), "a withdrawal looks through all of these"
    assert based.workshop.read_by(VERSION).keys() == {"questions@1"}
    based.workshop.destroy(VERSION, "receipt")
    assert not (based.workshop.instructed.folder(VERSION) / "model.safetensors").exists()
    assert VERSION not in based.workshop.instructed.usable()


def reproduced(bench):
    """The version is made again from its record, to the last bit: rows, base, weights, losses and figures."""
    told, books = [], Books(shelf(bench.settings), permission(bench.settings))
    reproduce(sources(bench.settings), VERSION, books, allow_current_code=True, tell=told.append)
    agreed = len([each for each in told if each.startswith("agrees")])
    assert told[-1] == f"{VERSION} is reproduced: {agreed} of {agreed} comparisons agree"
    assert any(each.startswith("agrees   weights: sha256 ") for each in told)


def people_decide(bench):
    """A better version waits for a person, is put to use, rolled back, and retired to the archive."""
    waiting = taught(bench, replace(LESSONS, recipe=lambda: replace(RECIPE, epochs=4)), Gate(approval=True))
    assert waiting.success, waiting.failure
    assert waiting.told["in_use"] == VERSION
    (row,) = [each for each in bench.rows(INSTRUCTED_VERSIONS.name) if each["model_version"] == "instructed-0003"]
    assert (row["waits"], row["low"] > 0) == (True, True), row["reason"]
    given = {"instruct_table": "questions.answers", "instruct_group": "lesson"}
    named = bench.settings.model_copy(update={**given, "instruct_trials": bench.settings.home / "lenient.yaml"})
    who = {"by": "lakehouse", "reason": "read its answers"}
    assert "instructed-0003 is current, approved by lakehouse" in approved(named, "instructed-0003", **who)
    assert f"{VERSION} is in use again" in rolled_back(named, VERSION, **who)
    assert "post_mortems/instructed-0003.md" in retired(named, "instructed-0003", **who)
    assert (bench.workshop.root / "archive" / "instructed-0003.tar.zst").is_file()
    assert current_tuned(lakehouse(bench.settings), "instructed") == VERSION


def test_settings_say_what_is_taught(bench, tmp_path):
    assert lessons(bench.settings).dataset == ""
    (tmp_path / "recipe.json").write_text('{"epochs": 1, "context": 64}')
    named = {"instruct_table": "questions.answers", "instruct_group": "lesson", "instruct_method": "full"}
    found = lessons(bench.settings.model_copy(update={**named, "instruct_recipe": tmp_path / "recipe.json"}))
    assert (found.dataset, found.table, found.columns.group) == ("questions", "answers", "lesson")
    recipe = found.recipe()
    assert (recipe.method, recipe.epochs, recipe.context) == ("full", 1, 64)
    for wrong in ("questions", "a.b.c", ".answers"):
        with pytest.raises(UnknownSettingError, match="write dataset"):
            lessons(bench.settings.model_copy(update={"instruct_table": wrong}))
