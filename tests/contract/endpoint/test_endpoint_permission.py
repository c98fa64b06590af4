"""Purposes over real clients: what is denied, whose rows are left out, which columns are empty, what is kept of it."""

import datetime as dt
import importlib.util
import json
import sys
from functools import partial
from pathlib import Path

import adbc_driver_flightsql.dbapi
import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as flight
import pytest

from lakehouse.adapters.dremio import DremioQueries
from lakehouse.archive.deidentified import identifying_columns
from lakehouse.archive.eds import Description
from lakehouse.archive.terms import terms_rows
from lakehouse.endpoint.config import AccessRules, EndpointConfig
from lakehouse.endpoint.server import serve
from lakehouse.errors import PurposeError
from lakehouse.policy.audit import DeniedLog
from lakehouse.policy.users import UsersFile
from lakehouse.ports import DatasetVersion

PASSWORDS = {"ada": "pass-ada", "root": "pass-root", "eve": "pass-eve"}
USERS = """\
roles: {steward: [registered, restricted, identifiers, rows], pupil: [rows]}
users:
  ada: {roles: [pupil], purposes: [any], default_purpose: reporting}
  root: {roles: [steward], purposes: [statistics], default_purpose: reporting}
"""
VIEWS = {
    "kpi.marks": "select count(*) as n, sum(mark) as total from lakehouse.silver.school_students",
    "kpi.secrets": "select answer from lakehouse.silver.closed_answers",
    "kpi.answers": "select * from kpi.secrets",
}
COLUMN = {"type": "string", "description": "A column."}
SCHOOL = {
    "licence": "CC-BY-4.0",
    "subjects": {"student": {"description": "S.", "identifiers": ["consents.student", "events/clicks.actor"]}},
    "events": {"clicks": {"name": "clicks", "title": "C", "description": "C", "xapi_version": "2.0.0"}},
    "consent": {"basis": "consent", "table": "consents", "subject": "student", "purpose": "purpose", "given": "given"},
    "tables": {
        "students": {
            "name": {**COLUMN, "role": "direct_identifier"},
            "student": {**COLUMN, "references": "consents.student"},
            "mark": COLUMN,
            "code": COLUMN,
        },
        "consents": {"student": COLUMN, "purpose": COLUMN, "given": COLUMN},
        "rooms": {"room": COLUMN},
    },
}
CLOSED = {"licence": "CC-BY-4.0", "terms": {"purposes": ["teaching"]}, "tables": {"answers": {"answer": COLUMN}}}
DENIED = "dataset closed may not be used for reporting: its terms permit teaching, operations"


def terms(name, fields, *, version="1", day=1):
    tables = {
        table: {"name": table, "description": "A table.", "grain": "one row", "columns": columns}
        for table, columns in fields["tables"].items()
    }
    known = {"eds_version": "1.0", "name": name, "version": version, "title": "T", "description": "D"}
    description = Description.model_validate({**known, "accumulates": "waves", **fields, "tables": tables})
    saved = DatasetVersion(name, version, "c" * 40, f"v{version}", "0" * 64, dt.datetime(2026, 1, day, tzinfo=dt.UTC))
    return terms_rows(description, saved, identifying_columns(description), "a key")


def table(**columns):
    rows = len(next(iter(columns.values())))
    return pa.table({**columns, "dataset_version": ["1"] * rows})


def documents(*places):
    return pa.table({"document_id": [f"{place}/1@1" for place in places], "text": ["words"] * len(places)})


@pytest.fixture(scope="module")
def sample():
    """The lake that conftest.py makes its own of; it is loaded there under this name."""
    name = "endpoint_tests_sample_lake"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("sample_lake.py"))
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


class School:
    """A served lake with two datasets, the file of its users and its record of denials."""

    def __init__(self, sample, folder):
        self.lake = sample.SampleLake(folder)
        self.denied = folder / "denied.jsonl"
        self.users = UsersFile(folder / "policy.yaml", "lakehouse")
        self.users.path.write_text(USERS)
        students = table(
            student=[1, 2, 3, None],
            name=["Ada", "Bo", "Cy", "Di"],
            mark=[10, 20, 40, 80],
            code=["7", "hidden", "9", "8"],
        )
        consents = table(
            student=[1, 1, 2, 3], purpose=["any", "teaching", "research", "statistics"], given=[True, False, True, True]
        )
        self.publish(
            {
                "silver.school_students": students,
                "silver.school_consents": consents,
                "silver.school_rooms": table(room=["A", "B"]),
                "silver.school_clicks": table(actor=["1", "2", None], verb=["opened", "closed", "met"]),
                "bronze.school_clicks": pa.table({"statement": ["{}"], "_dataset_version": ["1"]}),
                "bronze.school_students": pa.table({"student": ["1", "2"], "name": ["Ada", "Bo"]}),
                "silver.closed_answers": table(answer=["42"]),
                "silver.stray_rows": table(value=["x"]),
                "archive.terms": pa.concat_tables([terms("school", SCHOOL), terms("closed", CLOSED)]),
                "gold.documents": documents("school/students", "school/rooms", "closed/answers", "stray/rows"),
            },
            VIEWS,
        )
        rules = AccessRules(self.users.current, partial(DeniedLog(self.denied).record, asked_by="sql"))
        config = EndpointConfig(users=PASSWORDS, roots=(str(self.lake.warehouse),), port=0, poll_seconds=0.0)
        self.server = serve(config, self.lake.releases, rules)

    def publish(self, tables, views=None):
        self.lake.publish([self.lake.write(name, rows) for name, rows in tables.items()], views)

    def denials(self):
        return [json.loads(line) for line in self.denied.read_text().splitlines()]

    def close(self):
        self.server.stop()
        self.lake.close()


@pytest.fixture(scope="module")
def shared(sample, tmp_path_factory):
    school = School(sample, tmp_path_factory.mktemp("school"))
    yield school
    school.close()


@pytest.fixture
def school(shared):
    """The shared lake for tests that only ask; the record of denials starts empty."""
    shared.denied.unlink(missing_ok=True)
    return shared


@pytest.fixture
def own_school(sample, tmp_path):
    """A lake for tests that publish or change the users."""
    school = School(sample, tmp_path)
    yield school
    school.close()


class Asker:
    """A Flight client of one user who states a purpose on every call, or none."""

    def __init__(self, school, user="ada", purpose=""):
        self.client = flight.FlightClient(school.server.uri)
        stated = [(b"purpose", purpose.encode())] if purpose else []
        self.options = flight.FlightCallOptions(
            headers=[self.client.authenticate_basic_token(user, PASSWORDS[user]), *stated]
        )

    def info(self, sql):
        return self.client.get_flight_info(flight.FlightDescriptor.for_command(sql.encode()), self.options)

    def rows(self, ticket):
        return [tuple(row.values()) for row in self.client.do_get(ticket, self.options).read_all().to_pylist()]

    def values(self, sql):
        return self.rows(self.info(sql).endpoints[0].ticket)


@pytest.fixture
def ask(school):
    made = []

    def values(sql, **who):
        made.append(Asker(school, **who))
        return made[-1].values(sql)

    yield values
    for one in made:
        one.client.close()


MARKS = "SELECT mark FROM lakehouse.silver.school_students ORDER BY mark"


@pytest.mark.parametrize(
    ("purpose", "marks"),
    [("", [10, 40, 80]), ("reporting", [10, 40, 80]), ("research", [10, 20, 80]), ("education_research", [10, 20, 80]),
     ("teaching", [80]), ("any", [10, 80])],
)  # fmt: skip
def test_rows_of_subjects_who_did_not_agree_are_left_out(ask, purpose, marks):
    assert ask(MARKS, purpose=purpose) == [(mark,) for mark in marks]


def test_statements_are_seen_where_their_actor_agreed_and_never_where_that_cannot_be_known(ask):
    assert ask("SELECT verb FROM lakehouse.silver.school_clicks") == [("opened",)]
    with pytest.raises(
        flight.FlightUnauthorizedError, match="consent cannot be asked: school_clicks has no column actor"
    ):
        ask("SELECT statement FROM lakehouse.bronze.school_clicks")


def test_bronze_is_denied_where_answers_are_known_by_pseudonym(ask):
    for user in ("ada", "root"):
        with pytest.raises(
            flight.FlightUnauthorizedError,
            match=r"bronze has student as submitted, and answers are known by pseudonym; ask silver.school_students",
        ):
            ask("SELECT count(*) FROM lakehouse.bronze.school_students", user=user, purpose="statistics")


def test_a_denied_table_names_dataset_purpose_and_what_is_permitted(ask, school):
    for sql in ("SELECT * FROM lakehouse.silver.closed_answers", "DESCRIBE lakehouse.silver.closed_answers"):
        with pytest.raises(flight.FlightUnauthorizedError, match=f"PERMISSION ERROR: {DENIED}"):
            ask(sql)
    assert ask("SELECT answer FROM lakehouse.silver.closed_answers", purpose="teaching") == [("42",)]
    for denial in school.denials():
        assert denial.pop("at").startswith("20")
        assert denial == {
            "asked_by": "sql", "user": "ada", "purpose": "reporting", "dataset": "closed", "part": "answers",
            "reason": "its terms permit teaching, operations",
        }  # fmt: skip
    assert len(school.denials()) == 2
    assert school.denied.stat().st_mode & 0o777 == 0o600


def test_views_over_denied_tables_are_denied_and_others_count_what_is_seen(ask):
    for view in ("kpi.secrets", "kpi.answers"):
        with pytest.raises(flight.FlightUnauthorizedError, match=DENIED):
            ask(f"SELECT * FROM {view}")
        assert ask(f"SELECT * FROM {view}", purpose="teaching") == [("42",)]
    assert ask("SELECT * FROM kpi.marks") == [(3, 130)]
    assert ask("SELECT * FROM kpi.marks", purpose="research") == [(3, 110)]


def test_what_is_denied_is_not_listed_nor_hinted_at(ask):
    listed = "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.\"TABLES\" WHERE TABLE_NAME LIKE '%answers%'"
    assert ask(listed) == []
    assert ("closed_answers",) in ask(listed, purpose="teaching")
    assert not [row for row in ask("SHOW TABLES") if "answers" in row[1] or "secrets" in row[1]]
    with pytest.raises(pa.ArrowInvalid) as error:
        ask("SELECT * FROM lakehouse.silver.closed_answer")
    assert "closed_answers" not in str(error.value)


def test_columns_that_name_people_are_empty_without_the_right(ask):
    assert set(ask("SELECT name FROM lakehouse.silver.school_students")) == {(None,)}
    names = ask("SELECT name FROM lakehouse.silver.school_students ORDER BY name", user="root")
    assert names == [("Ada",), ("Cy",), ("Di",)]
    kind = (
        "SELECT DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = 'school_students' AND COLUMN_NAME = 'name'"
    )
    assert ask(kind) == [("CHARACTER VARYING",)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT mark FROM lakehouse.silver.school_students WHERE CAST(code AS INTEGER) > 8",
        "SELECT s.mark FROM lakehouse.silver.school_students s JOIN lakehouse.silver.school_rooms r ON "
        "CAST(s.code AS INTEGER) = 9 AND r.room = 'A'",
        "SELECT MAX(mark) FROM lakehouse.silver.school_students GROUP BY CAST(code AS INTEGER) HAVING MAX(mark) = 40",
    ],
)
def test_a_statements_conditions_are_never_asked_about_rows_left_out(ask, sql):
    assert ask(sql) == [(40,)]


def test_a_statement_that_errs_on_rows_it_sees_says_so(ask):
    with pytest.raises(pa.ArrowInvalid, match="hidden"):
        ask("SELECT SUM(CAST(code AS INTEGER)) FROM lakehouse.silver.school_students", purpose="research")


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ({"purpose": "fun"}, "user ada may not ask for fun: there is no such purpose; there are any, research"),
        (
            {"user": "root", "purpose": "research"},
            "user root may not ask for research: user root may ask for statistics",
        ),
        ({"user": "eve"}, "that user is not in policy.yaml"),
    ],
)
def test_a_purpose_that_is_not_the_users_is_refused_for_every_statement(ask, who, reason):
    for sql in ("SELECT 1", "SHOW TABLES", MARKS):
        with pytest.raises(flight.FlightUnauthorizedError, match=reason):
            ask(sql, **who)


def test_collected_documents_are_those_of_datasets_one_may_see(ask):
    sql = "SELECT document_id FROM lakehouse.gold.documents"
    assert ask(sql) == [("school/rooms/1@1",)], "the consent that was asked was not for reporting"
    assert sorted(ask(sql, purpose="teaching")) == [("closed/answers/1@1",), ("school/rooms/1@1",)]
    assert sorted(ask(sql, purpose="model_training")) == [("school/rooms/1@1",), ("school/students/1@1",)]


def test_a_table_without_terms_is_for_running_the_archive_only(ask):
    with pytest.raises(flight.FlightUnauthorizedError, match="no terms of it are published"):
        ask("SELECT * FROM lakehouse.silver.stray_rows")
    assert ask("SELECT value FROM lakehouse.silver.stray_rows", purpose="validation") == [("x",)]


def test_a_plan_is_not_run_for_another_purpose(school):
    research, reporting = Asker(school, purpose="research"), Asker(school)
    ticket = research.info(MARKS).endpoints[0].ticket
    assert reporting.rows(ticket) == [(10,), (40,), (80,)]
    stolen = Asker(school, purpose="teaching").info("SELECT answer FROM lakehouse.silver.closed_answers")
    with pytest.raises(flight.FlightUnauthorizedError, match=DENIED):
        reporting.rows(stolen.endpoints[0].ticket)


def test_a_purpose_stated_at_the_login_holds_for_the_calls_after_it(school):
    client = flight.FlightClient(school.server.uri)
    stated = flight.FlightCallOptions(headers=[(b"purpose", b"research")])
    token = client.authenticate_basic_token("ada", PASSWORDS["ada"], stated)
    asker = Asker(school)
    asker.client, asker.options = client, flight.FlightCallOptions(headers=[token])
    assert asker.values(MARKS) == [(10,), (20,), (80,)]


def test_adbc_states_a_purpose_as_an_option_of_its_connection(school):
    options = {"username": "ada", "password": PASSWORDS["ada"]}
    header = {"adbc.flight.sql.rpc.call_header.purpose": "research"}

    def connect(**more):
        return adbc_driver_flightsql.dbapi.connect(school.server.uri, db_kwargs={**options, **more}, autocommit=True)

    with connect(**header) as connection, connection.cursor() as cursor:
        cursor.execute(MARKS)
        assert cursor.fetchall() == [(10,), (20,), (80,)]
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(MARKS)
        assert cursor.fetchall() == [(10,), (40,), (80,)]
        with pytest.raises(adbc_driver_manager.ProgrammingError, match=DENIED):
            cursor.execute("SELECT * FROM kpi.secrets")
        (listed,) = connection.adbc_get_objects(depth="tables", db_schema_filter="kpi").read_all().to_pylist()
        assert [t["table_name"] for t in listed["catalog_db_schemas"][0]["db_schema_tables"]] == ["marks"]


def test_the_adapter_states_its_purpose_and_names_the_denial(school):
    queries = DremioQueries(school.server.uri, "ada", PASSWORDS["ada"], purpose="research")
    assert queries.fetch(MARKS)["mark"].to_pylist() == [10, 20, 80]
    with pytest.raises(PurposeError, match="dataset closed may not be used for research: its terms permit teaching"):
        queries.fetch("SELECT * FROM lakehouse.silver.closed_answers")
    queries.close()


def test_a_newer_version_of_the_terms_counts_from_its_release_on(own_school):
    asker = Asker(own_school)
    assert len(asker.values("SELECT * FROM lakehouse.silver.school_rooms")) == 2
    stricter = {**SCHOOL, "terms": {"forbidden": ["statistics"]}}
    own_school.publish({"archive.terms": terms("school", stricter, version="2", day=2)})
    with pytest.raises(flight.FlightUnauthorizedError, match="dataset school may not be used for reporting"):
        asker.values("SELECT * FROM lakehouse.silver.school_rooms")
    withdrawn = pa.table({"student": [1], "purpose": ["any"], "given": [False], "dataset_version": ["2"]})
    own_school.publish({"silver.school_consents": withdrawn})
    assert Asker(own_school, purpose="research").values(MARKS) == [(20,), (80,)]


def test_users_are_seen_as_their_file_has_them_at_the_next_statement(own_school):
    asker = Asker(own_school)
    own_school.users.path.write_text(
        USERS.replace("[any], default_purpose: reporting", "[teaching], default_purpose: teaching")
    )
    assert asker.values("SELECT answer FROM lakehouse.silver.closed_answers") == [("42",)]


def test_consent_that_cannot_be_asked_denies(own_school):
    own_school.publish(
        {
            "archive.terms": terms(
                "stray", {**SCHOOL, "tables": {"rows": SCHOOL["tables"]["students"], "consents": {"student": COLUMN}}}
            )
        }
    )
    with pytest.raises(
        flight.FlightUnauthorizedError, match="its consent cannot be asked: stray_rows has no column student"
    ):
        Asker(own_school).values("SELECT * FROM lakehouse.silver.stray_rows")
    assert own_school.denials()
