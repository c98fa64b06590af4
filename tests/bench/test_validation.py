"""Validation of the whole College Scorecard in one file, beside a bare read of that file and beside frictionless."""

import json
import subprocess
from pathlib import Path

import pyarrow.csv as pacsv
import pytest
import yaml

from lakehouse.archive.validate import validate
from lakehouse.samples import college_scorecard

ROWS = 48_445
DESCRIBED = {"pattern": "pattern", "minimum": "minimum", "maximum": "maximum", "required": "required"}


@pytest.fixture
def submission(tmp_path):
    """All eight waves as one table in one file."""
    folder = college_scorecard.write(college_scorecard.WAVES[-1], tmp_path)
    table = folder / "tables" / "outcomes"
    for file in table.glob("*.csv"):
        file.unlink()
    waves = [(college_scorecard.ROWS_FOLDER / f"outcomes_{wave}.csv").read_text() for wave in college_scorecard.WAVES]
    header = waves[0].partition("\n")[0]
    (table / "outcomes.csv").write_text(header + "\n" + "".join(wave.partition("\n")[2] for wave in waves))
    return folder


def frictionless_schema(dictionary: Path) -> str:
    """Return the same promises in frictionless' words."""
    described = yaml.safe_load(dictionary.read_text())
    fields = []
    for name, column in described["columns"].items():
        constraints = {theirs: column[ours] for ours, theirs in DESCRIBED.items() if ours in column}
        if "levels" in column:
            constraints["enum"] = list(column["levels"])
        fields.append({"name": name, "type": column["type"], "constraints": constraints})
    return json.dumps({"fields": fields, "primaryKey": described["primary_key"], "missingValues": [""]})


def spoilt(csv_file: Path) -> None:
    """Break four promises: an unknown degree, a year and a state that cannot be, and a key that comes twice."""
    lines = csv_file.read_text().splitlines()
    degree = "Four-year+ degree"
    lines[10] = lines[10].replace(lines[10].split(",")[2], "Doctorate")
    lines[20] = f"111111,CA,{degree},1007,,,"
    lines[30] = f"111112,California,{degree},2007,,,"
    lines[40] = lines[50]
    csv_file.write_text("\n".join(lines) + "\n")


@pytest.mark.timeout(300)
def test_a_sound_file_is_accepted_whole_and_a_spoilt_one_is_not(bench, submission, pytestconfig):
    csv_file = submission / "tables" / "outcomes" / "outcomes.csv"

    def ours(_turn):
        return lambda: validate(submission, submission="college_scorecard@all", content_sha256="0" * 64)

    contenders = {
        "pyarrow reads the CSV, nothing checked": lambda _turn: lambda: pacsv.read_csv(csv_file),
        "`lakehouse.archive.validate`: every rule, personal data, FAIR": ours,
    }
    frictionless = pytestconfig.getoption("frictionless_python")
    if frictionless is not None:
        peer = _frictionless(bench, frictionless, submission)
        contenders["frictionless: types, constraints, key"] = lambda _turn: peer
    else:
        bench.note("frictionless left out: `--frictionless-python` names no interpreter that has it")
    results = bench.race(f"validation of {ROWS:,} rows, {csv_file.stat().st_size / 1e6:.1f} MB", contenders)
    bare, report, *others = results.values()
    assert bare.num_rows == report.table_rows["outcomes"] == ROWS
    assert report.accepted
    assert [(other["rows"], other["errors"]) for other in others] in ([], [(ROWS, 0)])
    spoilt(csv_file)
    report = ours(0)()
    errors = [finding for finding in report.findings if finding.level == "error"]
    assert sum(finding.occurrences for finding in errors) >= 4
    if others:
        assert peer().result["errors"] >= 4


def _frictionless(bench, python: Path, submission: Path):
    script = Path(__file__).with_name("peer_frictionless.py")
    table = submission / "tables" / "outcomes"
    command = [str(python), str(script), "outcomes.csv", frictionless_schema(table / "columns.yaml")]

    def run():
        # It takes relative paths only; the clock runs inside, so starting Python does not count.
        done = subprocess.run(command, cwd=table, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        return bench.clocked_elsewhere(found, wall=found["wall"], cpu=found["cpu"])

    return run
