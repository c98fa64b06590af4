"""How a session quotes names, as its header `quoting` says; the rest of the endpoint knows double quotes only."""

import re

from lakehouse.endpoint.faults import RefusedStatementError

DOUBLE_QUOTE = "DOUBLE_QUOTE"
# What is no name comes first: texts, comments, and double quotes, which mean nothing then (Calcite's BTID and BQID).
_REST = r"""(?P<other>'[^']*+'?|--[^\n]*+|/\*(?:[^*]++|\*(?!/))*+(?:\*/)?)|(?P<wrong>")|"""
NAMES = {
    "BACK_TICK": re.compile(_REST + r"`(?P<name>(?:[^`]++|``)*+)`"),
    "BRACKET": re.compile(_REST + r"\[(?P<name>(?:[^\]]++|\]\])*+)\]"),
}
DOUBLED = {"BACK_TICK": "`", "BRACKET": "]"}


def quoting_of(header: str) -> str:
    """Return the word of a header; raise RefusedStatementError for one that Dremio does not have."""
    word = header.strip().upper() or DOUBLE_QUOTE
    if word != DOUBLE_QUOTE and word not in NAMES:
        known = ", ".join((DOUBLE_QUOTE, *NAMES))
        raise RefusedStatementError(f"quoting {word[:40]} is not known; the header takes {known}")
    return word


def in_double_quotes(sql: str, quoting: str) -> str:
    """Return a statement with its names in double quotes; raise RefusedStatementError where it has some already."""
    if quoting == DOUBLE_QUOTE:
        return sql
    sign = DOUBLED[quoting]

    def written(found: re.Match[str]) -> str:
        if found["wrong"]:
            line = sql.count("\n", 0, found.start()) + 1
            raise RefusedStatementError(
                f'PARSE ERROR: a " at line {line}; this session quotes names otherwise, as its header says: {quoting}'
            )
        if found["other"]:
            return found[0]
        return '"{}"'.format(found["name"].replace(sign * 2, sign).replace('"', '""'))

    return NAMES[quoting].sub(written, sql)
