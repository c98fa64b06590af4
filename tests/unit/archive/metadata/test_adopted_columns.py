"""A Table Schema becomes columns: types, constraints and references are kept, or it is told that they are not."""

from typing import Any

import pytest

from lakehouse.archive.eds import load_description
from tests.unit.archive.metadata.packages import Build, Judge, said, schema


def test_constraints_levels_and_missing_values_are_taken_over(build: Build, judge: Judge):
    report = judge(
        build(
            schema(
                {"name": "lesson", "type": "integer", "constraints": {"required": True, "minimum": 1, "maximum": "9"}},
                {"name": "subject", "type": "string", "constraints": {"enum": ["maths", "art"], "minLength": 2}},
                missingValues=["", "-"],
            ),
            {"data/lessons.csv": b"lesson,subject\n1,maths\n-,sports\n10,art\n"},
        )
    )
    columns = load_description(judge.folder).tables["lessons"].columns
    assert (columns["lesson"].minimum, columns["lesson"].maximum, columns["lesson"].required) == (1, 9, True)
    assert columns["lesson"].missing_codes == ("-",)
    assert columns["subject"].levels == ("maths", "art")
    assert {"VALUE_REQUIRED", "VALUE_OUT_OF_RANGE", "VALUE_NOT_A_LEVEL"} <= {each.code for each in report.findings}
    assert any("minLength" in text for text in said(report, "PACKAGE_CONSTRAINT_DROPPED"))


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ({"type": "year"}, "integer"),
        ({"type": "date"}, "date"),
        ({"type": "date", "format": "%d/%m/%Y"}, "string"),
        ({"type": "datetime", "format": "any"}, "datetime"),
        ({"type": "datetime", "format": "%H"}, "string"),
        ({"type": "number"}, "number"),
        ({"type": "number", "decimalChar": ","}, "string"),
        ({"type": "integer", "groupChar": " "}, "string"),
        ({"type": "boolean", "trueValues": ["True"], "falseValues": ["0"]}, "boolean"),
        ({"type": "boolean", "trueValues": ["yes"]}, "string"),
        ({"type": "geopoint"}, "string"),
        ({}, "string"),
    ],
)
def test_types(build: Build, judge: Judge, field: dict[str, Any], kind: str):
    report = judge(build(schema({"name": "lesson", **field}), {"data/lessons.csv": b"lesson\n\n"}))
    assert load_description(judge.folder).tables["lessons"].columns["lesson"].type == kind
    assert bool(said(report, "PACKAGE_TYPE_WIDENED")) == (kind == "string")


@pytest.mark.parametrize(
    ("field", "fitting", "odd"),
    [
        ({"type": "time"}, ("00:00:00", "23:59:60.5+01:00"), ("00:01", "24:00:00")),
        ({"type": "time", "format": "%H/%M"}, ("00/00", "9/5"), ("00/01/00", "9-5")),
        ({"type": "yearmonth"}, ("2017-01", "2017-12"), ("2017-13", "2017")),
        ({"type": "duration"}, ("P1Y2M", "-PT0.5S"), ("1 day", "PT1D")),
        ({"type": "date", "format": "%d.%m.%Y"}, ("01.02.2020", "1.2.2020"), ("32.01.2020", "2020-01-02")),
        ({"type": "datetime", "format": "fmt:%Y-%m-%dt%H %M"}, ("2020-01-02T03  04",), ("2020-01-02T03:04",)),
    ],
)
def test_text_in_place_of_a_type_must_look_like_one(
    build: Build, judge: Judge, field: dict[str, Any], fitting: tuple[str, ...], odd: tuple[str, ...]
):
    lines = ["lesson", *fitting, *odd, ""]
    report = judge(build(schema({"name": "lesson", **field}), {"data/lessons.csv": "\n".join(lines).encode()}))
    (told,) = [each for each in report.findings if each.code == "VALUE_NOT_MATCHING"]
    assert told.rows == tuple(range(len(fitting) + 1, len(fitting) + len(odd) + 1))


@pytest.mark.parametrize("form", ["any", "%d %B %Y", "%I %p"])
def test_a_format_that_depends_on_a_language_gets_no_pattern(build: Build, judge: Judge, form: str):
    judge(build(schema({"name": "lesson", "type": "date", "format": form}), {"data/lessons.csv": b"lesson\n1 May\n"}))
    assert load_description(judge.folder).tables["lessons"].columns["lesson"].pattern is None


@pytest.mark.parametrize("form", ["%Y%", "fmt:100%", "%d/%d"])
def test_a_format_that_no_reader_takes_gets_no_pattern(build: Build, judge: Judge, form: str):
    report = judge(
        build(schema({"name": "lesson", "type": "date", "format": form}), {"data/lessons.csv": b"lesson\n1\n"})
    )
    assert load_description(judge.folder).tables["lessons"].columns["lesson"].pattern is None
    assert not any("must look like one" in text for text in said(report, "PACKAGE_TYPE_WIDENED"))


def test_a_pattern_of_its_own_takes_nothing_from_what_the_type_promises(build: Build, judge: Judge):
    own = {"constraints": {"pattern": "0.*"}}
    stated = [
        {"name": "lesson", "type": "date", "format": "%d.%m.%Y", **own},
        {"name": "subject", "type": "geopoint", **own},
    ]
    report = judge(build(schema(*stated), {"data/lessons.csv": b"lesson,subject\n01.02.2020,01\n0x,0x\n"}))
    (odd,) = [each for each in report.findings if each.code == "VALUE_NOT_MATCHING"]
    assert odd.rows == (2,)
    assert "lesson" in odd.message
    (promised,) = [text for text in said(report, "PACKAGE_TYPE_WIDENED") if "must look like one" in text]
    assert "tables/lessons: lesson" in promised
    (dropped,) = said(report, "PACKAGE_CONSTRAINT_DROPPED")
    assert "tables/lessons: lesson" in dropped
    assert "pattern" in dropped
    assert load_description(judge.folder).tables["lessons"].columns["subject"].pattern == "0.*"


def test_a_blank_may_stand_for_the_first_figure_of_a_day(build: Build, judge: Judge):
    field = {"name": "lesson", "type": "date", "format": "%d/%m/%Y"}
    report = judge(build(schema(field), {"data/lessons.csv": b"lesson\n 1/02/2020\n 1/ 2/2020\n"}))
    (odd,) = [each for each in report.findings if each.code == "VALUE_NOT_MATCHING"]
    assert odd.rows == (2,)


def test_references_between_renamed_tables_hold(build: Build, judge: Judge):
    def named(name: str, path: str, *fields: str, **rest: object) -> dict[str, Any]:
        listed = [{"name": field, "type": "integer", "description": field} for field in fields]
        return {"name": name, "path": path, "schema": {"fields": listed, **rest}}

    key = {"fields": "Room", "reference": {"resource": "all-rooms", "fields": "Room"}}
    lost = {"fields": ["lesson"], "reference": {"resource": "nowhere", "fields": ["x"]}}
    report = judge(
        build(
            {
                "resources": [
                    named("lessons", "lessons.csv", "lesson", "Room", foreignKeys=[key, lost]),
                    named("all-rooms", "rooms.csv", "Room"),
                ]
            },
            {"lessons.csv": b"lesson,Room\n1,10\n2,12\n", "rooms.csv": b"Room\n10\n11\n"},
        )
    )
    assert load_description(judge.folder).tables["lessons"].columns["room"].references == "all_rooms.room"
    assert said(report, "REFERENCE_BROKEN")
    assert any("'x' of 'nowhere'" in text for text in said(report, "PACKAGE_CONSTRAINT_DROPPED"))
