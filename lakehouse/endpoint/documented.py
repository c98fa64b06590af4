"""What Dremio's documentation lists as functions, which of them are answered here, and what to write for the others.

Use: ``lakehouse docs`` rewrites docs/sql-functions.md, which is rendered from dremio_functions.yaml.
"""

import difflib
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

SOURCE = Path(__file__).with_name("dremio_functions.yaml")
ANSWERS = ("same", "mapped", "refused")
INTRODUCTION = """\
# Dremio's SQL functions, here

Rendered from `lakehouse/endpoint/dremio_functions.yaml`; change that, then run `lakehouse docs`. The list is the one of
Dremio's documentation for 26.x. What a function gives is tested by value in
`tests/contract/endpoint/function_cases.yaml`, where each expected value says where it comes from; no real Dremio was
asked.

*Same* functions do what the documentation says. *Mapped* ones do so for a part of what can be asked, which the note
names; the rest is refused, or fails, and means something else only where a note or *Beyond functions*, below, says so.
*Refused* ones are not answered; the note says what to write instead.

"""


@dataclass(frozen=True, slots=True)
class Documented:
    """A function of Dremio's: its categories, what it takes and gives, the answer it gets here, and a note on it."""

    name: str
    categories: tuple[str, ...]
    takes: str
    answer: str
    note: str


class _Missing(ValueError):
    """The file of functions says something that is not one of the known words."""


@functools.cache
def functions() -> dict[str, Documented]:
    """Return the documented functions by name, in the order of the alphabet."""
    found = {}
    for name, entry in yaml.safe_load(SOURCE.read_text(encoding="utf-8"))["functions"].items():
        answer, note = entry["answer"], str(entry.get("note", ""))
        if answer not in ANSWERS or (answer != "same" and not note):
            raise _Missing(f"{SOURCE.name}: {name} has the answer {answer!r} and the note {note!r}; see its top")
        found[name] = Documented(name, tuple(entry["categories"]), str(entry["takes"]), answer, note)
    return found


@functools.cache
def elsewhere() -> dict[str, str]:
    """Return names that other dialects have and Dremio does not, with what to write for them."""
    return dict(yaml.safe_load(SOURCE.read_text(encoding="utf-8"))["elsewhere"])


def refusal(name: str, answered: Iterable[str]) -> str:
    """Return the message for a function that is not answered: why, and what to write instead."""
    if name in functions():
        return f"function {name} of Dremio's is not supported by this endpoint: {functions()[name].note}"
    if name in elsewhere():
        return f"function {name} is not one of Dremio's: {elsewhere()[name]}"
    near = difflib.get_close_matches(name, answered, n=1, cutoff=0.7)
    hint = f"; did you mean {near[0]}?" if near else "; docs/sql-functions.md lists those there are"
    return f"function {name} is not supported by this endpoint{hint}"


def render() -> str:
    """Return the page of functions as Markdown."""
    known = list(functions().values())
    counts = {answer: sum(one.answer == answer for one in known) for answer in ANSWERS}
    lines = [INTRODUCTION + ", ".join(f"{counts[answer]} {answer}" for answer in ANSWERS) + "."]
    lines += ["", "| function | takes and gives | here | note |", "| --- | --- | --- | --- |"]
    lines += [f"| `{one.name}` | {_cell(one.takes)} | {one.answer} | {_cell(one.note)} |" for one in known]
    lines += ["", "## Beyond functions", "", *_rest("differences")]
    lines += ["", "## Functions of other systems", "", "Dremio does not have these; the endpoint says what to write."]
    lines += ["", "| function | instead |", "| --- | --- |"]
    lines += [f"| `{name}` | {_cell(note)} |" for name, note in elsewhere().items()]
    return "\n".join(lines) + "\n"


def _rest(key: str) -> Iterator[str]:
    for note in yaml.safe_load(SOURCE.read_text(encoding="utf-8"))[key]:
        yield f"* {note}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
