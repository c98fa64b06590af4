"""Judging in a child process: the same verdict as here, and a finding where the child dies of what it reads."""

import json
import subprocess
import sys
import time
from dataclasses import asdict

import pytest

from lakehouse.archive import apart
from lakehouse.archive.apart import ROOT, Costs
from lakehouse.archive.child import ANSWER, Orders
from lakehouse.archive.limited import judge_in_child
from lakehouse.archive.validate import validate
from lakehouse.errors import UnreadableSubmissionError

ROOMS = "tables/rooms/rooms.csv"


def judged(folder, **limits):
    return judge_in_child(folder, submission="lessons@1", content_sha256="0" * 64, limits=Costs(**limits))


def only_error(report):
    (finding,) = [f for f in report.findings if f.level == "error"]
    return finding


def test_the_child_gives_the_verdict_that_this_process_gives(dataset):
    (dataset / ROOMS).write_text("room,size\n10,x\n11,60\n")
    here = validate(dataset, submission="lessons@1", content_sha256="0" * 64)
    there = judged(dataset)
    assert there.findings == here.findings
    assert there.fair == here.fair
    assert there.description == here.description


def test_the_child_judges_without_loading_pandas(dataset, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    costs = Costs()
    asked = {"folder": str(dataset), "submission": "lessons@1", "content_sha256": "0" * 64, "packs": []}
    orders = Orders("judge", asked, costs.memory_bytes, costs.cpu_seconds, costs.file_bytes)
    program = "import sys; from lakehouse.archive import child; print(child.main(), 'pandas' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        input=json.dumps(asdict(orders)),
        cwd=work,
        env={"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "result" in json.loads((work / ANSWER).read_text())
    assert done.stdout == "0 False\n"


def test_a_folder_that_is_not_there_is_the_same_error(tmp_path):
    with pytest.raises(UnreadableSubmissionError, match="absent"):
        judged(tmp_path / "absent")


def test_too_much_memory_is_a_finding_that_names_the_file(dataset):
    # One cell of 60 MB is held several times over.
    (dataset / ROOMS).write_bytes(b"room,size\n10," + b"7" * 60_000_000 + b"\n")
    finding = only_error(judged(dataset, memory_bytes=800 << 20))
    assert (finding.code, finding.place, finding.exit_code) == ("SUBMISSION_TOO_COSTLY", ROOMS, 13)
    assert "800 MB" in finding.message


def test_a_child_that_does_not_end_is_a_finding_when_its_time_is_over(dataset, monkeypatch):
    endless = 1_200
    monkeypatch.setattr(apart, "CHILD", ("-c", f"import time; time.sleep({endless})"))
    begun = time.monotonic()
    finding = only_error(judged(dataset, wall_seconds=1.0))
    assert time.monotonic() - begun < endless / 2
    assert finding.code == "SUBMISSION_TOO_COSTLY"
    assert "more than 1 s" in finding.message


def test_too_much_processor_time_is_a_finding(dataset):
    with (dataset / ROOMS).open("wb") as file:
        file.write(b"room,size\n")
        for _ in range(200):  # some ten times what a fast processor judges in that second
            file.write(b"10,1\n" * 300_000)
    finding = only_error(judged(dataset, cpu_seconds=1))
    assert "1 s of processor time" in finding.message
