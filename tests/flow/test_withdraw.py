"""A student withdrawn from three waves of real data: the walk-through of docs/flow/withdraw.md, on a few students."""

from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from dagster_project.cli import lakehouse as command
from dagster_project.wiring import lakehouse, versions
from lakehouse.archive.pseudonyms import SilverKey
from lakehouse.errors import BusyError, UnknownSubjectError, WithdrawnError
from lakehouse.samples import oulad

DATA = Path(__file__).parents[3] / "shared" / "data" / "oulad"
PERSON = "252652"
STUDENTS = {PERSON, "387276", "542562", "235428", "925553", "295741"}


def told(bench, *words):
    """Run `lakehouse withdraw` and return what it prints; errors come as they are."""
    environment = {"LAKEHOUSE_HOME": str(bench.settings.home), "LAKEHOUSE_STORAGE": "folder"}
    # Where another catalogue has the usual port, the command would choose one of its own, and records would change.
    environment["LAKEHOUSE_CATALOGUE_PORT"] = str(bench.settings.catalogue_port)
    done = CliRunner().invoke(command, ["withdraw", *words], env=environment)
    if done.exception is not None:
        raise done.exception
    return done.output


def of_person(bench, table):
    known = {PERSON, SilverKey(bench.settings.home / "keys").open().text(PERSON)}
    return [row for row in bench.rows(table) if str(row["id_student"]) in known]


def runs_of(bench, key):
    return bench.loop.instance.get_runs(filters=dg.RunsFilter(tags={"dagster/partition": key}))


@pytest.mark.slow
def test_a_student_is_withdrawn_from_three_waves_of_oulad(bench, tmp_path):
    if not DATA.is_dir():
        pytest.skip("no OULAD data beside the project; lakehouse/samples/oulad.py says where they come from")
    for wave in oulad.WAVES:
        outcome = bench.loop.store(bench.arrive(oulad.write(DATA, wave, tmp_path / "given", students=STUDENTS)))
        assert outcome.success, outcome.failure
    old = versions(bench.settings).versions("oulad")
    release = lakehouse(bench.settings).releases.current()
    assert all(runs_of(bench, f"oulad@{wave.lower()}") for wave in oulad.WAVES)
    assert len(of_person(bench, "silver.oulad_student_info")) == 3
    submitted = len(of_person(bench, "silver.oulad_student_assessment"))
    assert submitted > 0
    others = bench.rows("silver.oulad_student_info")
    pseudonym = SilverKey(bench.settings.home / "keys").open().number(int(PERSON))
    assert [row["id_student"] for row in of_person(bench, "silver.oulad_student_info")] == [pseudonym] * 3

    assert "would remove a student" in told(bench, PERSON, "--dry-run")
    answer = told(bench, PERSON, "--reason", "asked for it by letter")
    assert answer.startswith("removed a student from:")
    assert "oulad@2013j: student_assessment 5, student_info 1, student_registration 1" in answer

    for table in ("student_info", "student_registration", "student_assessment", "student_vle"):
        for layer in ("bronze", "silver"):
            assert of_person(bench, f"{layer}.oulad_{table}") == []
    left = bench.rows("silver.oulad_student_info")
    assert [row["id_student"] for row in left] == [
        row["id_student"] for row in others if row["id_student"] != pseudonym
    ]
    house = lakehouse(bench.settings)
    with pytest.raises(WithdrawnError):
        house.tables.read(
            "silver.oulad_student_info", snapshot_id=release.tables["silver.oulad_student_info"].snapshot_id
        )
    new = versions(bench.settings).versions("oulad")
    assert [one.replaces for one in new] == [(one.commit,) for one in old]
    receipt = answer.rsplit(": ", 1)[1].strip()
    assert PERSON not in Path(receipt).read_text()
    assert "the signature is good" in told(bench, "--verify", receipt)
    assert told(bench, PERSON).startswith("nothing found; withdrawn before")
    # Their events quote first rows without the columns that name somebody, which a mask would leave.
    for wave in oulad.WAVES:
        assert runs_of(bench, f"oulad@{wave.lower()}") == []
    with pytest.raises(UnknownSubjectError):
        told(bench, "99999999")
    # The flow goes on: the same submissions change nothing, and nothing waits.
    before = bench.state()
    assert bench.shelf.waiting() == []
    for wave in oulad.WAVES:
        outcome = bench.loop.store(f"oulad@{wave.lower()}")
        assert outcome.success, outcome.failure
    assert bench.state() == before
    # A new version that brings the student again is refused before anything of it is kept.
    again = oulad.write(DATA, oulad.WAVES[0], tmp_path / "again", students=STUDENTS)
    description = again / "dataset.yaml"
    description.write_text(
        description.read_text().replace(f'version: "{oulad.WAVES[0].lower()}"', "version: corrected")
    )
    outcome = bench.loop.ingest(bench.arrive(again))
    assert not outcome.success
    report = bench.shelf.judge("oulad@corrected")
    found = {one.place: one.occurrences for one in report.findings if one.code == "PERSONAL_WITHDRAWN"}
    assert found == {f"tables/{name}/{name}.csv: id_student": 1 for name in ("student_info", "student_registration")}
    assert [one.version for one in versions(bench.settings).versions("oulad")] == [one.version for one in old]


def test_runs_that_are_not_finished_keep_a_withdrawal_waiting(bench, monkeypatch):
    class Run:
        job_name = "ingest"

    monkeypatch.setattr("dagster_project.withdrawing.end_dead_runs", lambda instance: 0)
    monkeypatch.setattr("dagster.DagsterInstance.get_runs", lambda *arguments, **options: [Run()])
    with pytest.raises(BusyError, match=r"^1 run is not finished \(ingest\); wait"):
        told(bench, PERSON)
    # A dry run changes nothing, so it looks at once: and finds nobody here.
    with pytest.raises(UnknownSubjectError):
        told(bench, PERSON, "--dry-run")
