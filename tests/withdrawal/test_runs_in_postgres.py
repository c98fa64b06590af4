"""A withdrawal where Dagster keeps its runs in PostgreSQL: runs that quote the person go, others stay, masked."""

import dagster as dg
import psycopg
import pytest

from dagster_project.code_location import build
from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.loop import Loop
from dagster_project.settings import load_settings
from dagster_project.wiring import ensure_folders
from dagster_project.withdrawing import finish_open, keys, withdraw_subject
from lakehouse.archive import inbox
from lakehouse.archive.withdraw.receipt import PUBLIC_KEY, verify
from lakehouse.archive.withdraw.search import Request

pytestmark = [pytest.mark.servers, pytest.mark.slow]


@pytest.fixture
def settings(postgres, tmp_path):
    """A lake in plain folders whose runs are in a database of their own."""
    with psycopg.connect(postgres.uri, password=postgres.password, autocommit=True) as server:
        server.execute("drop database if exists runs with (force)")
        server.execute("create database runs")
        server.execute("drop database if exists charts with (force)")
        server.execute("create database charts")
    given = {
        "LAKEHOUSE_HOME": str(tmp_path / "home"),
        "LAKEHOUSE_STORAGE": "folder",
        "LAKEHOUSE_DAGSTER_DATABASE": postgres.uri.replace("/postgres", "/runs"),
        "LAKEHOUSE_DAGSTER_PASSWORD": postgres.password,
        "LAKEHOUSE_SUPERSET_DATABASE": postgres.uri.replace("/postgres", "/charts"),
        "LAKEHOUSE_SUPERSET_DATABASE_PASSWORD": postgres.password,
    }
    made = load_settings(given)
    ensure_folders(made)
    return made


def told(settings) -> dict[str, str]:
    """Return all that the database says, by table."""
    password = settings.dagster_password.get_secret_value()
    with psycopg.connect(settings.dagster_database, password=password) as asked:
        tables = asked.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        rows = psycopg.sql.SQL("select t::text from {} t")
        return {
            name: "\n".join(row[0] for row in asked.execute(rows.format(psycopg.sql.Identifier(name))).fetchall())
            for (name,) in tables
        }


def holding(settings, *values) -> set[str]:
    return {name for name, text in told(settings).items() if any(value in text for value in values)}


def gossip(person: str) -> dg.AssetsDefinition:
    @dg.asset
    def talk(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        context.log.info("met %s and others", person)
        return dg.MaterializeResult(metadata={"met": person})

    return talk


def test_no_run_quotes_the_person_any_more_and_the_receipt_says_so(settings, planted, tmp_path):
    person = (planted.NEEDLE, planted.LOGIN)
    password = settings.superset_database_password.get_secret_value()
    with psycopg.connect(settings.superset_database, password=password) as charts:
        charts.execute("create table query (id int primary key, sql text, extra_json json)")
        charts.execute("insert into query values (1, %s, '{}')", (f"select * from x where n = '{planted.NEEDLE}'",))
    key = inbox.submit(planted.submission("2001", tmp_path), settings.home / "inbox").key
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
        outcome = Loop(build(settings), instance).store(key)
        assert outcome.success, outcome.failure
        other = dg.materialize([gossip(planted.NEEDLE)], instance=instance)
        assert {"event_logs", "asset_keys"} <= holding(settings, *person)

        said = withdraw_subject(settings, Request(planted.NEEDLE, reason="asked for it"), dry_run=False)

        assert holding(settings, *person) == set()
        assert [run.run_id for run in instance.get_runs()] == [other.run_id]
    (receipt,) = (settings.home / "archive" / "withdrawals").glob("*.json")
    assert str(receipt) in said
    signed = verify(receipt.read_bytes(), keys(settings) / PUBLIC_KEY)
    also = signed["also"]
    with psycopg.connect(settings.superset_database, password=password) as charts:
        assert charts.execute("select sql from query").fetchall() == [("select * from x where n = '[withdrawn]'",)]
    assert also["traces"]["files"]["superset's database query"] == 1
    assert [one.split(":")[0] for one in signed["not_searched"]] == ["dagster's database", "superset's database"]
    assert all("WAL" in one for one in signed["not_searched"])
    assert also["runs"] == {"deleted": 1}
    assert also["traces"]["files"]["dagster's database event_logs"] > 0
    assert finish_open(settings) == "nothing was left unfinished"
