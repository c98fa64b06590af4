"""The statement that is offered is one that its asker is answered."""

from datetime import UTC, datetime

import pytest

from dagster_project.whereabouts import Held, Whereabouts, _ask, _readers, nothing_new
from lakehouse.policy.decisions import Policy
from lakehouse.policy.terms import Part, Terms
from lakehouse.policy.users import default_policy
from lakehouse.ports import DatasetVersion

VERSION = DatasetVersion("school", "2024", "c" * 40, "v2024", "0" * 64, datetime(2026, 1, 1, tzinfo=UTC))
ABOUT_PEOPLE = Part("marks", "table", "CC-BY-4.0", person_columns=("pupil",), is_personal=True)


def policy(part, **terms):
    said = default_policy("lakehouse")
    return Policy(said.users, {"school": Terms("school", {"marks": part}, **terms)}, rules=said.rules)


def asked(part, **terms):
    known = policy(part, **terms)
    return _ask(known, known.users["lakehouse"], VERSION, "silver.school_marks")


@pytest.mark.parametrize(
    ("part", "terms", "line"),
    [
        (
            Part("marks", "table", "CC-BY-4.0"),
            {},
            "lakehouse sql \"SELECT * FROM lakehouse.silver.school_marks WHERE dataset_version = '2024' LIMIT 10\"",
        ),
        (
            ABOUT_PEOPLE,
            {},
            'lakehouse sql "SELECT COUNT(*) AS row_count FROM lakehouse.silver.school_marks '
            "WHERE dataset_version = '2024'\"",
        ),
        (
            ABOUT_PEOPLE,
            {"purposes": ("research",)},
            "not by lakehouse for reporting: its terms permit research, operations",
        ),
    ],
)
def test_the_command_fits_what_the_policy_shows(part, terms, line):
    assert asked(part, **terms) == line


def test_who_may_read_is_told():
    assert _readers(policy(Part("marks", "table", "CC-BY-4.0")), "school") == "open to everybody"
    closed = policy(ABOUT_PEOPLE, access="registered")
    assert _readers(closed, "school") == (
        "users of the archive (access: registered); what is about people in groups of at least 10"
    )


def test_tables_stand_with_their_rows_below_version_and_identifier():
    tables = (Held("silver.school_marks", "silver", 1_234), Held("bronze.school_b", "bronze", 1))
    page = "http://here/datasets/school/2024"
    place = Whereabouts("school", "2024", "c" * 40, "ark:99999/v1x", page, tables, "all", "ask")
    assert str(place).splitlines() == [
        "STORED  school 2024, ark:99999/v1x, commit cccccccccccc",
        "  silver.school_marks  1,234 rows",
        "  bronze.school_b          1 row",
        "  read: all",
        "  ask:  ask",
        "  page: http://here/datasets/school/2024",
    ]


def test_another_label_over_the_same_content_is_said_to_add_nothing():
    assert nothing_new("2024", VERSION) == ""
    assert "this is the content of version 2024" in nothing_new("2025", VERSION)
