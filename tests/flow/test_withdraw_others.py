"""A withdrawal takes one person and leaves everybody else, what things are called, and the lake's settings alone."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from dagster_project.cli import lakehouse as command
from dagster_project.wiring import lakehouse, versions
from lakehouse.archive.validate import validate

SCHOOL = """\
eds_version: "1.0"
name: school
version: "2024"
title: A school
description: Pupils and their marks.
licence: CC0-1.0
accumulates: waves
contact: {name: Mark, email: pupil.ten@example.org}
temporal_coverage: {start: "2024", end: "2024"}
terms: {access: registered}
subjects:
  pupil:
    description: A pupil.
    identifiers: [pupils.id, pupils.login, pupils.number, events/clicks.actor]
"""
PUPILS = """\
description: Pupils.
grain: one row per pupil
primary_key: [id]
columns:
  id: {type: string, description: Id., required: true}
  login: {type: string, description: Name to log in with.}
  number: {type: integer, description: Running number.}
"""
MARKS = """\
description: Marks.
grain: one row per mark
primary_key: [entry]
columns:
  entry: {type: integer, description: Entry., required: true}
  pupil: {type: string, description: Whose., references: pupils.id}
  mark: {type: integer, description: The mark.}
  tutor: {type: string, description: Who helped., levels: [tut4711, anna7]}
  term: {type: string, description: When.}
  remark: {type: string, description: Anything.}
"""
# The login of the pupil in its row, beside the running number.
LOGINS = {"student1": "mark", "student2": "washington", "student3": "tut4711", "student10": "pupil.ten@example.org"}
PEOPLE = [f"student{number}" for number in (*range(1, 11), *range(100, 110))]


def school(into: Path) -> Path:
    for part, dictionary in (("pupils", PUPILS), ("marks", MARKS)):
        (into / "tables" / part).mkdir(parents=True)
        (into / "tables" / part / "columns.yaml").write_text(dictionary)
    (into / "dataset.yaml").write_text(SCHOOL)
    rows = [f"{one},{LOGINS.get(one, f'user{one[7:]}x')},{2020 + number}" for number, one in enumerate(PEOPLE)]
    (into / "tables" / "pupils" / "pupils.csv").write_text("\n".join(["id,login,number", *rows]) + "\n")
    rows = [
        f"{number},{one},3,{'tut4711' if number % 2 else 'anna7'},2024,with student10 and {one}_b"
        for number, one in enumerate(PEOPLE)
        if one != "student10"
    ]
    (into / "tables" / "marks" / "marks.csv").write_text(
        "\n".join(["entry,pupil,mark,tutor,term,remark", *rows]) + "\n"
    )
    clicks, essays = into / "events" / "clicks", into / "texts" / "essays"
    clicks.mkdir(parents=True)
    essays.mkdir(parents=True)
    (clicks / "log.yaml").write_text('title: Clicks\ndescription: Clicks.\nxapi_version: "1.0.3"\n')
    statements = [
        {
            "id": f"00000000-0000-4000-8000-{number:012d}",
            "actor": {"account": {"homePage": "https://x.org", "name": one}},
            "verb": {"id": "https://x.org/did"},
            "object": {"id": "https://x.org/it"},
            "timestamp": "2024-05-01T10:00:00Z",
        }
        for number, one in enumerate(PEOPLE)
    ]
    (clicks / "clicks.jsonl").write_text("".join(json.dumps(one) + "\n" for one in statements))
    (essays / "collection.yaml").write_text("title: Essays\ndescription: Essays.\n")
    (essays / "student100.txt").write_text("student100 and student10 were here.")
    return into


def towns(into: Path) -> Path:
    (into / "tables" / "towns").mkdir(parents=True)
    (into / "dataset.yaml").write_text(
        'eds_version: "1.0"\nname: washington_schools\nversion: "1"\ntitle: Schools of washington\n'
        "description: Towns.\nlicence: CC0-1.0\naccumulates: waves\n"
    )
    (into / "tables" / "towns" / "columns.yaml").write_text(
        "description: Towns.\ngrain: one row per town\nprimary_key: [town]\n"
        "columns:\n  town: {type: string, description: Town., required: true}\n"
    )
    (into / "tables" / "towns" / "towns.csv").write_text("town\nwashington\nspokane\n")
    return into


def withdrawn(bench, person: str, *words: str) -> str:
    environment = {"LAKEHOUSE_HOME": str(bench.settings.home), "LAKEHOUSE_STORAGE": "folder"}
    environment["LAKEHOUSE_CATALOGUE_PORT"] = str(bench.settings.catalogue_port)
    done = CliRunner().invoke(command, ["withdraw", person, *words], env=environment)
    assert done.exit_code == 0, done.output
    return done.output


def content(bench, tmp_path, name: str) -> Path:
    """The school as it is stored now, written out."""
    (version,) = versions(bench.settings).versions("school")
    folder = tmp_path / name
    versions(bench.settings).export(version, folder)
    return folder


def pupils(folder: Path) -> list[str]:
    lines = (folder / "tables" / "pupils" / "pupils.csv").read_text().splitlines()[1:]
    return [line.split(",")[0] for line in lines]


def records(bench, dataset: str) -> dict[str, bytes]:
    objects = lakehouse(bench.settings).objects
    return {key: objects.get(key) for key in objects.keys(f"records/{dataset}/")}


@pytest.mark.slow
def test_nobody_else_and_nothing_that_is_called_so_is_touched(bench, tmp_path):
    policy = bench.settings.home / "policy.yaml"
    policy.write_text("users:\n  student10:\n    roles: [steward]\n  anyone: {}\n")
    for folder in (school(tmp_path / "school"), towns(tmp_path / "towns")):
        outcome = bench.loop.store(bench.arrive(folder))
        assert outcome.success, outcome.failure
    others = records(bench, "washington_schools")

    answer = withdrawn(bench, "student10")
    assert "NOT MASKED" not in answer
    folder = content(bench, tmp_path, "first")
    marks = (folder / "tables" / "marks" / "marks.csv").read_text().splitlines()[1:]
    assert [line.split(",")[1] for line in marks] == [one for one in PEOPLE if one != "student10"]
    assert [line.split(",")[5] for line in marks] == [
        f"with [withdrawn] and {one}_b" for one in PEOPLE if one != "student10"
    ]
    actors = [
        json.loads(line)["actor"]["account"]["name"]
        for line in (folder / "events" / "clicks" / "clicks.jsonl").read_text().splitlines()
    ]
    assert actors == [one for one in PEOPLE if one != "student10"]
    essay = folder / "texts" / "essays" / "student100.txt"
    assert essay.read_text() == "student100 and [withdrawn] were here."
    assert "email" not in (folder / "dataset.yaml").read_text(), "the address was that of the login, and no mask is one"
    assert validate(folder, submission="school@2024", content_sha256="0" * 64).accepted
    assert policy.read_text() == "users:\n  student10:\n    roles: [steward]\n  anyone: {}\n"
    receipt = json.loads(Path(answer.rsplit(": ", 1)[1].strip()).read_bytes())["receipt"]
    assert "policy.yaml" in receipt["also"]["traces"]["skipped"]
    assert "policy.yaml: is a file of settings that holds the value" in answer
    assert receipt["identifiers_left_in_texts"] == 0

    # The name of a column, the code of a level, the label of the version: rows go, and no word that is called so.
    for login, person in (("mark", "student1"), ("tut4711", "student3")):
        answer = withdrawn(bench, login)
        assert "NOT MASKED IN TEXTS: 1 identifier of the person also stands in what a dataset" in answer
        gone = content(bench, tmp_path, login)
        assert person not in pupils(gone)
        assert (gone / "tables" / "marks" / "columns.yaml").read_text() == MARKS
        assert validate(gone, submission="school@2024", content_sha256="0" * 64).accepted
    last = PEOPLE[4]
    assert "pupils 1" in withdrawn(bench, "2024")
    folder = content(bench, tmp_path, "year")
    assert last not in pupils(folder)
    assert {
        line.split(",")[4] for line in (folder / "tables" / "marks" / "marks.csv").read_text().splitlines()[1:]
    } == {"2024"}
    assert "version: '2024'" in (folder / "dataset.yaml").read_text()

    # What only begins with the value, and other datasets, which were not asked for.
    assert "pupils 1" in withdrawn(bench, "washington")
    assert records(bench, "washington_schools") == others
    assert [row["town"] for row in bench.rows("silver.washington_schools_towns")] == ["washington", "spokane"]
    pins = lakehouse(bench.settings).releases.current().tables
    assert "silver.washington_schools_towns" in pins
    assert records(bench, "school"), "metadata remain"
    outcome = bench.loop.store(bench.arrive(towns(tmp_path / "again")))
    assert outcome.success, outcome.failure
