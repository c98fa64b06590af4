"""The quick ways to look at words say what the plain ones do."""

import random
import re
import unicodedata

import pytest

from lakehouse.archive.privacy import disguise
from lakehouse.archive.privacy.name_context import LETTERS, ascii_words, listings
from lakehouse.archive.privacy.names import TOKEN, TOKEN_IN_ASCII

LISTING = re.compile(r"\b[^\W\d_]+(?:, [^\W\d_]+){1,40},? and [^\W\d_]+")


def made_up(pieces, count, longest, seed):
    draw = random.Random(seed)
    return ["".join(draw.choices(pieces, k=draw.randint(0, longest))) for _ in range(count)]


def test_words_of_a_text_in_ascii_are_those_of_any_text():
    for text in made_up([chr(code) for code in range(128)] + ["'ll", "'S ", "O'Brien", "'s", "-", "a"], 4_000, 20, 1):
        assert TOKEN_IN_ASCII.findall(text) == TOKEN.findall(text), text


def test_lists_begin_with_their_first_word():
    found = 0
    for text in made_up(["a", "b", "é", "²", "1", "_", ", ", ", ", " and ", ", and ", " ", "\n", "-"], 20_000, 25, 2):
        spans = [match.span() for match in LISTING.finditer(text)]
        assert list(listings(text)) == spans, text
        found += len(spans)
    assert found > 100


@pytest.mark.parametrize("words", [39, 40, 41, 42, 85])
def test_long_lists_end_where_they_did(words):
    text = "x " + ", ".join(["ab"] * words) + " and cd"
    assert list(listings(text)) == [match.span() for match in LISTING.finditer(text)]


def test_words_in_ascii_are_found_between_letters_of_any_script():
    for text in made_up(["Dear", "ex", "é", "\u212a", "\u201c", "7", "_", " ", "-", "\ud800"], 3_000, 8, 3):
        plain = {word for word in LETTERS.findall(text.lower()) if word.isascii()}
        assert plain <= set(ascii_words(text)), text


def test_letters_are_unveiled_wherever_they_stand():
    pieces = [*map(chr, disguise.UNVEILED), *"abc 1", "\u00e9", "\u201c", "\u2461", "\ufb01"]
    for text in made_up(pieces, 4_000, 10, 4):
        whole = unicodedata.normalize("NFKC", text)
        assert disguise.unveiled(text) == whole.translate(disguise.UNVEILED)
        assert disguise.plain(text) == (text if text.isascii() else whole.translate(disguise.PLAIN))
