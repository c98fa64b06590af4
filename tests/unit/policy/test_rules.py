"""What the owner lays down for single tables: read from the policy file, and what follows for a user."""

from dataclasses import replace

import pyarrow as pa
import pytest

from lakehouse.definition import FormerNames
from lakehouse.errors import UnknownSettingError
from lakehouse.policy.consent import consented_rows
from lakehouse.policy.decisions import Decision, Policy
from lakehouse.policy.rules import Groups, Limits, Mask, Rules
from lakehouse.policy.terms import ConsentTable, Part, Terms
from lakehouse.policy.users import User, load_policy

POLICY = """\
smallest_group: 7
tables:
  marks_pupils:
    dimensions: [region]
    masks: {postcode: {first: 2}, born: year, code: empty}
    rows: {office: {region: [Wales, 3], open: [true]}, wide: all}
roles: {office: [], wide: [], steward: [rows, identifiers]}
users:
  ada: {roles: [office], purposes: [any], default_purpose: any}
"""
TERMS = {
    "marks": Terms(
        "marks",
        {
            "pupils": Part("pupils", "table", "CC0-1.0", person_columns=("pupil",), is_personal=True),
            "rooms": Part("rooms", "table", "CC0-1.0"),
            "nameless": Part("nameless", "table", "CC0-1.0", is_personal=True),
        },
    )
}


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return load_policy(path).rules


def decide(rules, part, *, roles=(), rights=()):
    users = {"ada": User(name="ada", rights=frozenset(rights), roles=roles, purposes=("any",))}
    return Policy(users, TERMS, rules=rules).decide("ada", "research", "marks", part)


def test_people_are_shown_in_groups_to_who_has_no_right_to_rows(rules):
    assert decide(rules, "pupils").limits["pupils"].groups == Groups(7, ("pupil",), ("region",))
    assert decide(rules, "pupils", rights=("rows",)).limits["pupils"].groups is None
    assert decide(rules, "rooms").limits["rooms"].are_none
    assert decide(Rules(), "pupils").limits["pupils"].groups == Groups(10, ("pupil",), ())


def test_a_part_without_a_column_that_names_its_people_is_denied_without_that_right(rules):
    assert "does not say which row is about whom" in decide(rules, "nameless").reason
    assert decide(rules, "nameless", rights=("rows",)).permitted


def test_a_role_that_is_not_named_sees_no_rows_and_several_roles_see_what_either_does(rules):
    office = {"region": ("Wales", 3), "open": (True,)}
    assert decide(rules, "pupils").limits["pupils"].rows == ()
    assert decide(rules, "pupils", roles=("office",)).limits["pupils"].rows == (office,)
    assert decide(rules, "pupils", roles=("office", "wide")).limits["pupils"].rows is None


def test_rows_outside_sql_follow_the_same_rules(rules):
    decision = decide(rules, "pupils", roles=("office",))
    rows = pa.table(
        {
            "region": ["Wales", "Kent", "3", None],
            "open": [True, True, True, True],
            "postcode": ["CF1", "ME1", "CF2", "CF3"],
        }
    )
    shown = consented_rows(rows, decision, TERMS["marks"], part="pupils", consents=())
    assert shown.to_pylist() == [
        {"region": "Wales", "open": True, "postcode": None},
        {"region": "3", "open": True, "postcode": None},
    ]
    nobody = consented_rows(rows, decide(rules, "pupils"), TERMS["marks"], part="pupils", consents=())
    assert nobody.num_rows == 0


RENAMED = FormerNames((("born", "birth_day"), ("code", "number"), ("postcode", "number"), ("region", "country")))
SAID = Limits(
    masks={"born": Mask(cut_to="year"), "code": Mask(pseudonym=True), "postcode": Mask(first=2)},
    rows=({"region": ("Wales",), "open": (True,)}, {"region": ("Kent",), "country": ("Wales",)}),
    groups=Groups(7, ("pupil",), ("region",)),
    names=RENAMED,
)


def test_a_rule_holds_for_a_column_whatever_name_it_has_now_or_had_then():
    now, then = SAID.among(("birth_day", "number", "country", "open")), SAID.among(("born", "region", "open"))
    assert now.masks == {"birth_day": Mask(cut_to="year"), "number": Mask()}, "of two masks none is the right one"
    assert now.rows == ({"country": ("Wales",), "open": (True,)},), "nothing is both of Kent and of Wales"
    assert now.groups == Groups(7, ("pupil",), ("country",))
    assert (then.masks, then.groups) == ({"born": Mask(cut_to="year")}, SAID.groups)
    assert then.rows == ({"region": ("Wales",), "open": (True,)},)


def test_renamed_columns_are_masked_filtered_and_asked_outside_sql_too():
    part = Part("pupils", "table", "CC0-1.0", subject_columns=("learner",), names=FormerNames((("pupil", "learner"),)))
    answers = Part("answers", "table", names=FormerNames((("given", "agreed"),)))
    consent = ConsentTable("answers", "learner", "purpose", "agreed", opt_in=True)
    terms = Terms("marks", {"pupils": part, "answers": answers}, consent=consent, versions=("1",))
    said = Decision("ada", "research", "marks", "pupils", permitted=True, reason="", consent=consent)
    said = replace(said, limits={"pupils": replace(SAID, groups=None)})
    rows = pa.table({"pupil": [1, 2], "country": ["Wales"] * 2, "open": [True] * 2, "birth_day": ["a", "b"]})
    answer = {"learner": 2, "purpose": "research", "given": True, "dataset_version": "1"}
    shown = consented_rows(rows, said, terms, part="pupils", consents=[answer])
    assert shown.to_pylist() == [{"pupil": 2, "country": "Wales", "open": True, "birth_day": None}]


def test_the_right_to_identifiers_lifts_masks(rules):
    assert set(decide(rules, "pupils").limits["pupils"].masks) == {"postcode", "born", "code"}
    assert decide(rules, "pupils", rights=("identifiers", "rows")).limits["pupils"] == Limits(rows=())


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{first: 2}", "{first: 2, round_to: 5}", "a mask is one of"),
        ("{first: 2}", "shred", "tables.marks_pupils.masks.postcode"),
        ("smallest_group: 7", "smallest_group: 2", "smallest_group"),
        ("office: {region", "offices: {region", "unknown role 'offices'"),
        ("[Wales, 3]", "[]", "tables.marks_pupils.rows"),
        ("wide: all}", "wide: some}", "tables.marks_pupils.rows"),
    ],
)
def test_a_faulty_rule_is_refused_with_its_place(tmp_path, old, new, told):
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.replace(old, new, 1))
    with pytest.raises(UnknownSettingError, match=told):
        load_policy(path)
