"""Personal identifiers in values: where they are, how many, and how to speak of a value without showing it."""

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum, auto
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, at_positions, distinct, positions, sure
from lakehouse.archive.rulebook import Identifier, identifiers, words

SHOWN_LETTERS = 40
OLDEST_BIRTH_YEAR = 1900


class Where(Enum):
    """Whether a value stands where its column's name or description speaks of such identifiers."""

    IN_CONTEXT = auto()
    ELSEWHERE = auto()


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Values of a column that look like one kind of identifier; `personal` when they pass the kind's threshold."""

    kind: str
    count: int
    share: float
    personal: bool
    values: Cells
    example: str


@dataclass(frozen=True, slots=True)
class TextSuspicion:
    """Identifiers of one kind in a collection's documents; `first` is the position of the first such document."""

    kind: str
    count: int
    document_count: int
    first: int
    personal: bool


def suspicions(name: str, description: str, cells: Cells) -> Iterator[Suspicion]:
    """Yield every kind of identifier that a column's values look like; nothing for an empty column."""
    present = cells.filter(sure(pc.not_equal(cells, pa.scalar("", pa.string()))))
    if not len(present):
        return
    values, counts = distinct(present)
    covered: set[str | None] = set()
    for kind, identifier in identifiers().items():
        where = Where.IN_CONTEXT if has_context(identifier, name, description) else Where.ELSEWHERE
        if kind in covered or (identifier.needs_context == "yes" and where is Where.ELSEWHERE):
            continue
        mask = _mask(identifier, values, where)
        count = int(pc.sum(counts.filter(mask)).as_py() or 0)
        if count:
            found = values.filter(mask)
            share = count / len(present)
            personal = _passes(identifier, count, share, where)
            covered.add(identifier.covers if personal else None)
            yield Suspicion(kind, count, share, personal, found, shape(found[0].as_py()))


def _passes(identifier: Identifier, count: int, share: float, where: Where) -> bool:
    if where is Where.IN_CONTEXT:
        return count >= identifier.context_count and share >= identifier.context_share
    return count >= identifier.count and share >= identifier.share


def has_context(identifier: Identifier, name: str, description: str) -> bool:
    """Say whether a word of the identifier's context stands in a column's name or description."""
    said = set(re.findall(r"[a-z]+", f"{name} {description}".lower().replace("_", " ")))
    joined = name.lower().replace("_", "")
    return any(word in said or word == joined for word in identifier.context)


def _mask(identifier: Identifier, values: Cells, where: Where) -> Cells:
    pattern = (
        identifier.context_pattern if where is Where.IN_CONTEXT and identifier.context_pattern else identifier.pattern
    )
    mask = pc.match_substring_regex(values, pattern)
    if identifier.exclude is not None:
        mask = pc.and_(mask, pc.invert(pc.match_substring_regex(values, identifier.exclude)))
    confirm = _CONFIRM[identifier.confirm]
    if identifier.confirm == "none":
        return mask
    confirmed = [p for p in positions(mask) if confirm(_matched(pattern, values[p].as_py()), where)]
    return at_positions(confirmed, len(values))


def _matched(pattern: str, value: str) -> str:
    match = re.search(pattern, value)
    return match[0] if match else value


def text_suspicions(texts: Sequence[str]) -> Iterator[TextSuspicion]:
    """Yield every kind of identifier found in running text; names are not looked for there."""
    if not texts:
        return
    array = pa.array(texts, pa.large_string())
    for kind, identifier in identifiers().items():
        if identifier.in_texts == "no":
            continue
        candidates = positions(pc.match_substring_regex(array, identifier.pattern))
        per_document = {p: _count_in(identifier, texts[p]) for p in candidates}
        hit = [p for p in candidates if per_document[p]]
        if hit:
            dense = len(hit) >= identifier.text_count and len(hit) / len(texts) >= identifier.text_share
            yield TextSuspicion(kind, sum(per_document.values()), len(hit), hit[0], dense)


def _count_in(identifier: Identifier, text: str) -> int:
    confirm = _CONFIRM[identifier.confirm]
    found = (match[0] for match in re.finditer(identifier.pattern, text))
    kept = (v for v in found if identifier.exclude is None or not re.search(identifier.exclude, v))
    return sum(1 for value in kept if confirm(value, Where.ELSEWHERE))


def shape(value: str) -> str:
    """Return how a value looks without what it says: letters become x, digits 9, the rest stays."""
    letters = re.sub(r"[^\W\d_]", "x", value[:SHOWN_LETTERS])
    return re.sub(r"\d", "9", letters)


def shown(value: str | None, name: str, description: str) -> str:
    """Return a cell's text for a message: as its shape where the column or the value could name a person."""
    if value is None or value == "":
        return "(empty)"
    in_context = any(has_context(i, name, description) for i in identifiers().values())
    alike = any(re.search(i.pattern, value) for i in identifiers().values() if i.needs_context == "no")
    known = {word.lower() for word in re.findall(r"[^\W\d_]+", value)} & (words("given_names") | words("surnames"))
    if in_context or alike or known:
        return shape(value)
    return repr(value[:SHOWN_LETTERS])


def shown_name(name: str) -> str:
    """Return a header's cell for a message: without a header line, the first row's values stand where names should."""
    if re.fullmatch(r"[a-z][a-z0-9_ ]{0,59}", name):
        return name
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_ .-]{0,59}", name) and shown(name, "", "") == repr(name[:SHOWN_LETTERS]):
        return name[:SHOWN_LETTERS]
    return shape(name)


def _luhn(value: str, where: Where) -> bool:  # noqa: ARG001 - one signature for all
    digits = [int(d) for d in re.sub(r"\D", "", value)]
    doubled = [d if i % 2 == 0 else (d * 2 - 9 if d > 4 else d * 2) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _public_ip(value: str, where: Where) -> bool:  # noqa: ARG001 - one signature for all
    try:
        return ipaddress.ip_address(value).is_global
    except ValueError:
        return False


def _birth_date(value: str, where: Where) -> bool:  # noqa: ARG001 - one signature for all
    today = datetime.now(UTC).date()
    for layout in ("%Y-%m-%d", "%m/%d/%Y", "%d.%m.%Y", "%d/%m/%Y"):
        try:
            born = datetime.strptime(value, layout).replace(tzinfo=UTC).date()
        except ValueError:
            continue
        return date(OLDEST_BIRTH_YEAR, 1, 1) <= born <= today
    return False


@cache
def _name_lists() -> tuple[frozenset[str], frozenset[str]]:
    return words("given_names"), words("surnames")


def _person_name(value: str, where: Where) -> bool:
    given, surnames = _name_lists()
    parts = [part.strip(",.").lower() for part in value.split()]
    if where is Where.IN_CONTEXT:
        return any(part in given or part in surnames for part in parts)
    return any(part in given for part in parts) and any(part in surnames for part in parts)


def _anything(value: str, where: Where) -> bool:  # noqa: ARG001 - one signature for all
    return True


_CONFIRM: dict[str, Callable[[str, Where], bool]] = {
    "none": _anything,
    "luhn": _luhn,
    "public_ip": _public_ip,
    "birth_date": _birth_date,
    "person_name": _person_name,
}
