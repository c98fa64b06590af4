"""Latin letters as they are written where only the plain ones are at hand."""

import unicodedata

WHOLE = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        "ð": "d",
        "đ": "d",
        "ø": "o",
        "ł": "l",
        "ħ": "h",
        "ŧ": "t",
        "ŋ": "n",
        "\u0131": "i",
    }
)
"""Small letters that Unicode does not take apart into a plain one and an accent."""


def folded(text: str) -> str:
    """Return a text in small letters without accents."""
    apart = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).lower().translate(WHOLE)


def spelled(text: str) -> str:
    """Return a text in small ASCII letters, none of them lost that Latin scripts have; other scripts' are."""
    return folded(text).encode("ascii", "ignore").decode()


def stripped(text: str) -> str:
    """Return a text in small letters, those alone that are ASCII with or without an accent: "Straße" is "strae"."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
