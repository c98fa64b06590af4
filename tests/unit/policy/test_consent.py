"""Consent per subject: which rows of the consent table count, and which rows of the others stay."""

import pyarrow as pa
import pytest

from lakehouse.errors import PurposeError
from lakehouse.policy.consent import answering_subjects, consented_rows
from lakehouse.policy.decisions import Policy
from lakehouse.policy.terms import ConsentTable, Part, Terms
from lakehouse.policy.users import User

USERS = {"ada": User(name="ada", purposes=("any",))}
PARTS = {
    "consents": Part("consents", "table", "CC0-1.0", subject_columns=("student",)),
    "marks": Part("marks", "table", "CC0-1.0", hidden_columns=("name",), subject_columns=("student", "tutor")),
    "rooms": Part("rooms", "table", "CC0-1.0"),
    "clicks": Part("clicks", "events", "CC0-1.0", subject_columns=("actor",)),
}


def terms(*, opt_in=True, accumulates="waves", stored=("1", "2")):
    consent = ConsentTable("consents", "student", "purpose", "given", opt_in)
    return Terms("marks", PARTS, consent=consent, accumulates=accumulates, versions=("1", "2"), stored=stored)


def answer(student, purpose, given, version="1"):
    return {"student": student, "purpose": purpose, "given": given, "dataset_version": version}


def answering(purpose, *rows, **given):
    about = terms(**given)
    return answering_subjects(about.consent, about, purpose, rows)


@pytest.mark.parametrize(
    ("rows", "consenting"),
    [
        ([answer(7, "research", True)], {"7"}),
        ([answer(7, "research", False)], set()),
        ([answer(7, "research", None)], set()),
        ([answer(7, "any", True)], {"7"}),
        ([answer(7, "teaching", True)], set()),
        ([answer(7, "education_research", True)], set()),
        ([answer(7, "any", True), answer(7, "research", False)], set()),
        ([answer(7, "any", False, "2"), answer(7, "research", True)], {"7"}),
        ([answer(7, "research", True), answer(7, "research", False, "2")], set()),
        ([answer(7, "research", False), answer(7, "research", True, "2")], {"7"}),
        ([answer(7, "research", True), answer(7, "research", False)], set()),
        ([answer(None, "research", True)], set()),
        ([answer(7, "research", True), answer(8, "research", True, "2")], {"7", "8"}),
    ],
)
def test_the_narrowest_and_newest_answer_decides(rows, consenting):
    assert answering("research", *rows) == consenting


def test_a_newer_snapshot_replaces_what_was_answered_before():
    assert answering("research", answer(7, "research", True), accumulates="snapshots") == set()
    assert answering("research", answer(7, "research", True, "2"), accumulates="snapshots") == {"7"}


def test_a_version_whose_terms_are_published_without_its_rows_replaces_no_answer():
    """Terms come before the rows of their version, and stay when it is retracted."""
    rows = [answer(7, "research", False)]
    for stored in (("1",), ()):
        assert answering("research", *rows, opt_in=False, accumulates="snapshots", stored=stored) == {"7"}
    assert answering("research", *rows, opt_in=False, accumulates="snapshots") == set(), "nobody objects any more"
    assert answering("research", opt_in=False, accumulates="snapshots") == set()


def test_answers_without_a_column_that_the_terms_name_are_not_guessed():
    with pytest.raises(PurposeError, match="consents has no column given"):
        answering("research", {"student": 7, "purpose": "research", "dataset_version": "1"})


def test_without_consent_as_the_basis_those_who_objected_are_named():
    rows = [answer(7, "research", False), answer(8, "research", True)]
    assert answering("research", *rows, opt_in=False) == {"7"}


def seen(part, rows, *consents, opt_in=True):
    about = terms(opt_in=opt_in)
    decision = Policy(USERS, {"marks": about}).decide("ada", "research", "marks", part)
    assert decision.permitted
    return consented_rows(pa.table(rows), decision, about, part=part, consents=consents).to_pylist()


MARKS = {"student": [7, 8, None], "tutor": [None, 9, None], "name": ["Ada", "Bo", "Cy"], "mark": [1, 2, 3]}


def test_rows_of_subjects_without_consent_go_and_hidden_columns_are_empty():
    found = seen("marks", MARKS, answer(7, "research", True), answer(8, "research", True))
    assert [row["mark"] for row in found] == [1, 3], "subject 9 has not agreed, and a row without a subject is nobody's"
    assert {row["name"] for row in found} == {None}


def test_rows_of_subjects_who_objected_go():
    found = seen("marks", MARKS, answer(7, "research", False), opt_in=False)
    assert [row["mark"] for row in found] == [2, 3]


@pytest.mark.parametrize("opt_in", [True, False])
def test_statements_of_groups_are_not_used_where_consent_is_asked(opt_in):
    assert seen("clicks", {"actor": [None, None]}, opt_in=opt_in) == []


def test_rows_that_do_not_name_their_subjects_are_not_used():
    with pytest.raises(PurposeError, match="no column tutor"):
        seen("marks", {"student": [7], "name": ["Ada"]})


def test_parts_without_subjects_are_whole():
    assert len(seen("rooms", {"room": [1, 2]})) == 2
