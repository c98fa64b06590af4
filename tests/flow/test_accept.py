"""A submission refused for personal data goes on once somebody answers for the finding, and the answer is data."""

import shlex

import pytest
from click.testing import CliRunner

from dagster_project.accepting import accept_finding, register
from dagster_project.cli import lakehouse as command
from dagster_project.wiring import lakehouse
from lakehouse.errors import AcceptanceError
from lakehouse.samples import college_scorecard

CANARY = "quagmire.zebedee@west-school.org"
PLACE = "tables/outcomes/outcomes_2007.csv: office"
SAID = {"place": PLACE, "by": "Ada Example", "reason": "the office's address, on its own web page"}


def with_addresses(folder):
    table = folder / "tables" / "outcomes"
    (file,) = table.glob("*.csv")
    header, *rows = file.read_text().splitlines()[:40]
    file.write_text("\n".join([f"{header},office", *(f"{row},{CANARY}" for row in rows)]) + "\n")
    dictionary = table / "columns.yaml"
    dictionary.write_text(dictionary.read_text() + "  office: {type: string, description: Where to ask}\n")
    return folder


def written(home):
    """Everything that was written about the submission: runs, logs, metadata, reports, tables; not the data."""
    kept = ("inbox", "archive/submissions", "college_scorecard")
    return [p for p in home.rglob("*") if p.is_file() and not str(p.relative_to(home)).startswith(kept)]


def test_refused_then_accepted_then_stored(bench, tmp_path, capsys):
    key = bench.arrive(with_addresses(college_scorecard.write(2007, tmp_path)))
    assert not bench.loop.ingest(key).success
    assert not bench.rows("archive.acceptances")
    assert [path for path in written(bench.settings.home) if b"zebedee" in path.read_bytes()] == []
    (report,) = (bench.settings.home / "inbox").glob("*.report.txt")
    (line,) = [one for one in report.read_text().splitlines() if one.startswith("  lakehouse accept ")]
    words = line.replace("YOUR NAME", SAID["by"]).replace("WHY", SAID["reason"].replace("'", "'\\''"))
    environment = {"LAKEHOUSE_HOME": str(bench.settings.home), "LAKEHOUSE_STORAGE": "folder"}
    done = CliRunner().invoke(command, shlex.split(words)[1:], env=environment)
    assert done.exit_code == 0, done.output
    (row,) = bench.rows("archive.acceptances")
    assert (row["code"], row["place"], row["accepted_by"]) == ("PERSONAL_EMAIL", PLACE, "Ada Example")
    verdicts = [row["verdict"] for row in bench.rows("archive.submissions")]
    assert sorted(verdicts) == ["accepted", "refused"]
    assert len(bench.rows("silver.college_scorecard_outcomes")) == 39
    told = done.output + capsys.readouterr().out
    assert "0 errors left" in told
    assert "ACCEPTED  college_scorecard@2007" in told
    assert "STORED  college_scorecard 2007, ark:" in told
    assert "\n  ask:  " in told
    assert CANARY not in told
    findings = bench.rows("archive.findings")
    assert {f["level"] for f in findings if f["code"] == "PERSONAL_EMAIL"} == {"error", "warning"}
    assert CANARY not in str(findings)
    before = bench.state()
    register(lakehouse(bench.settings), bench.shelf.accepted_findings(key))
    assert bench.state() == before


def test_a_finding_that_is_not_there_is_not_accepted(stored):
    with pytest.raises(AcceptanceError, match="no open finding"):
        accept_finding(stored.settings, "college_scorecard@2007", "PERSONAL_EMAIL", **SAID)
