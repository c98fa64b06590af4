"""Parts of a statement that follows the specification, as values of columns."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple

ActorKind = Literal["account", "mbox", "mbox_sha1sum", "openid", "group"]


class Actor(NamedTuple):
    """Who did it: in which way named, the name as given, and the account's home page if it is an account."""

    kind: ActorKind
    value: str | None
    home: str | None


def text_at(value: object, *path: str) -> str | None:
    """Return the text at a path of names; None when there is none."""
    found = at(value, *path)
    return found if isinstance(found, str) else None


def at(value: object, *path: str) -> object:
    """Return what stands at a path of names; None when there is nothing."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def number_at(value: object, *path: str) -> float | None:
    """Return the number at a path of names; None when there is none, or it is too large for a double."""
    found = at(value, *path)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        return float(found)
    except OverflowError:
        return None


def flag_at(value: object, *path: str) -> bool | None:
    """Return the truth value at a path of names; None when there is none."""
    found = at(value, *path)
    return found if isinstance(found, bool) else None


def actor_of(statement: Mapping[str, object]) -> Actor:
    """Return who did it, named as the statement names them."""
    actor = statement.get("actor")
    if (account := text_at(actor, "account", "name")) is not None:
        return Actor("account", account, text_at(actor, "account", "homePage"))
    ways: tuple[ActorKind, ...] = ("mbox", "mbox_sha1sum", "openid")
    for way in ways:
        if (value := text_at(actor, way)) is not None:
            return Actor(way, value, None)
    return Actor("group", None, None)


def agents(statement: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """Yield every agent and group a statement names."""
    for place in (("actor",), ("authority",), ("object",), ("context", "instructor"), ("context", "team")):
        found = at(statement, *place)
        if isinstance(found, dict) and found.get("objectType", "Agent" if place != ("object",) else "") in (
            "Agent",
            "Group",
        ):
            yield found
            members = found.get("member")
            yield from (m for m in members if isinstance(m, dict)) if isinstance(members, list) else ()
    thing = statement.get("object")
    if isinstance(thing, dict) and thing.get("objectType") == "SubStatement":
        yield from agents(thing)


def moment_at(statement: Mapping[str, object], name: str) -> datetime | None:
    """Return a moment in UTC; without an offset it is UTC."""
    given = text_at(statement, name)
    if given is None:
        return None
    # A leap second is the last moment of its minute.
    written = given.upper().replace(",", ".").replace(":60", ":59", 1)
    try:
        moment = datetime.fromisoformat(written)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
