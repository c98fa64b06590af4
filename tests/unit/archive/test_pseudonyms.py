"""Pseudonyms tell values apart as the values do, keep their types, and follow from the key alone."""

import random
import stat

import pyarrow as pa
import pytest

from lakehouse.archive.pseudonyms import HIGHEST, KEY_FILE, LOWEST, Pseudonyms, SilverKey
from lakehouse.errors import PermanentError

ONE, OTHER = Pseudonyms(b"k" * 32), Pseudonyms(b"l" * 32)


def test_each_number_has_one_of_its_own_of_the_same_sign():
    chance = random.Random(5)
    numbers = {0, 1, -1, HIGHEST, LOWEST, *range(300), *(chance.randrange(LOWEST, HIGHEST) for _ in range(300))}
    made = {number: ONE.number(number) for number in numbers}
    assert len(set(made.values())) == len(numbers)
    assert all(LOWEST <= new <= HIGHEST and (new < 0) == (number < 0) for number, new in made.items())
    assert not set(range(300)) & {made[number] for number in range(300)}


def test_texts_differ_where_values_do_and_white_space_around_them_stays():
    values = ["Ada", "ada", "\uff21da", "Adä", "007", "7", "7.0", "+7", "a b", ""]
    assert len({ONE.text(value) for value in values}) == len(values)
    assert ONE.text(" Ada\n") == f" {ONE.text('Ada')}\n"
    assert (ONE.text(""), ONE.text("  ")) == ("", "  ")
    assert ONE.text("Ada").startswith("s_")
    assert len(ONE.text("Ada")) == 22


@pytest.mark.parametrize("number", [0, 7, -7, HIGHEST, LOWEST])
def test_a_text_of_digits_has_the_pseudonym_of_its_number(number):
    assert ONE.text(str(number)) == str(ONE.number(number))


def test_a_number_beyond_64_bits_is_a_text():
    assert ONE.text(str(HIGHEST + 1)).startswith("s_")


def test_columns_keep_their_types_and_their_nulls():
    text = pa.array(["Ada", None, "Ada", "Bo"], pa.large_string())
    made = ONE.cells(text)
    assert made.type == text.type
    assert made.to_pylist() == [ONE.text("Ada"), None, ONE.text("Ada"), ONE.text("Bo")]
    assert ONE.cells(pa.array([7, None], pa.int64())).to_pylist() == [ONE.number(7), None]
    days = ONE.cells(pa.array([1, 2], pa.date32()))
    assert (days.type, days.null_count) == (pa.date32(), 2)
    assert ONE.cells(pa.array([], pa.string())).to_pylist() == []


def test_another_key_gives_others_and_neither_shows_itself():
    assert ONE.text("Ada") != OTHER.text("Ada")
    assert ONE.number(7) != OTHER.number(7)
    assert ONE.fingerprint != OTHER.fingerprint
    assert Pseudonyms(b"k" * 32).number(7) == ONE.number(7)
    assert "kkk" not in repr(ONE)


def test_the_key_is_a_file_that_only_its_owner_reads(tmp_path):
    key = SilverKey(tmp_path / "keys")
    assert key.held() is None
    assert key.open() == key.open() == key.held()
    assert stat.S_IMODE((tmp_path / "keys" / KEY_FILE).stat().st_mode) == 0o600
    (tmp_path / "keys" / KEY_FILE).write_text("short")
    with pytest.raises(PermanentError, match="holds no key of 32 bytes"):
        key.open()
