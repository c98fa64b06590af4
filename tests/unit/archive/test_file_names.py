"""Names of files and folders are published as they are, so they are searched for persons too."""

import unicodedata

import pytest

from lakehouse.archive.file_names import telling


def kinds_of(*places, titled=()):
    return {(one.places, one.kinds, one.certain) for one in telling(places, frozenset(titled))}


SOMEBODY = {
    "jane.doe@uni.edu.txt": ("email",),
    "old/900-12-3456.txt": ("social_security",),
    "DE89370400440532013000.csv": ("iban",),
    "calls_+1 212-555-1000.txt": ("phone",),
    "marks_Jane_Doe_1999-04-12.csv": ("person_name",),
    "marks_jane_doe.csv": ("person_name",),
    "Smith, John.pdf": ("person_name",),
    "AnnaSmith.txt": ("person_name",),
    "Anna McDonald.txt": ("person_name",),
    "Smith_McKenzie.txt": ("person_name",),
    "Brown_DeShawn.txt": ("person_name",),
    "Anna_B_Smith.txt": ("person_name",),
    "AnnaBSmith.txt": ("person_name",),
    "Anna%2520Smith.txt": ("person_name",),
    "QW5uYSBTbWl0aA==.txt": ("person_name",),
    "Anna+Smith.txt": ("person_name",),
    "M%C3%BCller%2C%20J%C3%BCrgen.pdf": ("person_name",),
    "\u0410nn\u0430 Smith.txt": ("person_name",),
    "An\u200bna\u2013Smith.txt": ("person_name",),
    "\u0662\u0661\u0669-\u0660\u0669-\u0669\u0669\u0669\u0669.csv": ("social_security",),
    "old/219\u201109\u20119999.csv": ("social_security",),
    "DE\uff18\uff19370400440532013000.csv": ("iban",),
    "jane.doe\uff20uni.edu.txt": ("email",),
    "jane.d\u043ee@uni.edu.txt": ("email",),
    "ja\u200bne.doe@uni.edu.txt": ("email",),
    "jane.doe%40uni.edu.txt": ("email",),
    "amFuZS5kb2VAdW5pLmVkdQ.txt": ("email",),
    "homework/Maria Garcia_12345_file_/essay.txt": ("person_name",),
}
NOBODY = (
    "tables/rooms/rooms_2024-04-12.csv",
    "tables/rooms/columns.yaml",
    "README.md",
    "studentAssessment.csv",
    "Final_Report.docx",
    "old_lists/Grade_Book.csv",
    "train2014/000000000139.jpg",
    "3f2504e0-4f89-11d3-9a0c-0305e82c3301.json",
    "part-00000-tid-123456789012.snappy.parquet",
    "v1.2.3.4/will_may_june.csv",
    "McDonald/JohnsHopkins_GradeBook.csv",
    "SanJose/DataScience+LinearRegression.ipynb",
    "SantaClara/C%2B%2B%20ChiSquare.md",
    "\u0425\u0430\u0440\u044c\u043a\u043e\u0432 \u041c\u0438\u043d\u0441\u043a.csv",
)


@pytest.mark.parametrize("place", SOMEBODY)
def test_a_name_that_tells_of_a_person_is_told(place):
    (found,) = telling([place])
    assert set(SOMEBODY[place]) <= set(found.kinds)
    assert found.places[0] in (place, place.rpartition("/")[0])
    assert found.certain == (SOMEBODY[place][0] in ("email", "social_security", "iban"))


@pytest.mark.parametrize("place", NOBODY)
def test_everyday_names_are_no_persons(place):
    assert kinds_of(place) == set()


def test_a_folder_of_files_called_by_persons_is_sure_unless_they_are_titles():
    names = ("Jane_Doe", "John_Smith", "Maria_Garcia")
    places = tuple(f"essays/{name}.txt" for name in names)
    assert kinds_of(*places) == {(places, ("person_name",), True)}
    assert kinds_of(*places[:2]) == {(places[:2], ("person_name",), False)}
    assert kinds_of(*places, titled=["essays"]) == {(places, ("person_name",), False)}


def test_persons_in_folders_of_their_own_are_as_sure_as_those_of_one_folder():
    names = ("Anna Smith", "JohnMiller", "Garcia, Maria")
    places = tuple(f"students/000{number}/{name}.txt" for number, name in enumerate(names))
    assert kinds_of(*places) == {(places, ("person_name",), True)}
    assert {certain for _, _, certain in kinds_of(*places, titled=["students/0001"])} == {False}
    assert len(kinds_of(*places[:2])) == 2
    same = [f"students/000{number}/{name}.txt" for number, name in enumerate(("Anna Smith", "SMITH_ANNA", "AnnaSmith"))]
    assert {certain for _, _, certain in kinds_of(*same)} == {False}


def test_persons_in_folders_that_have_nothing_in_common_warn():
    names = ("Anna Smith", "JohnMiller", "Maria_Garcia")
    alike = tuple(f"students/000{number}/essays/{name}.txt" for number, name in enumerate(names))
    assert kinds_of(*alike) == {(alike, ("person_name",), True)}
    strewn = ("fonts/Anna Smith.txt", "maps/europe/JohnMiller.txt", "doc/old/1/Maria_Garcia.txt")
    assert {certain for _, _, certain in kinds_of(*strewn)} == {False}


def test_persons_of_many_folders_are_one_finding(dataset, judged):
    for number, name in enumerate(("Anna Smith", "John Miller", "Maria Garcia")):
        (dataset / "pupils" / f"{number}").mkdir(parents=True)
        (dataset / "pupils" / f"{number}" / f"{name}.txt").write_text("Water.\n", encoding="utf-8")
    found = [(one.place, one.occurrences) for one in judged(dataset).findings if one.code == "PERSONAL_FILE_NAME"]
    assert found == [("pupils/**", 3)]


def test_names_of_files_block_or_warn_and_are_not_shown_in_words(dataset, judged):
    for place in ("tables/rooms/jane.doe@uni.edu.csv", "essays/Jane_Doe.txt"):
        (dataset / place).parent.mkdir(exist_ok=True)
        (dataset / place).write_text("room,size\n" if place.endswith("csv") else "Water.\n", encoding="utf-8")
    report = judged(dataset)
    found = {(one.code, one.level, one.place): one for one in report.findings if "FILE_NAME" in one.code}
    assert set(found) == {
        ("PERSONAL_FILE_NAME", "error", "tables/rooms/jane.doe@uni.edu.csv"),
        ("PERSONAL_POSSIBLE_IN_FILE_NAME", "warning", "essays/Jane_Doe.txt"),
    }
    told = found["PERSONAL_FILE_NAME", "error", "tables/rooms/jane.doe@uni.edu.csv"].message
    assert "1 name of a file or folder, like 'xxxx.xxx@xxx.xxx.xxx', tells of persons: e-mail addresses" in told


def test_accents_that_a_system_writes_apart_hide_nobody():
    places = [f"pupils/{name}.txt" for name in ("Jürgen Müller", "José García", "René Dupré")]
    together, apart = ([unicodedata.normalize(form, place) for place in places] for form in ("NFC", "NFD"))
    assert together != apart
    (found,) = telling(apart)
    assert (sorted(found.places), found.kinds, found.certain) == (sorted(apart), ("person_name",), True)
    assert len(list(telling(together))) == 1
