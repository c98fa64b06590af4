"""The command line's verdict on a dataset: its exit codes, forms and files."""

import json
import sys
import time
import zipfile
from functools import partial

import pytest

from dagster_project import judging
from dagster_project.cli import main
from lakehouse.archive.apart import Costs
from lakehouse.archive.landing import land
from lakehouse.archive.limited import judge_in_child
from lakehouse.archive.validate import validate as judge_here
from lakehouse.samples import college_scorecard


@pytest.fixture
def validate(capsys, monkeypatch, tmp_path):
    """Call `lakehouse validate` from an empty folder and return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(judging, "SILENT_SECONDS", 60)
    monkeypatch.setattr(judging, "judge_in_child", judge_here)
    monkeypatch.setattr(judging, "land_in_child", land)

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["validate", *(str(argument) for argument in arguments)])
        output = capsys.readouterr()
        return ended.value.code, output.out, output.err

    return call


@pytest.fixture
def fit(tmp_path):
    return college_scorecard.write(2009, tmp_path)


@pytest.fixture
def unfit(fit):
    path = fit / "dataset.yaml"
    path.write_text(path.read_text().replace("ODC-By-1.0", "ODC-By-9.9"))
    return fit


def test_a_fit_dataset_ends_with_0_and_an_unfit_one_with_1(validate, fit):
    code, out, err = validate(fit)
    assert (code, err) == (0, "")
    assert out.startswith("ACCEPTED  college_scorecard\n  0 errors, 0 warnings, ")
    (fit / "dataset.yaml").unlink()
    code, out, err = validate(fit)
    assert (code, err) == (1, "")
    assert "DESCRIPTION_MISSING" in out


def test_a_dataset_is_named_where_one_stands_in_it(validate, fit, monkeypatch):
    monkeypatch.chdir(fit)
    assert validate(".", "--quiet")[1].startswith("ACCEPTED  college_scorecard\n")


def test_the_data_are_read_in_a_process_apart_with_limits(validate, fit, monkeypatch):
    monkeypatch.setattr(judging, "judge_in_child", partial(judge_in_child, limits=Costs(memory_bytes=1 << 28)))
    code, out, err = validate(fit)
    assert (code, err) == (1, "")
    assert "SUBMISSION_TOO_COSTLY" in out
    monkeypatch.setattr(judging, "judge_in_child", judge_in_child)
    assert validate(fit)[0] == 0


def test_a_path_that_is_not_there_ends_with_2_before_anything_is_begun(validate, tmp_path, monkeypatch):
    monkeypatch.setattr(judging, "SILENT_SECONDS", 0)
    monkeypatch.setattr(judging, "land_in_child", lambda *_: time.sleep(1))
    code, out, err = validate(tmp_path / "nowhere")
    assert (code, out) == (2, "")
    assert err == f"error: {tmp_path / 'nowhere'} is not there; check the path\n"


def test_a_broken_zip_and_a_file_of_another_kind_end_with_2(validate, tmp_path, fit):
    archive = tmp_path / "cut.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in fit.rglob("*.csv"):
            file.write(path, path.name)
    archive.write_bytes(archive.read_bytes()[:500])
    (tmp_path / "notes.txt").write_text("no dataset")
    for path in (archive, tmp_path / "notes.txt"):
        code, out, err = validate(path)
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
        assert "Traceback" not in err


@pytest.mark.parametrize("option", [["--bad"], ["--format", "xml"], ["--level", "fatal"], ["--fair-threshold", "2"]])
def test_a_bad_option_ends_with_2(validate, fit, option):
    code, out, err = validate(fit, *option)
    assert (code, out) == (2, "")
    assert "Usage: lakehouse validate" in err


def test_a_misspelt_setting_ends_with_2(validate, fit, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_FAIR_GAIT", "block")
    code, _, err = validate(fit)
    assert code == 2
    assert "did you mean LAKEHOUSE_FAIR_GATE?" in err


def test_an_archive_that_is_unsafe_is_unfit_and_nothing_of_it_is_written(validate, tmp_path):
    archive = tmp_path / "climbs.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../climbed.txt", "out")
    code, out, _ = validate(archive)
    assert code == 1
    assert "ARCHIVE_UNSAFE" in out
    assert "climbed.txt" in out
    code, out, _ = validate(archive, "--format", "json")
    assert json.loads(out)["findings"][0]["exit_code"] == 13
    assert not list(tmp_path.parent.rglob("climbed.txt"))


def test_every_form_goes_to_stdout_or_to_a_file(validate, unfit, tmp_path):
    starts = {"text": "REFUSED", "json": "{", "sarif": "{", "html": "<!doctype html>"}
    for form, start in starts.items():
        code, out, _ = validate(unfit, "--format", form)
        assert code == 1
        assert out.startswith(start)
        target = tmp_path / f"report.{form}"
        code, silent, err = validate(unfit, "--format", form, "--output", target)
        assert (code, silent, err) == (1, "", f"refused: wrote {target}\n")
        assert target.read_text().startswith(start)


def test_an_output_that_cannot_be_written_ends_with_2(validate, fit, tmp_path):
    code, out, err = validate(fit, "--output", tmp_path / "no" / "folder.txt")
    assert (code, out) == (2, "")
    assert err == f"error: {tmp_path / 'no'} is not a folder; make it first, or name another file\n"


def test_the_lengths_of_the_text(validate, unfit):
    texts = {length: validate(unfit, f"--{length}")[1] for length in ("quiet", "short", "long")}
    assert texts["short"] == validate(unfit)[1]
    lines = [len(text.splitlines()) for text in texts.values()]
    assert lines[0] == 3
    assert lines == sorted(lines)
    assert "RDA-A2-01M" in texts["long"]
    assert "RDA-A2-01M" not in texts["short"]


def test_a_level_leaves_out_what_lies_below(validate, fit):
    path = fit / "dataset.yaml"
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if "language:" not in line))
    assert "FIELD_RECOMMENDED" in validate(fit)[1]
    code, out, _ = validate(fit, "--level", "warning")
    assert code == 0
    assert "FIELD_RECOMMENDED" not in out
    assert "1 note" in out


def test_sarif_names_files_as_seen_from_here(validate, unfit, tmp_path):
    _, out, _ = validate(unfit.relative_to(tmp_path), "--format", "sarif")
    place = json.loads(out)["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert (tmp_path / place["uri"]).is_file()


def test_a_threshold_refuses_what_is_not_fair_enough(validate, fit, monkeypatch):
    assert validate(fit, "--fair-threshold", "0.5")[0] == 0
    code, out, _ = validate(fit, "--fair-threshold", "0.99")
    assert code == 1
    assert "FAIR_TOO_LOW" in out
    monkeypatch.setenv("LAKEHOUSE_FAIR_THRESHOLD", "0.99")
    code, out, _ = validate(fit)
    assert code == 0, "the gate only warns by default"
    assert "FAIR_TOO_LOW" in out
    monkeypatch.setenv("LAKEHOUSE_FAIR_GATE", "block")
    assert validate(fit)[0] == 1


def test_long_work_says_on_stderr_that_it_goes_on(capsys, monkeypatch):
    monkeypatch.setattr(judging, "SILENT_SECONDS", 0.01)
    with judging.heartbeat("judging x"):
        until = time.monotonic() + 60
        text = ""
        while "judging x" not in text and time.monotonic() < until:
            time.sleep(0.01)
            sys.stderr.flush()
            text += capsys.readouterr().err
    assert text.startswith("judging x ... 0 s\n")
