"""One link after another from a figure back to what it was made of: the tree, its text and its JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lakehouse.archive.levels import printable

Fact = str | int | float | bool | None

NOT_RECORDED = "not recorded"
LONGEST = 160


@dataclass(frozen=True, slots=True)
class Link:
    """One thing in the chain: its kind and name, what is recorded of it, and what it was made of.

    `record` says where the facts were read; a fact of None was asked for and is not recorded. `gone` says why the thing
    itself can no longer be had, `unknown` why it never could, for nobody wrote it down; both are empty while it can.
    """

    kind: str
    name: str
    record: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    gone: str = ""
    parts: tuple["Link", ...] = ()
    unknown: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What it is, whoever leads to it."""
        return self.kind, self.name


def as_json(link: Link) -> dict[str, object]:
    """Return a chain as JSON values, every link in full."""
    return {
        "kind": link.kind,
        "name": link.name,
        "record": link.record,
        "gone": link.gone or None,
        "never_recorded": link.unknown or None,
        "facts": dict(link.facts),
        "parts": [as_json(part) for part in link.parts],
    }


def as_text(link: Link) -> str:
    """Return a chain as a tree for people; a link that came before is named and not told again.

    Each name and fact is one line, with control characters written out: what a submission says of itself can neither
    steer the terminal nor pass for a link.
    """
    return "\n".join(_lines(link, set()))


def _lines(link: Link, told: set[tuple[str, str]]) -> Iterator[str]:
    again = link.key in told
    told.add(link.key)
    yield f"{printable(link.kind)}: {printable(link.name)}{' (as above)' if again else ''}"
    if link.gone:
        yield f"    GONE: {printable(link.gone)}"
    if link.unknown:
        yield f"    NEVER RECORDED: {printable(link.unknown)}"
    if again:
        return
    bar = "│" if link.parts else " "
    for name, value in link.facts.items():
        yield f"{bar}   {printable(name)}: {shown(value)}"
    yield f"{bar}   read from: {printable(link.record)}"
    for place, part in enumerate(link.parts):
        last = place == len(link.parts) - 1
        for number, line in enumerate(_lines(part, told)):
            start = ("└─ " if last else "├─ ") if number == 0 else ("   " if last else "│  ")
            yield start + line


def shown(value: Fact) -> str:
    """Return a fact for people: numbers short, texts on one line without control characters."""
    if value is None:
        return NOT_RECORDED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = " ".join(str(value).split())
    return printable(text if len(text) <= LONGEST else f"{text[:LONGEST]} ...")


def walk(link: Link) -> Iterator[Link]:
    """Return every link of a chain, the first one first; one that several lead to comes as often."""
    yield link
    for part in link.parts:
        yield from walk(part)
