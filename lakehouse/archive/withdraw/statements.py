"""Says which xAPI statements are a person's, and takes the person out of those of others."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lakehouse.archive.withdraw.matching import folded
from lakehouse.masking import WITHDRAWN, Mask

AGENT_FIELDS = ("mbox", "mbox_sha1sum", "openid", "account")
MAILTO = "mailto:"
MARK = "\ufeff"
"""A byte order mark, which may stand before the first statement of a file."""
Statement = Mapping[str, Any]


def actor_values(values: Collection[str]) -> frozenset[str]:
    """Return every form in which an xAPI agent may carry one of the values."""
    forms: set[str] = set()
    for value in values:
        forms |= {
            value,
            f"{MAILTO}{value}",
            hashlib.sha1(f"{MAILTO}{value}".encode(), usedforsecurity=False).hexdigest(),
        }
    return frozenset(forms)


def agent_spellings(statement: object, wanted: Collection[str]) -> set[str]:
    """Return how a statement spells the agents that are among the folded values `wanted`, without ``mailto:``.

    An address that was hashed is found if it was hashed as it is wanted: without capitals.
    """
    forms = actor_values(wanted)
    return {value.removeprefix(MAILTO) for value in agent_values(statement) if folded(value) in forms}


def names_actor(statement: object, actors: Collection[str]) -> bool:
    """Say whether an agent anywhere in an xAPI statement, its groups and sub-statements included, is the person."""
    return any(value in actors for value in agent_values(statement))


def without_agent(statement: Statement, actors: Collection[str]) -> Statement | None:
    """Return somebody else's statement without the person; None for one that the person made or that is about them.

    A statement that does not name the person comes back as it is. Of a group that made it the person's membership goes,
    and the whole statement if nobody is left; instructors, teams, authorities and further agents go from it.
    """
    if not names_actor(statement, actors):
        return statement
    left = dict(statement)
    for name in ("actor", "object"):
        kept = _kept(left.get(name), actors)
        if kept is None and name in left:
            return None
        if name in left:
            left[name] = kept
    if (kept := _kept(left.get("authority"), actors)) != left.get("authority"):
        del left["authority"]  # an authority of two with one member gone is none
    if isinstance(left.get("context"), dict):
        left["context"] = _context(left["context"], actors)
    return _scrubbed(left, actors) if names_actor(left, actors) else left


def data_without(text: str, actors: Collection[str]) -> str | None:
    """Return the text of a statement without the person, None if it goes; the same text where nothing changes."""
    try:
        statement = json.loads(text.removeprefix(MARK))
    except (ValueError, RecursionError):
        return text
    if not isinstance(statement, dict):
        return text
    left = without_agent(statement, actors)
    if left is None:
        return None
    return text if left is statement else json.dumps(left, ensure_ascii=False)


def statement_masked(text: str, mask: Mask) -> str:
    """Return the text of a statement that stays with mentions masked; agents that it names are other people."""
    try:
        statement = json.loads(text.removeprefix(MARK))
    except (ValueError, RecursionError):
        return mask.data(text)
    left = mask.without_numbers(_said(statement, mask))
    return text if left == statement else json.dumps(left, ensure_ascii=False)


def _said(value: Any, mask: Mask) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_said(one, mask) for one in value]
    if isinstance(value, dict):
        return {
            mask.text(name): (mask.strictly.structure(one) if name in AGENT_FIELDS else _said(one, mask))
            for name, one in value.items()
        }
    return mask.structure(value)


def statement_id(text: str) -> str | None:
    """Return the id that a statement gave itself, as its table has it; None where it gave none.

    One that the archive made follows from the line, which moves when lines before it are removed.
    """
    found = json.loads(text.removeprefix(MARK)).get("id")
    return found.lower() if isinstance(found, str) else None


def agent_values(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Yield every value that names an agent anywhere in a statement, as it is spelled there."""
    if isinstance(value, list):
        for one in value:
            yield from agent_values(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name == "account" and isinstance(one, dict):
                yield str(one.get("name"))
            elif name in AGENT_FIELDS:
                yield str(one)
            else:
                yield from agent_values(one)


def _kept(agent: Any, actors: Collection[str]) -> Any:  # noqa: ANN401 - JSON
    """Return an agent, group or sub-statement without the person; None if it is the person or nobody is left."""
    if not isinstance(agent, dict):
        return agent
    if agent.get("objectType") == "SubStatement":
        return without_agent(agent, actors)
    if _is(agent, actors):
        return None
    members = agent.get("member")
    if not isinstance(members, list):
        return agent
    left = [one for one in members if not (isinstance(one, dict) and _is(one, actors))]
    if len(left) == len(members):
        return agent
    if not left and not any(name in agent for name in AGENT_FIELDS):
        return None
    return {**{name: value for name, value in agent.items() if name != "member"}, **({"member": left} if left else {})}


def _context(context: Statement, actors: Collection[str]) -> Statement:
    left = dict(context)
    for name in ("instructor", "team"):
        if name in left and (kept := _kept(left[name], actors)) is None:
            del left[name]
        elif name in left:
            left[name] = kept
    for name, one in (("contextAgents", "agent"), ("contextGroups", "group")):
        if isinstance(left.get(name), list):
            entries = [_entry(each, one, actors) for each in left[name]]
            left[name] = [each for each in entries if each is not None]
            if not left[name]:
                del left[name]
    return left


def _entry(entry: Any, name: str, actors: Collection[str]) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(entry, dict) or name not in entry:
        return entry
    kept = _kept(entry[name], actors)
    return None if kept is None else {**entry, name: kept}


def _is(agent: Statement, actors: Collection[str]) -> bool:
    values = {name: value for name, value in agent.items() if name in AGENT_FIELDS}
    return any(value in actors for value in agent_values(values))


def _scrubbed(value: Any, actors: Collection[str]) -> Any:  # noqa: ANN401 - JSON
    """Blank what looks like the person as an agent and stands where the specification has no agents."""
    if isinstance(value, list):
        return [_scrubbed(one, actors) for one in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, one in value.items():
        if name in AGENT_FIELDS and _is({name: one}, actors):
            found[name] = {**one, "name": WITHDRAWN} if isinstance(one, dict) else WITHDRAWN
        else:
            found[name] = _scrubbed(one, actors)
    return found
