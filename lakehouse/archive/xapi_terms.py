"""What an xAPI statement must fulfil over several properties at once: identifiers, scores, authority, voiding."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeGuard

Failing = Sequence[tuple[str, str, str]]
"""Faults as path, requirement and message."""
Value = Mapping[str, object]

IDENTIFIERS = ("mbox", "mbox_sha1sum", "openid", "account")
VOIDED = "http://adlnet.gov/expapi/verbs/voided"
SIGNATURE = "http://adlnet.gov/expapi/attachments/signature"
COMPONENTS = ("choices", "scale", "source", "target", "steps")
AUTHORITY_MEMBERS = 2


def one_identifier(agent: Value) -> Failing:
    """An agent is named in exactly one way."""
    used = [name for name in IDENTIFIERS if name in agent]
    if len(used) == 1:
        return ()
    return [("", "XAPI-00034", f"needs exactly one of {', '.join(IDENTIFIERS)}, and has {len(used)}")]


def group_named(group: Value) -> Failing:
    """A group is named in one way, or lists its members."""
    used = [name for name in IDENTIFIERS if name in group]
    if len(used) > 1:
        return [("", "XAPI-00037", f"has {len(used)} of {', '.join(IDENTIFIERS)}; one is allowed")]
    if not used and "member" not in group:
        return [("member", "XAPI-00035", "is missing in a group without a name of its own")]
    return ()


def authority_is_pair(group: Value) -> Failing:
    """A group as authority is a nameless pair: an application and the user it acts for."""
    if group.get("objectType") != "Group":
        return ()
    members = group.get("member")
    named = any(name in group for name in IDENTIFIERS)
    if named or not isinstance(members, list) or len(members) != AUTHORITY_MEMBERS:
        return [("", "XAPI-00098", "must be an agent, or a group of two members without a name of its own")]
    return ()


def score_in_range(score: Value) -> Failing:
    """A scaled score lies between -1 and 1, a raw one between its own ends."""
    low, raw, high = _number(score, "min"), _number(score, "raw"), _number(score, "max")
    scaled = _number(score, "scaled")
    faults = []
    if scaled is not None and not -1 <= scaled <= 1:
        faults.append(("scaled", "XAPI-00083", "must lie between -1 and 1"))
    if low is not None and high is not None and low >= high:
        faults.append(("max", "XAPI-00080", "must be above min"))
    if raw is not None and ((low is not None and raw < low) or (high is not None and raw > high)):
        faults.append(("raw", "XAPI-00082", "must lie between min and max"))
    return faults


def _number(value: Value, name: str) -> float | None:
    found = value.get(name)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def revision_needs_activity(statement: Value) -> Failing:
    """Only what happens to an activity has a revision or a platform."""
    thing, context = statement.get("object"), statement.get("context")
    if (
        not isinstance(thing, dict)
        or not isinstance(context, dict)
        or thing.get("objectType", "Activity") == "Activity"
    ):
        return ()
    return [
        (f"context.{name}", "XAPI-00084", "is allowed only when the object is an activity")
        for name in ("revision", "platform")
        if name in context
    ]


def voids_a_statement(statement: Value) -> Failing:
    """Only a statement can be voided."""
    verb, thing = statement.get("verb"), statement.get("object")
    if not isinstance(verb, dict) or not isinstance(thing, dict) or verb.get("id") != VOIDED:
        return ()
    if thing.get("objectType") == "StatementRef":
        return ()
    return [("object.objectType", "XAPI-00019", "must be StatementRef when the verb is voided")]


def choices_differ(definition: Value) -> Failing:
    """No two components of an interaction's list have one id."""
    faults = []
    for name in COMPONENTS:
        listed = definition.get(name)
        ids = [str(part["id"]) for part in listed if "id" in part] if _of_objects(listed) else []
        if len(set(ids)) < len(ids):
            faults.append((name, "Data 2.4.4.1", "has two components of one id"))
    return faults


def _of_objects(value: object) -> TypeGuard[list[dict[str, object]]]:
    return isinstance(value, list) and all(isinstance(part, dict) for part in value)


def signature_is_octets(attachment: Value) -> Failing:
    """A signature is sent as bytes."""
    if attachment.get("usageType") != SIGNATURE or attachment.get("contentType") == "application/octet-stream":
        return ()
    return [("contentType", "Data 2.6", "must be application/octet-stream in a signature")]


CROSS_CHECKS: Mapping[str, tuple[Callable[[Value], Failing], ...]] = {
    "agent_only": (one_identifier,),
    "group_only": (group_named,),
    "authority": (authority_is_pair,),
    "score": (score_in_range,),
    "statement": (revision_needs_activity, voids_a_statement),
    "definition": (choices_differ,),
    "attachment": (signature_is_octets,),
    "sub_statement": (revision_needs_activity,),
}
