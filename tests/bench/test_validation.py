"""Validation of real and of a million made-up rows, beside a bare read of the file and beside other tools."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow.csv as pacsv
import pytest
import yaml

from lakehouse.archive import privacy
from lakehouse.archive.validate import validate
from lakehouse.samples import college_scorecard

ROWS = 48_445
MILLION = "validation of 1,000,000 rows with 175 errors"
INSTALL_SECONDS = 300
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


@pytest.fixture(scope="session")
def marked_rows():
    """The module of rows with known errors."""
    path = Path(__file__).with_name("marked_rows.py")
    spec = importlib.util.spec_from_file_location("bench_marked_rows", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def great_expectations(tmp_path_factory, pytestconfig):
    """An interpreter of a new environment that has Great Expectations, or why there is none."""
    named = pytestconfig.getoption("great_expectations_python")
    if named is not None:
        return named
    folder = tmp_path_factory.mktemp("great_expectations")
    python = folder / "bin" / "python"
    uv = Path(__file__).parents[2] / ".lakehouse/tools/bin/uv"
    try:
        for command in (
            [uv, "venv", "-q", "--clear", "--python", sys.executable, folder],
            [uv, "pip", "install", "-q", "--python", python, "great-expectations", "pandas<3"],
        ):
            subprocess.run(command, capture_output=True, text=True, check=True, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        return f"it cannot be installed here: {type(error).__name__}"
    return python


@pytest.mark.timeout(1800)
def test_every_bad_row_of_a_million_is_named(bench, marked_rows, great_expectations, tmp_path, monkeypatch):
    rows, bad = marked_rows.spoilt(marked_rows.frame())
    path = marked_rows.write(tmp_path / "enrolments", rows)

    def ours():
        return validate(tmp_path / "enrolments", submission="enrolments@1", content_sha256="0" * 64)

    def without_privacy():
        with monkeypatch.context() as patched:
            patched.setattr(privacy.ColumnScan, "add", lambda *_, **__: None)
            return ours()

    contenders = {
        "polars reads the CSV, nothing checked": lambda _turn: (
            lambda: pl.read_csv(path, schema_overrides={"term": pl.String})
        ),
        "ours, all rules but personal data": lambda _turn: without_privacy,
        "ours, all rules and personal data": lambda _turn: ours,
        "pandera on polars": lambda _turn: lambda: marked_rows.by_pandera(path),
    }
    if isinstance(great_expectations, Path):
        contenders["Great Expectations"] = lambda _turn: _elsewhere(
            bench, great_expectations, "peer_great_expectations.py", path, marked_rows.great_expectations_promises()
        )
    else:
        bench.note(f"Great Expectations left out: {great_expectations}")
    results = bench.race(MILLION, contenders)
    for name in ("ours, all rules but personal data", "ours, all rules and personal data"):
        named = {f.place.rpartition(": ")[2]: set(f.rows) for f in results[name].findings if f.level == "error"}
        assert named == bad
    bench.note(f"{MILLION}: the file has {path.stat().st_size / 1e6:.1f} MB")
    # So slow that it runs once, at the end.
    slow = _elsewhere(bench, Path(sys.executable), "peer_frictionless.py", path, marked_rows.frictionless_schema())()
    fast = bench.walls[MILLION, "ours, all rules and personal data"] / 1000
    alone = bench.walls[MILLION, "ours, all rules but personal data"] / 1000
    bench.note(
        f"{MILLION}: frictionless, run once: {slow.spent.wall:.1f} s, {slow.result['errors']} errors; "
        f"{slow.spent.wall / fast:.0f} times ours with personal data, {slow.spent.wall / alone:.0f} times ours without"
    )
    assert slow.result["errors"] >= len(bad) * marked_rows.ERRORS_EACH


def _elsewhere(bench, python: Path, script: str, path: Path, promises: str):
    command = [str(python), str(Path(__file__).with_name(script)), path.name, promises]

    def run():
        done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        return bench.clocked_elsewhere(found, wall=found["wall"], cpu=found["cpu"])

    return run
