from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lakehouse.archive import table_scan
from lakehouse.archive.checks import hints
from lakehouse.archive.eds import load_description
from lakehouse.archive.levels import numbered_row
from lakehouse.archive.privacy.kinds import identifiers
from lakehouse.archive.rule_packs import load_packs
from lakehouse.archive.rulebook import RULE_FILES, rules
from lakehouse.archive.terms import terms_rows
from lakehouse.archive.validate import Report, validate
from lakehouse.errors import UnreadableSubmissionError
from lakehouse.ports import DatasetVersion


def _codes(report, level="error"):
    return {f.code for f in report.findings if f.level == level}


def _finding(report, code):
    found = [f for f in report.findings if f.code == code]
    assert found, f"{code} not among {[f.code for f in report.findings]}"
    return found[0]


def _edit(folder, name, old, new):
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


ROOMS, LESSONS = "tables/rooms/rooms.csv", "tables/lessons/lessons.csv"
SHEETS = "texts/sheets/documents.jsonl"


def test_a_good_dataset_is_accepted(dataset, judged):
    report = judged(dataset)
    assert report.accepted, report.as_text()
    assert report.exit_code == 0
    assert _codes(report) == _codes(report, "warning") == set()
    assert report.table_rows == {"lessons": 3, "rooms": 2}
    assert report.document_count == 2
    assert report.description is not None
    assert report.description.tables["lessons"].columns["room"].references == "rooms.room"
    assert report.rules_version == load_packs().rules_version


def test_a_missing_description_still_gives_a_report_that_refuses(dataset, judged):
    (dataset / "dataset.yaml").unlink()
    report = judged(dataset)
    assert not report.accepted
    assert report.exit_code == 10
    assert report.dataset == "lessons"
    assert report.fair_score == 0.0
    assert report.table_rows == {"lessons": 3, "rooms": 2}


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(UnreadableSubmissionError):
        validate(tmp_path / "absent", submission="x@1", content_sha256="0" * 64)


@pytest.mark.parametrize(
    ("old", "new", "code", "place"),
    [
        ("title: Lessons", "titel: Lessons", "FIELD_UNKNOWN", "dataset.yaml: titel"),
        ("title: Lessons", "titel: Lessons", "FIELD_MISSING", "dataset.yaml: title"),
        ('version: "1"', "version: 1.10", "FIELD_INVALID", "dataset.yaml: version"),
        ('version: "1"', 'version: "../1"', "FIELD_INVALID", "dataset.yaml: version"),
        ("accumulates: snapshots", "accumulates: sometimes", "FIELD_INVALID", "dataset.yaml: accumulates"),
        ("licence: CC-BY-4.0\n", "", "LICENCE_MISSING", "dataset.yaml: licence"),
        ("CC-BY-4.0", "CC-BY-9.9", "LICENCE_UNKNOWN", "dataset.yaml: licence"),
        ("CC-BY-4.0", "MIT OR Mine", "LICENCE_UNKNOWN", "dataset.yaml: licence"),
        ("title: Lessons", "title: &a Lessons\nkeywords: [*a]", "DESCRIPTION_UNREADABLE", "dataset.yaml"),
        ("title: Lessons", "title: Lessons\ntitle: Again", "DESCRIPTION_UNREADABLE", "dataset.yaml"),
        ("title: Lessons", "title: [", "DESCRIPTION_UNREADABLE", "dataset.yaml"),
        ("title: Lessons", "title: " + "[" * 5000, "DESCRIPTION_UNREADABLE", "dataset.yaml"),
    ],
)
def test_faults_of_the_description_are_named(dataset, judged, old, new, code, place):
    _edit(dataset, "dataset.yaml", old, new)
    report = judged(dataset)
    assert _finding(report, code).place == place
    assert not report.accepted


@pytest.mark.parametrize("licence", ["MIT", "cc-by-4.0", "(MIT OR Apache-2.0) AND CC0-1.0", "LicenseRef-school"])
def test_spdx_expressions_are_known(dataset, judged, licence):
    _edit(dataset, "dataset.yaml", "CC-BY-4.0", licence)
    assert judged(dataset).accepted


@pytest.mark.parametrize(
    ("name", "old", "new", "code", "occurrences", "first_row", "said"),
    [
        (ROOMS, "11,60", "12,60", "REFERENCE_BROKEN", 1, 2, "lessons.room"),
        (ROOMS, "60", "sixty", "TYPE_WRONG", 1, 2, "'sixty'"),
        (ROOMS, "11,60", ",60", "VALUE_REQUIRED", 1, 2, "room"),
        (ROOMS, "11,60", ",60", "KEY_MISSING", 1, 2, "room"),
        (ROOMS, "60", "-1", "VALUE_OUT_OF_RANGE", 1, 2, "0"),
        (ROOMS, "11,60", "10,60", "KEY_REPEATS", 1, 2, "room"),
        (ROOMS, "11,60", "11,60\n12\n13,1,2", "ROW_RAGGED", 2, 3, "1, not 2"),
        (ROOMS, "room,size", "room,area", "COLUMN_ABSENT", 1, None, "size"),
        (ROOMS, "room,size", "room,area", "COLUMN_UNDECLARED", 1, None, "area"),
        (ROOMS, "room,size", "room,room", "HEADER_REPEATS", 1, None, "'room'"),
        (ROOMS, "11,60", '11,"60', "QUOTE_NOT_CLOSED", 1, None, "quotation"),
        (ROOMS, "10,50.5\n11,60\n", "", "TABLE_WITHOUT_ROWS", 1, None, "tables/rooms"),
        (LESSONS, "2024-02-29", "2023-02-29", "TYPE_WRONG", 1, 3, "2023-02-29"),
        (LESSONS, "2024-01-31,2", "31.01.2024,2", "TYPE_WRONG", 1, 1, "31.01.2024"),
        (LESSONS, "08:00:00Z", "25:00:00Z", "TYPE_WRONG", 1, 1, "datetime"),
        (LESSONS, "true", "yes", "TYPE_WRONG", 1, 1, "boolean"),
        (LESSONS, "art", "music", "VALUE_NOT_A_LEVEL", 1, 2, "maths, art"),
        (LESSONS, "B2", "b2", "VALUE_NOT_MATCHING", 1, 2, "[A-Z][0-9]"),
        (SHEETS, '"id": "b"', '"id": "a"', "DOCUMENT_ID_REPEATS", 1, 2, "earlier"),
        (SHEETS, '"id": "b"', '"nr": "b"', "DOCUMENT_INVALID", 1, 2, "'id'"),
        (SHEETS, '{"id": "b"', "[", "DOCUMENT_INVALID", 1, 2, "not JSON"),
        (SHEETS, '"id": "b"', '"id": "b\\u0000"', "DOCUMENT_INVALID", 1, 2, "a NUL, which no text has"),
        (SHEETS, '"id": "b"', '"id": "b\\ud800"', "DOCUMENT_INVALID", 1, 2, "half of a surrogate pair"),
        (SHEETS, '{"id": "b"', '{"title": "x", "id": "b"', "DOCUMENT_INVALID", 1, 2, "twice"),
    ],
)
def test_faults_of_the_data_are_named_with_their_row(
    dataset, judged, name, old, new, code, occurrences, first_row, said
):
    _edit(dataset, name, old, new)
    report = judged(dataset)
    finding = _finding(report, code)
    assert (finding.occurrences, finding.first_row) == (occurrences, first_row)
    assert said in finding.message
    assert finding.how_to_fix
    assert not report.accepted


def test_a_missing_foreign_key_has_its_own_exit_code(dataset, judged):
    _edit(dataset, ROOMS, "11,60", "12,60")
    report = judged(dataset)
    assert report.exit_code == 12
    assert "1 row of lessons.room refers to 1 key that rooms.room does not have; row 2" in report.as_text()


def test_a_reference_to_nothing_is_named(dataset, judged):
    _edit(dataset, "tables/lessons/columns.yaml", "rooms.room", "halls.room")
    assert judged(dataset).exit_code == 12


def test_a_broken_reference_names_its_first_key_and_rows_are_told_with_the_header_counted(dataset, judged):
    _edit(dataset, ROOMS, "11,60", "12,60")
    report = judged(dataset)
    said = "1 row of lessons.room refers to 1 key that rooms.room does not have; row 2 (line 3), the first to '11'."
    assert _finding(report, "REFERENCE_BROKEN").message == said
    assert "tables/lessons/lessons.csv: room, row 2 (line 3)\n" in report.as_short_text()
    assert (numbered_row("a.tsv.gz", 7), numbered_row("a.jsonl: x", 7)) == ("7 (line 8)", "7")


@pytest.mark.parametrize("known", [0, 200_000])
def test_the_first_broken_key_of_each_file_is_named_also_where_keys_are_compared_by_hash(
    dataset, judged, monkeypatch, known
):
    monkeypatch.setattr(table_scan, "KNOWN_VALUES", known)
    more = "9,10,,,,,\n7,,,,,,\n8,77,,,,,\n"
    (dataset / LESSONS).with_name("more.csv").write_text(
        f"lesson,room,held_on,began,quiet,subject,code\n{more}", encoding="utf-8"
    )
    _edit(dataset, ROOMS, "11,60", "12,60")
    told = {f.place: f.message for f in judged(dataset).findings if f.code == "REFERENCE_BROKEN"}
    assert told.keys() == {"tables/lessons/lessons.csv: room", "tables/lessons/more.csv: room"}
    assert told["tables/lessons/lessons.csv: room"].endswith("row 2 (line 3), the first to '11'.")
    assert told["tables/lessons/more.csv: room"].endswith("row 3 (line 4), the first to '77'.")


def test_latin_1_is_refused_with_byte_and_row(dataset, judged):
    (dataset / ROOMS).write_bytes("room,size\n10,1\n11,gro\xdf\n".encode("latin-1"))
    report = judged(dataset)
    finding = _finding(report, "FILE_NOT_UTF8")
    assert (finding.exit_code, finding.place, finding.first_row) == (11, ROOMS, 2)
    assert "byte 21" in finding.message


def test_an_empty_file_has_its_own_exit_code(dataset, judged):
    (dataset / ROOMS).write_bytes(b"")
    report = judged(dataset)
    assert _finding(report, "FILE_EMPTY").place == ROOMS
    assert _finding(report, "FILE_EMPTY").exit_code == 14


def test_all_findings_are_reported_together(dataset, judged):
    _edit(dataset, ROOMS, "11,60", "12,sixty")
    _edit(dataset, LESSONS, "art", "music")
    (dataset / "stray.bin").write_bytes(b"\0")
    report = judged(dataset)
    assert {"REFERENCE_BROKEN", "TYPE_WRONG", "VALUE_NOT_A_LEVEL", "PERSONAL_FILE_UNREAD"} <= _codes(report)
    assert _codes(report, "warning") == {"FILE_UNEXPECTED"}
    levels = [f.level for f in report.findings]
    assert levels == sorted(levels, key=("error", "warning", "note").index)


def test_repeated_findings_are_counted_not_repeated(dataset, judged):
    rows = "".join(f"{n},-1\n" for n in range(10, 1010))
    (dataset / ROOMS).write_text("room,size\n" + rows)
    found = [f for f in judged(dataset).findings if f.code == "VALUE_OUT_OF_RANGE"]
    assert [(f.occurrences, f.first_row) for f in found] == [(1000, 1)]


def test_code_and_place_name_a_finding(dataset, judged):
    (dataset / "tables/rooms/more.csv").write_text("room,size\n10,x\n")
    _edit(dataset, ROOMS, "60", "y")
    report = judged(dataset)
    names = [(f.code, f.place) for f in report.findings]
    assert len(names) == len(set(names))
    wrong = [(f.place, f.occurrences, f.rows) for f in report.findings if f.code == "TYPE_WRONG"]
    assert wrong == [("tables/rooms/more.csv: size", 1, (1,)), ("tables/rooms/rooms.csv: size", 1, (2,))]


def test_a_table_folder_without_dictionary_is_refused(dataset, judged):
    (dataset / "tables/rooms/columns.yaml").unlink()
    report = judged(dataset)
    assert _finding(report, "DICTIONARY_MISSING").place == "tables/rooms/columns.yaml"


def test_an_empty_collection_is_refused(dataset, judged):
    (dataset / SHEETS).unlink()
    report = judged(dataset)
    assert _finding(report, "COLLECTION_EMPTY").exit_code == 14


def test_text_files_are_documents_too(dataset, judged):
    (dataset / "texts/sheets/c.txt").write_text("Read.")
    assert judged(dataset).document_count == 3


def test_repeated_documents_are_warned_about(dataset, judged):
    (dataset / "texts/sheets/c.txt").write_text("Draw.  \n")
    report = judged(dataset)
    assert report.accepted
    assert _codes(report, "warning") == {"DOCUMENT_REPEATS"}


def test_a_dataset_of_nothing_is_refused(dataset, tmp_path):
    report = validate(_only_description(dataset, tmp_path), submission="x@1", content_sha256="0" * 64)
    assert "NOTHING_INSIDE" in _codes(report)


def _only_description(dataset, tmp_path):
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "dataset.yaml").write_text((dataset / "dataset.yaml").read_text())
    return folder


def test_a_table_and_a_collection_of_one_name_are_refused(dataset, judged):
    (dataset / "texts/sheets").rename(dataset / "texts/rooms")
    assert "NAME_TAKEN_TWICE" in _codes(judged(dataset))


def test_a_pattern_nobody_can_run_is_named(dataset, judged):
    _edit(dataset, "tables/lessons/columns.yaml", "[A-Z][0-9]", "(?=x)x")
    assert "PATTERN_UNUSABLE" in _codes(judged(dataset))


def test_a_report_survives_json(dataset, judged):
    _edit(dataset, ROOMS, "11,60", "12,sixty")
    report = judged(dataset)
    assert Report.from_json(report.to_json()) == report
    undescribed = replace(report, description=None)
    assert Report.from_json(undescribed.to_json()) == undescribed


def test_the_report_says_what_where_and_how_to_mend(dataset, judged):
    _edit(dataset, ROOMS, "60", "sixty")
    report = judged(dataset)
    for words in (report.as_text(), report.as_markdown()):
        assert "REFUSED" in words
        assert "TYPE_WRONG" in words
        assert f"{ROOMS}: size" in words
        assert _finding(report, "TYPE_WRONG").how_to_fix in words
        assert "RDA-F2-01M" in words


def test_every_rule_names_a_check_and_the_facts_its_message_needs():
    from lakehouse.archive import checks, packs_checks

    registries = {
        "dataset": checks.DATASET,
        "file": checks.FILE,
        "table": checks.TABLE,
        "column": checks.COLUMN,
        "text": checks.TEXT,
        "event": checks.EVENT,
    }
    for_packs = {"pack_unknown", "field_unknown", "field_missing", "field_invalid"}
    assert for_packs <= set(packs_checks.CHECKS)
    registries["pack"] = dict.fromkeys(for_packs)
    used = set()
    for code, rule in rules().items():
        assert rule.check in registries[rule.selector], code
        used.add((rule.selector, rule.check))
        if "identifier" in rule.parameters:
            assert rule.parameters["identifier"] in identifiers()
    assert used == {(selector, name) for selector, registry in registries.items() for name in registry}
    assert len(set(RULE_FILES)) == len(RULE_FILES)


def test_many_rows_validate_quickly(dataset, judged, benchmark_seconds):
    rows = "".join(f"{n},{n % 90}.5\n" for n in range(10, 48_010))
    (dataset / ROOMS).write_text("room,size\n" + rows)
    judged(dataset)
    assert benchmark_seconds(lambda: judged(dataset)) < 2.0


@pytest.fixture
def benchmark_seconds():
    import time

    def measure(work):
        times = []
        for _ in range(3):
            start = time.process_time()
            work()
            times.append(time.process_time() - start)
        return min(times)

    return measure


def test_a_misspelt_column_gets_a_suggestion(dataset, judged):
    _edit(dataset, ROOMS, "room,size", "room,sise")
    report = judged(dataset)
    assert _finding(report, "COLUMN_UNDECLARED").how_to_fix.startswith("Did you mean 'size'? ")
    assert _finding(report, "COLUMN_ABSENT").how_to_fix.startswith("Did you mean 'sise'? ")
    _edit(dataset, ROOMS, "room,sise", "room,colour")
    assert "Did you mean" not in judged(dataset).as_text()


def test_a_misspelt_field_gets_a_suggestion(dataset, judged):
    with (dataset / "dataset.yaml").open("a") as stream:
        stream.write("keyword: [x]\n")
    _edit(dataset, "tables/rooms/columns.yaml", "unit: m2", "units: m2")
    report = judged(dataset)
    assert _finding(report, "FIELD_UNKNOWN").how_to_fix.startswith("Did you mean 'keywords'? ")
    assert _finding(report, "DICTIONARY_FIELD_UNKNOWN").how_to_fix.startswith("Did you mean 'unit'? ")


def test_among_very_many_names_nothing_is_guessed():
    names = [f"column_{n}" for n in range(1_000)]
    assert set(hints(names, [f"colum_{n}" for n in range(1_000)]).values()) == {""}


def test_a_wide_header_is_told_by_its_first_whole_names(dataset, judged):
    (dataset / ROOMS).write_text(",".join(f"column_{n}" for n in range(3_000)) + "\n")
    message = _finding(judged(dataset), "COLUMN_ABSENT").message
    assert len(message) < 400
    told, _, more = message.rpartition(" and ")
    names = told.partition("in the header: ")[2].split(", ")
    assert names == [f"column_{n}" for n in range(len(names))]
    assert more == f"{3_000 - len(names):,} more."


# Each fault with the field that it leaves unusable; every other field of the table is judged all the same.
@pytest.mark.parametrize(
    ("old", "new", "unjudged"),
    [
        ("description: Lessons held.\n", "descripton: Lessons held.\n", ""),
        ("{type: boolean, description: Whether it was quiet}", "{type: bool, description: Q}", "quiet"),
        ("{type: boolean, description: Whether it was quiet}", "{type: boolean, describtion: Q}", ""),
        ("{type: boolean, description: Whether it was quiet}", "{type: boolean, minimum: 1}", ""),
        ("{type: boolean, description: Whether it was quiet}", "boolean", "quiet"),
        ("grain: one row per lesson\n", "grain: one row per lesson\ndelimiter: '#'\n", ""),
    ],
)
def test_a_faulty_dictionary_hides_no_issue_of_its_rows(dataset, judged, old, new, unjudged):
    _edit(dataset, "tables/lessons/columns.yaml", old, new)
    rows = "1,10,2024-13-01,x,maybe,sport,a1\n1,99,2024-01-01,,,,\n"
    with (dataset / LESSONS).open("a", encoding="utf-8") as file:
        file.write(rows)
    found = {(f.code, f.place.rpartition(": ")[2]) for f in judged(dataset).findings if f.level in ("error", "warning")}
    dictionary = {one for one in found if one[0].startswith("DICTIONARY")}
    issues = {
        ("TYPE_WRONG", "held_on"), ("TYPE_WRONG", "began"), ("TYPE_WRONG", "quiet"), ("VALUE_NOT_A_LEVEL", "subject"),
        ("VALUE_NOT_MATCHING", "code"), ("KEY_REPEATS", "lesson"), ("REFERENCE_BROKEN", "room"),
    }  # fmt: skip
    assert dictionary
    assert found - dictionary == issues - {("TYPE_WRONG", unjudged)}


def test_a_faulty_target_of_references_is_told_once(dataset, judged):
    _edit(dataset, "tables/rooms/columns.yaml", "room: {type: integer,", "room: {type: intger,")
    assert _codes(judged(dataset)) == {"DICTIONARY_FIELD_INVALID"}


def test_a_faulty_log_hides_no_issue_of_its_statements(dataset, judged):
    log = dataset / "events" / "clicks"
    log.mkdir(parents=True)
    (log / "log.yaml").write_text('titel: Clicks\ndescription: C.\nxapi_version: "1.0.3"\n')
    (log / "a.jsonl").write_text("{}\n")
    assert _codes(judged(dataset)) == {"LOG_FIELD_UNKNOWN", "LOG_FIELD_MISSING", "STATEMENT_INVALID"}


@pytest.mark.parametrize(
    ("room", "size", "why"),
    [
        ("[size]", "[]", "'room' was formerly 'size', which is a column of the table still"),
        ("[size]", "[room]", "columns that swap names both need new ones"),
        ("[hall]", "[hall]", "cannot both have been 'hall'"),
        ("[dataset_version]", "[]", "is reserved and was never a column"),
    ],
)
def test_former_names_that_cannot_have_been_are_told(dataset, judged, room, size, why):
    _edit(dataset, "tables/rooms/columns.yaml", "  room: {", f"  room: {{formerly: {room}, ")
    _edit(dataset, "tables/rooms/columns.yaml", "  size: {", f"  size: {{formerly: {size}, ")
    assert why in _finding(judged(dataset), "DICTIONARY_FIELD_INVALID").message


def test_the_terms_of_a_version_say_which_columns_were_renamed(dataset):
    _edit(dataset, "tables/rooms/columns.yaml", "  size: {", "  size: {formerly: [floor, area], ")
    version = DatasetVersion("lessons", "1", "c" * 40, "v1", "0" * 64, datetime(2026, 1, 1, tzinfo=UTC))
    rows = terms_rows(load_description(dataset), version).to_pylist()
    told = {row["part"]: row["former_columns"] for row in rows if row["former_columns"]}
    assert told == {"rooms": "floor:size area:size"}
