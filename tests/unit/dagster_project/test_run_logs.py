"""What runs print is kept in files, and Ctrl-C makes none of the helpers print where in its code it was."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from dagster_project.settings import PROJECT, machine_environment
from tests.waiting import wait_until

RUN = """
import sys, time
import dagster as dg
from pathlib import Path
from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.loop import Loop
from dagster_project.settings import load_settings

@dg.asset
def slow():
    print("printed", flush=True)
    time.sleep(2)  # the helpers have begun by then
    Path(sys.argv[1]).touch()
    time.sleep(60)

with dg.DagsterInstance.from_config(str(prepare_dagster_home(load_settings()))) as instance:
    try:
        Loop(dg.Definitions(assets=[slow], jobs=[dg.define_asset_job("instruct", [slow])]), instance).instruct()
    except KeyboardInterrupt as stopped:
        print(stopped, file=sys.stderr)
"""


def started_by(pid):
    """Return the command lines of the children of a process."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path(f"/proc/{child}/cmdline").read_text() for child in children]


def test_ctrl_c_in_a_terminal_makes_no_helper_print_a_traceback(tmp_path):
    begun = tmp_path / "begun"
    environment = {**machine_environment(), "LAKEHOUSE_HOME": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(begun)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            wait_until(begun.exists)
            helpers = [line for line in started_by(process.pid) if "watch_orphans" in line or line.startswith("tail")]
            assert len(helpers) == 4
            os.killpg(process.pid, signal.SIGINT)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("stopped: the run of instructed counts as failed")
    (kept,) = (tmp_path / "dagster" / "storage").glob("*/compute_logs/*.out")
    assert kept.read_text() == "printed\n"
