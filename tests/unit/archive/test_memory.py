"""The memory that judging takes does not grow with the file: measured in a process of its own, at two sizes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import lakehouse

# Besides what the allocators keep, a million keys are held in memory before they go to disk.
GROWTH_BYTES = 300 << 20
JUDGE = """
import json, re, sys
from pathlib import Path
from lakehouse.archive.validate import validate
report = validate(Path(sys.argv[1]), submission="lessons@1", content_sha256="0" * 64)
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
codes = {f.code: f.occurrences for f in report.findings if f.level == "error"}
print(json.dumps({"peak": peak, "rows": report.table_rows["lessons"], "codes": codes}))
"""
HEADER = "lesson,room,held_on,began,quiet,subject,code\n"
BLOCK_ROWS = 20_000


def fill(dataset: Path, megabytes: int) -> int:
    """Write lessons whose keys come in no order, and with one key that comes twice; return the number of rows."""
    row = "{},1{},2024-01-31,2024-01-31T08:00:00Z,true,maths,A1\n"
    rows = 0
    with (dataset / "tables/lessons/lessons.csv").open("w") as file:
        file.write(HEADER)
        while file.tell() < megabytes * 1_000_000:
            # Counted down within each block: neither rising nor repeated.
            numbers = range(rows + BLOCK_ROWS, rows, -1)
            file.write("".join(row.format(n, n % 2) for n in numbers))
            rows += BLOCK_ROWS
        file.write(row.format(7, 0))
    return rows + 1


def peak(dataset: Path, megabytes: int) -> int:
    rows = fill(dataset, megabytes)
    done = subprocess.run(
        [sys.executable, "-c", JUDGE, str(dataset)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(lakehouse.__file__).parent.parent), "TMPDIR": str(dataset.parent)},
    )
    found = json.loads(done.stdout)
    assert (found["rows"], found["codes"]) == (rows, {"KEY_REPEATS": 1})
    return found["peak"]


@pytest.mark.parametrize(
    ("small", "large"), [(5, 50), pytest.param(50, 500, marks=pytest.mark.slow)], ids=["to 50 MB", "to 500 MB"]
)
@pytest.mark.timeout(600)
def test_ten_times_the_rows_take_no_more_memory(dataset, small, large):
    before, after = peak(dataset, small), peak(dataset, large)
    assert after - before < GROWTH_BYTES, f"{before:,} bytes for {small} MB, {after:,} for {large} MB"
