"""Identifiers: minted once, checked by their last letter, never given to two things."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse.adapters.object_store import LocalObjects
from lakehouse.archive.identifiers import Naming, mint
from lakehouse.ark import LETTERS, ark, check_character, is_whole, normal_ark
from lakehouse.errors import CommitConflictError

NAMING = Naming("99999", "http://127.0.0.1:8600")


@pytest.fixture
def objects(tmp_path):
    return LocalObjects(tmp_path)


def test_the_check_character_is_that_of_noid():
    assert check_character("13030/xf93gt2") == "q"  # the worked example of NOID's own documentation


def test_an_identifier_is_minted_once(objects):
    first = mint(objects, NAMING, "lessons", "2024")
    assert first == mint(objects, NAMING, "lessons", "2024")
    assert is_whole(first)
    assert first.startswith("ark:99999/v1")


def test_a_new_authority_number_leaves_old_identifiers_as_they_are(objects):
    first = mint(objects, NAMING, "lessons")
    assert mint(objects, Naming("12345", "http://x"), "lessons") == first
    assert mint(objects, Naming("12345", "http://x"), "rooms").startswith("ark:12345/d1")


def test_dataset_and_versions_have_identifiers_of_their_own(objects):
    minted = [mint(objects, NAMING, "lessons"), *(mint(objects, NAMING, "lessons", str(n)) for n in range(50))]
    assert len(set(minted)) == 51


def test_many_writers_mint_one(objects):
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: mint(objects, NAMING, "lessons"), range(32)))) == 1


def test_a_name_that_is_taken_is_not_given_again(objects):
    taken = ark("99999", "d1", "lessons#0").rpartition("/")[2]
    objects.put_new(f"identifiers/named/{taken}", b"another")
    minted = mint(objects, NAMING, "lessons")
    assert minted != f"ark:99999/{taken}"
    assert mint(objects, NAMING, "lessons") == minted


def test_it_gives_up_when_every_name_is_taken(objects):
    for attempt in range(8):
        taken = ark("99999", "d1", f"lessons#{attempt}").rpartition("/")[2]
        objects.put_new(f"identifiers/named/{taken}", b"another")
    with pytest.raises(CommitConflictError, match="lessons"):
        mint(objects, NAMING, "lessons")


def test_one_wrong_letter_or_two_swapped_ones_are_always_caught():
    draw = random.Random(7)
    for _ in range(30):
        good = ark("99999", "v1", str(draw.random()))
        name = good.removeprefix("ark:")
        for place, letter in enumerate(name):
            if letter == "/":
                continue
            for other in LETTERS.replace(letter, ""):
                assert not is_whole(f"ark:{name[:place]}{other}{name[place + 1 :]}")
        for place in range(6, len(name) - 1):
            swapped = name[:place] + name[place + 1] + name[place] + name[place + 2 :]
            assert swapped == name or not is_whole(f"ark:{swapped}")


@pytest.mark.parametrize("text", ["ark:/99999/v1bcdf", "ARK:99999/V1-BCDF", " ark:99999/v1bcdf "])
def test_other_ways_to_write_an_ark_are_read(text):
    assert normal_ark(text) == "ark:99999/v1bcdf"


@pytest.mark.parametrize(
    "text", ["", "ark:", "99999/v1bcdf", "ark:99999/", "ark:99999/aeiou", "ark:1/v1", "doi:10.1/x"]
)
def test_what_is_no_ark_is_none(text):
    assert normal_ark(text) is None


def test_pages_stand_at_the_archive_s_address():
    naming = Naming("99999", "https://data.example.org/")
    assert naming.landing_url("lessons") == "https://data.example.org/datasets/lessons"
    assert naming.files_url("lessons", "1.0") == "https://data.example.org/datasets/lessons/1.0/files"
