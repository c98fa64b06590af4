"""A model that answers as an asset: from a published table and a base to a version that is judged and recorded."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from assets.instructing import Lessons, accepted_version
from dagster_project.classifier_place import instructed_place
from dagster_project.code_location import build
from dagster_project.loop import Loop
from dagster_project.registering import listed, shown_instructed
from dagster_project.wiring import lakehouse, lessons
from lakehouse.errors import NoReleaseError, UnknownSettingError
from lakehouse.tables.instructed import INSTRUCTED_MODELS
from models.instruct_recipe import InstructRecipe
from models.instructions import Columns

VERSION = "instructed-0001"
RECIPE = InstructRecipe(context=64, batch=8, epochs=2, base_rate=5e-3, method="full")
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


def taught(bench, given=LESSONS):
    return Loop(build(bench.settings, lessons=given), bench.loop.instance).instruct()


def test_a_published_table_becomes_a_model_that_answers(based, tmp_path):
    unnamed = based.loop.instruct()
    assert (unnamed.success, unnamed.exit_code) == (False, NoReleaseError.exit_code)
    assert "LAKEHOUSE_INSTRUCT_TABLE" in unnamed.failure
    assert based.loop.store(based.arrive(lesson_book(tmp_path / "questions"))).success

    made = taught(based)
    assert made.success, made.failure
    house = lakehouse(based.settings)
    (row,) = based.rows(INSTRUCTED_MODELS.name)
    assert (row["model_version"], row["base"], row["compared_with"]) == (VERSION, "gpt-0001", "none")
    assert (row["table_name"], row["licence"]) == ("silver.questions_answers", "CC-BY-4.0")
    assert row["table_snapshot"] == str(house.releases.current().pin("silver.questions_answers").snapshot_id)
    assert row["gain_over_base_low"] < row["gain_over_base"] < row["gain_over_base_high"]
    assert row["accepted"] == (row["gain_over_base_low"] > 0)
    assert row["accepted"], row["reason"]
    assert accepted_version(house) == VERSION
    assert set(json.loads(row["dataset_commits"])) == {"letters@1", "questions@1"}, "its base's data count, too"
    assert f"{VERSION}: accepted, from gpt-0001" in listed(based.settings)
    assert "gain_over_base" in shown_instructed(based.settings, VERSION)
    assert instructed_place(lambda: based.settings, Path(VERSION)).is_dir()
    assert not list((based.workshop.root / "work" / "instruct").glob("*.parquet")), "no row stays in a work file"

    again = taught(based)
    assert again.success, again.failure
    assert again.told["new"] == "False"
    assert len(based.rows(INSTRUCTED_MODELS.name)) == 1, "unchanged rows, base and recipe give the same version"

    worse = taught(based, replace(LESSONS, recipe=lambda: replace(RECIPE, base_rate=5e-4)))
    assert worse.success, worse.failure
    judged = {each["model_version"]: each for each in based.rows(INSTRUCTED_MODELS.name)}
    assert judged["instructed-0002"]["compared_with"] == VERSION
    assert not judged["instructed-0002"]["accepted"]
    assert accepted_version(lakehouse(based.settings)) == VERSION

    assert {VERSION, "instructed-0002"} < set(based.workshop.versions()), "a withdrawal looks through all of these"
    assert based.workshop.read_by(VERSION).keys() == {"questions@1"}
    based.workshop.destroy(VERSION, "receipt")
    assert not (based.workshop.instructed.folder(VERSION) / "model.safetensors").exists()
    assert based.workshop.instructed.usable() == ["instructed-0002"]


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
