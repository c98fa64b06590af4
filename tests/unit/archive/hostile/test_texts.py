"""Documents, statements and descriptions that are nested, aliased or endless: a finding each, and an answer."""

import pytest

DOCUMENTS = "texts/sheets/documents.jsonl"
DEEP = 10_000


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("closed", [True, False])
def test_json_nested_very_deep(hostile, dataset, opening, closing, closed):
    deep = opening * DEEP + "1" + (closing * DEEP if closed else "")
    good = '{"id": "a", "title": "A", "text": "Add."}\n'
    for body in (f'{good}{{"id": "b", "title": "B", "text": "x", "more": {deep}}}\n', f"{deep}\n"):
        (dataset / DOCUMENTS).write_text(body)
        finding = hostile(dataset).finding("DOCUMENT_INVALID")
        assert finding["first_row"] == (2 if body.startswith(good) else 1)


@pytest.mark.parametrize("number", ["1" * 10_000, "1e999999", "-" * 5000, "NaN", "Infinity"])
def test_json_with_monstrous_numbers(hostile, dataset, number):
    (dataset / DOCUMENTS).write_text(f'{{"id": {number}, "text": "x"}}\n')
    assert "DOCUMENT_INVALID" in hostile(dataset).codes


def test_a_line_of_a_gigabyte(hostile, dataset):
    with (dataset / DOCUMENTS).open("r+b") as stream:
        stream.truncate(1 << 30)
    outcome = hostile(dataset, landed=True)
    assert outcome.codes & {"DOCUMENT_INVALID", "FILE_NOT_UTF8", "FILE_NOT_CSV"}


def laughs(levels=30):
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


YAML_BOMBS = {
    "aliases": laughs(),
    "an alias to itself": "a: &a [*a]\n",
    "deep brackets": "a: " + "[" * 100_000 + "\n",
    "deep blocks": "".join(" " * n + "a:\n" for n in range(1_500)),
    "very large": "a: " + "x" * 2_000_000 + "\n",
    "a python object": "a: !!python/object/apply:os.system ['touch exploded']\n",
    "a merge": "base: &base {a: 1}\nb:\n  <<: *base\n",
    "many documents": "---\na: 1\n" * 10_000,
    "a huge number": "version: " + "9" * 100_000 + "\n",
    "keys twice": "name: a\nname: b\n",
    "NUL": "name: a\0b\n",
    "a list": "- a\n- b\n",
    "nothing": "",
}


@pytest.mark.parametrize("bomb", YAML_BOMBS)
@pytest.mark.parametrize("file", ["dataset.yaml", "tables/rooms/columns.yaml"])
def test_descriptions_that_are_bombs(hostile, dataset, bomb, file):
    (dataset / file).write_text(YAML_BOMBS[bomb])
    outcome = hostile(dataset, seconds=30)
    unreadable = {"DESCRIPTION_UNREADABLE", "DICTIONARY_UNREADABLE", "FIELD_INVALID", "DICTIONARY_FIELD_UNKNOWN"}
    assert outcome.codes & unreadable
    assert outcome.forms["short"] < 20_000


def test_a_pattern_that_would_take_for_ever_does_not(hostile, dataset):
    path = dataset / "tables/lessons/columns.yaml"
    path.write_text(path.read_text().replace('"[A-Z][0-9]"', '"(a|aa)+$"'))
    rows = dataset / "tables/lessons/lessons.csv"
    rows.write_text(rows.read_text() + f"4,10,,,,,{'a' * 50_000}!\n")
    assert "VALUE_NOT_MATCHING" in hostile(dataset, seconds=30).codes


def test_names_of_columns_that_are_html_or_terminal_codes_are_only_text(hostile, dataset):
    rooms = dataset / "tables/rooms/rooms.csv"
    rooms.write_text('room,size,"<script>alert(1)</script>","\x1b[2J","a|b`c"\n10,1,,,\n')
    outcome = hostile(dataset)
    assert "COLUMN_UNDECLARED" in outcome.codes
    assert "\\u001b" not in outcome.words
