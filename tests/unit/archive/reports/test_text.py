import re
import shlex

import pytest

from lakehouse.archive.levels import Number, counted, printable, spoken
from lakehouse.archive.rulebook import rules


@pytest.mark.parametrize(("count", "words"), [(0, "0 errors"), (1, "1 error"), (2, "2 errors"), (1234, "1,234 errors")])
def test_counts_agree_with_their_nouns(count, words):
    assert counted(count, "error") == words


def test_the_short_form_puts_findings_of_one_kind_together(refused):
    text = refused.as_short_text()
    assert text.count("TYPE_WRONG") == 1
    assert "ERROR TYPE_WRONG, 3 places" in text
    assert "tables/rooms/rooms.csv: room, row 1" in text
    assert text.count("mend: Correct them: dates as 2024-01-31, ") == 1
    assert text.splitlines()[0] == "REFUSED  lessons@1"


def test_fields_of_one_file_that_nobody_filled_in_are_told_together_for_people_and_one_by_one_for_programs(
    dataset, judged
):
    about = dataset / "tables/rooms/columns.yaml"
    about.write_text(re.sub("description: [A-Z][^,\n]*", 'description: ""', about.read_text()))
    report = judged(dataset)
    assert (
        "ERROR DICTIONARY_FIELD_INVALID, 3 places\n"
        "  tables/rooms/columns.yaml: description, columns.room.description, columns.size.description\n"
        "    The field 'description' of tables/rooms/columns.yaml has no valid value: it is empty. "
        "The same holds for the other 2.\n"
        "  mend: "
    ) in report.as_short_text()
    assert [f.occurrences for f in report.findings if f.code == "DICTIONARY_FIELD_INVALID"] == [1, 1, 1]


def test_the_short_form_lists_ten_places_of_an_error_and_three_of_a_note_and_counts_the_rest(dataset, judged):
    rooms = dataset / "tables/rooms/rooms.csv"
    names = "abcdefghijk"
    rooms.write_text(f"room,size,{','.join(names)}\n10,1{',' * len(names)}\n")
    text = judged(dataset).as_short_text()
    assert "ERROR COLUMN_UNDECLARED, 11 places" in text
    assert "  tables/rooms/rooms.csv: a, b, c, d, e, f, g, h, i, j and 1 more; --long lists all\n" in text
    assert "The column 'a' is not in the data dictionary. The same holds for the other 10.\n" in text
    notes = text[text.index("NOTE FIELD_RECOMMENDED") :]
    assert re.search("\n  dataset.yaml: [a-z_]+, [a-z_]+, [a-z_]+ and [0-9]+ more; --long lists all\n", notes)


def test_an_invalid_field_is_told_with_its_value_and_what_it_should_be(dataset, judged):
    about = dataset / "dataset.yaml"
    about.write_text(about.read_text() + "keywords: school\ncontact: {name: Ann, email: nobody}\n")
    text = judged(dataset).as_short_text()
    assert "The field 'keywords' has no valid value: 'school' should be a list." in text
    assert "'nobody' should match pattern" in text


def test_bytes_of_another_encoding_are_placed_by_line_in_a_text_and_by_row_in_a_table(dataset, judged):
    (dataset / "texts/stories").mkdir(parents=True)
    (dataset / "texts/stories/collection.yaml").write_text("title: Stories\ndescription: Told.\n")
    (dataset / "texts/stories/one.txt").write_bytes(b"first\nsecond \xff")
    (dataset / "tables/rooms/rooms.csv").write_bytes(b"room,size\n10,1\n11,\xff\n")
    text = judged(dataset).as_short_text()
    assert "one.txt, row 2\n" in text
    assert "in line 2, is no UTF-8 letter" in text
    assert "in data row 2 (line 3), is no UTF-8 letter" in text


def test_the_report_on_what_was_handed_in_has_the_command_that_answers_for_a_finding(dataset, judged):
    table = dataset / "tables/rooms/rooms.csv"
    rows = "".join(f"{room},{room},ann.{'abcdefghij'[room % 10]}@school.org\n" for room in range(20))
    table.write_text(f"room,size,it's whose\n{rows}")
    report = judged(dataset)
    (finding,) = [one for one in report.findings if one.code == "PERSONAL_EMAIL"]
    assert "`lakehouse accept`" in finding.how_to_fix
    lines = report.as_short_text(key="lessons@1").splitlines()
    head = next(place for place, line in enumerate(lines) if line.startswith("ACCEPT  "))
    (told,) = [line for line in lines[head:] if "PERSONAL_EMAIL" in line]
    assert shlex.split(told) == [
        "lakehouse", "accept", "lessons@1", "PERSONAL_EMAIL", "--place", finding.place,
        "--by", "YOUR NAME", "--reason", "WHY",
    ]  # fmt: skip
    others = report.count("error") - 1
    assert others
    assert re.fullmatch(rf"  {others} other errors? can only be mended", lines[-1])
    for unknown in (report.as_short_text(), report.as_text()):
        assert "hand it in first: lakehouse submit" in unknown
        assert "lakehouse accept lessons" not in unknown


def test_the_long_form_says_everything(refused):
    text = refused.as_text()
    for finding in refused.findings:
        assert finding.place in text
        assert finding.message in text
        assert finding.how_to_fix in text
    for indicator in refused.fair:
        assert indicator.indicator in text
        assert indicator.evidence in text
        assert indicator.next_action in text


def test_an_accepted_dataset_says_what_would_raise_its_score_most(accepted):
    lines = accepted.as_short_text().splitlines()
    assert lines[0] == "ACCEPTED  lessons@1"
    steps = [line for line in lines if line.startswith("  next: ")]
    assert len(steps) == 3
    assert all("essential" in step for step in steps)


@pytest.mark.parametrize(("count", "words"), [(1, "1 row of 5 is wrong"), (2, "2 rows of 5 are wrong")])
def test_messages_of_rules_agree_with_their_counts(count, words):
    message = "{count:row} of {all} {count:is|are} wrong"
    assert message.format(count=Number(count), all=5) == words
    assert spoken(message) == "{count} rows of {all} are wrong"


@pytest.mark.parametrize("count", [1, 2])
def test_no_rule_speaks_of_1_rows(count):
    facts = {name: Number(count) for name in ("count", "missing_keys", "documents")}
    for code, rule in rules().items():
        message = re.sub(r"\{(?!count|missing_keys|documents)[^}]*\}", "x", rule.message).format(**facts)
        assert not re.search(r"\b1 \w+s\b|\b2 (row|value|line|document|key)\b", message), f"{code}: {message}"


def test_what_a_terminal_would_obey_is_written_out(dataset, judged):
    assert printable("a\x1b[2J\nb\u202ec é漢") == "a\\x1b[2J\\nb\\u202ec é漢"
    with (dataset / "dataset.yaml").open("a") as stream:
        stream.write('"\\e[2Jx\\u202e": 1\nlanguage: "\\e[31m"\n')
    (dataset / "tables/rooms/rooms.csv").write_text('room,size,"\x1b[2J"\n10,1,\n11,1,\n')
    report = judged(dataset)
    assert {"FIELD_UNKNOWN", "COLUMN_UNDECLARED"} <= {finding.code for finding in report.findings}
    for written in (report.as_text(), report.as_short_text(), report.as_markdown(), report.to_json()):
        assert all(letter.isprintable() or letter == "\n" for letter in written)
