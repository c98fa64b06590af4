"""SPDX licence expressions: which names in them the SPDX list does not have."""

import re

from lakehouse.archive.rulebook import words

_OPERATORS = frozenset({"and", "or", "with"})
_OWN = re.compile(r"(DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+")


def unknown_licences(expression: str) -> tuple[str, ...]:
    """Return the words of an SPDX expression that are no licence, exception or operator; own ``LicenseRef-`` pass."""
    names = re.sub(r"[()]", " ", expression).split()
    known = words("spdx")
    unknown = [
        name
        for name in names
        if name.lower() not in _OPERATORS and name.lower().removesuffix("+") not in known and not _OWN.fullmatch(name)
    ]
    return tuple(unknown) if names else (expression,)


def is_open(expression: str) -> bool:
    """Say whether everybody may use, change and share the data: only licences of the list, none -NC or -ND."""
    names = [name for name in re.sub(r"[()]", " ", expression).split() if name.lower() not in _OPERATORS]
    closed = any("-nc" in name.lower() or "-nd" in name.lower() or _OWN.fullmatch(name) for name in names)
    return bool(names) and not closed and not unknown_licences(expression)
