"""What a client is told of a statement that cannot be parsed: where it goes wrong, and what may have been meant."""

import difflib
import re

from sqlglot.errors import SqlglotError

KEYWORDS = (
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "JOIN",
    "UNION",
    "BETWEEN",
    "DISTINCT",
    "WITH",
)
INSIDE = re.compile(r"Required keyword: '(\w+)' missing for <class '[\w.]*?(\w+)'>")
TOKEN = re.compile(r"<Token token_type: TokenType\.(\w+), text: (.*?), line: .*>", re.DOTALL)
LAST_WORD = re.compile(r"([A-Za-z]+)\s*$")
LIKENESS = 0.75


def syntax_message(error: SqlglotError, sql: str) -> str:
    """Return the first fault of a text with its place, counted from 1; the text's own where it does not end."""
    details = getattr(error, "errors", None)
    if not details:
        return _unsplit(sql)
    first = details[0]
    what = INSIDE.sub(r"something is missing for \2", str(first["description"]))
    what = TOKEN.sub(lambda found: "the end" if found[1] == "SENTINEL" else repr(found[2]), what)
    return f"{what} at line {first['line']}, column {first['col']}, near {first['highlight']!r}{_hint(first)}"


def _hint(fault: dict[str, object]) -> str:
    near = str(fault["highlight"])
    before = LAST_WORD.search(str(fault["start_context"]))
    words = [near, *([before[1]] if before else [])]
    if near == "`":
        return '; names are quoted with "'
    if words[-1].upper() == "TOP":
        return "; write LIMIT at the end instead of TOP"
    for word in words:
        meant = difflib.get_close_matches(word.upper(), KEYWORDS, 1, LIKENESS)
        if meant and word.upper() not in KEYWORDS:
            return f"; did you mean {meant[0]} for {word!r}?"
    return ""


def _unsplit(sql: str) -> str:
    """Say which quote or comment is left open; a text is split into words without trouble otherwise."""
    for opened, at in _openings(sql):
        line, column = sql.count("\n", 0, at) + 1, at - sql.rfind("\n", 0, at)
        return f"the {opened} at line {line}, column {column} is never closed"
    return "the text does not split into words; is a quote open?"


def _openings(sql: str) -> list[tuple[str, int]]:
    """Return the quote or comment that is open at the end, and where it begins."""
    at = 0
    while at < len(sql):
        sign, two = sql[at], sql[at : at + 2]
        if two in {"--", "//"}:
            at = sql.find("\n", at)
            if at < 0:
                return []
        elif two == "/*" or sign in "'\"":
            closing = "*/" if two == "/*" else sign
            end = sql.find(closing, at + len(closing))
            if end < 0:
                return [("comment" if two == "/*" else f"quote {sign}", at)]
            at = end + len(closing) - 1
        at += 1
    return []
