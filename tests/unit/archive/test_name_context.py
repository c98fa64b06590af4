"""What the words around a name decide."""

import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from lakehouse.archive.privacy.finder import find
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
        ("Yelvira Brandström was there, and Yelvira sang.", ["Yelvira Brandström", "Yelvira"]),
        ("Qvelnor: What a day.\nAnna: Indeed.", ["Qvelnor", "Anna"]),
        ("The ex-Beatle Qvelnor came.", ["Qvelnor"]),
        ("Remember me, Mary?", ["Mary"]),
        ("NAME: qvelnor t. zandrik\nROOM: 7", ["qvelnor t. zandrik"]),
        ("my name is zandrika but I am new", ["zandrika"]),
        ("As (Smith & Jones, 2010) say, water is wet.", ["Smith", "Jones"]),
        ("my name is zandrika qvelnor but everyone calls me qvelly", ["qvelly"]),
        ("It was made by our 3 founders: K\u00f3nya, Qvelnor and Vasquez.", ["K\u00f3nya", "Qvelnor", "Vasquez"]),
        ("The winners are Zandrik, Brown and Qvelnor", ["Zandrik", "Brown", "Qvelnor"]),
        ("Signed off by Landerico B Hidalgo in May", ["Landerico B Hidalgo"]),
        ("They had 6: leonti, terrence, pamela, donna, andrea and brian.", ["leonti"]),
        ("Philippe Qvelnor\n\n0104 Hafnarstraeti 5", ["Philippe Qvelnor"]),
        ("> Lara  Fiorentino\n> Dining room", ["Lara  Fiorentino"]),
        ("She moved to Anna Smith's class and he to Maria Garcia's.", ["Anna Smith", "Maria Garcia"]),
        ("The pupil was born in Maria Garcia's house.", ["Maria Garcia"]),
        ("He moved to Anna's group.", ["Anna"]),
        ("Anna, Peter and Maria is a trio.", ["Anna", "Peter", "Maria"]),
        ("Smith, Jones and Brown was a good team of pupils", ["Smith", "Jones", "Brown"]),
        ("Jane and Okonkwo got 15 points.", ["Jane"]),
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
        "Question: What is wrong?\nAnswer: Nothing.",
        "Smith, Reynolds and Williamson\n\nNew rooms",
        "It is at 4321 Pavlou Davidson",
        "Suite 380\nSantiago\nItaly",
        "Name: \nRoom: 7",
        "Lopez, Santos and Coleman is a design agency.",
        "She was at the University of Vadsa.",
        "They grew up in Marlow.",
        "God gave rock to you.",
        "They have vitamin B Complex, and Hepatitis B Virus.",
        "Annual Report\nGrade Book\nFinal Exam",
    ],
)
def test_firms_and_words_that_are_never_names_are_no_persons(text: str):
    assert names(text) == []


@pytest.mark.parametrize(
    "piece",
    [
        "a, ",
        "Anna, ",
        "Anna Smith & ",
        "my son ",
        "A. ",
        "Mr ",
        "x's name ",
        "Anna said ",
        "Ala-",
        "Anna'",
        "A-",
        "Aa",
        "Anna: ",
        "\nAnna: ",
        ", Anna! ",
        "\nname: a",
        "ex-Anna ",
        "12 Anna ",
        "Suite 1 Anna ",
        "Anna cried ",
        "\nAnna Qvelnor",
        "\n> Anna, Anna",
        "founders: Anna, ",
        "Anna Q Smith ",
        "Anna and Aa 1 ",
    ],
)
def test_no_text_takes_long(piece: str):
    times = [_seconds(find_names, piece * (letters // len(piece))) for letters in (2_000, 8_000)]
    # Four times the letters take four times as long, not sixteen times.
    assert times[1] < 8 * times[0] + 0.5


@pytest.mark.parametrize("piece", ["a@b.co ", "(212) 555-0123 ", "a", "1-", "12 Aa ", "Aa 1 "])
def test_no_number_of_identifiers_takes_long(piece: str):
    times = [_seconds(find, piece * (letters // len(piece))) for letters in (10_000, 80_000)]
    # Eight times the letters take eight times as long, not sixty-four times.
    assert times[1] < 20 * times[0] + 0.5


def test_of_identifiers_that_overlap_the_more_certain_one_is_kept():
    text = "ask ann.lee@192.168.1.1.example.org or ann.lee@school-one.org, 8.8.8.8, b@c.de"
    found = find(text)
    assert [text[one.start : one.end] for one in found if one.kind == "email"][-2:] == [
        "ann.lee@school-one.org",
        "b@c.de",
    ]
    assert all(one.end <= other.start for one, other in pairwise(found))


def _seconds(look: Callable[[str], object], text: str) -> float:
    begun = time.process_time()
    look(text)
    return time.process_time() - begun
