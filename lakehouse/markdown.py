"""Text from outside in Markdown: written so that it is shown as the text it is, whatever renders it."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

# What begins or ends a span, a link, a picture, a cell or a formula. An underscore within a word begins nothing.
SPECIAL = re.compile(r"[\\`*{}\[\]()#|~!$^]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
ELEMENTS = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
SHOWN = 10_000


def plain(text: str) -> str:
    """Return text of one line that Markdown, and HTML inside it, shows letter by letter.

    Line breaks become spaces; control and direction characters are left out, since they would turn what stands beside.
    A bare address may still be made a link to itself. Longer than 10,000 letters is cut.
    """
    shown = " ".join(text[:SHOWN].split())
    shown = "".join(letter for letter in shown if unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    shown = re.sub(r"[&<>]", lambda found: ELEMENTS[found.group()], shown)
    return SPECIAL.sub(lambda found: f"\\{found.group()}", shown)


def row(cells: Iterable[str]) -> str:
    """Return a line of a table whose cells are shown letter by letter."""
    return f"| {' | '.join(plain(cell) for cell in cells)} |"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of a table; the head is ours, the cells are from outside."""
    names = list(head)
    yield f"| {' | '.join(names)} |"
    yield f"|{' --- |' * len(names)}"
    yield from (row(cells) for cells in rows)
