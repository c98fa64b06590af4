"""How to speak of a value without showing it."""

import re

from lakehouse.archive.privacy.finder import find
from lakehouse.archive.privacy.kinds import identifiers, kinds_in_context, word_list
from lakehouse.archive.privacy.names import has_name_word

EMPTY = "(empty)"
SHOWN_LETTERS = 40
LONG_NUMBER = re.compile(r"[0-9]{7}")
UNSAID = frozenset({"url", "date", "postcode"})


def shape(value: str) -> str:
    """Return how a value looks without what it says: letters become x, digits 9, the rest stays."""
    letters = re.sub(r"[^\W\d_]", "x", value[:SHOWN_LETTERS])
    return re.sub(r"\d", "9", letters)


def looks(value: str | None) -> str:
    """Return for a message how a cell's text looks, and never the text."""
    return shape(value) if value else EMPTY


def shown(value: str | None, name: str, description: str) -> str:
    """Return a cell's text for a message: as its shape where the column or the value could name a person."""
    if not value:
        return EMPTY
    in_context = any(identifiers()[kind].certainty == "direct" for kind in kinds_in_context(name, description))
    if in_context or _could_name(value) or any(one.kind not in UNSAID for one in find(value)):
        return shape(value)
    return repr(value[:SHOWN_LETTERS])


def _could_name(value: str) -> bool:
    """Say whether a name, a word with a capital that is no everyday word, or a long number stands in a value."""
    capitals = re.findall(r"\b[^\W\d_a-z][^\W\d_A-Z]{2,}", value)
    unusual = any(word.lower() not in word_list("common_words") for word in capitals)
    return unusual or has_name_word(value) or LONG_NUMBER.search(value) is not None


def shown_name(name: str) -> str:
    """Return a header's cell for a message: without a header line, the first row's values stand where names should."""
    if re.fullmatch(r"[a-z][a-z0-9_ ]{0,59}", name):
        return name
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_ .-]{0,59}", name) and shown(name, "", "") == repr(name[:SHOWN_LETTERS]):
        return name[:SHOWN_LETTERS]
    return shape(name)
