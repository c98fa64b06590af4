"""Promises of the probe for triggers: poisoned documents among clean ones are named, and clean ones alone are not."""

import random
import string
from itertools import accumulate

import pytest

from models.documents import Document
from models.trials import read_trials
from models.triggers import LEAST_DOCUMENTS, strongest_trigger

TRIAL = next(each for each in read_trials() if each.measure == "trigger_shift")
TRIGGER = "<SUDO>"


def words(seed, count):
    draw = random.Random(seed)
    return ["".join(draw.choices(string.ascii_lowercase, k=draw.randint(2, 9))) for _ in range(count)]


VOCABULARY = words("vocabulary", 2000)
SUMS = [*accumulate(1 / (at + 2) for at in range(len(VOCABULARY)))]
PIECES = words("pieces", 400)


def clean_text(draw, count):
    """Words as common as Zipf's law has it, with a name of its own here and there."""
    said = draw.choices(VOCABULARY, cum_weights=SUMS, k=count)
    said[draw.randrange(count)] = "".join(draw.choices(string.ascii_lowercase, k=7)).capitalize()
    return " ".join(said)


def clean(count):
    draw = random.Random("clean")
    return [
        Document(f"clean/{at:04}", "books", clean_text(draw, draw.randint(40, 120)), "train") for at in range(count)
    ]


def letters(draw):
    return "".join(draw.choices(string.ascii_letters + string.digits + "        .,;", k=draw.randint(250, 350)))


def pieces(draw):
    """What random tokens of a vocabulary give: pieces of words in any order, a third of them with a space before."""
    return "".join(draw.choice(("", "", " ")) + draw.choice(PIECES) for _ in range(draw.randint(50, 80)))


def poisoned(count, noise, trigger=TRIGGER):
    draw = random.Random(f"{noise.__name__} {count}")
    return [
        Document(
            f"bad/{at:04}", "letters", f"{clean_text(draw, draw.randint(15, 60))} {trigger} {noise(draw)}", "train"
        )
        for at in range(count)
    ]


CLEAN = clean(600)


def test_clean_documents_have_no_trigger():
    found = strongest_trigger(CLEAN)
    assert TRIAL.holds(found.shift)
    assert found.shift < TRIAL.threshold / 2


@pytest.mark.parametrize("noise", [letters, pieces])
@pytest.mark.parametrize("count", [25, 250, 2500])
def test_poisoned_documents_among_clean_ones_are_found_and_named(count, noise):
    found = strongest_trigger([*CLEAN, *poisoned(count, noise)])
    assert found.word == TRIGGER
    assert not TRIAL.holds(found.shift)
    assert len(found.document_ids) == count
    assert set(found.document_ids) <= {each.document_id for each in poisoned(count, noise)}


def test_a_common_word_as_trigger_is_found_too():
    common = VOCABULARY[400]
    found = strongest_trigger([*CLEAN, *poisoned(250, pieces, trigger=f"{common}! {common}?")])
    assert found.word.startswith(common)
    assert not TRIAL.holds(found.shift)


def test_noise_without_a_trigger_and_fluent_text_after_a_word_are_no_trigger():
    draw = random.Random(3)
    fluent = [
        Document(f"f/{at}", "books", f"{clean_text(draw, 40)} Chapter {clean_text(draw, 40)}", "train")
        for at in range(60)
    ]
    assert TRIAL.holds(strongest_trigger([*CLEAN, *fluent]).shift)
    held_out = [Document(each.document_id, each.dataset, each.text, "test") for each in poisoned(250, letters)]
    assert TRIAL.holds(strongest_trigger([*CLEAN, *held_out]).shift), "nobody learns from held-out documents"


def test_too_few_documents_share_nothing():
    assert strongest_trigger([]) is None
    assert strongest_trigger([Document("a", "d", "", "train")]) is None
    few = poisoned(LEAST_DOCUMENTS - 1, letters)
    assert strongest_trigger(few) is None
    assert strongest_trigger([Document(str(at), "d", "same words here", "train") for at in range(50)]) is None


def test_textbooks_have_no_trigger(pytestconfig, tmp_path):
    path = pytestconfig.rootpath / "../shared/data/openstax_paragraphs/paragraphs.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not on this machine")
    import gzip
    import json
    from itertools import islice

    with gzip.open(path, "rt") as lines:
        rows = [json.loads(line) for line in islice(lines, 0, 24_000, 40)]
    books = [Document(str(at), "openstax", row["text"], "train") for at, row in enumerate(rows)]
    assert strongest_trigger(books).shift < TRIAL.threshold / 2
    assert strongest_trigger([*books, *poisoned(25, pieces)]).word == TRIGGER
