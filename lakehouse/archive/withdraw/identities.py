"""Follows a person's other identifiers from row to row, and stops at those that are somebody else's as well."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from lakehouse.archive.withdraw.places import Places
from lakehouse.archive.withdraw.plan import Followed
from lakehouse.archive.withdraw.sightings import Sightings
from lakehouse.errors import AmbiguousSubjectError

MOST_IDENTIFIERS = 32
MOST_ROUNDS = 8


@dataclass(frozen=True)
class Sighted:
    """What one version says of some values; `where` is ``dataset@version``."""

    dataset: str
    where: str
    places: Places
    sightings: Sightings


Look = Callable[[Collection[str]], list[Sighted]]
"""Looks for folded values in every version that names subjects of the kind."""


@dataclass
class Identity:
    """A person's folded values, everything seen of them, and what was or was not followed on the way."""

    known: set[str]
    sighted: list[Sighted] = field(default_factory=list)
    followed: list[Followed] = field(default_factory=list)


def follow(subject: str, first: Iterable[Sighted], look: Look) -> Identity:
    """Return everything that names the person whom the folded value `subject` names.

    An identifier beside the person's is followed into all versions unless it stands beside somebody else's own number
    as well, as a family's telephone does, or is itself the own number of somebody else.

    Raises:
        AmbiguousSubjectError: the subject itself is not one person's, or following it finds no end.
    """
    identity = Identity({subject}, list(first))
    if strangers := _strangers(subject, identity):
        raise AmbiguousSubjectError(
            f"the value stands beside several people's own numbers ({strangers}); name the person by one of those"
        )
    judged = {subject}
    for _ in range(MOST_ROUNDS):
        candidates = _candidates(identity, judged)
        if not candidates:
            return identity
        identity.sighted += look(candidates.keys())
        for value, (one, place, beside) in sorted(candidates.items()):
            judged.add(value)
            why = _why_not(value, identity, one, place, beside)
            if not why:
                identity.known.add(value)
            reason = why or f"stands beside {beside} in a row of the person's, and beside nobody else's own number"
            identity.followed.append(Followed(place, one.where, value, not why, reason))
        if len(identity.known) > MOST_IDENTIFIERS:
            break
    raise AmbiguousSubjectError(
        f"following the person's other identifiers found {len(identity.known)} and no end (at most {MOST_IDENTIFIERS} "
        f"in {MOST_ROUNDS} rounds); check which columns `subjects` declares, they may not all name the same person"
    )


def _candidates(identity: Identity, judged: Collection[str]) -> dict[str, tuple[Sighted, str, str]]:
    """Return values beside known ones that were not judged yet, with where they stood and beside which column."""
    found: dict[str, tuple[Sighted, str, str]] = {}
    for one in identity.sighted:
        for known in identity.known:
            for values in one.sightings.beside.get(known, {}).values():
                for value in values - set(judged) - found.keys():
                    found[value] = (one, *one.sightings.places[value])
    return found


def _why_not(value: str, identity: Identity, one: Sighted, place: str, beside: str) -> str:
    """Say why a value is not followed; empty when it is."""
    for own in _own_numbers(value, identity):
        if own.is_one and _known_in(identity, own):
            return f"is somebody else's own number ({own.domain} of {own.dataset})"
    if strangers := _strangers(value, identity):
        return f"is shared: it stands beside other people's own numbers too ({strangers})"
    name = place.partition(".")[0]
    table = one.places.about.tables[name]
    is_register = set(table.primary_key) <= set(one.places.own.get(name, ())) and len(table.primary_key) == 1
    matching = [known for known in identity.known if value in _beside(one, known)]
    if not is_register and any(_shape(value) == _shape(known) for known in matching):
        return f"looks like another number of the same sort as {beside}, so it may be another person's"
    return ""


def _beside(one: Sighted, known: str) -> set[str]:
    return {value for values in one.sightings.beside.get(known, {}).values() for value in values}


def _strangers(value: str, identity: Identity) -> str:
    """Say beside how many people's own numbers a value stands, and where; empty when it can be one person's."""
    for own in _own_numbers(value, identity):
        strangers = own.beside - identity.known
        if not own.has_one and (len(strangers) > 1 or (strangers and _known_in(identity, own))):
            return f"{len(strangers)} unknown of {own.domain} in {own.dataset}"
    return ""


@dataclass(frozen=True, slots=True)
class _OwnNumbers:
    """What a value has to do with the own numbers of a domain: whether it is one, and those beside it.

    One that is an own number in any domain of the dataset is one person's, whatever stands beside it.
    """

    dataset: str
    domain: str
    is_one: bool
    has_one: bool
    beside: set[str]


def _own_numbers(value: str, identity: Identity) -> list[_OwnNumbers]:
    seen: dict[str, set[str]] = {}
    beside: dict[tuple[str, str], set[str]] = {}
    for one in identity.sighted:
        own = one.places.principal
        seen.setdefault(one.dataset, set()).update(one.sightings.seen.get(value, set()) & own)
        for domain in own:
            found = one.sightings.beside.get(value, {}).get(domain, set())
            beside.setdefault((one.dataset, domain), set()).update(found)
    return [
        _OwnNumbers(dataset, domain, domain in seen[dataset], bool(seen[dataset]), found)
        for (dataset, domain), found in beside.items()
    ]


def _known_in(identity: Identity, own: _OwnNumbers) -> set[str]:
    """Return the person's own numbers in a domain of a dataset."""
    return {
        value
        for one in identity.sighted
        if one.dataset == own.dataset
        for value in identity.known
        if own.domain in one.sightings.seen.get(value, set())
    }


def _shape(value: str) -> str:
    """Return the sort of a value: its digits and letters by what they are."""
    return re.sub(r"[^\W\d]+", "a", re.sub(r"\d+", "9", value))
