"""Judging in a child process: the same verdict as here, and a finding where the child dies of what it reads."""

import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.archive import apart
from lakehouse.archive.apart import Costs, do_apart
from lakehouse.archive.limited import judge_in_child
from lakehouse.archive.validate import validate
from lakehouse.errors import UnreadableSubmissionError
from tests.unit.archive.other_tasks import serving

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


def test_the_child_judges_without_loading_pandas_and_is_forked_beside_no_busy_thread(dataset, tmp_path, monkeypatch):
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from lakehouse.archive.limited import judge_here\n"
        "def judge(**asked):\n"
        "    threads = [(one / 'comm').read_text().strip() for one in Path(f'/proc/{os.getppid()}/task').iterdir()]\n"
        "    return [len(judge_here(**asked)), 'pandas' in sys.modules, 'polars' in sys.modules, threads]\n"
    )
    asked = {"folder": str(dataset), "submission": "lessons@1", "content_sha256": "0" * 64, "packs": []}
    with serving(tmp_path / "tasks", program, {"judge": "judge"}) as server:
        monkeypatch.setattr(apart, "SERVER", server)
        letters, *loaded, threads = do_apart("judge", asked, Costs())
    assert letters > 0
    assert loaded == [False, True]
    threads.remove("polars-ooc-clea")  # waits for files that Polars has spilled
    assert len(threads) == 1, threads


def test_a_folder_that_is_not_there_is_the_same_error(tmp_path):
    with pytest.raises(UnreadableSubmissionError, match="absent"):
        judged(tmp_path / "absent")


def test_too_much_memory_is_a_finding_that_names_the_file(dataset):
    # One cell of 60 MB is held several times over.
    (dataset / ROOMS).write_bytes(b"room,size\n10," + b"7" * 60_000_000 + b"\n")
    finding = only_error(judged(dataset, memory_bytes=800 << 20))
    assert (finding.code, finding.place, finding.exit_code) == ("SUBMISSION_TOO_COSTLY", ROOMS, 13)
    assert "800 MB" in finding.message


def test_a_page_that_unpacks_to_ten_gigabytes_is_a_finding_that_names_the_file(dataset):
    same = pa.DictionaryArray.from_arrays(pa.array([0] * 10_000, pa.int32()), pa.array(["7" * (1 << 20)]))
    file = (dataset / ROOMS).with_suffix(".parquet")
    pq.write_table(pa.table({"room": range(10_000), "size": same}), file, compression="zstd", store_schema=False)
    assert file.stat().st_size < 50_000
    (dataset / ROOMS).unlink()
    finding = only_error(judged(dataset, memory_bytes=800 << 20))
    assert (finding.code, finding.place) == ("SUBMISSION_TOO_COSTLY", "tables/rooms/rooms.parquet")
    assert "800 MB" in finding.message


def test_a_child_that_does_not_end_is_a_finding_when_its_time_is_over(dataset, tmp_path, monkeypatch):
    endless = 1_200
    program = f"import time\ndef judge(**asked):\n    time.sleep({endless})\n"
    begun = time.monotonic()
    with serving(tmp_path / "tasks", program, {"judge": "judge"}) as server:
        monkeypatch.setattr(apart, "SERVER", server)
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
