"""Single requirements of xAPI that a log meets most often, and what a fault says."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.archive.xapi import faults

ACTIVITY = {"id": "https://example.org/tasks/1"}
STATEMENT = {
    "id": "0f6c1b0e-9a64-4f0e-8a9e-0d6f2f3b1c11",
    "actor": {"mbox": "mailto:somebody@example.org"},
    "verb": {"id": "https://example.org/verbs/answered", "display": {"en": "answered"}},
    "object": ACTIVITY,
    "timestamp": "2024-01-31T08:00:00Z",
}
REF = {"objectType": "StatementRef", "id": STATEMENT["id"]}
GROUP = {"objectType": "Group"}
MEMBER = {"mbox": "mailto:a@example.org"}


def _with(**parts):
    return {**copy.deepcopy(STATEMENT), **parts}


def _interaction(**parts):
    return _with(object={**ACTIVITY, "definition": {"interactionType": "choice", **parts}})


@pytest.mark.parametrize("version", ["1.0.3", "2.0.0"])
def test_a_plain_statement_has_no_fault(version):
    assert faults(STATEMENT, version) == []


@pytest.mark.parametrize(
    ("statement", "path", "requirement"),
    [
        ([], "", "Data 2.4"),
        ({k: v for k, v in STATEMENT.items() if k != "verb"}, "verb", "XAPI-00004"),
        (_with(id="1"), "id", "XAPI-00007"),
        (_with(result=None), "result", "XAPI-00001"),
        (_with(Result={}), "Result", "XAPI-00008"),
        (_with(verb={"id": "answered"}), "verb.id", "XAPI-00007"),
        (_with(actor={}), "actor", "XAPI-00034"),
        (_with(actor={"mbox": "somebody@example.org"}), "actor.mbox", "XAPI-00007"),
        (_with(actor={"objectType": "Group"}), "actor.member", "XAPI-00035"),
        (_with(actor={"objectType": "Group", "member": [GROUP]}), "actor.member.0.objectType", "XAPI-00031"),
        (_with(actor={"objectType": "Robot"}), "actor.objectType", "XAPI-00031"),
        (_with(object={"objectType": "Robot"}), "object.objectType", "XAPI-00046"),
        (_with(authority={"objectType": "Group", "member": [MEMBER]}), "authority", "XAPI-00098"),
        (_with(result={"score": {"scaled": 2}}), "result.score.scaled", "XAPI-00083"),
        (_with(result={"score": {"raw": 9, "max": 8}}), "result.score.raw", "XAPI-00082"),
        (_with(result={"score": {"min": 8, "max": 8}}), "result.score.max", "XAPI-00080"),
        (_with(result={"success": "yes"}), "result.success", "XAPI-00074"),
        (_with(result={"duration": "1 hour"}), "result.duration", "XAPI-00077"),
        (_with(result={"duration": "P1.5DT1H"}), "result.duration", "XAPI-00077"),
        (_with(timestamp="2024-02-30T08:00:00Z"), "timestamp", "XAPI-00022"),
        (_with(object=MEMBER | {"objectType": "Agent"}, context={"platform": "x"}), "context.platform", "XAPI-00084"),
        (_with(verb={"id": "http://adlnet.gov/expapi/verbs/voided"}), "object.objectType", "XAPI-00019"),
        (_interaction(choices=[{"id": "a"}, {"id": "a"}]), "object.definition.choices", "Data 2.4.4.1"),
        (_with(object={**ACTIVITY, "definition": {"steps": []}}), "object.definition.interactionType", "Data 2.4.4.1"),
        (_with(object={"objectType": "SubStatement", "object": ACTIVITY}), "object.actor", "XAPI-00066"),
        (_with(context={"extensions": {"no iri": 1}}), "context.extensions.(a name)", "XAPI-00118"),
    ],
)  # fmt: skip
def test_a_fault_has_its_place_and_requirement(statement, path, requirement):
    assert (path, requirement) in [(fault.path, fault.requirement) for fault in faults(statement, "1.0.3")]


def test_a_statement_may_void_another_one():
    assert faults(_with(verb={"id": "http://adlnet.gov/expapi/verbs/voided"}, object=REF), "1.0.3") == []


def test_version_2_asks_for_rfc_3339_and_knows_agents_in_the_context():
    assert faults(_with(timestamp="20240131T0800"), "1.0.3") == []
    assert [f.path for f in faults(_with(timestamp="20240131T0800"), "2.0.0")] == ["timestamp"]
    context = {"contextAgents": [{"objectType": "contextAgent", "agent": MEMBER}]}
    assert faults(_with(context=context), "2.0.0") == []
    assert [f.path for f in faults(_with(context=context), "1.0.3")] == ["context.contextAgents"]


def test_null_is_allowed_only_in_extensions():
    assert faults(_with(context={"extensions": {"https://example.org/x": None}}), "1.0.3") == []


def test_no_value_of_a_statement_stands_in_a_message():
    secret = "Erika Mustermann 1999-01-01"
    statement = _with(actor={"mbox": secret, secret: 1, "name": 3}, verb={"id": secret}, timestamp=secret)
    told = faults(statement, "1.0.3")
    assert len(told) == 5
    assert all("Erika" not in f"{fault.path} {fault.message}" for fault in told)


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@given(part=st.sampled_from([*STATEMENT, "result", "context", "authority", "attachments"]), value=VALUES)
def test_any_json_is_judged_and_never_breaks(part, value):
    if isinstance(value, dict):
        faults(_with(object={"objectType": "SubStatement", **value}), "2.0.0")
    assert isinstance(faults(_with(**{part: value}), "2.0.0"), list)
