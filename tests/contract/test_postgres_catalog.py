"""What a catalog in PostgreSQL promises beyond what all promise: restarts, logins, no password in any message."""

import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from dagster_project.settings import load_settings
from dagster_project.wiring import lakehouse
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.iceberg_database import permanent
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.errors import LoginError, PermanentError, ServiceUnavailableError, TransientError
from lakehouse.ports import TableWrite
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish

pytestmark = pytest.mark.servers

WRITERS, APPENDS, RESTARTS, TRIES = 3, 4, 3, 10


def message(error: BaseException) -> str:
    """Return all that a log would show: the error, what it came from, and the lines of the program."""
    return "".join(traceback.format_exception(error))


def house(postgres, folder, **options) -> Lakehouse:
    objects = LocalObjects(folder / "objects")
    return Lakehouse(postgres.tables(folder / "tables", **options), objects, ReleaseLog(objects))


def put_until_taken(at, table, rows, key, provenance):
    for _ in range(TRIES):
        try:
            return write_audit_publish(at, [TableWrite(table, rows)], key=key, provenance=provenance)
        except TransientError as error:
            last = error  # what a caller is told to do: run it again
    raise AssertionError(f"{key} was not taken in {TRIES} tries") from last


def students(at, table) -> list[str]:
    pin = at.releases.current().tables[table.name]
    return sorted(at.tables.read(table.name, snapshot_id=pin.snapshot_id)["student"].to_pylist())


def test_whatever_is_acknowledged_while_the_server_is_restarted_is_there_once(
    postgres, tmp_path, new_table, marks_of, provenance
):
    table, done = new_table(), threading.Event()

    def write(writer):
        own = house(postgres, tmp_path)
        keys = [f"w{writer}-{number}" for number in range(APPENDS)]
        for key in keys:
            put_until_taken(own, table, marks_of(key), key, provenance)
        own.tables.close()
        return keys

    def restart():
        for _ in range(RESTARTS):
            done.wait(0.4)
            postgres.break_off()
            postgres.start()

    with ThreadPoolExecutor(WRITERS + 1) as pool:
        restarting = pool.submit(restart)
        running = [pool.submit(write, writer) for writer in range(WRITERS)]
        acknowledged = sorted(key for each in running for key in each.result())
        done.set()
        restarting.result()
    after = house(postgres, tmp_path)
    assert students(after, table) == acknowledged
    after.tables.close()


@pytest.mark.parametrize("landed", [True, False])
def test_a_commit_whose_answer_is_lost_happens_once(postgres, tmp_path, new_table, marks_of, provenance, landed):
    at, table = house(postgres, tmp_path), new_table()
    at.tables.ensure(table)
    dialect = at.tables.catalog.engine.dialect
    really, lost = dialect.do_commit, []

    def commit(connection):
        if len(lost) == 2:
            return really(connection)
        lost.append(connection)
        if landed:
            really(connection)
        connection.driver_connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    dialect.do_commit = commit
    write_audit_publish(at, [TableWrite(table, marks_of("ann"))], key="k1", provenance=provenance)
    assert len(lost) == 2
    assert students(at, table) == ["ann"]
    at.tables.close()


def test_many_who_open_a_fresh_database_at_once_all_get_in(postgres, tmp_path, new_table):
    with psycopg.connect(postgres.uri, password=postgres.password, autocommit=True) as connection:
        connection.execute("create database fresh")
    together = threading.Barrier(6)

    def enter(number):
        tables = IcebergTables.database(
            postgres.uri.replace("/postgres", "/fresh"),
            password=postgres.password,
            warehouse=f"file://{tmp_path}",
            access_key="",
            secret_key="",
            s3_endpoint="",
        )
        together.wait()
        tables.ensure(new_table(f"_{number % 2}"))
        found = tables.tables("silver")
        tables.close()
        return found

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(enter, range(6)))
    assert max(found, key=len) == sorted(new_table(suffix).name for suffix in ("_0", "_1"))


def test_a_wrong_password_is_a_login_error_that_does_not_tell_it(postgres, tmp_path):
    tables = postgres.tables(tmp_path, password="wrong-secret")
    with pytest.raises(LoginError, match="check its name and password") as caught:
        tables.tables("silver")
    assert postgres.uri.split("@")[1] in message(caught.value)
    assert "wrong-secret" not in message(caught.value) + repr(tables)


def database(uri, folder, **options):
    """Return tables in a folder whose catalog is in a database elsewhere."""
    return IcebergTables.database(
        uri, warehouse=f"file://{folder}", access_key="", secret_key="", s3_endpoint="", **options
    )


def test_a_server_that_is_away_is_a_transient_error_that_does_not_tell_the_password(tmp_path):
    tables = database(
        "postgresql://lake@127.0.0.1:9/lake",
        tmp_path,
        password="hush-hush",
        patience_s=0.1,
    )
    with pytest.raises(ServiceUnavailableError, match=r"lake@127\.0\.0\.1:9/lake does not answer") as caught:
        tables.tables("silver")
    assert "hush-hush" not in message(caught.value) + repr(tables)


def test_a_database_that_is_not_there_is_named(postgres, tmp_path):
    tables = database(
        postgres.uri.replace("/postgres", "/nowhere"),
        tmp_path,
        password=postgres.password,
    )
    with pytest.raises(PermanentError, match='database "nowhere" does not exist'):
        tables.tables("silver")


def test_an_option_that_the_driver_refuses_is_told_at_once_and_without_the_options(tmp_path):
    tables = database(
        "postgresql://lake@127.0.0.1:9/lake?sslmode=bogus&application_name=mine",
        tmp_path,
        password="x",
        patience_s=3600,
    )
    with pytest.raises(PermanentError, match='invalid sslmode value: "bogus"') as caught:
        tables.tables("silver")
    assert "application_name" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "kind", "advice"),
    [
        ('FATAL:  password authentication failed for user "lake"', LoginError, "check its name"),
        ('FATAL:  certificate authentication failed for user "lake"', LoginError, "or its certificate"),
        ('FATAL:  LDAP authentication failed for user "lake"', LoginError, "check its name"),
        ('FATAL:  Peer authentication failed for user "lake"', LoginError, "check its name"),
        ('FATAL:  database "lake" does not exist', PermanentError, "create it"),
        ('FATAL:  role "lake" does not exist', PermanentError, "create it"),
        ('root certificate file "/x/ca.pem" does not exist', PermanentError, "the certificates$"),
        ("SSL error: certificate verify failed", PermanentError, "the certificates$"),
    ],
)
def test_what_no_later_try_can_mend_is_known_by_the_servers_words(said, kind, advice):
    fault = permanent("postgresql://lake@db/lake", said)
    assert type(fault) is kind
    with pytest.raises(kind, match=advice):
        raise fault


@pytest.mark.parametrize(
    "said", ["Connection refused", "FATAL:  the database system is starting up", 'relation "x" does not exist']
)
def test_what_a_later_try_may_mend_is_tried_again(said):
    assert permanent("postgresql://lake@db/lake", said) is None


@pytest.mark.parametrize(
    ("uri", "complaint"),
    [
        ("postgresql://lake:hush-hush@127.0.0.1/lake", "holds a password"),
        ("postgresql://lake@127.0.0.1/lake?password=hush-hush", "holds a password"),
        ("postgresql+psycopg://lake:hush-hush@127.0.0.1/lake", "holds a password"),
        ("postgresql+psycopg://lake@127.0.0.1/lake", "no database's"),
        ("POSTGRESQL://lake:hush-hush@127.0.0.1/lake", "holds a password"),
        ("postgresql://lake@127.0.0.1/lake?sslpassword=hush-hush", "holds a password"),
        ("postgresql://127.0.0.1/lake?application_name=hush-hush", "lacks a user"),
        ("postgresql://127.0.0.1/lake", "lacks a user"),
        ("postgresql://lake@127.0.0.1:port/lake", "no database's"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_before_anything_is_contacted(uri, complaint):
    tables = IcebergTables.database(
        uri, password="x", warehouse="file:///nowhere", access_key="", secret_key="", s3_endpoint=""
    )
    with pytest.raises(PermanentError, match=complaint) as caught:
        tables.tables("silver")
    assert "hush-hush" not in str(caught.value)


def test_the_settings_of_a_cluster_publish_over_s3(postgres, seaweed, tmp_path, new_table, marks_of, provenance):
    secret = tmp_path / "password"
    secret.write_text(f"{postgres.password}\n")
    settings = load_settings(
        {
            "LAKEHOUSE_HOME": str(tmp_path / "home"),
            "LAKEHOUSE_STORAGE": "external",
            "LAKEHOUSE_S3_ENDPOINT": f"127.0.0.1:{seaweed.ports.s3}",
            "LAKEHOUSE_S3_ACCESS_KEY": seaweed.access_key,
            "LAKEHOUSE_S3_SECRET_KEY": seaweed.secret_key,
            "LAKEHOUSE_CATALOG_URI": postgres.uri,
            "LAKEHOUSE_CATALOG_PASSWORD_FILE": str(secret),
            "LAKEHOUSE_CATALOG_WAREHOUSE": f"s3://lake/{tmp_path.name}",
        }
    )
    objects = seaweed.objects()
    for key in objects.keys("releases/") + objects.keys("newest/") + objects.keys("intents/"):
        objects.delete(key)
    at, table = lakehouse(settings), new_table()
    write_audit_publish(at, [TableWrite(table, marks_of("ann"))], key="k1", provenance=provenance)
    assert students(at, table) == ["ann"]
    assert at.releases.current().tables[table.name].metadata_location.startswith(f"s3://lake/{tmp_path.name}/")
    at.tables.close()
