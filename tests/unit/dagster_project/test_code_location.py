"""What every process of Dagster loads before it does anything."""

import subprocess
import sys

from lakehouse.archive.task_process import ROOT


def test_the_code_location_does_not_load_torch():
    # It took 460 of 714 MB in each of Dagster's processes, and 2 of 5 seconds.
    program = "import sys, dagster_project.code_location; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
