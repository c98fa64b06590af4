"""A field of dataset.yaml that is wrong is a finding of its own, and hides no other."""

import json
import random

import pytest

from lakehouse.archive.eds import DESCRIPTION_FILE, DatasetFile, read_description
from lakehouse.archive.salvage import REQUIRED, said_rightly
from lakehouse.archive.strict_yaml import read_yaml

LINES = """\
eds_version: "1.0"
name: lessons
version: "1"
title: Lessons
description: Pupils' lessons, counted.
accumulates: snapshots
licence: CC-BY-9.9
creators: [{name: A School}, {name: B School}]
keywords: [lessons]
temporal_coverage: {start: "2023", end: "2024"}
terms: {purposes: [nothing_known, research], forbidden: [research], retention_until: "2001-12-31"}
consent: {basis: consent, table: rooms, subject: size, purpose: nowhere, given: room}
subjects: {pupil: {description: Pupils., identifiers: [rooms.room, nowhere.pupil]}}
disciplines: {astrology: {sign: lion}}
"""
STATEMENT = (
    '{"actor": {"account": {"homePage": "https://school.example", "name": "a"}}, "verb": {"id": "http://x.example/v"},'
    ' "object": {"id": "http://x.example/o"}, "id": "2a41c918-88b8-4220-20a5-0a4c32391240",'
    ' "timestamp": "2024-01-31T08:00:00Z"}\n'
)
TERMS = {"PURPOSE_UNKNOWN", "PURPOSE_CONTRADICTED", "RETENTION_PASSED", "ACCESS_UNSTATED"}
CONSENT = {"CONSENT_PLACE_ABSENT", "CONSENT_GIVEN_UNCLEAR", "CONSENT_JOINS_NOTHING"}
SUBJECTS = {"SUBJECT_PLACE_ABSENT", "ACTORS_UNDECLARED", "CONSENT_JOINS_NOTHING"}
ALL = TERMS | CONSENT | SUBJECTS | {"LICENCE_UNKNOWN", "DISCIPLINE_UNKNOWN", "TYPE_WRONG", "REFERENCE_BROKEN"}


@pytest.fixture
def faulty(dataset):
    """Give a dataset with a finding of every kind that rests on dataset.yaml, and with faults in its rows."""
    (dataset / DESCRIPTION_FILE).write_text(LINES, encoding="utf-8")
    (dataset / "tables/rooms/rooms.csv").write_text("room,size\n10,wide\n12,60\n", encoding="utf-8")
    log = dataset / "events" / "answers"
    log.mkdir(parents=True)
    (log / "log.yaml").write_text('title: Answers\ndescription: Answers.\nxapi_version: "1.0.3"\n', encoding="utf-8")
    (log / "2024.jsonl").write_text(STATEMENT, encoding="utf-8")
    return dataset


def _told(report):
    return {(f.code, f.place) for f in report.findings if f.code != "FAIR_TOO_LOW"}


# The line that becomes wrong, the place of its own finding, and the codes that cannot be judged without it.
@pytest.mark.parametrize(
    ("line", "wrong", "place", "unjudged"),
    [
        ('eds_version: "1.0"', "eds_version: 1", "eds_version", set()),
        ("name: lessons", "name: [lessons]", "name", set()),
        ('version: "1"', "version: 1.10", "version", set()),
        ("title: Lessons", "title: 5", "title", set()),
        ("title: Lessons\n", "", "title", set()),
        ("accumulates: snapshots", "accumulates: true", "accumulates", set()),
        ("licence: CC-BY-9.9", "licence: 4", "licence", {"LICENCE_UNKNOWN"}),
        ("{name: B School}]", "{nam: B School}]", "creators.1.name", set()),
        ("keywords: [lessons]", "keywords: lessons", "keywords", set()),
        ('start: "2023"', 'start: "2025"', "temporal_coverage", set()),
        ("terms: {purposes", "terms: {access: some, purposes", "terms.access", {"ACCESS_UNSTATED"}),
        ("[nothing_known, research]", "[No Such, nothing_known, research]", "terms.purposes.0", set()),
        ('"2001-12-31"', "never", "terms.retention_until", {"RETENTION_PASSED"}),
        ("basis: consent", "basis: maybe", "consent.basis", set()),
        ("basis: consent, ", "", "consent.basis", set()),
        ("subject: size", "subject: 1", "consent.subject", CONSENT),
        ("description: Pupils.", "description: ''", "subjects.pupil.description", set()),
        ("[rooms.room, nowhere.pupil]", "[rooms.room, nowhere]", "subjects.pupil.identifiers.1", SUBJECTS),
        ("subjects: {pupil", "subjects: {Pupil", "subjects.Pupil", SUBJECTS),
        ("{sign: lion}", "lion", "disciplines.astrology", {"DISCIPLINE_UNKNOWN"}),
        ("terms: {", "terms: 5\nderived_from: 6\nrelated: {", "terms", TERMS),
    ],
)
def test_a_field_at_fault_hides_what_depends_on_it_alone(faulty, judged, line, wrong, place, unjudged):
    before = _told(judged(faulty))
    assert {code for code, _ in before} >= ALL
    path = faulty / DESCRIPTION_FILE
    assert line in LINES
    path.write_text(LINES.replace(line, wrong), encoding="utf-8")
    report = judged(faulty)
    assert report.description is None
    own = [f for f in report.findings if f.place == f"{DESCRIPTION_FILE}: {place}"]
    assert [f.code in ("FIELD_INVALID", "FIELD_MISSING") for f in own] == [True]
    lost = {code for code, _ in before - _told(report)}
    assert lost == unjudged
    assert {code for code in unjudged if code not in own[0].message} == set()
    new = {code for code, _ in _told(report) - before}
    assert new <= {"FIELD_INVALID", "FIELD_MISSING", "FIELD_UNKNOWN"}


@pytest.mark.parametrize(
    "more",
    ['"[key]": 1\n', 'disciplines: {"X y": {"[key]": 1}}\n', '"": {"": []}\n', "subjects: {pupil: {'[key]': {}}}\n"],
)
def test_keys_that_look_like_marks_are_faults_like_others(dataset, judged, more):
    with (dataset / DESCRIPTION_FILE).open("a", encoding="utf-8") as stream:
        stream.write("keywords: 5\n" + more)
    report = judged(dataset)
    places = {f.place.partition(": ")[2] for f in report.findings if f.code.startswith("FIELD_") and f.level == "error"}
    assert "keywords" in places
    assert len(places) > 1
    assert report.fair_score > 0


JUNK = (None, 5, 1.5, True, "", "x", "x" * 20_000, [], {}, [1], {"a": 1}, [[]], [{}], {"a": {"b": []}})


def _spoilt(value, chance):
    """Return what a description says with values, keys and entries gone wrong at random."""
    if chance.random() < 0.1:
        return chance.choice(JUNK)
    if isinstance(value, list):
        return [*(_spoilt(one, chance) for one in value), *([chance.choice(JUNK)] if chance.random() < 0.2 else [])]
    if not isinstance(value, dict):
        return value
    kept = {key: one for key, one in value.items() if chance.random() > 0.1}
    named = {
        chance.choice(["X y", "", "a.b", "[key]", key]) if chance.random() < 0.1 else key: kept[key] for key in kept
    }
    return {key: _spoilt(one, chance) for key, one in named.items()}


def test_whatever_is_at_fault_the_rest_is_found(tmp_path):
    chance = random.Random(7)
    sound = read_yaml(LINES.encode())
    found = []
    for _ in range(300):
        spoilt = {key: _spoilt(value, chance) for key, value in sound.items()}
        (tmp_path / DESCRIPTION_FILE).write_text(json.dumps(spoilt), encoding="utf-8")
        reading = read_description(tmp_path)
        said = said_rightly(reading)
        wrong = {fault.field.partition(".")[0] for fault in reading.faults}
        right = [name for name in spoilt if name not in wrong]
        assert {name: getattr(said.dataset, name) for name in right} == {
            name: getattr(DatasetFile.model_validate({**REQUIRED, name: spoilt[name]}), name) for name in right
        }
        found.append(len(wrong))
    assert 1 <= min(found) < 3 < max(found), "some have few faults and some many"
