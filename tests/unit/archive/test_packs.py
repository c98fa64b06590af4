"""Rule packs: a third party's pack is found, applied and judged by; a faulty one says which file and field."""

import json

import jsonschema
import pytest

from lakehouse.archive.landing import land
from lakehouse.archive.rule_packs import SHIPPED, load_packs
from lakehouse.archive.rulebook import rules_version
from lakehouse.archive.validate import validate
from lakehouse.errors import RulePackError

MUSIC = """\
name: music
title: Music lessons
discipline: Music education
version: "0.1"
vocabularies:
  instruments: {piano: Piano, flute: Flute}
fields:
  ensemble: {type: text, description: Who plays., required: true, levels: [solo, choir, orchestra]}
  catalogue: {type: list, description: Numbers of works., pattern: "BWV [0-9]+"}
  players: {type: integer, description: How many play., minimum: 1, maximum: 200}
  instrument_columns: {type: columns, description: Columns with instruments.}
  score_url: {type: text, description: Where the notes are.}
rules:
  MUSIC_INSTRUMENTS:
    selector: pack
    check: column_levels
    parameters: {field: instrument_columns, vocabulary: instruments}
    level: error
    message: "The column {column} of {table} must keep to the instruments: {reason}."
    how_to_fix: "Declare them."
  MUSIC_ROOM:
    selector: pack
    check: column_required
    parameters: {column: tuning, table: rooms}
    level: warning
    message: "No column {column} in {table}."
    how_to_fix: "Add it."
  MUSIC_SIZE:
    selector: pack
    check: column_type
    parameters: {columns: [size], type: number, unit: dB}
    level: note
    message: "{column}: {expected}, but {reason}."
    how_to_fix: "Change it."
  MUSIC_CODE:
    selector: pack
    check: column_pattern
    parameters: {columns: [code, subject], pattern: "[a-z]+"}
    level: note
    message: "{column}: {expected}, but {reason}."
    how_to_fix: "Change it."
  MUSIC_ROLE:
    selector: pack
    check: column_role
    parameters: {columns: [began], roles: [sensitive]}
    level: note
    message: "{column}: {expected}, but {reason}."
    how_to_fix: "Change it."
  MUSIC_SCORE:
    selector: pack
    check: field_matches
    parameters: {field: score_url, pattern: "https://.*"}
    level: note
    message: "{field} must match {expected}."
    how_to_fix: "Change it."
  MUSIC_WORKS:
    selector: pack
    check: field_required
    parameters: {field: catalogue, when: score_url}
    level: note
    message: "{field} is missing."
    how_to_fix: "Add it."
  MUSIC_KEYWORDS:
    selector: dataset
    check: field_absent
    parameters: {fields: [keywords]}
    level: warning
    message: "Musicians look for keywords; see {place}."
    how_to_fix: "Add some."
"""


@pytest.fixture
def pack(tmp_path):
    folder = tmp_path / "packs" / "music"
    folder.mkdir(parents=True)
    (folder / "pack.yaml").write_text(MUSIC, encoding="utf-8")
    return folder


@pytest.fixture
def judged_by(dataset, tmp_path):
    def judge(packs, disciplines):
        text = (dataset / "dataset.yaml").read_text(encoding="utf-8").partition("disciplines:")[0]
        said = json.dumps(disciplines)
        (dataset / "dataset.yaml").write_text(f"{text}disciplines: {said}\n", encoding="utf-8")
        landed = land(dataset, tmp_path / "landed")
        return validate(landed.folder, submission="x@1", content_sha256=landed.content_sha256, packs=packs)

    return judge


def _told(report, prefix):
    return {f.code: (f.place, f.level, f.message) for f in report.findings if f.code.startswith(prefix)}


def test_a_third_party_s_pack_judges_the_datasets_that_name_it(pack, judged_by):
    packs = load_packs([pack.parent])
    fields = {"ensemble": "choir", "instrument_columns": ["lessons.subject"], "score_url": "ftp://x"}
    report = judged_by(packs, {"music": fields})
    assert not report.accepted
    assert _told(report, "MUSIC_") == {
        "MUSIC_INSTRUMENTS": (
            "tables/lessons/columns.yaml: columns.subject",
            "error",
            "The column subject of lessons must keep to the instruments: the levels maths, art are not in it.",
        ),
        "MUSIC_ROOM": ("tables/rooms/columns.yaml", "warning", "No column tuning in rooms."),
        "MUSIC_SIZE": (
            "tables/rooms/columns.yaml: columns.size",
            "note",
            "size: number in dB, but it is number.",
        ),
        "MUSIC_CODE": (
            "tables/lessons/columns.yaml: columns.code",
            "note",
            "code: [a-z]+, but it declares neither the pattern nor fitting levels.",
        ),
        "MUSIC_ROLE": (
            "tables/lessons/columns.yaml: columns.began",
            "note",
            "began: sensitive, but its role is none.",
        ),
        "MUSIC_SCORE": (
            "dataset.yaml: disciplines.music.score_url",
            "note",
            "score_url must match https://.*.",
        ),
        "MUSIC_WORKS": ("dataset.yaml: disciplines.music.catalogue", "note", "catalogue is missing."),
        "MUSIC_KEYWORDS": (
            "dataset.yaml: keywords",
            "warning",
            "Musicians look for keywords; see dataset.yaml: keywords.",
        ),
    }


def test_a_pack_that_no_dataset_names_changes_nothing_but_the_version(pack, judged_by):
    packs = load_packs([pack])
    report = judged_by(packs, {})
    assert _told(report, "MUSIC_") == {}
    assert report.rules_version == packs.rules_version
    assert len({packs.rules_version, load_packs().rules_version, rules_version()}) == 3
    (pack / "pack.yaml").write_text(MUSIC.replace("Music lessons", "Lessons"), encoding="utf-8")
    assert load_packs([pack]).rules_version != packs.rules_version


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({}, "DISCIPLINE_FIELD_MISSING", "'ensemble'"),
        ({"ensemble": "band"}, "DISCIPLINE_FIELD_INVALID", "must be one of solo, choir, orchestra"),
        ({"ensemble": 1}, "DISCIPLINE_FIELD_INVALID", "must be text"),
        ({"ensemble": "solo", "catalogue": ["KV 1"]}, "DISCIPLINE_FIELD_INVALID", "must match BWV"),
        ({"ensemble": "solo", "catalogue": "BWV 1"}, "DISCIPLINE_FIELD_INVALID", "must be a list"),
        ({"ensemble": "solo", "players": 0}, "DISCIPLINE_FIELD_INVALID", "between 1 and 200"),
        ({"ensemble": "solo", "players": True}, "DISCIPLINE_FIELD_INVALID", "a whole number"),
        ({"ensemble": "solo", "instrument_columns": ["rooms"]}, "DISCIPLINE_FIELD_INVALID", "places table.column"),
        ({"ensemble": "solo", "instrument_columns": ["rooms.x"]}, "DISCIPLINE_FIELD_INVALID", "rooms.x, which no"),
        ({"ensemble": "solo", "Players": 3}, "DISCIPLINE_FIELD_UNKNOWN", "it knows ensemble, catalogue"),
    ],
)
def test_fields_of_a_discipline_are_judged(pack, judged_by, fields, code, said):
    report = judged_by(load_packs([pack]), {"music": fields})
    assert not report.accepted
    found = _told(report, "DISCIPLINE_")
    assert list(found) == [code]
    assert said in found[code][2]


def test_the_schema_of_a_pack_agrees_with_its_judge(pack):
    music = load_packs([pack]).by_name["music"]
    validator = jsonschema.Draft202012Validator(music.json_schema())
    for name, value in [
        ("ensemble", "choir"),
        ("ensemble", "band"),
        ("ensemble", 1),
        ("catalogue", ["BWV 1", "BWV 2"]),
        ("catalogue", ["BWV 1", "BWV 1"]),
        ("catalogue", ["KV 1"]),
        ("players", 200),
        ("players", 201),
        ("players", "3"),
        ("instrument_columns", ["rooms.size"]),
        ("instrument_columns", ["rooms"]),
    ]:
        fits = validator.is_valid({"ensemble": "solo", name: value})
        assert fits == (music.fault(name, value) == ""), (name, value)


def test_a_discipline_without_a_pack_is_kept_and_told(judged_by):
    report = judged_by(load_packs(), {"alchemy": {"stone": "found"}})
    assert report.accepted
    assert list(_told(report, "DISCIPLINE_")) == ["DISCIPLINE_UNKNOWN"]


def test_the_shipped_packs_judge_education(judged_by):
    fields = {"education_level": ["3"], "grade_columns": ["lessons.lesson"], "isced_columns": ["lessons.code"]}
    report = judged_by(load_packs(), {"education": fields})
    assert set(_told(report, "EDUCATION_")) == {
        "EDUCATION_ISCED_LEVELS",
        "EDUCATION_GRADE_SCALE",
        "EDUCATION_GRADES_ROLE",
    }
    assert set(load_packs().by_name) == {"education", "psychology"} == {p.name for p in SHIPPED.iterdir()}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title: Music lessons\n", "", "title: Field required"),
        ("title:", "titel:", "titel: Extra inputs"),
        ("MUSIC_ROOM:", "ROOM:", "rules.ROOM must begin with MUSIC_"),
        ("check: column_required", "check: os_system", "rules.MUSIC_ROOM.check: 'os_system' is no check of packs"),
        ("column: tuning", "colum: tuning", "rules.MUSIC_ROOM.parameters.column: Field required"),
        ("parameters: {fields: [keywords]}", "parameters: {}", "rules.MUSIC_KEYWORDS.parameters: 'field_absent' is"),
        ("check: field_absent", "check: nothing", "rules.MUSIC_KEYWORDS.check: there is no check 'nothing'"),
        ("vocabulary: instruments", "vocabulary: x", "rules.MUSIC_INSTRUMENTS.parameters.vocabulary: 'x' is no"),
        ("field: instrument_columns", "field: ensemble", "'ensemble' is not of type columns"),
        ("field: score_url", "field: scores", "'scores' is no field of the pack"),
        ('"BWV [0-9]+"', '"(BWV"', "fields.catalogue: the pattern '(BWV' is no RE2 expression"),
        ('"[a-z]+"', '"(?=x)"', "rules.MUSIC_CODE.parameters.pattern"),
        ("No column {column}", "No column {column.__class__}", "rules.MUSIC_ROOM: message names {column.__class__}"),
        ("No column {column}", "No column {count:>99999999}", "rules.MUSIC_ROOM: message names {count}"),
        ("see {place}", "see {reason}", "rules.MUSIC_KEYWORDS: message names {reason}"),
        ("No column {column}", "No column {", "rules.MUSIC_ROOM: message is no message"),
        ("players: {type: integer", "players: {type: text", "fields.players: minimum and maximum need type"),
        ("name: music", "name: education", "name: a pack called 'education' is there already"),
        ("title: Music lessons", "title: *x", "aliases are not allowed"),
    ],
)  # fmt: skip
def test_a_faulty_pack_names_file_and_field(pack, old, new, said):
    text = MUSIC.replace(old, new)
    if new == "name: education":
        text = text.replace("MUSIC_", "EDUCATION_")
    (pack / "pack.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RulePackError) as raised:
        load_packs([pack])
    assert str(raised.value).startswith(str(pack / "pack.yaml"))
    assert said in str(raised.value)
    assert raised.value.exit_code == 37


def test_a_folder_without_a_pack_is_an_error(tmp_path):
    with pytest.raises(RulePackError, match="holds no rule pack"):
        load_packs([tmp_path])
