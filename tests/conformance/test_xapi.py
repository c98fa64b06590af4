"""The judge of xAPI statements against the verdicts of the published conformance suite (1.0.3 and 2.0.0)."""

import gzip
import json
import time
from pathlib import Path

import pytest

from lakehouse.archive.xapi import faults

CASES = Path(__file__).parents[3] / "shared" / "data" / "xapi_conformance" / "cases.jsonl.gz"
DISAGREEMENTS: dict[str, str] = {}
"""Case name to the reason why the judge and the suite differ; empty, for they agree on every case."""


@pytest.fixture(scope="module")
def cases():
    if not CASES.is_file():
        pytest.skip("the conformance cases are not beside this checkout (shared/data/xapi_conformance)")
    with gzip.open(CASES, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def test_every_published_verdict_is_reached(cases, record_property):
    assert (len(cases), sum(case["valid"] for case in cases)) == (1158, 378)
    differing = [
        f"{case['xapi_version']} {case['case']}"
        for case in cases
        if case["valid"] == bool(faults(case["statement"], case["xapi_version"]))
    ]
    assert [name for name in differing if name not in DISAGREEMENTS] == []
    record_property("agreement", 1 - len(differing) / len(cases))


def test_a_refused_statement_says_where_and_why(cases):
    for case in cases:
        for fault in faults(case["statement"], case["xapi_version"]):
            assert fault.requirement.startswith(("XAPI-", "Data ", "IEEE "))
            assert fault.message.startswith(("must ", "is ", "has ", "needs "))


def test_statements_are_judged_fast_enough_for_a_log(cases, record_property):
    good = [(case["statement"], case["xapi_version"]) for case in cases if case["valid"]]
    begun = time.process_time()
    for statement, version in good * 5:
        faults(statement, version)
    rate = 5 * len(good) / (time.process_time() - begun)
    record_property("statements_per_second", round(rate))
    assert rate > 2_000
