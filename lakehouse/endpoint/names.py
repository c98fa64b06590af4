"""Paths like "lakehouse"."gold"."documents": how they are split, looked up without case, and corrected."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias, TypeVar

from lakehouse.endpoint.faults import RefusedStatementError

Path: TypeAlias = tuple[str, ...]
Value = TypeVar("Value")
SEVERAL = re.compile("%%+")


def folded(path: Iterable[str]) -> Path:
    """Return the path as it is compared: without case, dots inside parts being separators."""
    return tuple(".".join(path).lower().split("."))


def split_path(text: str) -> Path:
    """Return the parts of a dotted, quotable path; empty for empty text."""
    parts, current, quoted = [], "", False
    for sign in text.strip():
        if sign == '"':
            quoted = not quoted
        elif sign == "." and not quoted:
            parts.append(current)
            current = ""
        else:
            current += sign
    parts.append(current)
    return tuple(part.strip() for part in parts if part.strip())


def look_up(known: Mapping[Path, Value], path: Sequence[str], schema: Sequence[str]) -> Value | None:
    """Return what a path names: first below the default schema, then alone."""
    for candidate in ((*schema, *path), tuple(path)):
        found = known.get(folded(candidate))
        if found is not None:
            return found
    return None


def unknown_table(path: Sequence[str], known: Iterable[str]) -> RefusedStatementError:
    """Return the error for a table that is not published, with the nearest published name."""
    asked, names = ".".join(path), sorted(known)
    near = _ending(path, names) or difflib.get_close_matches(asked.lower(), names, n=1, cutoff=0.4)
    if not near:
        tails = {name.rsplit(".", 1)[-1]: name for name in names}
        near = [tails[tail] for tail in difflib.get_close_matches(path[-1].lower(), tails, n=1, cutoff=0.6)]
    hint = f"did you mean {near[0]}?" if near else "SHOW TABLES lists what is published"
    return RefusedStatementError(f"Object '{asked}' not found: {hint}")


def unknown_schema(path: Sequence[str], known: Iterable[str]) -> RefusedStatementError:
    """Return the error for a schema that there is not, with the nearest that there is."""
    asked, names = ".".join(path), sorted(known)
    near = _ending(path, names) or difflib.get_close_matches(asked.lower(), names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else "SHOW SCHEMAS lists what there is"
    return RefusedStatementError(f"Invalid schema '{asked}': {hint}")


def _ending(path: Sequence[str], names: Iterable[str]) -> list[str]:
    """Return the names that end in the whole path: all that is missing is their beginning."""
    asked = folded(path)
    return [name for name in names if folded((name,))[-len(asked) :] == asked]


@lru_cache(maxsize=16)
def _plain(pattern: str) -> str:
    """Return a pattern in lower case with one % for several, each of which would be a step for every name."""
    return SEVERAL.sub("%", pattern.lower())


def like(text: str, pattern: str) -> bool:
    """Say whether a text fits a LIKE pattern, without case.

    Only the last % is ever tried again, so a pattern costs at most its length times the text's: a regular expression
    built from it could take for ever.
    """
    text, pattern = text.lower(), _plain(pattern)
    at = wanted = 0
    star, resume = -1, 0
    while at < len(text):
        sign = pattern[wanted : wanted + 1]
        if sign == "%":
            star, resume, wanted = wanted, at, wanted + 1
        elif sign and sign in ("_", text[at]):
            at, wanted = at + 1, wanted + 1
        elif star >= 0:
            resume += 1
            at, wanted = resume, star + 1
        else:
            return False
    return not pattern[wanted:].strip("%")
