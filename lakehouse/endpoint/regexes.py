"""Java's regular expressions for RE2, the engine DuckDB has: what both read alike passes, the rest is refused by name.

Java: https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/util/regex/Pattern.html
RE2: https://github.com/google/re2/wiki/Syntax
"""

import re
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.endpoint.faults import RefusedStatementError

# Escapes that mean the same to both: classes, ends of the text, control characters. Not the ends of words: to Java
# letters beyond ASCII are letters of a word there, to RE2 they are not.
LETTERS = frozenset("dDwWsSAztnrf")
ZERO_WIDTH = frozenset("Az")
MOST_GROUPS = 9
# Patterns are checked in the endpoint's own process, which no statement may hold up; each repeated group is read anew.
MOST_CHARACTERS = 1000
MOST_DEPTH = 30
DIGITS = tuple("0123456789")
FLAGS = re.compile(r"\(\?[is]+\)")


class Regex(NamedTuple):
    """A checked pattern: its text, how many groups it has, whether it may fit where there is no sign, repeated groups.

    What a group that is repeated, or is inside one, holds in the end is not the same in Java and RE2.
    """

    text: str
    groups: int
    may_be_empty: bool
    repeated: frozenset[int] = frozenset()

    def require_group(self, group: int) -> int:
        """Return a group's number; refuse one that is repeated."""
        if group in self.repeated:
            raise RefusedStatementError(
                f"group {group} of the regular expression {self.text!r} is repeated: Dremio's engine may keep another "
                "part of it; put the repetition inside the group"
            )
        return group


def checked(pattern: str) -> Regex:
    """Return a pattern that Java and RE2 read alike; refuse others, saying which part they differ in.

    Nothing here backtracks: patterns come from anybody, and RE2 takes time in proportion to them.
    """
    if len(pattern) > MOST_CHARACTERS:
        raise RefusedStatementError(
            f"the regular expression {pattern[:20]!r}... has {len(pattern)} characters; "
            f"{MOST_CHARACTERS} are the most: match its parts with several conditions, or use LIKE and IN"
        )
    scan = _Scan(pattern)
    while scan.at < len(pattern):
        scan.step()
    return Regex(pattern, scan.groups, scan.may_be_empty(scan.bare), frozenset(scan.repeated))


def replacement(text: str, regex: Regex) -> str:
    r"""Return Java's replacement text in RE2's words: ``$1`` is ``\1``, and a backslash keeps the next sign plain.

    Java reads as many digits as there are groups for: with 3 groups ``$12`` is group 1 and a 2.
    """
    if regex.groups > MOST_GROUPS and "$" in text:
        raise RefusedStatementError(f"a replacement names groups of at most {MOST_GROUPS} in its pattern")
    found, at = [], 0
    while at < len(text):
        sign, at = text[at], at + 1
        following = text[at] if at < len(text) else ""
        if sign == "\\" and following:
            found.append("\\\\" if following == "\\" else following)
            at += 1
        elif sign == "$" and following in DIGITS[: regex.groups + 1]:
            found.append(f"\\{regex.require_group(int(following))}")
            at += 1
        elif sign in "$\\":
            raise RefusedStatementError(
                f"the replacement {text!r} has a {sign} that names no group of the pattern; "
                f"groups are $0 to ${regex.groups}, and \\$ is a plain $"
            )
        else:
            found.append(sign)
    return "".join(found)


class _Scan:
    """Goes over a pattern once: `bare` is it without what takes no character, `groups` how many it remembers."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.bare: list[str] = []
        self.groups = 0
        self.repeated: set[int] = set()
        self._open: list[tuple[int, int]] = []

    def may_be_empty(self, parts: list[str]) -> bool:
        """Say whether parts of the pattern may fit no sign at all; refuse a pattern that cannot be read."""
        try:
            found = pc.match_substring_regex(pa.array([""]), pattern=f"^(?:{''.join(parts)})$")
        except pa.ArrowInvalid as error:
            raise RefusedStatementError(f"regular expression {self.pattern!r} cannot be read: {error}") from error
        return bool(found[0].as_py())

    def step(self) -> None:
        """Go over one part."""
        sign, two = self.pattern[self.at], self._next(2)
        if two == "\\Q":
            end = self.pattern.find("\\E", self.at)
            quoted = self.pattern[self.at : end + 2] if end >= 0 else self.pattern[self.at :]
            self._take(len(quoted), quoted if end >= 0 else quoted + "\\E")
        elif sign == "\\":
            self._escape(two)
        elif sign == "[":
            self._class()
        elif two == "(?":
            self._flags()
        elif sign in "^$":
            self._take(1, "(?:)")
        elif sign in "*+?}" and two[1:] == "+":
            raise self._differs(f"{two!r}, which takes all and gives nothing back,")
        elif sign in "()":
            self._bracket(two)
        else:
            self._take(1, sign)

    def _next(self, length: int) -> str:
        return self.pattern[self.at : self.at + length]

    def _bracket(self, two: str) -> None:
        if two[0] == "(":
            self.groups += 1
            self._enter(self.groups)
        elif self._open:
            inside, first = self._open.pop()
            if two[1:] in tuple("*+{"):
                self.repeated.update(range(first, self.groups + 1))
                if self.may_be_empty(self.bare[inside:]):
                    raise self._differs(f"{two!r}, which repeats a group that may fit no sign at all,")
        self._take(1, two[0])

    def _enter(self, first: int) -> None:
        """Note where a group begins, and the number of the first group that it is or holds."""
        if len(self._open) == MOST_DEPTH:
            raise RefusedStatementError(
                f"the regular expression {self.pattern!r} has groups within groups more than {MOST_DEPTH} deep"
            )
        self._open.append((len(self.bare) + 1, first))

    def _escape(self, two: str) -> None:
        sign = two[1:]
        if not sign or (sign.isalnum() and sign not in LETTERS):
            raise self._differs(f"the escape {two!r}")
        self._take(2, "(?:)" if sign in ZERO_WIDTH else two)

    def _class(self) -> None:
        pattern, at = self.pattern, self.at + 1
        at += pattern.startswith("^", at)
        if pattern.startswith("]", at):
            raise self._differs("a ] that comes first in [ ]")
        while at < len(pattern) and pattern[at] != "]":
            if pattern[at] == "[" or pattern.startswith("&&", at):
                raise self._differs("[ or && inside [ ]")
            if pattern[at] == "\\":
                sign = pattern[at + 1 : at + 2]
                if not sign or (sign.isalnum() and sign not in LETTERS - ZERO_WIDTH):
                    raise self._differs(f"the escape {pattern[at : at + 2]!r} inside [ ]")
                at += 1
            at += 1
        self._take(at + 1 - self.at, pattern[self.at : at + 1])

    def _flags(self) -> None:
        if self._next(3) == "(?:":
            self._enter(self.groups + 1)
            self._take(3, "(?:")
            return
        flags = FLAGS.match(self.pattern, self.at)
        # Of letters beyond ASCII, Java's i tells capitals from small ones and RE2's does not.
        if flags is None or self.at > 0 or not self.pattern.isascii():
            raise self._differs(f"{self._next(4)!r}")
        self._take(flags.end(), "")

    def _take(self, length: int, bare: str) -> None:
        self.at += length
        self.bare.append(bare)

    def _differs(self, what: str) -> RefusedStatementError:
        return RefusedStatementError(
            f"{what} in the regular expression {self.pattern!r} is not supported: Dremio's engine reads it differently"
        )
