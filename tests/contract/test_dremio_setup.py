"""A fresh Dremio becomes ready, and one that is ready stays as it is; against a double built from the contract."""

import importlib.util
import sys
from pathlib import Path

import pytest

from dagster_project.dremio import source
from dagster_project.settings import load_settings
from lakehouse.adapters.dremio_rest import DremioRest
from lakehouse.adapters.dremio_setup import Files, nessie, rest_catalog, set_up
from lakehouse.errors import LoginError, PermanentError, QueryError, ServiceUnavailableError, UnknownSettingError
from lakehouse.publish.views import at_snapshots, in_reading_order, load_views, required_tables
from lakehouse.tables.release import View

USER, PASSWORD = "lakehouse", "correct horse 1"
FILES = Files("minio:9000", "reader", "reader-secret")
SOURCE = nessie("lakehouse", "http://nessie:19120/api/v2", "icewh/warehouse", FILES)
VIEWS = [View("kpi.a", "select a, b from lakehouse.gold.x"), View("kpi.b", "select a from kpi.a")]


def _double():
    path = Path(__file__).parent / "dremio_double.py"
    spec = importlib.util.spec_from_file_location("dremio_double", path)
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


double = _double()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("lakehouse.adapters.dremio_rest.FIRST_WAIT_S", 0.001)
    monkeypatch.setattr("lakehouse.adapters.dremio_rest.JOB_POLL_S", 0.001)


@pytest.fixture
def start():
    servers = []

    def make(**options):
        state = double.Dremio(**options)
        servers.append(double.serve(state))
        return state, DremioRest(f"http://127.0.0.1:{servers[-1].server_port}", USER, PASSWORD)

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def actions(changes):
    return {(change.kind, change.name): change.action for change in changes}


def ready(dremio, *, source=SOURCE, views=VIEWS, accelerated=("kpi.a",)):
    return set_up(dremio, source=source, space="kpi", views=views, accelerated=accelerated)


def test_a_fresh_server_becomes_ready(start):
    state, dremio = start(starting=3)
    dremio.wait(60)
    assert set(actions(ready(dremio)).values()) == {"created"}
    assert state.users == {USER: PASSWORD}
    assert state.catalog[("lakehouse",)]["config"]["nessieEndpoint"] == "http://nessie:19120/api/v2"
    assert state.catalog["kpi", "b"]["sql"] == "select a from kpi.a"
    ((reflection,),) = state.held.values()
    assert [one["name"] for one in reflection["displayFields"]] == ["a", "b"]


def test_a_second_time_writes_nothing(start):
    state, dremio = start()
    ready(dremio)
    state.calls.clear()
    again = DremioRest(dremio.url, USER, PASSWORD)
    assert set(actions(ready(again)).values()) == {"unchanged"}
    assert {method for method, path in state.calls if path != "/apiv2/login"} == {"GET"}


def test_what_changed_is_updated_and_the_rest_is_left(start):
    state, dremio = start()
    ready(dremio)
    state.columns["kpi.a"] = ["a", "c"]
    moved = nessie("lakehouse", "http://other:19120/api/v2", "icewh/warehouse", FILES)
    views = [View("kpi.a", "select a, c from lakehouse.gold.x"), VIEWS[1]]
    done = actions(ready(dremio, source=moved, views=views))
    assert done["source", "lakehouse"] == done["view", "kpi.a"] == done["reflection", "kpi.a"] == "updated"
    assert done["view", "kpi.b"] == done["space", "kpi"] == "unchanged"
    ((reflection,),) = state.held.values()
    assert [one["name"] for one in reflection["displayFields"]] == ["a", "c"]


def test_an_iceberg_rest_catalog_can_be_the_source(start):
    state, dremio = start()
    source = rest_catalog("lakehouse", "http://catalog:19120/iceberg", "s3://icewh", FILES)
    ready(dremio, source=source)
    config = state.catalog[("lakehouse",)]["config"]
    assert {"name": "warehouse", "value": "s3://icewh"} in config["propertyList"]
    assert {"name": "fs.s3a.secret.key", "value": "reader-secret"} in config["secretPropertyList"]
    assert set(actions(ready(dremio, source=source)).values()) == {"unchanged"}


def test_an_edition_without_the_source_type_says_so(start):
    _, dremio = start(types=("NESSIE",))
    source = rest_catalog("lakehouse", "http://catalog:19120/iceberg", "s3://icewh", FILES)
    with pytest.raises(PermanentError, match="RESTCATALOG"):
        ready(dremio, source=source)


def test_another_thing_in_the_sources_place_is_left_alone(start):
    state, dremio = start()
    set_up(dremio, source=SOURCE, space="lakehouse2", views=[])
    state.catalog[("lakehouse",)]["type"] = "S3"
    with pytest.raises(PermanentError, match="S3 named 'lakehouse'"):
        ready(dremio)


def test_a_wrong_password_is_a_login_error_without_the_password(start):
    _, dremio = start()
    ready(dremio)
    wrong = DremioRest(dremio.url, USER, "wrong horse 2")
    with pytest.raises(LoginError, match=USER) as caught:
        ready(wrong)
    assert "wrong horse" not in f"{caught.value}{wrong!r}"


def test_a_password_that_dremio_refuses_is_a_permanent_error(start):
    _, dremio = start()
    with pytest.raises(PermanentError, match="must contain a number"):
        ready(DremioRest(dremio.url, USER, "no digits here"))


def test_a_view_of_an_absent_view_is_the_servers_own_error(start):
    _, dremio = start()
    with pytest.raises(PermanentError, match="'b' not found"):
        ready(dremio, views=[View("kpi.a", "select a from kpi.b")], accelerated=())


def test_a_busy_server_is_asked_again(start):
    state, dremio = start(flaky=2)
    assert actions(ready(dremio))["space", "kpi"] == "created"
    state.flaky = 100
    with pytest.raises(ServiceUnavailableError, match="503"):
        ready(dremio)


def test_a_server_that_never_comes_up_is_a_transient_error(start):
    _, dremio = start(starting=10**6)
    with pytest.raises(ServiceUnavailableError, match="not up"):
        dremio.wait(0.05)
    with pytest.raises(ServiceUnavailableError, match="does not answer"):
        DremioRest("http://127.0.0.1:9", USER, PASSWORD).log_in()


def test_a_statement_runs_as_a_job_and_all_pages_come_back(start):
    _, dremio = start()
    ready(dremio)
    assert dremio.run("select 1") == [{"n": 1}]
    assert [row["n"] for row in dremio.run("select many")] == list(range(1_201))


def test_a_failed_and_an_endless_statement_are_query_errors(start):
    state, dremio = start()
    ready(dremio)
    with pytest.raises(QueryError, match="'absent' not found"):
        dremio.run("select * from absent")
    with pytest.raises(QueryError, match="cancelled"):
        dremio.run("select forever", timeout_s=0.05)
    assert [job["state"] for job in state.jobs.values()].count("CANCELED") == 1


def test_every_published_view_can_be_made_in_reading_order(start):
    state, dremio = start()
    views = in_reading_order(load_views())
    ready(dremio, views=views, accelerated=())
    assert {".".join(path) for path in state.catalog if path[0] == "kpi" and len(path) == 2} == set(load_views())


def test_a_view_names_the_snapshots_of_a_release():
    sql = "select t.a from lakehouse.gold.x as t join kpi.b on kpi.b.a = t.a"
    pinned = at_snapshots(sql, {"gold.x": 42})
    assert "lakehouse.gold.x AT SNAPSHOT '42' AS t" in pinned
    assert "kpi.b AT" not in pinned


def test_every_view_can_name_its_snapshots():
    for view in load_views().values():
        tables = required_tables(view.sql)
        assert at_snapshots(view.sql, dict.fromkeys(tables, 7)).count("AT SNAPSHOT '7'") >= len(tables)


def test_a_catalog_in_postgres_is_refused_since_dremio_cannot_read_it(tmp_path):
    given = {"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_CATALOG_URI": "postgresql://lake@db/lake"}
    with pytest.raises(UnknownSettingError, match="LAKEHOUSE_DREMIO_CATALOG_URI"):
        source(load_settings(given))
    assert source(load_settings({**given, "LAKEHOUSE_DREMIO_CATALOG_URI": "http://nessie:19120/api/v2"})).name
