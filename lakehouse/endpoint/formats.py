"""Dremio's date and time formats (``YYYY-MM-DD HH24:MI:SS.FFF``) as the strftime formats DuckDB reads."""

import re

from lakehouse.endpoint.faults import RefusedStatementError

# Longest first, so that DDD is not read as DD + D. FFF is milliseconds: %g in DuckDB.
ELEMENTS = {
    "MONTH": "%B",
    "YYYY": "%Y",
    "HH24": "%H",
    "HH12": "%I",
    "MON": "%b",
    "DDD": "%j",
    "DAY": "%A",
    "FFF": "%g",
    "YY": "%y",
    "MM": "%m",
    "DD": "%d",
    "DY": "%a",
    "HH": "%I",
    "MI": "%M",
    "SS": "%S",
    "AM": "%p",
    "PM": "%p",
}
PIECE = re.compile(r'"(?P<quoted>[^"]*)"|(?P<letters>[A-Za-z][A-Za-z0-9]*)|(?P<other>[^A-Za-z"]+|")')


def strftime_format(dremio: str) -> str:
    """Return the format in DuckDB's words; refuse elements whose meaning is not certain."""
    return "".join(_piece(match, dremio) for match in PIECE.finditer(dremio))


def _piece(match: re.Match[str], whole: str) -> str:
    if match["letters"] is not None:
        return _elements(match["letters"], whole)
    text = match["quoted"] if match["quoted"] is not None else match["other"]
    if any(sign in text for sign in "#%") or (match["quoted"] is None and re.search(r"[0-9]", text)):
        raise RefusedStatementError(f"format {whole!r} is not supported here: write it with YYYY, MM, DD, HH24, MI, SS")
    return str(text)


def _elements(letters: str, whole: str) -> str:
    found, rest = [], letters.upper()
    while rest:
        element = next((name for name in ELEMENTS if rest.startswith(name)), None)
        if element is None:
            if rest == "T":
                found.append("T")
                break
            known = ", ".join(sorted(ELEMENTS))
            raise RefusedStatementError(f"format element {rest!r} in {whole!r} is not supported; known are {known}")
        found.append(ELEMENTS[element])
        rest = rest[len(element) :]
    return "".join(found)
