"""What the words around a name decide."""

import time

import pytest

from lakehouse.archive.privacy.names import find_names


def names(text: str) -> list[str]:
    return [text[start:end] for start, end in find_names(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Please ask Mrs Qvelnor about it.", ["Qvelnor"]),
        ("I gave it to my brother Zandrik at noon.", ["Zandrik"]),
        ("my name is zandrika", ["zandrika"]),
        ("They have adam, kristina, olga and caleb.", ["adam", "kristina", "olga", "caleb"]),
        ("Directed by Joakim Westgard and shown with Westgard alone.", ["Joakim Westgard", "Westgard"]),
        ("As (Smith & Jones, 2010) say, water is wet.", ["Smith", "Jones"]),
    ],
)
def test_words_around_a_name_announce_it(text: str, found: list[str]):
    told = names(text)
    assert [name for name in found if not any(name in each for each in told)] == []


@pytest.mark.parametrize(
    "text",
    [
        "She works for Baker & McKenzie in the city.",
        "The contract is with Thomas and Sons.",
        "They study at Johnson University in autumn.",
        "We wrote to the Davis, Reynolds and Williamson Orchestra.",
        "It's on the desk. I DON'T KNOW.",
        "Bot: What is wrong? Oh nothing.",
    ],
)
def test_firms_and_words_that_are_never_names_are_no_persons(text: str):
    assert names(text) == []


@pytest.mark.parametrize(
    "piece",
    ["a, ", "Anna, ", "Anna Smith & ", "my son ", "A. ", "Mr ", "x's name ", "Anna said ", "Ala-", "Anna'", "A-", "Aa"],
)
def test_no_text_takes_long(piece: str):
    times = [_seconds(piece * (letters // len(piece))) for letters in (2_000, 8_000)]
    # Four times the letters take four times as long, not sixteen times.
    assert times[1] < 8 * times[0] + 0.5


def _seconds(text: str) -> float:
    begun = time.process_time()
    find_names(text)
    return time.process_time() - begun
