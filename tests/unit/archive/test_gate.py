from dataclasses import replace

import pytest

from lakehouse.archive.findings import Report
from lakehouse.archive.gate import GATE_CODE, GATE_EXIT_CODE, FairGate
from lakehouse.archive.register import register_rows
from lakehouse.archive.shelf import Shelf
from lakehouse.percent import percent
from lakehouse.tables.register import SUBMISSIONS


@pytest.fixture
def report(dataset, judged) -> Report:
    return judged(dataset)


def test_a_gate_that_warns_adds_a_warning_below_its_threshold_only(report):
    assert FairGate("warn", report.fair_score).applied(report) is report
    below = FairGate("warn", report.fair_score + 0.001)
    warned = below.applied(report)
    assert not below.passes(report)
    assert warned.accepted
    assert warned.exit_code == 0
    (finding,) = set(warned.findings) - set(report.findings)
    assert (finding.code, finding.level) == (GATE_CODE, "warning")
    assert percent(report.fair_score) in finding.message
    assert "RDA-F1-01D" in finding.how_to_fix
    blocked = FairGate("block", below.threshold).applied(report)
    assert len({one.rules_version for one in (report, warned, blocked)}) == 3


def test_a_score_below_the_threshold_never_reads_as_at_it(report):
    possible = sum(one.max_points for one in report.fair)
    points = (replace(report.fair[0], points=0.4999 * possible, max_points=possible),)
    poor = replace(report, fair=points)
    (finding,) = set(FairGate("warn").applied(poor).findings) - set(report.findings)
    assert finding.message == "The FAIR score is 49.9%; this archive asks for scores from 50%."
    assert "FAIR score 49.9%\n" in poor.as_short_text()
    assert percent(0.57) == "57.0%"
    assert percent(1 - 1e-12) == "100.0%"


def test_a_gate_does_not_warn_of_a_score_that_nobody_made(report):
    broken = replace(report, fair=())
    assert FairGate("warn", 1.0).applied(broken) is broken


def test_a_gate_that_blocks_refuses_below_its_threshold_only(report):
    assert report.accepted
    below, at = FairGate("block", report.fair_score + 0.001), FairGate("block", report.fair_score)
    assert at.applied(report).accepted
    refused = below.applied(report)
    (finding,) = [f for f in refused.findings if f.code == GATE_CODE]
    assert not refused.accepted
    assert refused.exit_code == GATE_EXIT_CODE == 38
    assert percent(report.fair_score) in finding.message
    assert "RDA-F1-01D" in finding.how_to_fix
    assert refused.findings[0] == finding, "an error stands before the notes"


def test_no_essential_indicator_met_is_refused_whatever_the_threshold(report):
    bare = tuple(replace(i, points=0.0) if i.priority == "essential" else i for i in report.fair)
    poor = replace(report, fair=bare)
    assert poor.fair_score > 0
    refused = FairGate("block", 0.0).applied(poor)
    assert refused.exit_code == GATE_EXIT_CODE
    assert "essential" in refused.findings[0].message


def test_the_error_of_the_data_comes_before_that_of_the_gate(dataset, judged):
    (dataset / "dataset.yaml").unlink()
    refused = FairGate("block", 0.5).applied(judged(dataset))
    assert refused.exit_code == 10
    assert [f.code for f in refused.findings if f.level == "error"][-1] == GATE_CODE


def test_verdicts_under_other_thresholds_are_other_rows_of_the_register(report):
    versions = {FairGate(mode, limit).applied(report).rules_version for mode, limit in THRESHOLDS}
    assert len(versions) == 4, report.fair_score
    rows = register_rows(FairGate("block", 0.9).applied(report))[SUBMISSIONS].to_pylist()
    assert [row["verdict"] for row in rows] == ["refused"]


THRESHOLDS = (("warn", 0.1), ("warn", 0.9), ("block", 0.1), ("block", 0.9), ("block", 0.9))


class NoVersions:
    def find(self, dataset, version):
        return None


def test_the_shelf_judges_once_and_gates_what_it_reads_again(tmp_path, dataset):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    dataset.rename(inbox / "lessons@1")
    open_shelf = Shelf(tmp_path / "archive", inbox)
    open_shelf.take("lessons@1", NoVersions())
    first = open_shelf.judge("lessons@1")
    assert first.accepted
    strict = Shelf(tmp_path / "archive", inbox, FairGate("block", 0.99))
    assert strict.judge("lessons@1").exit_code == GATE_EXIT_CODE
    assert open_shelf.judge("lessons@1") == first
