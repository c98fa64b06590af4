"""What protection makes of single values, and the key it makes pseudonyms with."""

import stat

from lakehouse.archive.privacy.plan import Generalise
from lakehouse.archive.privacy.steps import Protector, coarser, pseudonym_key, redacted

PROTECTOR = Protector(bytes(32))


def test_values_become_coarser():
    year, width = Generalise(step="generalise", to="year"), Generalise(step="generalise", width=10)
    assert [coarser(year, v) for v in ("2009-03-04", "4/3/2009", "2009", "spring")] == ["2009", "2009", "2009", ""]
    assert [coarser(width, v) for v in ("17", "20-29", "-1", "old")] == ["10-19", "20-29", "-10--1", ""]
    assert coarser(Generalise(step="generalise", keep=2), "90210") == "90"


def test_a_text_loses_only_what_is_asked_for():
    text = "Ann Smith: ann@west-school.org, (212) 555-0123"
    assert redacted(text, ("email",)) == "Ann Smith: <email>, (212) 555-0123"
    assert redacted(text, ()) == "<person_name>: <email>, <phone>"


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    key = pseudonym_key(tmp_path / "keys")
    assert pseudonym_key(tmp_path / "keys") == key
    (file,) = (tmp_path / "keys").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_band_of_another_width_or_a_phone_number_is_no_band():
    step = Generalise(step="generalise", width=10)
    said = ("10-19", "555-1234", "10-14", "-10--1", "15-24", "17")
    assert [coarser(step, value) for value in said] == ["10-19", "", "", "-10--1", "", "10-19"]


def test_an_address_has_one_pseudonym_however_it_is_written():
    assert PROTECTOR.pseudonym("Ann.Lee@West-School.org ") == PROTECTOR.pseudonym("ann.lee@west-school.org")
    assert PROTECTOR.pseudonym("S1") != PROTECTOR.pseudonym("s1")
