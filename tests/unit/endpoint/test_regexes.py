"""Patterns that Java and RE2 read alike, and replacements that name groups."""

import pytest

from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.regexes import checked, replacement


@pytest.mark.parametrize(
    ("pattern", "groups", "may_be_empty"),
    [
        ("abc", 0, False),
        ("a*", 0, True),
        ("^$", 0, True),
        ("(a)|(b)", 2, False),
        ("(?:a)(b)?", 1, False),
        ("\\(a\\)", 0, False),
        ("[(]", 0, False),
        ("\\Q(a)*\\E", 0, False),
        ("\\Qab", 0, False),
        ("(?i)ab", 0, False),
        ("(?is)", 0, True),
        ("", 0, True),
        ("[^a\\]]+", 0, False),
        ("\\d{2,3}\\.\\d", 0, False),
    ],
)
def test_a_pattern_is_read(pattern, groups, may_be_empty):
    assert checked(pattern)[:3] == (pattern, groups, may_be_empty)


PATTERNS = (
    *("\\bx", "\\1", "\\x41", "\\u0041", "\\p{L}", "\\v", "\\h", "\\Z", "\\C", "\\07", "a\\", "[\\b]"),
    *("[a", "[]a]", "[a[b]]", "[a&&b]", "[[:digit:]]", "(a", "a)", "*a", "a**", "a++", "a*+", "a?+", "a{2}+"),
    *("(?=a)", "(?!a)", "(?<=a)b", "(?<n>a)", "(?P<n>a)", "(?>a)", "(?u)a", "(?U)a", "(?m)^a", "a(?i)b", "(?i)ä"),
)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_that_is_read_otherwise_is_refused(pattern):
    with pytest.raises(RefusedStatementError):
        checked(pattern)


@pytest.mark.parametrize(
    "pattern", ["(|){30}x", "(|a|b){40}c", "((a*)*)*b", "(a?){50}b", "(?:^|a)+b", "(.?)+b", "(.*)+(?:ab)"]
)
def test_a_repeated_group_that_may_fit_nothing_is_refused(pattern):
    with pytest.raises(RefusedStatementError, match="repeats a group that may fit no sign"):
        checked(pattern)


@pytest.mark.parametrize(
    ("pattern", "repeated"),
    [("(a)+(b)", {1}), ("((a)|b){2}(c)", {1, 2}), ("(?:(a)b)*(c)", {1}), ("(a+)(b)?", set()), ("(a)|(b)", set())],
)
def test_a_repeated_group_can_be_matched_and_not_be_named(pattern, repeated):
    regex = checked(pattern)
    assert regex.repeated == repeated
    for group in repeated:
        with pytest.raises(RefusedStatementError, match="put the repetition inside"):
            replacement(f"${group}", regex)


@pytest.mark.parametrize("pattern", ["(|" * 30 + ")" * 30 + "x", "(a|b|ab)+" * 30 + "c", "(a?)?" * 60 + "a" * 60])
def test_a_pattern_made_to_take_long_does_not(pattern):
    assert checked(pattern).may_be_empty is False


@pytest.mark.parametrize("pattern", ["a" * 1001, "[" + "a" * 320_000])
def test_a_pattern_that_would_hold_up_the_endpoint_is_refused(pattern):
    with pytest.raises(RefusedStatementError, match=f"has {len(pattern)} characters; 1000 are the most") as refused:
        checked(pattern)
    assert len(str(refused.value)) < 300
    assert checked("a" * 1000).may_be_empty is False


def test_groups_may_not_be_nested_without_end():
    with pytest.raises(RefusedStatementError, match="more than 30 deep"):
        checked("(" * 31 + "a" + ")+" * 31)
    assert checked("((?:a)+)" * 40).groups == 40


@pytest.mark.parametrize(
    ("java", "pattern", "re2"),
    [
        ("$1", "(a)", "\\1"),
        ("$0!", "a", "\\0!"),
        ("$12", "(a)", "\\12"),
        ("\\$1", "(a)", "$1"),
        ("\\\\", "a", "\\\\"),
        ("\\1", "(a)", "1"),
        ("plain", "a", "plain"),
        ("", "a", ""),
    ],
)
def test_a_replacement_is_said_in_re2s_words(java, pattern, re2):
    assert replacement(java, checked(pattern)) == re2


@pytest.mark.parametrize(
    ("java", "pattern"), [("$1", "a"), ("$", "(a)"), ("$x", "(a)"), ("${n}", "(a)"), ("a\\", "a"), ("$٣", "(a)(b)(c)"),
                          ("$1", "(a)" * 10)]
)  # fmt: skip
def test_a_replacement_that_names_no_group_is_refused(java, pattern):
    with pytest.raises(RefusedStatementError):
        replacement(java, checked(pattern))
