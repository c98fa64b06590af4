"""Whose rows, documents and statements leave: the person's, wherever and however spelled, and nobody else's."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree

import pyarrow as pa
import pytest

from dagster_project import withdrawing
from lakehouse.archive.shelf import Shelf
from lakehouse.archive.withdraw.contents import remove_from_folder
from lakehouse.archive.withdraw.plan import Plan
from lakehouse.archive.withdraw.rows import Cleaning
from lakehouse.archive.withdraw.run import Outcome
from lakehouse.archive.withdraw.search import Request, search
from lakehouse.errors import AmbiguousSubjectError, CascadeError
from lakehouse.masking import Mask
from lakehouse.ports import DatasetVersion


@dataclass
class Folders:
    """Dataset versions that are plain folders."""

    root: Path
    known: dict[str, list[DatasetVersion]] = field(default_factory=dict)

    def add(self, name: str, label: str, *, subjects: str, tables=(), texts=(), events=()) -> Path:
        """Write a version: `tables` are name, key, columns in YAML, and a CSV file's text."""
        folder = self.root / f"{name}-{label}"
        folder.mkdir(parents=True)
        (folder / "dataset.yaml").write_text(
            f'eds_version: "1.0"\nname: {name}\nversion: "{label}"\ntitle: T\ndescription: D.\naccumulates: waves\n'
            f"subjects:\n{subjects}"
        )
        for table, key, columns, csv in tables:
            place = folder / "tables" / table
            place.mkdir(parents=True)
            described = "".join(f"  {column}\n" for column in columns)
            (place / "columns.yaml").write_text(
                f"description: D.\ngrain: a row\nprimary_key: [{key}]\ncolumns:\n{described}"
            )
            (place / f"{table}.csv").write_text(csv)
        for kind, about, parts in (
            ("texts", ("collection.yaml", "title: T\ndescription: D.\n"), texts),
            ("events", ("log.yaml", 'title: T\ndescription: D.\nxapi_version: "1.0.3"\n'), events),
        ):
            for part, lines in parts:
                place = folder / kind / part
                place.mkdir(parents=True)
                (place / about[0]).write_text(about[1])
                (place / f"{part}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        number = sum(len(each) for each in self.known.values()) + 1
        version = DatasetVersion(name, label, f"{number:040x}", label, f"{number:064x}", datetime.now(UTC))
        self.known.setdefault(name, []).append(version)
        return folder

    def datasets(self):
        return sorted(self.known)

    def versions(self, dataset):
        return self.known.get(dataset, [])

    def export(self, version, into):
        copytree(self.root / f"{version.dataset}-{version.version}", into, dirs_exist_ok=True)


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path / "versions")


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "archive", tmp_path / "inbox")


def text(name, *more):
    return f"{name}: {{type: string, description: D.{''.join(f', {one}' for one in more)}}}"


SCHOOL = (
    "  teacher: {description: T., identifiers: [teachers.id]}\n  pupil: {description: P., identifiers: [pupils.id]}\n"
)


def school(folders, *, class_teacher=(), pupil_class=()):
    return folders.add(
        "school",
        "1",
        subjects=SCHOOL,
        tables=[
            ("teachers", "id", [text("id")], "id\nt1\nt2\n"),
            (
                "classes",
                "class",
                [text("class"), text("teacher", "references: teachers.id", *class_teacher)],
                "class,teacher\nc1,t1\nc2,t2\n",
            ),
            (
                "pupils",
                "id",
                [text("id"), text("class", "references: classes.class", *pupil_class)],
                "id,class\np1,c1\np2,c1\np3,c2\n",
            ),
            (
                "marks",
                "mark",
                [text("mark"), text("pupil", "references: pupils.id"), text("teacher", "references: teachers.id")],
                "mark,pupil,teacher\nm1,p1,t1\nm2,p2,t2\nm3,p3,t1\n",
            ),
        ],
    )


def cleaned(folders, folder, plan):
    """Take the person out of a copy of a version; return its tables' files by name."""
    copy = folders.root / "cleaned" / folder.name
    copytree(folder, copy)
    label = folder.name.rpartition("-")[2]
    planned = next(one for one in plan.versions if folder.name.startswith(one.dataset) and one.version == label)
    remove_from_folder(copy, planned, Mask(plan.values))
    return {path.stem: path.read_text() for path in copy.rglob("*.*") if path.suffix in (".csv", ".jsonl")}


def test_a_teacher_who_goes_takes_no_class_no_pupil_and_no_mark(folders, shelf):
    folder = school(folders)
    plan = search(folders, shelf, Request("t1"))
    assert plan.versions[0].removal.rows == {"teachers": 1}
    assert plan.versions[0].removal.blanked == {"classes": 1, "marks": 2}
    left = cleaned(folders, folder, plan)
    assert left["teachers"] == "id\nt2\n"
    assert left["classes"] == "class,teacher\nc1,\nc2,t2\n"
    assert left["pupils"] == "id,class\np1,c1\np2,c1\np3,c2\n"
    assert left["marks"] == "mark,pupil,teacher\nm1,p1,\nm2,p2,t2\nm3,p3,\n"


def test_a_pupil_who_goes_leaves_marks_without_a_name_to_the_teacher(folders, shelf):
    folder = school(folders)
    plan = search(folders, shelf, Request("p1"))
    assert plan.versions[0].removal.rows == {"pupils": 1}
    left = cleaned(folders, folder, plan)
    assert left["marks"] == "mark,pupil,teacher\nm1,,t1\nm2,p2,t2\nm3,p3,t1\n"


def test_a_class_that_must_have_a_teacher_goes_and_its_pupils_stay(folders, shelf):
    folder = school(folders, class_teacher=("required: true",))
    plan = search(folders, shelf, Request("t1"))
    assert plan.versions[0].removal.rows == {"teachers": 1, "classes": 1}
    left = cleaned(folders, folder, plan)
    assert left["pupils"] == "id,class\np1,\np2,\np3,c2\n"


def test_rows_of_others_that_may_not_be_emptied_go_only_when_they_are_named(folders, shelf):
    school(folders, class_teacher=("required: true",), pupil_class=("required: true",))
    with pytest.raises(CascadeError, match=r"pupils.class in 2 rows of school@1; say --cascade pupils.class"):
        search(folders, shelf, Request("t1"))
    plan = search(folders, shelf, Request("t1", cascade=("pupils.class",)))
    assert plan.versions[0].removal.rows == {"teachers": 1, "classes": 1, "pupils": 2, "marks": 1}
    assert plan.versions[0].removal.blanked == {"marks": 2}, "m1 names nobody who stays, m2 and m3 do"


def test_silver_and_bronze_lose_the_same_as_the_files(folders, shelf):
    school(folders)
    plan = search(folders, shelf, Request("t1"))
    marks = {"mark": ["m1", "m2", "m3"], "pupil": ["p1", "p2", "p3"], "teacher": ["t1", "t2", "t1"]}
    cleaning = Cleaning(plan, Mask(plan.values))
    silver = pa.table({**marks, "dataset_version": ["1", "1", "0"]})
    done = cleaning.of("silver.school_marks")(silver)
    assert done.rows["teacher"].to_pylist() == [None, "t2", "t1"], "another version is another plan's"
    assert (done.removed, done.masked, done.changed) == (0, 1, True)
    bronze = pa.table({**marks, "_dataset_version": ["1", "1", "1"]})
    assert cleaning.of("bronze.school_marks")(bronze).rows["teacher"].to_pylist() == ["", "t2", ""]


PUPIL = "  pupil: {{description: P., identifiers: [{}]}}\n"


def people(folders, name, label, csv, key="id", more=""):
    columns = [text(one, "missing_codes: [none]") for one in csv.partition("\n")[0].split(",")]
    places = ", ".join(f"people.{one.partition(':')[0]}" for one in csv.partition("\n")[0].split(","))
    return folders.add(name, label, subjects=PUPIL.format(places + more), tables=[("people", key, columns, csv)])


def told(plan):
    return {one.value: (one.followed, one.why) for one in plan.followed}


def test_other_identifiers_are_followed_into_other_versions_and_datasets(folders, shelf):
    people(folders, "school", "1", "id,email,phone\np1,Ann@X.org,+49 171 1\np2,bo@x.org,+49 171 2\n")
    people(folders, "school", "2", "id,email,phone\np1,ann@new.org,none\np2,bo@x.org,none\n")
    people(folders, "clinic", "1", "account,email\nacc7,ANN@x.org\nacc8,bo@x.org\n", key="account")
    people(folders, "sports", "1", "account\nACC7\nacc8\n", key="account")
    plan = search(folders, shelf, Request("p1"))
    rows = {f"{one.dataset}@{one.version}": one.removal.rows for one in plan.versions}
    assert rows == {name: {"people": 1} for name in ("school@1", "school@2", "clinic@1", "sports@1")}
    assert {value for value, (followed, _) in told(plan).items() if followed} == {
        "ann@x.org",
        "ann@new.org",
        "491711",
        "acc7",
    }
    assert "people.id" in told(plan)["ann@x.org"][1]
    assert {"Ann@X.org", "ANN@x.org", "ACC7", "+49 171 1"} <= set(plan.values), "every spelling is masked"


def test_a_family_telephone_is_not_followed_and_the_listing_says_why(folders, shelf):
    people(folders, "school", "1", "id,email,phone\np1,ann@x.org,555 1234\np2,bo@x.org,5551234\n")
    people(folders, "clinic", "1", "phone\n5551234\n", key="phone")
    plan = search(folders, shelf, Request("p1"))
    assert [one.dataset for one in plan.versions] == ["school"]
    followed, why = told(plan)["5551234"]
    assert not followed
    assert "shared" in why
    assert told(plan)["ann@x.org"][0]


def test_an_address_that_somebody_else_has_now_is_not_followed(folders, shelf):
    people(folders, "school", "1", "id,email\np1,info@x.org\n")
    people(folders, "school", "2", "id,email\np2,info@x.org\n")
    plan = search(folders, shelf, Request("p1"))
    assert [(one.version, one.removal.rows) for one in plan.versions] == [("1", {"people": 1}), ("2", {})]
    assert not told(plan)["info@x.org"][0]
    with pytest.raises(AmbiguousSubjectError, match="several people's own numbers"):
        search(folders, shelf, Request("info@x.org"))


def test_a_tutor_in_the_row_of_a_pupil_is_another_pupil(folders, shelf):
    people(folders, "school", "1", "id,email,tutor\np1,ann@x.org,p2\np2,bo@x.org,p3\np3,cy@x.org,none\n")
    plan = search(folders, shelf, Request("p1"))
    assert plan.versions[0].removal.rows == {"people": 1}
    assert told(plan)["p2"] == (False, "is somebody else's own number (people.id of school)")
    assert "p3" not in told(plan), "what is not followed leads nowhere"
    plan = search(folders, shelf, Request("p2"))
    assert (plan.versions[0].removal.rows, plan.versions[0].removal.blanked) == ({"people": 1}, {"people": 1})


def test_two_of_a_sort_in_a_row_without_a_register_may_be_two_people(folders, shelf):
    people(folders, "pairs", "1", "first,second\ns11,s12\n", key="")
    plan = search(folders, shelf, Request("s11"))
    assert not told(plan)["s12"][0]


def test_following_has_a_bound(folders, shelf, monkeypatch):
    monkeypatch.setattr("lakehouse.archive.withdraw.identities.MOST_IDENTIFIERS", 2)
    people(folders, "school", "1", "id,email,phone\np1,ann@x.org,123\n")
    with pytest.raises(AmbiguousSubjectError, match="no end"):
        search(folders, shelf, Request("p1"))


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("Ann@X.org", "ann@x.ORG"),
        ("Straße", "STRASSE"),
        ("\uff21\uff2e\uff2e", "ann"),
        ("+49 30 123456", "4930123456"),
        ("4930123456", "+49 30 123456"),
    ],
)
def test_spellings_of_one_value_are_one_value(folders, shelf, stored, asked):
    people(folders, "school", "1", f"id\n{stored}\nother\n")
    plan = search(folders, shelf, Request(asked))
    assert plan.versions[0].removal.rows == {"people": 1}
    assert stored in plan.values


def test_numbers_are_one_by_value_and_texts_of_digits_keep_their_zeros(folders, shelf):
    subjects = PUPIL.format("people.id, people.code")
    columns = ["id: {type: integer, description: D.}", text("code")]
    folders.add("n", "1", subjects=subjects, tables=[("people", "id", columns, "id,code\n07,007\n8,7\n")])
    assert search(folders, shelf, Request(" +7 ", dataset="n")).versions[0].removal.columns == {
        "people": {"id": ("7",)}
    }


def test_a_number_with_an_exponent_goes_from_files_and_from_columns_of_floats(folders, shelf):
    columns = ["id: {type: number, description: D.}", text("note")]
    csv = "id,note\n1e16,a\n10000000000000001,b\n"
    folder = folders.add("n", "1", subjects=PUPIL.format("people.id"), tables=[("people", "id", columns, csv)])
    plan = search(folders, shelf, Request("10000000000000000"))
    assert plan.versions[0].removal.rows == {"people": 1}
    assert cleaned(folders, folder, plan)["people"] == "id,note\n10000000000000001,b\n"
    silver = pa.table({"id": [1e16, 2e16], "note": ["a", "c"], "dataset_version": ["1", "1"]})
    assert Cleaning(plan, Mask(plan.values)).of("silver.n_people")(silver).rows["note"].to_pylist() == ["c"]


def test_documents_whose_id_or_title_is_the_person_go_whole(folders, shelf):
    lines = [{"id": "P1", "title": "a", "text": "mine"}, {"id": "x", "title": "p1", "text": "also"}]
    lines += [{"id": "y", "title": "b", "text": "of another"}]
    folder = folders.add("school", "1", subjects=PUPIL.format("essays.id, essays.title"), texts=[("essays", lines)])
    plan = search(folders, shelf, Request("p1"))
    assert plan.versions[0].removal.rows == {"essays": 2}
    assert [json.loads(line)["id"] for line in cleaned(folders, folder, plan)["essays"].splitlines()] == ["y"]


def test_a_document_is_found_by_an_identifier_that_only_a_table_joins_with_the_person(folders, shelf):
    folders.add(
        "school",
        "1",
        subjects=PUPIL.format("index.pupil, index.essay, essays.id"),
        tables=[("index", "essay", [text("essay"), text("pupil")], "essay,pupil\ne-1,p1\ne-2,p2\n")],
        texts=[("essays", [{"id": f"e-{n}", "title": "t", "text": "x"} for n in (1, 2)])],
    )
    assert search(folders, shelf, Request("p1")).versions[0].removal.rows == {"index": 1, "essays": 1}


def test_numbers_in_statements_are_masked_and_scores_are_not(folders, shelf):
    statement = {
        "actor": {"mbox": "mailto:bo@x.org"},
        "verb": {"id": "http://x/did"},
        "object": {"id": "http://x/1"},
        "result": {"score": {"raw": 252652}, "extensions": {"http://x/n": 252652, "http://x/m": [7, 252652.0]}},
    }
    folder = folders.add(
        "school",
        "1",
        subjects=PUPIL.format("people.id, events/log.actor"),
        tables=[("people", "id", ["id: {type: integer, description: D.}"], "id\n252652\n")],
        events=[("log", [statement])],
    )
    plan = search(folders, shelf, Request("252652"))
    assert plan.versions[0].removal.mentions == {"log": 1}
    result = json.loads(cleaned(folders, folder, plan)["log"])["result"]
    assert result == {"score": {"raw": 252652}, "extensions": {"http://x/n": None, "http://x/m": [7, None]}}


def test_a_plan_is_read_as_it_was_written(folders, shelf):
    school(folders)
    plan = search(folders, shelf, Request("t1"))
    assert Plan.from_json(plan.to_json()) == plan


def library(folders):
    """A dataset that declares no pupil, and mentions one all the same: in cells, a document, a log and its README."""
    remarks = "n,said\n1,nothing\n2,lent to pupil-p1x\n3,again pupil-p1x\n"
    folder = folders.add(
        "library",
        "1",
        subjects="  reader: {description: R., identifiers: [remarks.n]}\n",
        tables=[("remarks", "n", [text("n"), text("said")], remarks)],
        texts=[("notes", [{"id": "a", "title": "A", "text": "pupil-p1x came in."}])],
        events=[("clicks", [{"actor": {"name": "x"}, "result": {"response": "says pupil-p1x"}}])],
    )
    (folder / "README.md").write_text("Thanks to pupil-p1x.\n")
    return folder


def club_of_one(folders):
    folders.add(
        "club",
        "1",
        subjects="  pupil: {description: P., identifiers: [pupils.id]}\n",
        tables=[("pupils", "id", [text("id")], "id\npupil-p1x\nother\n")],
    )


PLACES = {
    "library@1: remarks": ("tables/remarks/remarks.csv row 2, said", "tables/remarks/remarks.csv row 3, said"),
    "library@1: notes": ("texts/notes/notes.jsonl line 1",),
    "library@1: clicks": ("events/clicks/clicks.jsonl line 1",),
    "library@1: descriptions": ("README.md",),
}


def test_mentions_where_the_person_is_no_subject_are_left_by_place_and_said_so_loudly(folders, shelf, tmp_path):
    club_of_one(folders)
    library(folders)
    plan = search(folders, shelf, Request("pupil-p1x"))
    assert [one.dataset for one in plan.versions] == ["club"]
    assert (dict(plan.elsewhere_spots), sum(plan.elsewhere.values())) == (PLACES, 5)
    receipt = tmp_path / "w1.json"
    receipt.write_text(json.dumps({"receipt": {"also": {"traces": {"skipped": {"policy.yaml": "is left"}}}}}))
    for carried_out in (False, True):
        said = withdrawing.told(Outcome(plan, "w1", receipt, carried_out=carried_out))
        assert ("policy.yaml: is left" in said) == carried_out
        assert "NOT FORGOTTEN EVERYWHERE: 5 mentions" in said
        assert "library@1: remarks: 2 mentions LEFT, at tables/remarks/remarks.csv row 2, said;" in said
        assert "--everywhere" in said


def test_everywhere_masks_the_person_in_datasets_that_only_mention_them(folders, shelf):
    club_of_one(folders)
    folder = library(folders)
    plan = search(folders, shelf, Request("pupil-p1x", everywhere=True))
    assert [one.dataset for one in plan.versions] == ["club", "library"]
    assert (plan.elsewhere, Plan.from_json(plan.to_json())) == ({}, plan)
    dry = withdrawing.told(Outcome(plan, None, None, carried_out=False))
    assert "library@1: no rows; mentions masked: clicks 1, descriptions 1, notes 1, remarks 2 (at" in dry
    assert "tables/remarks/remarks.csv row 3, said" in dry
    assert "LEFT" not in dry
    assert cleaned(folders, folder, plan)["remarks"].count("[withdrawn]") == 2
    left = [path.read_text() for path in (folders.root / "cleaned" / folder.name).rglob("*.*") if path.is_file()]
    assert not [one for one in left if "p1x" in one]
    rows = pa.table({"n": ["2"], "said": ["lent to pupil-p1x"], "dataset_version": ["1"]})
    assert Cleaning(plan, Mask(plan.values)).of("silver.library_remarks")(rows).rows.column("said").to_pylist() == [
        "lent to [withdrawn]"
    ]


def test_somebody_whom_datasets_only_mention_is_found_everywhere_and_not_without(folders, shelf):
    library(folders)
    assert not search(folders, shelf, Request("pupil-p1x")).found
    plan = search(folders, shelf, Request("pupil-p1x", everywhere=True))
    assert (plan.kind, plan.datasets, plan.found) == ("person", ["library"], True)
