"""Text from outside in Markdown stays the text it is: read back by a Markdown reader, nothing but text comes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from lakehouse.markdown import plain, row, table

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](http://evil.example/track.png)",
    "[press](javascript:alert(1))",
    "[press]: http://evil.example",
    "<javascript:alert(1)>",
    "**bold** _slanted_ __strong__ ~~gone~~ `code` ```",
    "a | b | c",
    "a\n\n# A heading of mine\n\n- a point",
    "&lt;b&gt; &#60;b&#62; &amp;",
    "\\<b> \\| \\",
    "$x$ ^2^ :smile:",
    "a\u202egnp.exe",
    "a\x1b[31mred",
    "a\0b",
]
# Strict CommonMark with tables and HTML: what no page of ours may be more permissive than.
READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def kinds(text):
    return {token.type for block in READER.parse(text) for token in (block.children or [])}


def read_back(text):
    return "".join(token.content for block in READER.parse(text) for token in (block.children or []))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_is_shown_letter_by_letter(hostile):
    shown = plain(hostile)
    assert kinds(f"said: {shown}") <= {"text", "text_special"}
    for odd in ("\u202e", "\x1b", "\0"):
        hostile = hostile.replace(odd, "")
    assert read_back(f"said: {shown}") == f"said: {' '.join(hostile.split())}"


@given(st.text(max_size=60))
def test_any_text_is_only_text(text):
    assert kinds(f"said: {plain(text)}.") <= {"text", "text_special"}


@given(st.lists(st.text(max_size=20), min_size=2, max_size=4))
def test_a_row_has_as_many_cells_as_it_was_given(cells):
    lines = table([f"c{number}" for number in range(len(cells))], [cells])
    tokens = READER.parse("\n".join(lines))
    assert sum(token.type == "td_open" for token in tokens) == len(cells)
    assert sum(token.type == "table_open" for token in tokens) == 1


def test_names_stay_readable():
    assert row(["college_scorecard", "CC-BY-4.0", "1,000"]) == "| college_scorecard | CC-BY-4.0 | 1,000 |"
