"""Somebody who was withdrawn does not come back with a later submission, unless a person answers for it."""

import hashlib
import json
from dataclasses import replace

import pytest

from lakehouse.adapters.object_store import LocalObjects
from lakehouse.archive import inbox
from lakehouse.archive.apart import GivenUp
from lakehouse.archive.eds import load_description
from lakehouse.archive.findings import Report
from lakehouse.archive.shelf import Shelf
from lakehouse.archive.withdraw import returning
from lakehouse.archive.withdraw.receipt import Signer
from lakehouse.archive.withdraw.recognising import recognise_here
from lakehouse.archive.withdraw.returning import WithdrawnPeople, hashes_of
from lakehouse.errors import EncodingError

CODE = "PERSONAL_WITHDRAWN"
LOG = """\
eds_version: "1.0"
name: clicks
version: "1"
title: Clicks
description: What was clicked.
licence: CC0-1.0
accumulates: waves
subjects:
  pupil:
    description: A pupil.
    identifiers: [events/clicks.actor, letters.title]
"""


@pytest.fixture
def shelf(story, tmp_path):
    """A shelf of the archive from which the person was withdrawn, with an inbox of its own."""
    known = WithdrawnPeople(story.archive.house.objects, story.archive.signer, tmp_path / "recognised")
    return Shelf(tmp_path / "archive", tmp_path / "inbox", withdrawn=known)


def judged(shelf: Shelf, versions, folder) -> Report:
    key = inbox.submit(folder, shelf.inbox).key
    shelf.take(key, versions)
    return shelf.judge(key)


def returned(report: Report) -> dict[str, tuple[int, ...]]:
    return {one.place: one.rows for one in report.findings if one.code == CODE and one.level == "error"}


def edited(folder, table: str, old: str, new: str):
    path = folder / "tables" / table / f"{table}.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return folder


def test_a_later_wave_that_names_the_person_is_refused_at_every_place_and_without_naming_them(
    story, shelf, planted, tmp_path
):
    report = judged(shelf, story.archive.versions, planted.submission("2003", tmp_path))
    assert not report.accepted
    assert report.exit_code == 18
    assert returned(report) == {
        "tables/loans/loans.csv: member": (3,),
        "tables/members/members.csv: number": (3,),
        "tables/members/members.csv: login": (3,),
    }
    assert [one for one in report.findings if one.level == "error" and one.code != CODE] == []
    said = json.dumps([one.message + one.how_to_fix for one in report.findings if one.code == CODE])
    assert not planted.holds(said.encode())
    assert "1 row names somebody who was withdrawn from this archive; first in row 3 (line 4)." in said
    kept = b"".join(path.read_bytes() for path in (tmp_path / "recognised").iterdir())
    assert not planted.holds(kept)


def test_the_person_is_known_by_any_identifier_in_any_spelling_and_others_are_let_in(story, shelf, planted, tmp_path):
    wave = planted.submission("2003", tmp_path, person=False)
    assert judged(shelf, story.archive.versions, wave).accepted
    wave = planted.submission("2004", tmp_path, person=False)
    report = judged(shelf, story.archive.versions, edited(wave, "members", "blogin", planted.LOGIN.upper()))
    assert returned(report) == {"tables/members/members.csv: login": (2,)}


def test_somebody_answers_by_name_for_one_content_and_the_next_one_needs_it_anew(story, shelf, planted, tmp_path):
    wave = edited(planted.submission("2003", tmp_path, person=False), "members", "blogin", planted.LOGIN)
    assert not judged(shelf, story.archive.versions, wave).accepted
    place = "tables/members/members.csv: login"
    shelf.accept("club@2003", CODE, place, by="Ada Example", reason="asked by letter to be in it again")
    report = shelf.judge("club@2003")
    assert report.accepted
    assert "Accepted by Ada Example" in next(one.message for one in report.findings if one.code == CODE)
    more = edited(planted.submission("2004", tmp_path, person=False), "members", "blogin", planted.LOGIN)
    assert returned(judged(shelf, story.archive.versions, more)) == {place: (2,)}


def test_what_is_accepted_and_what_is_not_are_verdicts_by_different_rules(story, shelf, planted, tmp_path):
    wave = edited(planted.submission("2003", tmp_path, person=False), "members", "blogin", planted.LOGIN)
    report = judged(shelf, story.archive.versions, wave)
    without = replace(shelf, withdrawn=None).judge("club@2003")
    assert without.accepted
    assert report.rules_version != without.rules_version
    assert report.rules_version == shelf.judge("club@2003").rules_version


def test_the_same_content_is_looked_through_once_for_the_same_people(story, shelf, planted, tmp_path, monkeypatch):
    wave = edited(planted.submission("2003", tmp_path, person=False), "members", "blogin", planted.LOGIN)
    first = judged(shelf, story.archive.versions, wave)
    monkeypatch.setattr(returning, "do_apart", None)
    assert shelf.judge("club@2003").findings == first.findings


def test_looking_that_comes_to_no_end_refuses(story, shelf, planted, tmp_path, monkeypatch):
    wave = planted.submission("2003", tmp_path, person=False)
    monkeypatch.setattr(returning, "do_apart", lambda *_: GivenUp("tables/members/members.csv", "too much memory"))
    report = judged(shelf, story.archive.versions, wave)
    assert not report.accepted
    assert "SUBMISSION_TOO_COSTLY" in [one.code for one in report.findings]


def with_receipt(tmp_path, signer: Signer, **subject) -> WithdrawnPeople:
    objects = LocalObjects(tmp_path / "objects")
    told = {"format": "withdrawal receipt 1", "receipt": "w1", "subject": subject}
    objects.put("withdrawals/w1.receipt.json", signer.sign(told))
    return WithdrawnPeople(objects, Signer(tmp_path / "keys"), tmp_path / "recognised")


@pytest.mark.parametrize(
    ("kind", "dataset", "found"),
    [
        ("member", None, {"number", "member"}),
        ("member", "club", {"number", "member"}),
        ("member", "choir", set()),
        ("teacher", None, set()),
        ("person", None, {"number", "member"}),
    ],
)
def test_a_receipt_of_an_earlier_version_tells_of_the_one_value_of_its_kind_and_dataset(
    story, planted, tmp_path, kind, dataset, found
):
    signer = Signer(tmp_path / "keys")
    hashed = signer.fingerprint(planted.NEEDLE)
    known = with_receipt(tmp_path, signer, kind=kind, keyed_hash=hashed, **({"dataset": dataset} if dataset else {}))
    shelf = Shelf(tmp_path / "archive", tmp_path / "inbox", withdrawn=known)
    report = judged(shelf, story.archive.versions, planted.submission("2003", tmp_path))
    assert {place.partition(": ")[2] for place in returned(report)} == found


def test_receipts_of_another_key_refuse_until_the_key_is_back_or_somebody_answers(story, planted, tmp_path):
    other = Signer(tmp_path / "lost")
    known = with_receipt(tmp_path, other, kind="member", keyed_hash=other.fingerprint(planted.NEEDLE))
    shelf = Shelf(tmp_path / "archive", tmp_path / "inbox", withdrawn=known)
    report = judged(shelf, story.archive.versions, planted.submission("2003", tmp_path))
    found = [one for one in report.findings if one.code == CODE]
    assert [one.place for one in found] == ["(whole dataset)"]
    assert "1 withdrawal was signed with another key" in found[0].message
    assert "w1" in found[0].message
    assert "keys/withdrawals.key" in found[0].how_to_fix


@pytest.fixture
def clicks(tmp_path, monkeypatch):
    """A dataset of statements and letters in which pupils are called in several ways."""
    monkeypatch.chdir(tmp_path)  # a task notes what it reads in the folder it works in
    folder = tmp_path / "clicks"
    (folder / "events" / "clicks").mkdir(parents=True)
    (folder / "texts" / "letters").mkdir(parents=True)
    (folder / "dataset.yaml").write_text(LOG)
    (folder / "events" / "clicks" / "log.yaml").write_text(
        "title: Clicks\ndescription: What was clicked.\nxapi_version: '1.0.3'\n"
    )
    (folder / "texts" / "letters" / "collection.yaml").write_text("title: Letters\ndescription: Letters home.\n")
    agents = [
        {"mbox": "mailto:ann@x.org"},
        {"mbox": "mailto:Bob@X.org"},
        {"mbox_sha1sum": hashlib.sha1(b"mailto:bob@x.org", usedforsecurity=False).hexdigest()},
        {"account": {"homePage": "https://x.org", "name": "bob@x.org"}},
    ]
    statements = [
        json.dumps({"actor": agent, "verb": {"id": "https://x.org/v"}, "object": {"id": "https://x.org/o"}})
        for agent in agents
    ]
    (folder / "events" / "clicks" / "a.jsonl").write_text("\n".join(["", *statements]) + "\n")
    (folder / "texts" / "letters" / "l.jsonl").write_text(
        json.dumps({"id": "1", "title": "Of ann", "text": "Bob says hello."})
        + "\n"
        + json.dumps({"id": "2", "title": "BOB@x.org", "text": "Me."})
        + "\n"
    )
    assert load_description(folder).subjects.keys() == {"pupil"}
    return folder


def test_people_are_recognised_in_statements_and_documents(clicks, tmp_path):
    signer = Signer(tmp_path / "keys")
    known = {"pupil": hashes_of({"bob@x.org"}, signer)}
    assert recognise_here(str(clicks), signer.salt().hex(), known, whole=True) == {
        "events/clicks/a.jsonl: actor": [3, 3, 4, 5],
        "texts/letters/l.jsonl: title": [1, 2],
    }


def test_what_cannot_be_read_is_left_out_only_where_the_report_refuses_it_anyway(clicks, tmp_path):
    signer = Signer(tmp_path / "keys")
    (clicks / "texts" / "letters" / "m.jsonl").write_bytes(b'{"id": "\xff"}\n')
    arguments = (str(clicks), signer.salt().hex(), {"pupil": hashes_of({"bob@x.org"}, signer)})
    with pytest.raises(EncodingError):
        recognise_here(*arguments, whole=True)
    assert recognise_here(*arguments, whole=False)["events/clicks/a.jsonl: actor"] == [3, 3, 4, 5]


def test_the_receipt_keeps_hashes_that_only_the_key_can_make(story, planted):
    told = json.loads(story.outcome.file.read_bytes())["receipt"]["subject"]
    signer = story.archive.signer
    assert told["dataset"] is None
    assert set(told["identifiers_hashed"]) >= {
        signer.fingerprint(one.lower()) for one in (planted.NEEDLE, planted.LOGIN)
    }
    assert not planted.holds(json.dumps(told).encode())
