"""What silver holds instead of identifiers: the same on all sides of a join, and in every later version."""

import json
import pickle
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from lakehouse.archive.deidentified import NOBODY_NAMED, Deidentified, identifying_columns, without_pseudonyms
from lakehouse.archive.eds import Description, load_description
from lakehouse.archive.layers import silver_writes
from lakehouse.archive.pseudonym_terms import held_key, kept, planned, unmarked
from lakehouse.archive.pseudonyms import Pseudonyms, SilverKey
from lakehouse.archive.reading import raw_batches
from lakehouse.archive.terms import person_columns, terms_rows
from lakehouse.errors import PseudonymError
from lakehouse.policy.consent import consented_rows
from lakehouse.policy.decisions import Decision
from lakehouse.policy.terms import read_terms
from lakehouse.ports import DatasetVersion, StoredRows
from tests.kept_rows import kept as keep

VERSION = DatasetVersion("school", "1", "a" * 40, "v1", "0" * 64, datetime(2026, 1, 1, tzinfo=UTC))
ONE = Pseudonyms(b"k" * 32)
TEXT, WHOLE = {"type": "string", "description": "Text."}, {"type": "integer", "description": "Number."}
NAMED = {"role": "direct_identifier"}
KNOWN = {"eds_version": "1.0", "name": "school", "version": "1", "title": "T", "description": "D"}


def described(tables, **more):
    made = {
        name: {"name": name, "description": "A table.", "grain": "one row", **about} for name, about in tables.items()
    }
    return Description.model_validate({**KNOWN, "accumulates": "waves", **more, "tables": made})


def kind(*places):
    return {"pupil": {"description": "P.", "identifiers": list(places)}}


PUPILS = {"columns": {"pupil": WHOLE, "mail": TEXT | NAMED, "room": TEXT}, "primary_key": ["pupil"]}
MARKS = {"columns": {"who": WHOLE | {"references": "pupils.pupil"}, "mark": WHOLE}}
LOG = {"clicks": {"name": "clicks", "title": "C", "description": "C", "xapi_version": "2.0.0"}}
TEXTS = {"essays": {"name": "essays", "title": "E", "description": "E"}}


def test_only_columns_of_the_role_where_nothing_is_joined_with_them():
    assert identifying_columns(described({"pupils": PUPILS, "marks": MARKS})) == {"pupils": ("mail",)}


def test_whatever_is_compared_with_an_identifier_goes_with_it():
    said = described(
        {"pupils": PUPILS, "marks": MARKS}, subjects=kind("pupils.mail", "pupils.pupil", "essays.id"), texts=TEXTS
    )
    assert identifying_columns(said) == {
        "essays": ("document_id",),
        "marks": ("who",),
        "pupils": ("mail", "pupil"),
    }


def test_the_role_on_one_side_of_a_reference_is_enough():
    marks = {"columns": {"who": MARKS["columns"]["who"] | NAMED}}
    assert identifying_columns(described({"pupils": PUPILS, "marks": marks})) == {
        "marks": ("who",),
        "pupils": ("mail", "pupil"),
    }


def test_actors_are_identifiers_and_take_the_table_of_consent_along():
    answers = {"columns": {"who": TEXT, "purpose": TEXT, "given": {"type": "boolean", "description": "G."}}}
    consent = {"basis": "consent", "table": "answers", "subject": "who", "purpose": "purpose", "given": "given"}
    said = described(
        {"answers": answers}, events=LOG, subjects=kind("answers.who", "events/clicks.actor"), consent=consent
    )
    assert identifying_columns(said) == {"answers": ("who",), "clicks": ("actor", "actor_home")}


def test_what_was_a_pseudonym_stays_one_without_the_role_and_under_another_name():
    later = described({"pupils": {"columns": {"address": TEXT | {"formerly": ["mail"]}, "room": TEXT}}})
    assert identifying_columns(later) == {}
    assert identifying_columns(later, {"pupils.mail"}) == {"pupils": ("address",)}
    assert identifying_columns(later, {"pupils.address"}) == {"pupils": ("address",)}


@pytest.mark.parametrize("type_", ["number", "date", "datetime", "boolean"])
def test_a_type_without_pseudonyms_is_refused_where_rows_are_told_apart_by_it(type_):
    column = {"type": type_, "description": "C.", **NAMED}
    free = {"pupils": {"columns": {"born": column}}}
    assert without_pseudonyms(described(free)) == []
    assert person_columns(described(free)) == {"pupils": ()}
    keyed = {"pupils": free["pupils"] | {"primary_key": ["born"]}}
    assert without_pseudonyms(described(keyed)) == ["pupils.born"]
    assert without_pseudonyms(described(free, subjects=kind("pupils.born"))) == ["pupils.born"]


@pytest.fixture
def school(tmp_path):
    """Pupils with identifiers of three types, their marks and their clicks."""
    files = {
        "dataset.yaml": 'eds_version: "1.0"\nname: school\nversion: "1"\ntitle: S\ndescription: S.\n'
        "accumulates: waves\nsubjects: {pupil: {description: P., identifiers: [pupils.pupil, events/clicks.actor]}}\n",
        "tables/pupils/columns.yaml": "description: P.\ngrain: one row per pupil\nprimary_key: [pupil]\ncolumns:\n"
        "  pupil: {type: integer, description: Number.}\n"
        "  mail: {type: string, description: Address., role: direct_identifier, missing_codes: [none]}\n"
        "  born: {type: date, description: Day., role: direct_identifier}\n"
        "  room: {type: string, description: Room.}\n",
        "tables/pupils/pupils.csv": "pupil,mail,born,room\n1,ada@x.org,2001-01-01,a\n2,none,2002-02-02,b\n",
        "tables/marks/columns.yaml": "description: M.\ngrain: one row per mark\ncolumns:\n"
        "  who: {type: integer, description: Number., references: pupils.pupil}\n"
        "  mark: {type: integer, description: Mark.}\n",
        "tables/marks/marks.csv": "who,mark\n1,5\n01,6\n2,7\n",
        "events/clicks/log.yaml": 'title: C\ndescription: C.\nxapi_version: "2.0.0"\n',
        "events/clicks/c.jsonl": json.dumps(
            {
                "actor": {"account": {"homePage": "https://ada.example.org", "name": "1"}, "name": "Ada Lovelace"},
                "verb": {"id": "http://adlnet.gov/expapi/verbs/answered"},
                "object": {"id": "https://school.example.org/tasks/1"},
            }
        ),
    }
    for name, text in files.items():
        path = tmp_path / "school" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "school"


def stored(folder, named, sift=None):
    more = {"sift": sift} if sift else {}
    writes = silver_writes(folder, load_description(folder), VERSION, keep, named=named, **more)
    return {write.table.name.removeprefix("silver.school_"): write for write in writes}


def test_silver_names_nobody_and_joins_as_before(school):
    description = load_description(school)
    found = stored(school, Deidentified(identifying_columns(description), ONE))
    pupils, marks, clicks = (found[name].rows.to_pylist() for name in ("pupils", "marks", "clicks"))
    assert [(row["mail"], row["born"], row["room"]) for row in pupils] == [
        (ONE.text("ada@x.org"), None, "a"),
        (None, None, "b"),
    ]
    assert [(row["who"], row["mark"]) for row in marks] == [
        (pupils[0]["pupil"], 5),
        (pupils[0]["pupil"], 6),
        (pupils[1]["pupil"], 7),
    ]
    assert clicks[0]["actor"] == str(pupils[0]["pupil"])
    everything = repr([pupils, marks, clicks])
    assert not [one for one in ("ada", "Ada", "2001", "Lovelace") if one in everything]
    told = {column.name: column.doc for column in found["pupils"].table.columns}
    assert told["mail"] == "Address. A pseudonym, the same for the same value; bronze has what was submitted."
    assert told["born"] == "Day. Always empty; bronze has what was submitted."
    assert told["room"] == "Room."
    raw = stored(school, NOBODY_NAMED)
    assert {name: write.rows.schema for name, write in found.items()} == {
        name: write.rows.schema for name, write in raw.items()
    }


ANSWERS = """\
description: A.
grain: one row per answer
columns:
  who: {type: string, description: Number.}
  purpose: {type: string, description: Purpose.}
  given: {type: boolean, description: Answer.}
"""


@pytest.mark.parametrize("basis", ["consent", "public_task"])
def test_consent_leaves_out_the_same_rows_of_tables_and_logs(school, basis):
    path = school / "dataset.yaml"
    said = path.read_text().replace("pupils.pupil,", "pupils.pupil, answers.who,")
    path.write_text(
        f"{said}consent: {{basis: {basis}, table: answers, subject: who, purpose: purpose, given: given}}\n"
    )
    (school / "tables" / "answers").mkdir()
    (school / "tables" / "answers" / "columns.yaml").write_text(ANSWERS)
    (school / "tables" / "answers" / "a.csv").write_text("who,purpose,given\n1,any,true\n2,research,false\n")
    description = load_description(school)
    (terms,) = read_terms(terms_rows(description, VERSION).to_pylist()).values()
    seen = []
    for named in (NOBODY_NAMED, Deidentified(identifying_columns(description), ONE)):
        found = stored(school, named)
        consents = found["answers"].rows.to_pylist()
        kept_rows = {}
        for part in ("pupils", "marks", "clicks"):
            decision = Decision("ada", "research", "school", part, permitted=True, reason="", consent=terms.consent)
            rows = consented_rows(found[part].rows, decision, terms, part=part, consents=consents)
            column = {"pupils": "room", "marks": "mark", "clicks": "verb"}[part]
            kept_rows[part] = rows[column].to_pylist()
        seen.append(kept_rows)
    assert (
        seen[0] == seen[1] == {"pupils": ["a"], "marks": [5, 6], "clicks": ["http://adlnet.gov/expapi/verbs/answered"]}
    )


def test_groups_of_people_count_as_before(school):
    groups = []
    for named in (NOBODY_NAMED, Deidentified(identifying_columns(load_description(school)), ONE)):
        found = stored(school, named)
        joined = found["marks"].rows.join(found["pupils"].rows.select(["pupil", "room"]), "who", "pupil")
        counts = joined.group_by("room").aggregate([("who", "count_distinct"), ("mark", "sum")]).to_pylist()
        groups.append(sorted(counts, key=lambda row: row["room"]))
    assert groups[0] == groups[1]
    assert [(row["who_count_distinct"], row["mark_sum"]) for row in groups[0]] == [(1, 11), (1, 7)]


def test_rows_that_other_machines_make_are_the_same(school):
    description, made = load_description(school), {}
    named = Deidentified(identifying_columns(description), ONE)

    def far(bronze, silver, where, change):
        part = silver.name.removeprefix("silver.school_")
        raw = pa.concat_tables(raw_batches(school, description.tables[part]))
        made[part] = pickle.loads(pickle.dumps(change))(raw)
        return StoredRows(raw.num_rows)

    here = stored(school, named)
    silver_writes(school, description, VERSION, keep, far=far, named=named)
    assert {part: rows.to_pylist() for part, rows in made.items()} == {
        part: here[part].rows.to_pylist() for part in description.tables
    }


def test_promises_are_judged_of_what_was_submitted(school):
    seen = []

    def sift(table, placed):
        for rows, _ in placed:
            seen.extend(rows["mail"].to_pylist() if "mail" in rows.column_names else ())
            yield rows

    stored(school, Deidentified(identifying_columns(load_description(school)), ONE), sift)
    assert seen == ["ada@x.org", None]


def test_the_terms_say_which_columns_and_which_key(school, tmp_path):
    key, description = SilverKey(tmp_path / "keys"), load_description(school)
    named = planned([], description, key)
    terms = terms_rows(description, VERSION, named.columns, named.fingerprint).to_pylist()
    assert kept(terms, "school", "1", key) == named
    assert {row["part"]: row["pseudonym_columns"] for row in terms} == {
        "pupils": "born mail pupil",
        "marks": "who",
        "clicks": "actor actor_home",
    }
    assert unmarked(terms, "school", "pupils", ["mail"]) == []
    assert unmarked(terms, "school", "pupils", ["room"]) == ["1"]


def test_rows_of_before_there_were_pseudonyms_say_of_none(school, tmp_path):
    old = [{"dataset": "school", "dataset_version": "1", "part": "pupils"}]
    assert kept(old, "school", "1", SilverKey(tmp_path)) == NOBODY_NAMED
    assert unmarked(old, "school", "pupils", ["mail"]) == ["1"]


def test_a_dataset_that_names_nobody_needs_no_key(tmp_path):
    assert planned([], described({"marks": {"columns": {"mark": WHOLE}}}), SilverKey(tmp_path)) == NOBODY_NAMED
    assert SilverKey(tmp_path).held() is None


def test_a_lost_or_changed_key_ends_with_an_error_and_makes_no_other(school, tmp_path):
    first, other = SilverKey(tmp_path / "first"), SilverKey(tmp_path / "other")
    named = planned([], load_description(school), first)
    terms = terms_rows(load_description(school), VERSION, named.columns, named.fingerprint).to_pylist()
    lost = f"fingerprint {named.fingerprint}, and .* is not there; restore that file"
    for ask in (lambda: planned(terms, load_description(school), other), lambda: kept(terms, "school", "1", other)):
        with pytest.raises(PseudonymError, match=lost):
            ask()
    assert other.held() is None
    other.open()
    with pytest.raises(PseudonymError, match="has the fingerprint"):
        held_key(terms, other)
    assert held_key(terms, first) == named.pseudonyms
