"""What became of a submission stands beside it in the inbox, and nothing else does."""

import os
from datetime import UTC, datetime

import pytest

from lakehouse.archive import inbox_reports
from lakehouse.archive.findings import Finding, Report
from lakehouse.archive.inbox import arrivals
from lakehouse.archive.inbox_reports import look, not_stored, not_taken, remove_reports, report_beside
from lakehouse.archive.upload_reports import UploadReports
from lakehouse.errors import BrokenPromiseError, UnreadableSubmissionError, UnsafeArchiveError, VersionTakenError

NAME = "Prüfungen 2024"


def report_on(*messages):
    findings = tuple(
        Finding("COLUMN_ABSENT", "error", "tables/a.csv", 1, None, message, "Add it.", 18) for message in messages
    )
    now = datetime(2026, 11, 28, tzinfo=UTC)
    return Report("a@1", "0" * 64, None, findings, (), {}, 0, 0, 0, "1" * 64, now)


@pytest.fixture
def inbox(tmp_path):
    (tmp_path / "inbox" / NAME).mkdir(parents=True)
    (tmp_path / "inbox" / NAME / "dataset.yaml").write_text('name: a\nversion: "1"\n')
    return tmp_path / "inbox"


def only(inbox):
    (arrival,) = arrivals(inbox)
    return arrival


def seen(inbox, arrival):
    return look(inbox, arrival.key, arrival.fingerprint)


def names(inbox):
    return sorted(path.name for path in inbox.iterdir())


BOTH = [NAME, f"{NAME}.report.html", f"{NAME}.report.txt"]


def test_a_report_is_written_beside_the_entry_and_is_no_arrival(inbox):
    there = only(inbox)
    files = report_beside(seen(inbox, there), report_on("no column <b>x</b>"), "It is kept.\n")
    assert names(inbox) == BOTH == sorted([NAME, *(file.name for file in files)])
    text, page = (inbox / f"{NAME}.report.txt").read_text(), (inbox / f"{NAME}.report.html").read_text()
    assert text.startswith("REFUSED  a@1")
    assert text.endswith(f"\nIt is kept.\n\n(This report is {inbox_reports.MARK}.)\n")
    assert "no column &lt;b&gt;x&lt;/b&gt;" in page
    assert "It is kept." in page
    assert only(inbox) == there


def test_the_next_try_replaces_it(inbox):
    there = only(inbox)
    report_beside(seen(inbox, there), report_on("first"))
    report_beside(seen(inbox, there), report_on("second"))
    assert names(inbox) == BOTH
    assert "second" in (inbox / f"{NAME}.report.txt").read_text()
    assert "first" not in (inbox / f"{NAME}.report.html").read_text()


def test_an_entry_that_changed_since_has_no_report_of_what_it_was(inbox):
    there = only(inbox)
    (inbox / NAME / "more.csv").write_text("a\n1\n")
    assert report_beside(seen(inbox, there), report_on("old")) == []
    assert names(inbox) == [NAME]


def test_reports_go_with_their_entries_and_halves_with_the_next_report(inbox):
    there = only(inbox)
    report_beside(seen(inbox, there), report_on("x"))
    (inbox / "gone.zip.report.txt").write_text(f"of an entry that is gone ({inbox_reports.MARK})")
    (inbox / f"gone.zip.report.html.{2**22 + 1}-00000000.part").write_text("half")
    (inbox / "notes.txt").write_text("somebody's own")
    report_beside(seen(inbox, there), report_on("x"))
    assert names(inbox) == sorted([*BOTH, "notes.txt"])
    assert remove_reports(inbox) == 2
    assert names(inbox) == sorted([NAME, "notes.txt"])


def test_a_link_in_its_place_is_replaced_and_not_followed(inbox, tmp_path):
    there, victim = only(inbox), tmp_path / "victim"
    victim.write_text("mine")
    (inbox / f"{NAME}.report.txt").symlink_to(victim)
    report_beside(seen(inbox, there), report_on("x"))
    assert victim.read_text() == "mine"
    assert not (inbox / f"{NAME}.report.txt").is_symlink()


def test_a_report_is_never_larger_than_a_browser_opens(inbox, monkeypatch):
    there = only(inbox)
    monkeypatch.setattr(inbox_reports, "LARGEST_BYTES", 40_000)
    many = report_on(*(f"message {number} {'x' * 100}" for number in range(2_000)))
    files = report_beside(seen(inbox, there), many)
    assert all(file.stat().st_size < 40_000 for file in files)
    assert "There are 2,000 findings" in files[1].read_text()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnsafeArchiveError("a.zip has a link; pack it again"), "ARCHIVE_UNSAFE"),
        (VersionTakenError("a@1 is already in the archive; give it another label"), "VERSION_TAKEN"),
        (UnreadableSubmissionError("a.zip is torn; send it again"), "SUBMISSION_UNREADABLE"),
    ],
)
def test_what_was_turned_away_is_told_with_its_own_code(error, code):
    report = not_taken("a@1", error)
    (finding,) = report.findings
    assert (finding.code, finding.exit_code, report.verdict) == (code, error.exit_code, "refused")
    assert finding.message.startswith("It was not taken: a")
    (outside,) = not_taken("a@1", error, "run 7 says why").findings
    assert (outside.code, outside.message) == (code, "It was not taken: run 7 says why.")


def test_what_was_fit_and_not_stored_is_not_told_as_accepted():
    report = not_stored(report_on(), BrokenPromiseError("marks: NOT_NULL, 3 rows"))
    assert report.verdict == "refused"
    assert "marks: NOT_NULL, 3 rows" in report.findings[0].message
    outside = not_stored(report_on(), BrokenPromiseError("marks: NOT_NULL, 3 rows"), "run 7 says why")
    assert outside.findings[0].message == "It is fit, and was not stored: run 7 says why"
    assert outside.findings[0].exit_code == report.findings[0].exit_code


def test_what_people_put_there_under_such_names_stays(inbox, caplog):
    there = only(inbox)
    (inbox / "board meeting.report.html").write_text("minutes")
    (inbox / f"{NAME}.report.txt").write_text("my own notes")
    assert [path.name for path in report_beside(seen(inbox, there), report_on("x"))] == [BOTH[1]]
    assert f"{NAME}.report.txt" in caplog.text
    assert remove_reports(inbox) == 1
    assert names(inbox) == [NAME, f"{NAME}.report.txt", "board meeting.report.html"]


def test_a_folder_called_like_a_report_is_no_obstacle(inbox):
    (inbox / f"{NAME}.report.txt").mkdir()
    there = next(one for one in arrivals(inbox) if one.path.name == NAME)
    assert [path.name for path in report_beside(seen(inbox, there), report_on("x"))] == [BOTH[1]]


def test_halves_go_when_who_wrote_them_has_ended_and_not_before(inbox):
    for writer in (os.getpid(), 2**22 + 1):
        (inbox / f"a.report.txt.{writer}-00000000.part").write_text("half")
    assert remove_reports(inbox) == 1
    assert f"a.report.txt.{os.getpid()}-00000000.part" in names(inbox)


def test_the_inbox_is_listed_once_for_a_report_here_and_one_for_the_uploader(inbox, monkeypatch):
    there, listed = only(inbox), []
    monkeypatch.setattr(inbox_reports, "arrivals", lambda at: (listed.append(at), arrivals(at))[1])
    about = seen(inbox, there)
    report_beside(about, report_on("x"))
    assert UploadReports().tell(about.judged, report_on("x")) == []
    assert listed == [inbox]
