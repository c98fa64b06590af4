import json
import sys
import unicodedata

import pyarrow as pa
import pytest

from lakehouse.archive import text_scan
from lakehouse.archive.privacy import ColumnScan, TextScan, shape, shown, shown_name
from lakehouse.archive.privacy.digits import ascii_digits
from lakehouse.archive.privacy.finder import find, find_everything
from lakehouse.archive.privacy.kinds import identifiers
from lakehouse.archive.rulebook import rules
from lakehouse.archive.tally import RowBudget


def suspicions(name, values, description=""):
    scan = ColumnScan(name, description)
    scan.add(pa.array(values), 1)
    return scan.suspicions()


def text_suspicions(texts):
    scan = TextScan()
    scan.add(pa.array(texts, pa.string()), 0)
    return scan.suspicions()


def _kinds(name, values, description=""):
    found = suspicions(name, values, description)
    return {s.kind for s in found if s.personal}, {s.kind for s in found if not s.personal}


MAILS = ["ann.lee@school-one.org", "bo@uni.ac.uk"]
NAMES = ["Maria Garcia", "James Smith", "Fatima Khan", "Wei Chen", "Olivia Brown", "Carlos Lopez", "Priya Patel",
         "Noah Miller", "Elena Rossi", "David Jones", "Amina Okafor", "Lucas Weber"]  # fmt: skip


ZEROS = ("\u0660", "\u06f0", "\u0966", "\u0e50", "\u1c50", "\uff10", "\U0001d7ce", "\U0001e950")


def spelled(zero, text):
    return text.translate({ord("0") + value: chr(ord(zero) + value) for value in range(10)})


@pytest.mark.parametrize("zero", ZEROS)
def test_digits_of_other_scripts_are_digits(zero):
    numbers = [spelled(zero, f"212555{n}") for n in range(1000, 1010)]
    assert "phone" in _kinds("phone", numbers)[0]
    assert "social_security" in _kinds("x", [spelled(zero, "900-12-3456"), spelled(zero, "912-34-5678"), "none"])[0]
    assert "birth_date" in _kinds("born", [spelled(zero, "2001-05-04"), spelled(zero, "1999-12-31")])[0]
    texts = [spelled(zero, f"Please call 212-555-{n} at noon.") for n in range(1000, 1030)]
    assert ("phone", 30, True) in [(s.kind, s.count, s.personal) for s in text_suspicions(texts)]
    assert [texts[0][one.start : one.end] for one in find_everything(texts[0])] == [spelled(zero, "212-555-1000")]
    assert suspicions("n", [spelled(zero, str(n)) for n in range(300)]) == ()


def test_every_digit_that_unicode_has_is_read_as_its_value():
    digits = [letter for letter in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(letter) == "Nd"]
    assert ascii_digits("".join(digits)) == "".join(str(unicodedata.decimal(digit)) for digit in digits)


IBANS = ("DE89370400440532013000", "GB29NWBK60161331926819", "BE68539007547034", "NO9386011117947",
         "FR1420041010050500013M02606", "IT60X0542811101000000123456", "SE4550000000058398257466")  # fmt: skip


@pytest.mark.parametrize("number", IBANS)
def test_ibans_in_small_letters_are_found_and_their_check_digits_asked(number):
    low = number.lower()
    grouped = " ".join(low[at : at + 4] for at in range(0, len(low), 4))
    for form in (low, grouped):
        assert "iban" in _kinds("x", [form, form])[0]
        assert [form] == [text[one.start : one.end] for text in [f"to {form} from here"] for one in find(text)]
    wrong = low[:2] + ("11" if low[2:4] != "11" else "12") + low[4:]
    assert "iban" not in {one.kind for one in find(wrong)}


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("x", MAILS, "email"),
        ("x", [f"({n}) 555-0123" for n in range(201, 210)], "phone"),
        ("x", [f"+44 20 7946 0{n}" for n in range(100, 110)], "phone"),
        ("phone", [f"212555{n}" for n in range(1000, 1010)], "phone"),
        ("x", ["900-12-3456", "912-34-5678"], "social_security"),
        ("ssn", ["900123456", "912345678"], "social_security"),
        ("home_address", ["12 Oak Street", "7 W. Long Pine Ave"], "street_address"),
        ("x", ["4111 1111 1111 1111", "5500-0000-0000-0004", "340000000000009"], "payment_card"),
        ("x", [f"8.8.8.{n}" for n in range(20)], "ip_address"),
        ("date_of_birth", ["2001-05-04", "1999-12-31"], "birth_date"),
        ("dob", ["04/05/2001", "31.12.1999"], "birth_date"),
        ("x", NAMES, "person_name"),
        ("teacher", ["Maria Garcia", "Smith, James", "Lee"], "person_name"),
        ("first_name", ["Szabina", "Ödön", "Xq"], "name_column"),
        ("full_name", ["Szabina Gelencsér", "Ana de la Cruz", "Lő Z."], "name_column"),
        ("x", ["905 674 3793", "345-899-3560x4587", "03.93.92.16.85"], "phone"),
    ],
)
def test_personal_values_are_found(name, values, kind):
    assert kind in _kinds(name, values)[0]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("unitid", [str(n) for n in range(100_000, 101_000)]),
        ("state_abbr", ["AL", "AK", "CA"] * 10),
        ("earnings", [str(n) for n in range(20_000, 90_000, 100)]),
        ("year", [str(n) for n in range(1990, 2020)]),
        ("measured_on", ["2001-05-04", "1999-12-31"]),
        ("big", [str(10**15 + 7919 * n) for n in range(100)]),
        ("contact", ["user@example.com", "a@b.example", "x@mail.test", "info@school-one.org"]),
        ("server", ["127.0.0.1", "10.0.0.7", "192.168.1.1", "203.0.113.9"]),
        ("software", ["3.11.7", "2.4.6"]),
        ("degree", ["Less than two-year", "Two-year degree", "Four-year+ degree"] * 5),
        ("place", ["New York", "Los Angeles", "Salt Lake City", "San Jose", "Santa Rosa"] * 5),
        ("subject", ["World History", "Early Reading", "Plane Geometry"] * 5),
        ("mobile_learners", ["1234567", *(str(n) for n in range(100))]),
        ("social_studies_budget", ["123456789", *(str(n) for n in range(100))]),
        ("isbn", ["978-0-13-468599-1", "978-1-49-195016-0"]),
        ("address", ["12 Oak Street", "7 Long Pine Ave"]),
        ("empty", ["", "", ""]),
    ],
)
def test_ordinary_columns_are_no_personal_data(name, values):
    assert _kinds(name, values)[0] == set()


MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December"]  # fmt: skip


@pytest.mark.parametrize("name", ["pupil_joined", "teacher_since", "guardian_seen_on"])
def test_a_day_with_its_month_in_words_is_no_street(name):
    for months in (MONTHS, [month[:3] for month in MONTHS], ["Sept.", "Dec."]):
        for lead in ("2 ", "12 ", "2nd ", ""):
            days = [f"{lead}{month} 20{number:02}" for number, month in enumerate(months)]
            assert "street_address" not in set().union(*_kinds(name, days)), days


@pytest.mark.parametrize(
    "values",
    [
        ["12 May Street", "7 March Road"],
        ["2 August Wilson Way", "3 June Lake 12"],
        ["2 Jan 2020, 12 Oak Street", "3 Feb 2021: 7 Long Pine Ave"],
        ["2 Jan 2020 Bahnhofstraße 7", "3 Feb 2021 Lange Gasse 12"],
        ["12 May Flower ", "7 April Court "],
    ],
)
def test_a_month_in_an_address_keeps_it_an_address(values):
    assert "street_address" in _kinds("pupil_home", values)[0]


def test_few_among_many_only_warn():
    values = [f"note {n}" for n in range(1000)]
    assert _kinds("remark", [*values, "call (212) 555-0123 now"]) == (set(), {"phone"})


def test_a_single_mail_address_is_personal():
    assert "email" in _kinds("remark", [*(f"note {n}" for n in range(1000)), "ask ann.lee@school-one.org"])[0]


def test_student_numbers_only_warn():
    assert _kinds("student_id", [f"S{n}" for n in range(1234560, 1234570)])[0] == set()
    assert "student_number" in _kinds("student_id", [f"S{n}" for n in range(1234560, 1234570)])[1]


def test_student_numbers_after_a_word_only_warn_too():
    personal, possible = _kinds("note", ["student number 1234567", "student number: 1234568", "x", "y"])
    assert (personal, possible) == (set(), {"student_number"})


def test_what_may_make_a_column_personal_has_a_rule_that_refuses_it():
    refusing = {rule.parameters["identifier"] for rule in rules().values() if rule.check == "personal_values"}
    able = {name for name, one in identifiers().items() if one.may_refuse}
    assert refusing == able


def test_every_kind_says_why_its_thresholds_are_what_they_are():
    assert all(len(identifier.reason) > 20 for identifier in identifiers().values())


def test_texts_with_some_identifiers_only_warn():
    texts = ["The socket module."] * 98 + ["Written by guido@cwi-mail.nl.", "Mail user@example.com or 127.0.0.1"]
    (found,) = text_suspicions(texts)
    assert (found.kind, found.count, found.document_count, found.first_row, found.personal) == (
        "email",
        1,
        1,
        98,
        False,
    )


def test_texts_dense_with_identifiers_are_personal():
    found = [s for s in text_suspicions([f"Ask pupil{n}@school-one.org" for n in range(30)]) if s.personal]
    assert [s.kind for s in found] == ["email"]


def test_no_texts_have_no_identifiers():
    assert list(text_suspicions([])) == []
    assert list(text_suspicions(["", "plain"])) == []


def test_a_shape_says_nothing_of_its_value():
    assert shape("Ann.Lee9@école.fr") == "xxx.xxx9@xxxxx.xx"
    assert len(shape("a" * 1000)) <= 40


def test_values_that_could_name_a_person_are_shown_as_shapes():
    assert shown("twelve", "size", "") == "'twelve'"
    assert shown("Maria", "size", "") == "xxxxx"
    assert shown("Xq", "full_name", "") == "xx"
    assert shown("ann@school-one.org", "size", "") == "xxx@xxxxxx-xxx.xxx"
    assert shown("", "size", "") == "(empty)"


SECRETS = ("maria.garcia@school-one.org", "Maria Garcia", "900-12-3456", "2009-03-04", "(212) 555-0123")


def test_no_personal_value_stands_in_a_report(dataset, judged):
    header = "room,size,mail,full_name,ssn,birth_date,phone\n"
    rows = [f"1{n},{SECRETS[n % 5]},{','.join(SECRETS)}\n" for n in range(10)]
    (dataset / "tables/rooms/rooms.csv").write_text(header + "".join(rows))
    report = judged(dataset)
    errors = {f.code for f in report.findings if f.level == "error"}
    assert {"PERSONAL_EMAIL", "PERSONAL_NAME_COLUMN", "PERSONAL_SSN", "PERSONAL_BIRTH_DATE", "PERSONAL_PHONE"} <= errors
    assert report.personal_count >= 50
    for written in (report.as_text(), report.as_markdown(), report.to_json()):
        for secret in (*SECRETS, "Maria", "Garcia", "900-12"):
            assert secret not in written


def test_a_role_that_was_given_is_not_asked_for_again(dataset, judged):
    columns, rows = dataset / "tables/rooms/columns.yaml", dataset / "tables/rooms/rooms.csv"
    rows.write_text("room,size,postcode\n10,50.5,12345\n11,60,12346\n")

    def told():
        return [(f.code, f.how_to_fix) for f in judged(dataset).findings if f.code.startswith("PERSONAL_INDIRECT")]

    columns.write_text(columns.read_text() + "  postcode: {type: string, description: Where it is}\n")
    ((code, mend),) = told()
    assert (code, "quasi_identifier" in mend) == ("PERSONAL_INDIRECT", True)
    columns.write_text(columns.read_text().replace("Where it is}", "Where it is, role: quasi_identifier}"))
    ((code, mend),) = told()
    assert (code, "quasi_identifier" in mend) == ("PERSONAL_INDIRECT_DECLARED", False)


def test_personal_values_are_those_of_errors_and_warnings_and_no_rows_of_small_groups(dataset, judged):
    rooms = dataset / "tables/rooms/rooms.csv"
    rooms.write_text("room,size,postcode,gender,mail\n10,50.5,12345,f,ann.lee@school-one.org\n11,60,12346,m,\n")
    (dataset / "plan.pdf").write_bytes(b"%PDF-1.4 \xff")
    report = judged(dataset)
    found = {f.code: f.occurrences for f in report.findings if f.code.startswith("PERSONAL_")}
    assert found == {
        "PERSONAL_EMAIL": 1,
        "PERSONAL_INDIRECT": 2,
        "PERSONAL_GROUPS_SMALL": 2,
        "PERSONAL_FILE_UNREAD": 1,
    }
    assert report.personal_count == 1


def test_a_row_of_a_file_without_header_does_not_stand_in_a_report(dataset, judged):
    row = ",".join(SECRETS)
    (dataset / "tables/rooms/rooms.csv").write_text(f"{row}\n{row}\n")
    (dataset / "tables/rooms/again.csv").write_text(f"{row},{row}\n{row},{row}\n")
    report = judged(dataset)
    assert {"COLUMN_ABSENT", "COLUMN_UNDECLARED", "HEADER_REPEATS"} <= {f.code for f in report.findings}
    for secret in (*SECRETS, "Maria", "Garcia", "900-12"):
        assert secret not in report.as_text()
        assert secret not in report.to_json()


def test_plain_column_names_are_shown():
    assert [shown_name(name) for name in ("price", "room_2", "StudentId")] == ["price", "room_2", "StudentId"]
    assert shown_name("Maria Garcia") == "xxxxx xxxxxx"


@pytest.mark.parametrize("filler", ["", "none", "17"])
def test_names_count_wherever_in_a_column_they_begin(filler):
    (found,) = suspicions("x", [filler] * 3_000 + NAMES * 400)
    assert found.kind == "person_name"
    assert found.personal
    assert 0.5 < found.count / (len(NAMES) * 400) < 1.5


def test_cells_that_only_may_be_addresses_hide_none_that_are():
    loose = [f"u{n}@localhost" for n in range(6_000)]
    (found,) = suspicions("x", [*loose, *(f"kid{n}@west-school.net" for n in range(40))])
    assert (found.kind, found.count, found.first_row, found.personal) == ("email", 40, 6_001, True)


@pytest.mark.parametrize("gap", ["\u00a0", "\u202f"])
def test_numbers_with_odd_gaps_are_found_and_counted(gap):
    (found,) = suspicions(
        "x", [gap.join(("06", f"{n % 90 + 10}", "34", "56", f"{n // 90 + 10}")) for n in range(1_000)]
    )
    assert (found.kind, found.count, found.personal) == ("phone", 1_000, True)


def test_a_number_behind_an_underline_is_found():
    (found,) = suspicions("x", [f"a_06 12 34 56 {n}" for n in range(10, 20)])
    assert (found.kind, found.count) == ("phone", 10)


@pytest.mark.parametrize("where", ["id", "title"])
def test_what_stands_beside_a_text_is_looked_at(where):
    scan = TextScan()
    scan.add(["Add the numbers."] * 30, 0, {where: [f"Letter of kid{n}@west-school.net" for n in range(30)]})
    (found,) = scan.suspicions()
    assert (found.kind, found.document_count, found.personal) == ("email", 30, True)


@pytest.mark.parametrize(("where", "personal"), [("title", False), ("id", True)])
def test_titles_that_are_names_only_warn(where, personal):
    names = ["Marie Curie", "Isaac Newton", "Charles Darwin", "Albert Einstein"] * 50
    scan = TextScan()
    scan.add(["Was known for work on light."] * len(names), 0, {where: names})
    (found,) = scan.suspicions()
    assert (found.kind, found.personal) == ("person_name", personal)
    assert found.document_count >= 20


@pytest.mark.parametrize(("kind", "personal"), [("txt", False), ("jsonl", True)])
def test_a_file_that_is_called_like_a_person_is_titled_so(tmp_path, kind, personal):
    scan = text_scan.TextScan(RowBudget())
    for number in range(30):
        name = ("Marie Curie", "Isaac Newton", "Charles Darwin")[number % 3]
        path = tmp_path / str(number) / (f"{name}.txt" if kind == "txt" else "all.jsonl")
        path.parent.mkdir()
        line = {"id": name, "title": f"Text {number}", "text": "Was known for work on light."}
        path.write_text(line["text"] if kind == "txt" else json.dumps(line) + "\n")
        scan.read(path, path.name)
    (found,) = scan.finish().suspicions
    assert (found.kind, found.personal) == ("person_name", personal)
