"""The loop on the services of compose.yaml, as processes of this machine: the same tables as on the bare machine.

Each profile plays the loop once, and all tests look at that. `--whole-loop` plays more of it, and Dagster's parts too.
"""

import dataclasses
import json
import shutil
import time
import urllib.request
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg
import pytest
from minio import Minio
from minio.error import S3Error
from pyiceberg.catalog.rest import RestCatalog

from dagster_project.services import queries
from dagster_project.settings import load_settings
from dagster_project.wiring import lakehouse
from dagster_project.withdrawing import versioned
from lakehouse.adapters import seaweedfs
from lakehouse.archive import inbox
from lakehouse.archive.pseudonyms import KEY_FILE, SilverKey
from lakehouse.made_once import make_once
from lakehouse.samples import college_scorecard
from models.config import TINY
from tests import named_people
from tests.flow.composed import SUPERSET, cluster, opened
from tests.flow.table_hashes import OF_THE_MACHINE, OF_THE_RUN, published

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(2400)]

# Learns to copy from five bytes back, which takes about a hundred steps.
COPYIST = dataclasses.replace(TINY, vocabulary_size=257, context=48, batch=16, steps=120, validate_every=60)
OUTCOMES = "silver.college_scorecard_outcomes"
RUNS = "{runsOrError {... on Runs {results {runId status tags {key value}}}}}"
RUN_SECONDS = 600.0


@pytest.fixture(scope="module")
def whole(request):
    return request.config.getoption("--whole-loop", default=False)


@pytest.fixture(scope="module")
def played(bench_with, whole):
    """Play the loop with some settings: two submissions to their tables, or all of it; return the tables' hashes.

    One names people, whose pseudonyms are made with the same key.
    """

    def play(settings) -> dict[str, str]:
        key = settings.home / "keys" / KEY_FILE
        key.parent.mkdir(mode=0o700)
        make_once(key, b"5" * 64)
        bench = bench_with(settings)
        bench.learns_with(COPYIST)
        steps = [lambda: bench.loop.ingest(bench.wave(2007)), lambda: bench.loop.store(bench.arrive(choir(settings)))]
        more = [lambda: bench.loop.ingest(bench.periodic_texts()), lambda: bench.loop.learn("first")]
        try:
            for step in [*steps, *(more if whole else [])]:
                outcome = step()
                assert outcome.success, outcome.failure
            return published(bench.house, OF_THE_RUN, OF_THE_MACHINE)
        finally:
            bench.close()

    return play


def choir(settings) -> Path:
    folder = settings.home / "scratch" / "choir"
    folder.mkdir(parents=True)
    return named_people.named_and_logged(folder, "1")


@pytest.fixture(scope="module")
def bare(tmp_path_factory, run_seaweed, played):
    """The hashes of all published tables, the loop played on the bare machine's profile."""
    with run_seaweed() as server:
        return played(
            load_settings(
                {
                    "LAKEHOUSE_HOME": str(tmp_path_factory.mktemp("bare")),
                    "LAKEHOUSE_STORAGE_PORTS": json.dumps(asdict(server.ports)),
                    "LAKEHOUSE_S3_ENDPOINT": seaweedfs.s3_endpoint(server.ports).removeprefix("http://"),
                    "LAKEHOUSE_CATALOG_URI": seaweedfs.catalog_uri(server.ports),
                    "LAKEHOUSE_S3_ACCESS_KEY": server.access_key,
                    "LAKEHOUSE_S3_SECRET_KEY": server.secret_key,
                }
            )
        )


@pytest.fixture(scope="module")
def composed(tmp_path_factory, run_postgres, played):
    """The services of compose.yaml, and the hashes of all published tables after the loop was played on them."""
    root = tmp_path_factory.mktemp("compose")
    with cluster(root, run_postgres, {"LAKEHOUSE_INBOX_SECONDS": "3", "LAKEHOUSE_DRIFT_SECONDS": "3600"}) as made:
        made.hashes |= played(made.settings("code"))
        yield made
        assert made.strays() == []


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read().decode()


def test_every_published_table_has_the_content_it_has_on_the_bare_machine(bare, composed):
    assert len(composed.hashes) > 15
    assert {name for name in bare if bare[name] != composed.hashes.get(name)} == set()
    assert composed.hashes == bare


def test_silver_names_nobody_and_its_key_is_where_tables_are_made_alone(composed):
    code = composed.settings("code")
    made = SilverKey(code.home / "keys").open()
    with opened(code) as house:
        cards = {made.number(card) for card in named_people.CARDS}
        for table, column in (("singers", "card"), ("songs", "who"), ("visits", "actor")):
            seen = house.tables.read(f"silver.choir_{table}")[column].to_pylist()
            assert {int(value) for value in seen} == cards, table
    files = [path for path in composed.root.rglob(KEY_FILE)]
    assert files == [composed.root / "volumes" / "state" / "keys" / KEY_FILE]
    holders = {name for name in composed.services if (composed.home(name) / "keys").exists()}
    assert holders == {"code", "steward"}


def test_the_endpoint_answers_with_the_readers_rights(composed):
    composed.start("sql")
    settings = composed.settings("sql")
    with opened(settings) as house:
        pin = house.releases.current().pin(OUTCOMES)
        wanted = house.tables.read(OUTCOMES, snapshot_id=pin.snapshot_id)
    told = queries(settings).fetch(f"select count(*) as n from lakehouse.{OUTCOMES}")
    assert told["n"].to_pylist() == [wanted.num_rows]


def test_the_catalogue_shows_what_was_stored(composed):
    composed.start("catalogue")
    assert "college_scorecard" in page(f"{composed.url('catalogue')}/api/v1/datasets")


def test_readers_change_neither_catalog_nor_objects(composed):
    address = composed.environment("sql")["LAKEHOUSE_CATALOG_URI"]
    with psycopg.connect(address, password=composed.secret("lake_reader_password")) as connection:
        assert connection.execute("select count(*) from iceberg_tables").fetchone() > (10,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from iceberg_tables")
    s3 = Minio(
        composed.addresses["minio"],
        access_key=composed.secret("reader_access_key"),
        secret_key=composed.secret("reader_secret_key"),
        secure=False,
        region="us-east-1",
    )
    with pytest.raises(S3Error, match="Access Denied"):
        s3.fput_object("lake", "releases/0.json", __file__)


@pytest.mark.parametrize("user", ["dagster", "superset", "lake_reader"])
def test_a_database_is_closed_to_the_users_of_the_others(composed, user):
    password = composed.secret("superset_database_password" if user == "superset" else f"{user}_password")
    for database in {"lake", "dagster", "superset"} - {user, user.removesuffix("_reader")}:
        address = f"postgresql://{user}@{composed.addresses['postgres']}/{database}"
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(address, password=password)


def test_the_steward_destroys_what_the_flow_can_only_hide(composed):
    flow, steward = (versioned(composed.settings(name), "lake") for name in ("code", "steward"))
    writer = lakehouse(composed.settings("code")).objects
    for text in (b"zq77 was here", b"[withdrawn] was here"):
        writer.put("told/page.txt", text)

    def names(_key, body):
        return b"zq77" in body

    assert [one.key for one in flow.purge([], names)] == ["told/page.txt"]
    assert list(steward.purge([], names)) == []
    assert list(flow.purge([], names)) == []
    assert writer.get("told/page.txt") == b"[withdrawn] was here"


def test_the_rest_catalog_shows_what_the_loop_committed(composed):
    jars = load_settings().home / "tools" / "rest-catalog"
    if not jars.is_dir():
        pytest.skip(f"no REST catalog in {jars}; fetch it with `make restcatalog` (needs Maven and Java)")
    if shutil.which("javac") is None:
        pytest.skip("no Java compiler on this machine, which the catalog's starter needs")
    server = Path(__file__).with_name("LoopbackCatalog.java")
    composed.services["catalog"]["environment"] |= {"CATALOG_JARS": str(jars), "CATALOG_SERVER": str(server)}
    composed.services["catalog"]["environment"]["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    composed.start("catalog")
    access = {"s3.access-key-id": composed.secret("reader_access_key")}
    access |= {"s3.secret-access-key": composed.secret("reader_secret_key"), "s3.endpoint": composed.url("minio")}
    with opened(composed.settings("code")) as house, RestCatalog("rest", uri=composed.url("catalog"), **access) as rest:
        for name, pin in house.releases.current().tables.items():
            table = rest.load_table(name)
            assert getattr(table.current_snapshot(), "snapshot_id", None) == pin.snapshot_id, name
        assert rest.load_table(OUTCOMES).scan().to_arrow().num_rows == house.tables.read(OUTCOMES).num_rows > 5_000


def test_dagsters_parts_take_an_arrival_to_its_tables(composed, whole):
    if not whole:
        pytest.skip("four servers and a run take a minute of processor time: --whole-loop runs them too")
    for name in ("code", "dagster", "daemon"):
        composed.start(name)
    key = inbox.submit(college_scorecard.write(2009, composed.root), composed.home("code") / "inbox").key
    assert ended_run(composed, key)["status"] == "SUCCESS", composed.told("code")
    composed.stop("daemon")
    assert "nothing was left unfinished" in composed.once("steward")
    with opened(composed.settings("code")) as house:
        assert set(house.tables.read(OUTCOMES)["year"].to_pylist()) == {2007, 2009}
    composed.start("metrics")
    told = page(f"{composed.url('metrics')}/metrics")
    assert 'lakehouse_runs{job="ingest",status="success"} 4.0' in told  # three were played here, one by the daemon
    assert 'lakehouse_source_answers{source="release"} 1.0' in told


def asked(url: str, token: str | None = None, **body: object) -> dict[str, Any]:
    """Return what Superset's API answers; a body is posted."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return dict(json.load(answer))


def test_the_dashboards_show_what_the_loop_stored(composed, whole):
    if not whole:
        pytest.skip("Superset takes a minute of processor time to be set up and started: --whole-loop does it")
    if not Path(composed.words("superset-setup", [SUPERSET])[0]).exists():
        pytest.skip("the dashboards' environment .lakehouse/superset-venv is not installed")
    if "sql" not in composed.running:
        composed.start("sql")
    for _ in range(2):
        composed.once("superset-setup")  # again changes nothing
    composed.start("superset")
    api = f"{composed.url('superset')}/api/v1"
    secret = composed.secret("superset_viewer_password")
    token = asked(f"{api}/security/login", username="viewer", password=secret, provider="db")["access_token"]
    assert [one["dashboard_title"] for one in asked(f"{api}/dashboard/", token)["result"]] == ["Education lakehouse"]
    datasets = {one["table_name"]: one["id"] for one in asked(f"{api}/dataset/?q=(page_size:100)", token)["result"]}
    counted = {"expressionType": "SQL", "sqlExpression": "COUNT(*)", "label": "n"}
    rows = {
        name: asked(
            f"{api}/chart/data",
            token,
            datasource={"id": number, "type": "table"},
            queries=[{"metrics": [counted]}],
            result_format="json",
            result_type="full",
        )["result"][0]["data"][0]["n"]
        for name, number in datasets.items()
    }
    assert len(rows) > 10
    with opened(composed.settings("code")) as house:
        judged = house.tables.read("archive.submissions").select(["submission", "content_sha256"])
    assert rows["submissions"] == len(set(map(str, judged.to_pylist()))) > 2, "a wave of data, a choir and a text"


def ended_run(made, key: str) -> dict[str, object]:
    """Ask Dagster's pages until the run that the daemon's sensor asked for because of an arrival has ended."""
    question = json.dumps({"query": RUNS}).encode()
    asked = urllib.request.Request(f"{made.url('dagster')}/graphql", question, {"Content-Type": "application/json"})
    wanted = {("dagster/partition", key), ("dagster/sensor_name", "inbox_sensor")}
    end = time.monotonic() + RUN_SECONDS
    while time.monotonic() < end:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            runs = json.load(answer)["data"]["runsOrError"]["results"]
        for run in runs:
            caused = wanted <= {(tag["key"], tag["value"]) for tag in run["tags"]}
            if caused and run["status"] in ("SUCCESS", "FAILURE", "CANCELED"):
                return run
        time.sleep(1)
    pytest.fail(f"no run ended; the daemon said {made.told('daemon')}, the code location {made.told('code')}")
