"""Promises of finding held-out texts in training texts."""

import random

import pytest

from models.documents import Document
from models.leakage import near_duplicates

WORDS = [f"word{at}" for at in range(400)]


def text(seed, count=60):
    return " ".join(random.Random(seed).choices(WORDS, k=count))


def found(*documents):
    made = [Document(f"{split}/{at}", "d", said, split) for at, (split, said) in enumerate(documents)]
    return [(each.held, each.learned) for each in near_duplicates(made)]


def test_a_held_out_text_that_a_training_text_says_is_found_with_its_twin():
    assert found(("train", text(1)), ("train", text(2)), ("test", text(2) + " and more")) == [("test/2", "train/1")]


@pytest.mark.parametrize("split", ["test", "validation"])
def test_case_punctuation_and_white_space_hide_nothing(split):
    assert found(("train", text(1)), (split, text(1).upper().replace(" ", ",\n  ") + "!")) == [
        (f"{split}/1", "train/0")
    ]


def test_a_few_changed_words_hide_nothing_and_half_of_them_do():
    words = text(1, 100).split()
    few, many = list(words), list(words)
    few[50] = "other"
    many[::2] = ["other"] * 50
    assert found(("train", " ".join(words)), ("test", " ".join(few))) == [("test/1", "train/0")]
    assert not found(("train", " ".join(words)), ("test", " ".join(many)))


def test_a_part_of_a_longer_training_text_is_found():
    assert found(("train", text(1, 300)), ("test", " ".join(text(1, 300).split()[100:180]))) == [("test/1", "train/0")]


def test_texts_of_one_form_with_their_own_facts_are_not_near_duplicates():
    form = "in {} the school of {} had {} students and {} teachers and the town of {} paid {} for each of them and {}"
    made = [("train" if at % 2 else "test", form.format(*text(at, 7).split())) for at in range(40)]
    assert not found(*made)


@pytest.mark.parametrize("documents", [[], [("train", "a b c")], [("test", "a b c")], [("train", ""), ("test", "")]])
def test_nothing_to_compare_gives_nothing(documents):
    assert found(*documents) == []


def test_short_texts_are_compared_as_a_whole():
    documents = [("train", "the school of the town"), ("test", "The school, of the town"), ("test", "the school")]
    assert found(*documents) == [("test/1", "train/0")]
    assert found(("train", "..."), ("test", "a")) == []
