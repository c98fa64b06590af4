"""Changes of a text that leave what it says as it is: what a model tells of it should stay, too."""

import random
import zlib
from collections.abc import Callable


def _typos(text: str) -> str:
    """Swap two neighbouring letters in one word of ten, the same ones every time."""
    draw = random.Random(zlib.crc32(text.encode()))  # noqa: S311 - not for secrets
    words = text.split(" ")
    for at, word in enumerate(words):
        if len(word) > 3 and word.isalpha() and draw.random() < 0.1:
            place = draw.randrange(len(word) - 1)
            words[at] = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return " ".join(words)


CHANGES: dict[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "typos": _typos,
    "no_full_stop": lambda text: text.rstrip(". "),
    "spaces": lambda text: "  ".join(text.split()),
}


def beside(text: str, said: str, at: int) -> str:
    """Put a sentence behind every second text and before the others, for a base reads the first tokens only."""
    return f"{said} {text}" if at % 2 else f"{text} {said}"
