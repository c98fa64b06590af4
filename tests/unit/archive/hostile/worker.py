"""Judges what it is told to, one path a line, and says for each how long it took and how much memory was used.

It dies of whatever is not an error of the lakehouse; its traceback is then in its log.
"""

import json
import resource
import sys
import time
from pathlib import Path

from dagster_project import judging
from lakehouse.archive.findings import Report
from lakehouse.archive.gate import FairGate
from lakehouse.archive.landing import land
from lakehouse.archive.reports.html import html
from lakehouse.archive.reports.sarif import sarif
from lakehouse.archive.validate import validate
from lakehouse.errors import LakehouseError

LANDED = "landed "


def main():
    # This process is the one apart: starting others for each case takes seconds.
    judging.judge_in_child, judging.land_in_child = validate, land
    judged(str(Path(__file__).parent))  # what every verdict needs is loaded and compiled once
    say("ready")
    for line in sys.stdin:
        say(json.dumps(answer(json.loads(line))))


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def answer(job):
    Path("/proc/self/clear_refs").write_text("5")
    before, begun = status("VmRSS"), time.monotonic()
    found = {"report": None, "error": None, "exit_code": None}
    try:
        report = judged(job)
        found |= {"report": json.loads(report.to_json()), "exit_code": report.exit_code, "forms": forms(report)}
    except LakehouseError as error:
        found |= {"error": str(error), "exit_code": error.exit_code}
    own = max(0, status("VmHWM") - before)
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {**found, "seconds": time.monotonic() - begun, "grown": own, "children": children}


def judged(job) -> Report:
    if job.startswith(LANDED):
        return validate(Path(job.removeprefix(LANDED)), submission="hostile@1", content_sha256="0" * 64)
    return judging.judge_path(Path(job), FairGate())


def forms(report):
    """Return how long each form is, which also proves that each can be written."""
    return {
        "short": len(report.as_short_text()),
        "long": len(report.as_text()),
        "markdown": len(report.as_markdown()),
        "html": len(html(report)),
        "sarif": len(sarif(report)),
    }


def status(name):
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024


main()
