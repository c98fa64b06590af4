"""However storage, catalog and SQL endpoint are restarted, all that was acknowledged is there once, and nothing else.

Here three services a few times; `make restarts` does it fifty times to all services of the cluster.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lakehouse.adapters import minio_server, seaweedfs
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.dremio import DremioQueries
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.endpoint.config import EndpointConfig, S3Access
from lakehouse.endpoint.server import serve
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse
from tests.flow.table_hashes import published
from tests.restarts.judge import judge, judge_storage
from tests.restarts.services import Service, order, restart
from tests.restarts.traffic import LINES, TABLE, Traffic

pytestmark = pytest.mark.servers

SEED = 20261128
RESTARTS = 6
LONGEST_S = 1.0
USER, PASSWORD = "ada", "correct horse 1"


def house_of(minio, postgres) -> Lakehouse:
    access_key, secret_key = minio.keys["writer"]
    tables = IcebergTables.database(
        postgres.uri,
        password=postgres.password,
        warehouse=f"s3://{minio_server.TABLES}/warehouse",
        access_key=access_key,
        secret_key=secret_key,
        s3_endpoint=f"http://{minio.root.endpoint}",
    )
    objects = minio.objects()
    return Lakehouse(tables, objects, ReleaseLog(objects))


class Endpoint:
    """The SQL endpoint over a MinIO, on one port."""

    def __init__(self, minio):
        access_key, secret_key = minio.keys["reader"]
        self.releases = ReleaseLog(minio.objects("reader"))
        self.config = EndpointConfig(
            users={USER: PASSWORD},
            roots=(f"s3://{minio_server.TABLES}",),
            port=seaweedfs.free_ports(1)[0],
            s3=S3Access(minio.root.endpoint, access_key, secret_key),
            warm_engines=1,
            poll_seconds=0.0,
        )
        self.start()

    def start(self):
        self.server = serve(self.config, self.releases)

    def stop(self):
        self.server.stop()


@contextmanager
def opened(minio, postgres) -> Iterator[Lakehouse]:
    house = house_of(minio, postgres)
    try:
        house.tables.ensure(TABLE)
        yield house
    finally:
        house.tables.close()


@contextmanager
def asked(minio) -> Iterator[tuple[Endpoint, DremioQueries]]:
    endpoint = Endpoint(minio)
    queries = DremioQueries(f"grpc://127.0.0.1:{endpoint.config.port}", USER, PASSWORD)
    try:
        yield endpoint, queries
    finally:
        queries.close()
        endpoint.stop()


def undisturbed(folder, traffic) -> dict[str, str]:
    objects = LocalObjects(folder / "objects")
    house = Lakehouse(IcebergTables.local(folder / "tables"), objects, ReleaseLog(objects))
    for key in traffic.submissions:
        traffic.hand_in(house, key)
    hashes = published(house, {})
    house.tables.close()
    return hashes


def test_restarts_in_random_order_end_in_the_tables_of_an_undisturbed_run(run_minio, run_postgres, tmp_path):
    draw, traffic, done = random.Random(SEED), Traffic(writers=2, appends=RESTARTS), []
    sql = f"select submission, line from lakehouse.{TABLE.name}"
    with run_minio() as minio, run_postgres() as postgres, opened(minio, postgres) as house:
        traffic.hand_in(house, traffic.submissions[0])
        with asked(minio) as (endpoint, queries):

            def look():
                return [(row["submission"], row["line"]) for row in queries.fetch(sql).to_pylist()]

            services = [
                Service("minio", minio.kill, minio.end, minio.start),
                Service("postgres", postgres.break_off, postgres.end, postgres.start),
                Service("sql", endpoint.stop, endpoint.stop, endpoint.start),
            ]
            with traffic.going(lambda: house_of(minio, postgres), {"sql": look}):
                for service in order(services, RESTARTS, draw):
                    traffic.go_on()
                    done.append(restart(service, draw, longest_s=LONGEST_S))
            said = f"seed {SEED}: {done}"
            judge(house, traffic)
            assert published(house, {}) == undisturbed(tmp_path, traffic), said
            assert sorted(look()) == [(one, line) for one in traffic.submissions for line in range(LINES)], said
        assert traffic.looks["sql"], said
        judge_storage(house, minio.root.client(), minio_server.TABLES)
