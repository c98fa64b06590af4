from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lakehouse.archive.acceptances import acceptance, applied
from lakehouse.archive.inbox import submit
from lakehouse.archive.shelf import Shelf
from lakehouse.errors import AcceptanceError

PLACE = "tables/rooms/rooms.csv: office"
NOW = datetime(2026, 3, 4, tzinfo=UTC)


class NoVersions:
    def find(self, dataset, version):
        return None


@pytest.fixture
def shelf(tmp_path):
    return Shelf(root=tmp_path / "archive", inbox=tmp_path / "inbox")


@pytest.fixture
def refused(shelf, dataset):
    """A submission whose only error is a column of addresses."""
    text = (dataset / "tables/rooms/columns.yaml").read_text()
    (dataset / "tables/rooms/columns.yaml").write_text(text + "  office: {type: string, description: Office}\n")
    (dataset / "tables/rooms/rooms.csv").write_text(
        "room,size,office\n10,50.5,ann@west-school.org\n11,60,bo@west-school.org\n"
    )
    key = submit(dataset, shelf.inbox).key
    shelf.take(key, NoVersions())
    report = shelf.judge(key)
    assert [(f.code, f.place) for f in report.findings if f.level == "error"] == [("PERSONAL_EMAIL", PLACE)]
    shelf.done(key)
    assert not shelf.waiting()
    return key


def accept(shelf, key, **changed):
    said = {"by": "Ada Example", "reason": "addresses of offices, public anyway"} | changed
    return shelf.accept(key, said.pop("code", "PERSONAL_EMAIL"), said.pop("place", PLACE), **said)


def test_an_accepted_finding_is_a_warning_that_says_who_and_why(shelf, refused):
    before = shelf.judge(refused)
    accept(shelf, refused)
    report = shelf.judge(refused)
    (finding,) = [f for f in report.findings if f.code == "PERSONAL_EMAIL"]
    assert (report.accepted, finding.level) == (True, "warning")
    assert "Accepted by Ada Example" in finding.message
    assert "addresses of offices" in finding.message
    assert "ann@" not in report.to_json()
    assert report.rules_version != before.rules_version
    (said,) = shelf.accepted_findings(refused)
    assert report.validated_at == said.accepted_at > before.validated_at


def test_an_accepted_submission_waits_to_be_ingested_again(shelf, refused):
    accept(shelf, refused)
    assert [arrival.key for arrival in shelf.waiting()] == [refused]
    assert shelf.accepted_report(shelf.landed(refused).content_sha256).accepted


def test_other_content_needs_it_anew(shelf, refused, dataset):
    accept(shelf, refused)
    file = dataset / "tables/rooms/rooms.csv"
    file.write_text(file.read_text().replace("bo@", "eve@"))
    key = submit(dataset, shelf.inbox).key
    shelf.take(key, NoVersions())
    assert not shelf.judge(key).accepted


def test_another_place_of_the_same_content_is_not_accepted(shelf, refused):
    accept(shelf, refused)
    report = shelf._judged(refused)
    elsewhere = replace(report, findings=tuple(replace(f, place="elsewhere") for f in report.findings))
    assert not shelf.with_acceptances(elsewhere).accepted


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"code": "REFERENCE_BROKEN"}, "only findings of personal data"),
        ({"code": "PERSONAL_SSN"}, "no open finding PERSONAL_SSN"),
        ({"place": "tables/rooms/rooms.csv: size"}, "findings that can be accepted: PERSONAL_EMAIL at"),
        ({"by": " "}, "the name of who answers"),
        ({"reason": "because"}, "and a reason"),
    ],
)
def test_what_cannot_be_accepted_is_said(shelf, refused, changed, words):
    with pytest.raises(AcceptanceError, match=words):
        accept(shelf, refused, **changed)
    assert not shelf.judge(refused).accepted


def test_what_was_accepted_stays_as_it_was_said_first(shelf, refused):
    first = accept(shelf, refused)
    assert accept(shelf, refused, reason="something else entirely") == first
    assert shelf.accepted_findings(refused) == [first]


def test_errors_of_other_kinds_stay_errors(shelf, refused):
    report = shelf._judged(refused)
    broken = replace(report.findings[0], code="REFERENCE_BROKEN")
    both = replace(report, findings=(*report.findings, broken))
    said = acceptance(report, "PERSONAL_EMAIL", PLACE, by="Ada Example", reason="public anyway, said so", at=NOW)
    assert [f.code for f in applied(both, [said]).findings if f.level == "error"] == ["REFERENCE_BROKEN"]
