"""What a text must look like for a stated type and format, as time.strptime and ISO 8601 have it."""

import time

import pytest

from lakehouse.archive.eds import MAX_PATTERN_LETTERS
from lakehouse.archive.metadata.stated_shapes import BY_TYPE, shape_of
from lakehouse.archive.patterns import is_pattern, matching

TEXTS = (
    "01/02/2020", "1/2/2020", " 1/02/2020", " 1/2/2020", "  1/2/2020", " 12/2/2020", "1/ 2/2020", "00/02/2020",
    "32/1/2020", "1/13/2020", "1/0/2020", "1/2/20", "1/2/02020", "1/2/2020 ", "2020-01-02", "2020", "20", "1", "01",
    "001", "366", "367", "000", "0", "9:05", "09:5", " 9:05", "24:00", "23:60", "23:59:61", "23:59:62", "1.5",
    "1.123456", "1.1234567", "50%", "50%%", "100", "2020%", "2020-01-02T03:04", "2020-01-02t03:04",
    "2020-01-02  03:04", "",
)  # fmt: skip
FORMS = (
    "%d/%m/%Y", "%d/%m/%y", "%m/%d/%Y", "%Y-%m-%d", "%Y", "%j", "%H:%M", "%I:%M", "%H:%M:%S", "%S.%f", "%M%%", "%M%%%%",
    "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y%", "100%", "%", "%%%", "%Y %Y", "%d/%d", "%Q", "% d", "%Y%Y%",
)  # fmt: skip


def takes(form: str, text: str) -> bool:
    try:
        time.strptime(text, form)
    except ValueError:
        return False
    return True


def is_refused(form: str) -> bool:
    """Say whether strptime refuses the form itself: its message then speaks of no text."""
    try:
        time.strptime("", form)
    except ValueError as error:
        return "does not match format" not in str(error)
    except Exception:  # noqa: BLE001 - a directive twice is an error of the regular expressions
        return True
    return False


@pytest.mark.parametrize("form", FORMS)
def test_a_format_takes_what_strptime_takes(form: str):
    shape = shape_of("datetime", form)
    assert (shape is None) == is_refused(form)
    if shape is not None:
        assert matching(shape, TEXTS) == [takes(form, text) for text in TEXTS]


def test_some_formats_are_refused_and_some_texts_are_taken():
    assert sorted(filter(is_refused, FORMS)) == sorted(
        ["%Y%", "100%", "%", "%%%", "%Y %Y", "%d/%d", "%Q", "% d", "%Y%Y%"]
    )
    assert takes("%d/%m/%Y", " 1/02/2020")


def test_no_shape_is_longer_than_a_pattern_may_be():
    assert all(len(shape) <= MAX_PATTERN_LETTERS for shape in BY_TYPE.values())
    assert shape_of("date", "%Y" + "-" * 100) is not None
    assert shape_of("date", "%Y" + "-" * 300) is None


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("P1Y2M3W4DT5H6M7.5S", True),
        ("-P1D", True),
        ("PT0.5S", True),
        ("P3W", True),
        ("P1YT1S", True),
        ("P1M", True),
        ("PT1M", True),
        ("P", False),
        ("-P", False),
        ("PT", False),
        ("P1DT", False),
        ("P1D1Y", False),
        ("PT1S1H", False),
        ("P1Y1Y", False),
        ("P1", False),
        ("P1H", False),
        ("1D", False),
        ("P1D ", False),
    ],
)
def test_a_duration_has_parts_and_has_them_in_order(text: str, fits: bool):
    shape = shape_of("duration", "default")
    assert shape is not None
    assert is_pattern(shape)
    assert matching(shape, [text]) == [fits]
