"""What text must look like where a Table Schema states a type or a format that the EDS has no type for."""

import re

from lakehouse.archive.eds import MAX_PATTERN_LETTERS

TWO = "[0-9]{2}"
HOUR, MINUTE, SECOND = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]", "(?:[0-5][0-9]|60)"
MONTH, DAY = "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
ZONE = f"(?:Z|[+-]{HOUR}:{MINUTE})"
PART = "[0-9]+(?:[.][0-9]+)?"


def _in_order(letters: str) -> str:
    """Return the pattern of parts of a duration in this order, of which any may be absent, but not all.

    RE2 cannot look ahead, so the first part is there or not before the others, or stands alone.
    """
    first, rest = f"{PART}{letters[0]}", letters[1:]
    return f"(?:(?:{first})?{_in_order(rest)}|{first})" if rest else first


TIME_PARTS = f"T{_in_order('HMS')}"
# By type in the format `default`: Data Package 2.0, Table Schema, "Field Types", after XML Schema and ISO 8601.
BY_TYPE = {
    "time": f"{HOUR}:{MINUTE}:{SECOND}(?:[.][0-9]+)?{ZONE}?",
    "yearmonth": f"-?[0-9]{{4,}}-{MONTH}{ZONE}?",
    "duration": f"-?P(?:{_in_order('YMWD')}(?:{TIME_PARTS})?|{TIME_PARTS})",
}
# What Python's `time.strptime` takes for a directive: one figure for two, a blank for the missing one of a day,
# leap seconds.
BY_DIRECTIVE = {
    "Y": "[0-9]{4}",
    "y": TWO,
    "m": "(?:0?[1-9]|1[0-2])",
    "d": "(?:[0 ]?[1-9]|[12][0-9]|3[01])",
    "H": "(?:[01]?[0-9]|2[0-3])",
    "I": "(?:0?[1-9]|1[0-2])",
    "M": "[0-5]?[0-9]",
    "S": "(?:[0-5]?[0-9]|6[01])",
    "f": "[0-9]{1,6}",
    "j": "(?:00?[1-9]|0?[1-9][0-9]|[1-9]|[12][0-9][0-9]|3[0-5][0-9]|36[0-6])",
    "%": "%",
}
DATED = ("date", "datetime", "time")


def shape_of(kind: str, form: str) -> str | None:
    """Return the pattern of all values of a type in a format; None where the standard leaves the form open.

    Names of days and months, the halves of a day and zones depend on a language or a library: a format that asks for
    them gets no pattern. Neither does one that `strptime` refuses, nor one whose pattern is too long for a column.
    """
    if form == "default":
        return BY_TYPE.get(kind)
    return _of_directives(form) if kind in DATED and "%" in form else None


def _of_directives(form: str) -> str | None:
    pieces = re.findall(r"%(.?)|([^%]+)", form.removeprefix("fmt:"), re.DOTALL)
    asked = [directive for directive, text in pieces if not text and directive != "%"]
    if len(asked) > len(set(asked)):
        return None
    # A sign without a directive, at the end, has no pattern either.
    shapes = [_literally(text) if text else BY_DIRECTIVE.get(directive) for directive, text in pieces]
    known = [shape for shape in shapes if shape is not None]
    # `strptime` does not tell large letters from small ones.
    shape = f"(?i:{''.join(known)})"
    return shape if len(known) == len(shapes) and len(shape) <= MAX_PATTERN_LETTERS else None


def _literally(text: str) -> str:
    """Return the pattern of the letters between directives, where blanks stand for any blanks."""
    return r"\s+".join(map(re.escape, re.split(r"\s+", text)))
