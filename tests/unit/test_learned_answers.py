"""Answers are read under the names that the consent table has, and are not made up where it is not stored."""

from types import SimpleNamespace

import pyarrow as pa
import pytest

from assets import learning
from lakehouse.definition import FormerNames
from lakehouse.errors import PurposeError
from lakehouse.policy.decisions import Decision
from lakehouse.policy.terms import ConsentTable, Part, Terms
from lakehouse.ports import TablePointer
from lakehouse.tables.release import Release

CONSENT = ConsentTable("answers", "learner", "purpose", "given", opt_in=False)
DECISION = Decision("training", "model_training", "marks", "marks", permitted=True, reason="", consent=CONSENT)


@pytest.fixture
def permitted(monkeypatch):
    """Which pupils remain of two, of whom 7 objected in a table that has a name of before for them."""
    monkeypatch.setattr(learning, "recover", lambda house: None)
    answers = {"pupil": [7], "purpose": ["any"], "given": [False], "dataset_version": ["1"], "note": ["n"]}

    def remain(*published):
        release = Release(1, "", {name: TablePointer(name, "", 5) for name in published})
        house = SimpleNamespace(
            releases=SimpleNamespace(current_or_empty=lambda: release),
            tables=SimpleNamespace(read=lambda name, snapshot_id: pa.table(answers)),
        )
        parts = {
            "answers": Part("answers", "table", names=FormerNames((("pupil", "learner"),))),
            "marks": Part("marks", "table", subject_columns=("pupil",)),
        }
        terms = Terms("marks", parts, consent=CONSENT, versions=("1", "2"), stored=("1",))
        rows = pa.table({"pupil": [7, 8]})
        return learning._permitted(house, SimpleNamespace(terms={"marks": terms}), DECISION, rows)

    return remain


def test_a_consent_table_that_has_its_former_names_is_asked_by_them(permitted):
    assert permitted("silver.marks_answers")["pupil"].to_pylist() == [8]


def test_a_consent_table_that_is_not_stored_refuses_in_words(permitted):
    with pytest.raises(PurposeError, match="marks_answers is not stored yet"):
        permitted()
