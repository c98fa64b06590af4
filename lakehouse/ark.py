"""Archival Resource Keys: how one is written, and the check character that catches a mistyped one.

The check character is that of NOID (NCDA): positions times letter values, modulo the 29 letters. It catches every
wrong letter and every swap of two in identifiers of fewer than 29 letters.
"""

import hashlib
import re

LETTERS = "0123456789bcdfghjkmnpqrstvwxz"
BLADE_LENGTH = 10
_FORM = re.compile(rf"^ark:/?([{LETTERS}]{{5,16}})/([{LETTERS}]{{2,64}})$", re.IGNORECASE)


def check_character(name: str) -> str:
    """Return the check character of ``NAAN/name``; letters outside the alphabet count nothing but keep their place."""
    total = sum(place * LETTERS.index(letter) for place, letter in enumerate(name, start=1) if letter in LETTERS)
    return LETTERS[total % len(LETTERS)]


def ark(naan: str, shoulder: str, seed: str) -> str:
    """Return the ARK that belongs to `seed` under a name assigning authority and one of its shoulders."""
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big")
    blade = ""
    for _ in range(BLADE_LENGTH):
        number, value = divmod(number, len(LETTERS))
        blade += LETTERS[value]
    name = f"{naan}/{shoulder}{blade}"
    return f"ark:{name}{check_character(name)}"


def normal_ark(text: str) -> str | None:
    """Return an ARK in its one written form, without hyphens and the old slash; None for what is none."""
    found = _FORM.match(text.strip().replace("-", ""))
    return f"ark:{found.group(1)}/{found.group(2)}".lower() if found else None


def is_whole(identifier: str) -> bool:
    """Say whether the last letter of a normal ARK is the check character of the rest."""
    name = identifier.removeprefix("ark:")
    return check_character(name[:-1]) == name[-1]
