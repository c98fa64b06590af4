"""What a submission permits: faults of terms, consent and subjects are found, and the stored rows say the same."""

import datetime as dt

import pytest

from lakehouse.archive.eds import load_description
from lakehouse.archive.terms import personal_columns, subject_columns, terms_rows
from lakehouse.policy.terms import read_terms
from lakehouse.ports import DatasetVersion

CONSENT = "consent: {basis: consent, table: consents, subject: pupil, purpose: purpose, given: given}\n"
SUBJECTS = "subjects: {pupil: {description: Pupils., identifiers: [consents.pupil, pupils.pupil, sheets.id]}}\n"
CONSENTS = """\
description: Who agreed.
grain: one row per pupil and purpose
columns:
  pupil: {type: integer, description: Pupil}
  purpose: {type: string, description: Purpose}
  given: {type: boolean, description: Answer}
"""
PUPILS = """\
description: Pupils.
grain: one row per pupil
columns:
  pupil: {type: integer, description: Pupil}
  name: {type: string, description: Name, role: direct_identifier}
  income: {type: integer, description: Income of the parents, unit: EUR, role: sensitive}
"""
MARKS = """\
description: Marks.
grain: one row per mark
columns:
  who: {type: integer, description: Pupil, references: pupils.pupil}
  mark: {type: integer, description: Mark, unit: "1"}
"""
STATEMENT = (
    '{"id": "00000000-0000-4000-8000-000000000001", "timestamp": "2024-01-31T08:00:00Z", '
    '"actor": {"account": {"homePage": "https://school.example.org", "name": "p1"}}, '
    '"verb": {"id": "http://adlnet.gov/expapi/verbs/answered"}, "object": {"id": "https://school.example.org/tasks/1"}}\n'
)


@pytest.fixture
def school(dataset):
    """The small dataset with pupils, their marks and their consent."""
    rows = {"pupils": (PUPILS, "pupil,name,income\n1,x,5\n"), "marks": (MARKS, "who,mark\n1,2\n")}
    for name, (columns, cells) in {**rows, "consents": (CONSENTS, "pupil,purpose,given\n1,any,true\n")}.items():
        folder = dataset / "tables" / name
        folder.mkdir()
        (folder / "columns.yaml").write_text(columns)
        (folder / f"{name}.csv").write_text(cells)
    return dataset


def say(folder, text):
    with (folder / "dataset.yaml").open("a") as file:
        file.write(text)


def codes(report):
    own = ("PURPOSE", "CONSENT", "SUBJECT", "RETENTION")
    return {(finding.code, finding.place) for finding in report.findings if finding.code.startswith(own)}


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("terms: {purposes: [fun]}\n", "PURPOSE_UNKNOWN", "terms.purposes"),
        ("terms: {forbidden: [profit]}\n", "PURPOSE_UNKNOWN", "terms.forbidden"),
        ("terms: {purposes: [teaching], forbidden: [teaching]}\n", "PURPOSE_CONTRADICTED", "terms.purposes"),
        ("terms: {purposes: [reporting], forbidden: [statistics]}\n", "PURPOSE_CONTRADICTED", "terms.purposes"),
        ("terms: {retention_until: 2001-01-01}\n", "RETENTION_PASSED", "terms.retention_until"),
        ("consent: {basis: consent}\n", "CONSENT_ANSWERS_UNTOLD", "consent.table"),
        (CONSENT.replace("consents", "nowhere"), "CONSENT_PLACE_ABSENT", "consent.table"),
        (CONSENT.replace("given: given", "given: gave"), "CONSENT_PLACE_ABSENT", "consent.given"),
        (CONSENT.replace("given: given", "given: purpose"), "CONSENT_GIVEN_UNCLEAR", "consent.given"),
        (CONSENT, "CONSENT_JOINS_NOTHING", "consent.subject"),
        (SUBJECTS.replace("pupils.pupil", "pupils.nobody"), "SUBJECT_PLACE_ABSENT", "subjects.pupil"),
        (SUBJECTS.replace("sheets.id", "sheets.author"), "SUBJECT_PLACE_ABSENT", "subjects.pupil"),
        (SUBJECTS.replace("sheets.id", "events/clicks.actor"), "SUBJECT_PLACE_ABSENT", "subjects.pupil"),
    ],
)
def test_a_fault_is_found_where_it_stands_and_refuses(school, judged, text, code, place):
    say(school, text)
    report = judged(school)
    assert (code, f"dataset.yaml: {place}") in codes(report)
    assert not report.accepted


def test_a_key_that_names_somebody_and_can_hold_no_pseudonym_refuses(school, judged):
    path = school / "tables" / "pupils" / "columns.yaml"
    told = PUPILS.replace("pupil: {type: integer", "pupil: {type: number, unit: '1'")
    path.write_text(told.replace("description: Pupil}", "description: Pupil, role: direct_identifier}"))
    (school / "tables" / "marks" / "columns.yaml").write_text(
        MARKS.replace("who: {type: integer", "who: {type: number")
    )
    found = [one for one in judged(school).findings if one.code == "IDENTIFIER_WITHOUT_PSEUDONYM"]
    assert [(one.place, one.level) for one in found] == [
        ("tables/marks/columns.yaml: who", "error"),
        ("tables/pupils/columns.yaml: pupil", "error"),
    ]
    assert "pupils.pupil names somebody" in found[1].message


@pytest.mark.parametrize(
    ("licence", "text", "code"),
    [
        ("CC-BY-NC-4.0", "terms: {purposes: [commercial]}\n", "PURPOSE_BEYOND_LICENCE"),
        ("LicenseRef-ours", "", "PURPOSES_UNSTATED"),
        ("CC-BY-4.0", "", "CONSENT_BASIS_ABSENT"),
        ("CC-BY-4.0", "terms: {purposes: [any]}\n", "ACCESS_UNSTATED"),
    ],
)
def test_what_may_be_meant_so_is_a_warning(school, judged, licence, text, code):
    path = school / "dataset.yaml"
    path.write_text(path.read_text().replace("CC-BY-4.0", licence) + text)
    (finding,) = [finding for finding in judged(school).findings if finding.code == code]
    assert finding.level == "warning"


def test_whoever_hands_in_people_says_who_may_read_them(dataset, judged):
    def found():
        return [one.message for one in judged(dataset).findings if one.code == "ACCESS_UNSTATED"]

    assert not found(), "open data need no word"
    rooms = dataset / "tables/rooms/rooms.csv"
    rooms.write_text("room,size,by\n10,50.5,ann.lee@school-one.org\n11,60,\n")
    assert found() == [
        "1 part of the dataset is about people, tables/rooms first, and nothing says who may read them: "
        "without terms.access the dataset is open to everybody."
    ]
    say(dataset, "terms: {access: open}\n")
    assert not found()


@pytest.mark.parametrize("accumulates", ["waves", "snapshots"])
@pytest.mark.parametrize("part", ["texts", "events"])
def test_who_agreed_is_told_in_a_table_beside_texts_or_events_alone(tmp_path, judged, part, accumulates):
    """A dataset of one kind of part, without people in any table of it."""
    files = {
        "dataset.yaml": 'eds_version: "1.0"\nname: lone\nversion: "1"\ntitle: Lone\ndescription: Lone.\n'
        f"licence: CC-BY-4.0\naccumulates: {accumulates}\nterms: {{access: registered}}\n",
        "texts/sheets/collection.yaml": "title: Sheets\ndescription: Sheets of pupils.\n",
        "texts/sheets/documents.jsonl": '{"id": "p1", "title": "A", "text": "A day."}\n',
        "events/clicks/log.yaml": 'title: Clicks\ndescription: Clicks.\nxapi_version: "2.0.0"\n',
        "events/clicks/clicks.jsonl": STATEMENT,
    }
    folder = tmp_path / "lone"
    for name, text in files.items():
        if name == "dataset.yaml" or name.startswith(part):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    assert judged(folder).accepted
    sound = (folder / "dataset.yaml").read_text()
    say(folder, "consent: {basis: legitimate_interest}\n")
    assert codes(judged(folder)) == set()
    (folder / "dataset.yaml").write_text(sound + "consent: {basis: consent}\n")
    report = judged(folder)
    assert codes(report) == {("CONSENT_ANSWERS_UNTOLD", "dataset.yaml: consent.table")}
    assert not report.accepted
    place = {"texts": "sheets.id", "events": "events/clicks.actor"}[part]
    subjects = f"subjects: {{pupil: {{description: Pupils., identifiers: [consents.pupil, {place}]}}}}\n"
    (folder / "dataset.yaml").write_text(sound + CONSENT + subjects)
    (folder / "tables" / "consents").mkdir(parents=True)
    (folder / "tables/consents/columns.yaml").write_text(
        CONSENTS.replace("pupil: {type: integer", "pupil: {type: string")
    )
    (folder / "tables/consents/consents.csv").write_text("pupil,purpose,given\np1,any,true\n")
    report = judged(folder)
    assert codes(report) == set()
    assert report.accepted


def test_nothing_of_a_version_that_was_stored_without_anybodys_answer_is_permitted(school):
    def permitted(text, purpose, part):
        path = school / "dataset.yaml"
        before = path.read_text()
        say(school, text)
        version = DatasetVersion("lessons", "1", "c" * 40, "v1", "0" * 64, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
        (terms,) = read_terms(terms_rows(load_description(school), version).to_pylist()).values()
        path.write_text(before)
        return terms.permits(purpose, part)

    everything = [(purpose, part) for purpose in ("model_training", "operations") for part in ("sheets", "marks")]
    assert not any(permitted("consent: {basis: consent}\n", *one) for one in everything)
    assert all(permitted("consent: {basis: public_task}\n", *one) for one in everything)
    assert all(permitted(CONSENT + SUBJECTS, *one) for one in everything), "who agreed is asked row by row"


def test_sound_terms_find_nothing(school, judged):
    say(school, CONSENT + SUBJECTS + "terms: {purposes: [any], forbidden: [commercial], retention_until: 2999-12-31}\n")
    assert codes(judged(school)) == set()


@pytest.mark.parametrize("licence", ["MIT Apache-2.0", "(MIT", "MIT WITH MIT"])
def test_a_malformed_licence_is_found(dataset, judged, licence):
    path = dataset / "dataset.yaml"
    path.write_text(path.read_text().replace("licence: CC-BY-4.0", f"licence: {licence}"))
    assert "LICENCE_UNKNOWN" in {finding.code for finding in judged(dataset).findings}


def test_references_join_columns_that_name_the_same_subjects(school):
    say(school, CONSENT + SUBJECTS)
    columns = {"consents": ("pupil",), "pupils": ("pupil",), "marks": ("who",), "sheets": ("id",)}
    assert subject_columns(load_description(school)) == columns


def test_columns_that_name_or_expose_people_are_known_without_a_consent_table(school):
    say(school, "subjects: {pupil: {description: Pupils., identifiers: [pupils.pupil, sheets.id]}}\n")
    assert personal_columns(load_description(school)) == {
        "pupils": {"pupil", "name", "income"},
        "marks": {"who"},
        "sheets": {"document_id"},
    }


def test_the_rows_say_what_the_description_says(school):
    say(school, CONSENT + SUBJECTS + "terms: {forbidden: [commercial], access: restricted, attribution: By us.}\n")
    version = DatasetVersion("lessons", "1", "c" * 40, "v1", "0" * 64, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    (terms,) = read_terms(terms_rows(load_description(school), version).to_pylist()).values()
    assert (terms.forbidden, terms.access, terms.attribution) == (("commercial",), "restricted", "By us.")
    assert terms.consent is not None
    assert terms.consent.opt_in
    assert set(terms.parts) == {"rooms", "lessons", "pupils", "marks", "consents", "sheets"}
    assert terms.parts["pupils"].hidden_columns == ("name", "income")
    assert terms.parts["sheets"].subject_columns == ("document_id",)
    assert terms.parts["rooms"].subject_columns == ()
