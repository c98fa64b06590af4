"""The shelf keeps what landed, tries again what was not finished, and lets nothing take a saved version's place."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lakehouse.archive import shelf as shelf_code
from lakehouse.archive.findings import Finding
from lakehouse.archive.limited import judge_in_child
from lakehouse.archive.shelf import Shelf
from lakehouse.errors import UnreadableSubmissionError, UnsafeArchiveError, VersionTakenError
from lakehouse.ports import DatasetVersion
from lakehouse.samples import course_records


class Saved:
    """Dataset versions as far as the shelf asks for them: by dataset and label."""

    def __init__(self):
        self.known = {}

    def find(self, dataset, version):
        return self.known.get((dataset, version))

    def save(self, dataset, version, content_sha256):
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        saved = DatasetVersion(dataset, version, "c" * 40, f"v{version}", content_sha256, moment)
        self.known[dataset, version] = saved


@pytest.fixture
def shelf(tmp_path):
    (tmp_path / "inbox").mkdir()
    return Shelf(tmp_path / "archive", tmp_path / "inbox")


def hand_in(shelf, name="course_records@1", *, seed=7):
    folder = course_records.write(shelf.root.parent / f"made-{name}-{seed}", seed=seed)
    target = shelf.inbox / name
    if target.exists():
        target.rename(shelf.root.parent / f"old-{seed}")
    folder.rename(target)


KEY = "course_records@1"


def test_an_arrival_waits_until_it_is_stored_or_refused(shelf):
    hand_in(shelf)
    landed = shelf.take(KEY, Saved())
    assert [arrival.key for arrival in shelf.waiting()] == [KEY], "landing alone does not finish it"
    shelf.done(KEY)
    assert shelf.waiting() == []
    assert shelf.take(KEY, Saved()) == landed


def test_content_of_a_saved_version_keeps_its_place(shelf):
    saved = Saved()
    hand_in(shelf)
    landed = shelf.take(KEY, saved)
    saved.save("course_records", "1", landed.content_sha256)
    hand_in(shelf, seed=8)
    with pytest.raises(VersionTakenError, match="another version label"):
        shelf.take(KEY, saved)
    assert shelf.waiting() == []
    assert shelf.take(KEY, saved) == landed


def test_content_that_was_refused_can_be_mended_under_its_label(shelf):
    hand_in(shelf)
    first = shelf.take(KEY, Saved())
    shelf.done(KEY)
    hand_in(shelf, seed=8)
    assert shelf.take(KEY, Saved()).content_sha256 != first.content_sha256


def test_an_unsafe_archive_is_not_asked_for_again(shelf):
    (shelf.inbox / "bad@1").mkdir()
    (shelf.inbox / "bad@1" / "link").symlink_to("/etc/passwd")
    (arrival,) = shelf.waiting()
    with pytest.raises(UnsafeArchiveError):
        shelf.take(arrival.key, Saved())
    assert shelf.waiting() == []


def test_what_never_arrived_is_said(shelf):
    with pytest.raises(UnreadableSubmissionError, match="no submission 'nothing@1'"):
        shelf.take("nothing@1", Saved())


def test_an_accepted_report_is_found_by_content(shelf):
    hand_in(shelf)
    landed = shelf.take(KEY, Saved())
    assert not shelf.judge(KEY).accepted
    assert shelf.accepted_report(landed.content_sha256) is None


def test_a_verdict_on_the_same_content_by_the_same_rules_is_not_given_again(shelf, monkeypatch):
    hand_in(shelf)
    landed = shelf.take(KEY, Saved())
    judged = judge_in_child(landed.folder, submission="made-elsewhere", content_sha256=landed.content_sha256)
    asked = []
    monkeypatch.setattr(shelf_code, "judge_in_child", lambda *_, **how: (asked.append(how["submission"]), judged)[1])
    shelf.keep(KEY, replace(judged, rules_version="0" * 64))
    shelf.keep(KEY, replace(judged, content_sha256="0" * 64))
    late = Finding("SUBMISSION_TOO_COSTLY", "error", "a.csv", 1, None, "It took too long.", "Split it.", 13)
    shelf.keep(KEY, replace(judged, findings=(late,)))
    shelf.judge(KEY)
    assert asked == [KEY], "none was about this content by these rules, and whole"
    shelf.keep("other@1", judged)
    (shelf.root / "arrivals" / f"{KEY}.json").rename(shelf.root / "arrivals" / "other@1.json")
    assert (shelf.judge("other@1").submission, asked) == ("other@1", [KEY])
