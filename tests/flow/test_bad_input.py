"""What bad input gets from the command line: its own exit code, a message that helps, and nothing changed."""

import shutil
import zipfile
from collections import Counter

import pytest

from dagster_project.cli import main
from dagster_project.jobs import STORED
from lakehouse.samples import college_scorecard

DATASET = """\
eds_version: "1.0"
name: marks
version: "1"
title: Marks
description: Marks of courses.
licence: CC0-1.0
accumulates: snapshots
"""
COURSES = """\
description: Courses.
grain: one row per course
primary_key: [course]
columns:
  course: {type: string, description: Code of the course., required: true}
"""
MARKS = """\
description: Marks.
grain: one row per mark
primary_key: [mark_id]
columns:
  mark_id: {type: integer, description: Number of the mark., required: true}
  course: {type: string, description: Code of the course., required: true, references: courses.course}
  points: {type: number, description: Points reached., unit: "1"}
"""
PROMISE = """\
silver.marks_marks:
  about: Marks.
  owner: team:test
  expect:
    HIGH: {check: between, column: points, minimum: 5, severity: error, reason: Because the test says so.}
"""


def marks(folder, *, version="1", rows="1,A,10\n2,B,7.5\n"):
    for table, dictionary, text in (
        ("courses", COURSES, "course\nA\nB\n"),
        ("marks", MARKS, "mark_id,course,points\n" + rows),
    ):
        (folder / "tables" / table).mkdir(parents=True)
        (folder / "tables" / table / "columns.yaml").write_text(dictionary)
        (folder / "tables" / table / f"{table}.csv").write_text(text)
    (folder / "dataset.yaml").write_text(DATASET.replace('version: "1"', f'version: "{version}"'))
    return folder


def without_description(folder):
    (marks(folder) / "dataset.yaml").unlink()


def wrong_encoding(folder):
    (marks(folder) / "tables/courses/courses.csv").write_bytes("course\nA\nB\nÄ\n".encode("latin-1"))


def missing_key(folder):
    marks(folder, rows="1,A,10\n2,Z,7.5\n")


def empty_file(folder):
    (marks(folder) / "tables/marks/marks.csv").write_bytes(b"")


REFUSED = {
    "no description": (without_description, 10, "dataset.yaml"),
    "wrong encoding": (wrong_encoding, 11, "courses.csv"),
    "missing key": (missing_key, 12, "courses.course"),
    "empty file": (empty_file, 14, "marks.csv"),
}


def called(home, *arguments):
    """Run a command on the lakehouse in this folder and return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEHOUSE_HOME", str(home))
        patch.setenv("LAKEHOUSE_STORAGE", "folder")
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
    return ended.value.code


def one_dataset(bench):
    """A small dataset is stored by the command line."""
    assert called(bench.settings.home, "submit", marks(bench.settings.home / "source" / "marks")) == 0


@pytest.fixture
def bench(lakes):
    made = lakes.open(one_dataset)
    yield made
    made.close()


@pytest.fixture
def lakehouse(bench, capsys):
    """The command line on a lakehouse that already holds one dataset."""

    def call(*arguments):
        code = called(bench.settings.home, *arguments)
        output = capsys.readouterr()
        return code, output.out + output.err

    return call


def data_state(bench):
    """The state but for the register, in which a refusal is recorded."""
    state = bench.state()
    del state["release"]
    state["snapshots"] = {name: n for name, n in state["snapshots"].items() if not name.startswith("archive.")}
    return state


@pytest.mark.parametrize("fault", REFUSED)
def test_an_unfit_submission_ends_with_its_own_code_and_says_how_to_mend_it(bench, lakehouse, tmp_path, fault):
    spoil, expected, place = REFUSED[fault]
    before = data_state(bench)
    folder = tmp_path / "handed" / "marks_v2"
    spoil(folder)
    code, text = lakehouse("submit", folder)
    assert code == expected, text
    assert "REFUSED" in text
    assert place in text
    key = "marks_v2@undescribed" if expected == 10 else "marks@1"
    assert f"REFUSED  {key}" in (bench.settings.home / "inbox" / f"{key}.report.txt").read_text()
    assert (bench.settings.home / "inbox" / f"{key}.report.html").is_file()
    assert data_state(bench) == before


def test_an_archive_that_climbs_out_of_its_folder_is_not_unpacked(bench, lakehouse, tmp_path):
    before = bench.state()
    archive = tmp_path / "marks_v2.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("dataset.yaml", DATASET)
        file.writestr("../climbed.txt", "out")
    code, text = lakehouse("submit", archive)
    assert code == 13
    assert "climbed.txt" in text
    assert not list(tmp_path.rglob("climbed.txt"))
    assert bench.state() == before


def test_the_same_content_again_is_a_duplicate(bench, lakehouse, tmp_path):
    before = bench.state()
    code, text = lakehouse("submit", marks(tmp_path / "again"))
    assert code == 15
    assert "already in the archive as marks 1" in text
    told = (bench.settings.home / "inbox" / "marks@1.report.txt").read_text()
    assert "STORED  marks 1, ark:99999/v1" in told
    assert "silver.marks_marks    2 rows" in told
    assert "lakehouse sql \"SELECT * FROM lakehouse.silver.marks_courses WHERE dataset_version = '1' LIMIT 10\"" in told
    assert f"http://127.0.0.1:{bench.settings.catalogue_port}/datasets/marks/1" in told
    assert bench.state() == before


@pytest.mark.parametrize("reached", ["dataset_version", "dataset_record", "bronze_tables"])
def test_what_was_saved_and_not_stored_is_finished_once_when_it_is_handed_in_again(bench, lakehouse, tmp_path, reached):
    folder = marks(tmp_path / "marks", version="2", rows="1,A,3\n")
    left_at(bench, folder, reached)
    assert {row["layer"] for row in loads_of(bench, "2")} == ({"bronze"} if reached == "bronze_tables" else set())
    (folder / "dataset.yaml").write_text(DATASET.replace('version: "1"', 'version: "3"'))
    code, text = lakehouse("submit", folder)
    assert (code, "hand it in as version 2" in text) == (15, True), text
    (folder / "dataset.yaml").write_text(DATASET.replace('version: "1"', 'version: "2"'))
    code, text = lakehouse("submit", folder)
    assert (code, "STORED  marks 2, ark:99999/v1" in text) == (0, True), text
    assert "STORED  marks 2" in (bench.settings.home / "inbox" / "marks@2.report.txt").read_text()
    stored = ["bronze.marks_courses", "bronze.marks_marks", "silver.marks_courses", "silver.marks_marks"]
    assert sorted(row["table_name"] for row in loads_of(bench, "2")) == stored
    for name in ("bronze.marks_marks", "silver.marks_marks"):
        assert Counter(row.get("dataset_version") or row.get("_dataset_version") for row in bench.rows(name)) == {
            "1": 2,
            "2": 1,
        }
    before = bench.state()
    code, text = lakehouse("submit", folder)
    assert (code, "already in the archive as marks 2" in text) == (15, True), text
    assert bench.state() == before


def test_what_a_promise_stopped_or_somebody_retracted_is_not_taken_up_again(bench, lakehouse, tmp_path):
    promises = tmp_path / "promises"
    promises.mkdir()
    (promises / "mine.yaml").write_text(PROMISE)
    folder = marks(tmp_path / "marks", version="2", rows="1,A,3\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEHOUSE_EXPECTATIONS", str(promises))
        assert lakehouse("submit", folder)[0] == 92
    told = (15, "already in the archive as marks 2"), (17, "another version label")
    for again, (expected, words) in zip((folder, marks(tmp_path / "first")), told, strict=True):
        if expected == 17:
            assert lakehouse("retract", "marks@1", "--reason", "a slip", "--by", "A. Keeper")[0] == 0
        before = data_state(bench)
        code, text = lakehouse("submit", again)
        assert (code, words in text) == (expected, True), text
        assert data_state(bench) == before


def left_at(bench, folder, reached):
    """Leave a submission as a run does that is killed after this asset."""
    key = bench.arrive(folder)
    bench.loop.instance.add_dynamic_partitions("submissions", [key])
    names = [asset.op.name for asset in STORED]
    keys = [asset.key for asset in STORED[: names.index(reached) + 1]]
    job = bench.loop.defs.resolve_job_def("ingest")
    assert job.execute_in_process(instance=bench.loop.instance, partition_key=key, asset_selection=keys).success


def loads_of(bench, version):
    return [row for row in bench.rows("gold.loads") if row["dataset_version"] == version]


def test_other_content_under_a_used_label_is_refused(bench, lakehouse, tmp_path):
    before = data_state(bench)
    code, text = lakehouse("submit", marks(tmp_path / "other", rows="1,A,3\n"))
    assert code == 17, text
    assert "another version label" in text
    assert "VERSION_TAKEN" in (bench.settings.home / "inbox" / "marks@1.report.txt").read_text()
    assert data_state(bench) == before
    assert bench.loop.ingest("marks@1").success, "what was accepted under that label goes on as before"
    assert data_state(bench) == before


def test_a_misspelt_setting_stops_before_anything_is_done(bench, lakehouse, monkeypatch):
    before = bench.state()
    monkeypatch.setenv("LAKEHOUSE_FAIR_TRESHOLD", "0.9")
    code, text = lakehouse("run")
    assert code == 16
    assert "did you mean LAKEHOUSE_FAIR_THRESHOLD" in text
    monkeypatch.delenv("LAKEHOUSE_FAIR_TRESHOLD")
    assert bench.state() == before


def test_a_path_that_is_not_there_is_said(lakehouse, tmp_path):
    code, text = lakehouse("submit", tmp_path / "nowhere")
    assert code == 19
    assert "nowhere" in text


def test_every_command_has_an_example_in_its_help(capsys):
    from dagster_project.cli import lakehouse as group

    for name in group.commands:
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"])
        assert ended.value.code == 0
        assert f"Example: lakehouse {name}" in " ".join(capsys.readouterr().out.split())


def test_validating_hands_nothing_in(bench, lakehouse, tmp_path):
    before = bench.state()
    folder = college_scorecard.write(2009, tmp_path)
    code, text = lakehouse("validate", folder)
    assert code == 0, text
    assert "ACCEPTED" in text
    shutil.rmtree(folder)
    assert bench.state() == before
