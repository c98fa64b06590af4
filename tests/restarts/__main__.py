"""Restarts all services of the cluster at random while it works: ``python -m tests.restarts RESTARTS SEED``.

The services of compose.yaml run as processes of this machine. Datasets are uploaded and taken to their tables by
Dagster, two writers publish, SQL and the REST catalog are asked; in the end every table must have the content it has
where nothing was ever restarted.
"""

import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pyarrow as pa
from minio import Minio
from minio.error import MinioException
from urllib3.exceptions import HTTPError

from dagster_project.services import queries
from dagster_project.settings import load_settings
from dagster_project.wiring import lakehouse
from lakehouse.adapters import minio_server
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.errors import LakehouseError, QueryError
from lakehouse.samples import college_scorecard
from lakehouse.tables.write_audit_publish import Lakehouse
from tests.flow.composed import Cluster, cluster
from tests.flow.conftest import open_bench
from tests.flow.table_hashes import OF_THE_RUN, published
from tests.restarts.judge import judge, judge_storage
from tests.restarts.services import Service, order, restart
from tests.restarts.traffic import LINES, TABLE, Look, Traffic
from tests.servers import running_postgres

RESTARTS = 50
WAVES = (2007, 2009, 2011)
OUTCOMES = "silver.college_scorecard_outcomes"
LONGEST_AWAY_S, LONGEST_BETWEEN_S = 5.0, 8.0
ARRIVED_S = 1800.0
# The SQL endpoint looks for a newer release at most once a second.
SEEN_S = 10.0
"""A run that broke off is tried again after two minutes, four, eight and sixteen."""
NEVER = "0 0 1 1 *"
SETTINGS = {
    "LAKEHOUSE_INBOX_SECONDS": "3",
    "LAKEHOUSE_S3_INBOX_SECONDS": "30",
    "LAKEHOUSE_DRIFT_SECONDS": "3600",
    **{f"LAKEHOUSE_{job}_CRON": NEVER for job in ("RETRAIN", "HEALTH", "MAINTAIN")},
}
OURS = ("uploads", "code", "dagster", "daemon", "sql", "catalog", "catalogue", "metrics", "superset")


class Arrivals:
    """Datasets that are uploaded one after the other, each once the one before is in its tables."""

    def __init__(self, made: Cluster) -> None:
        self.made, self.given = made, list[int]()
        keys = (made.secret("submitter_access_key"), made.secret("submitter_secret_key"))
        self.bucket = Minio(made.addresses["minio"], *keys, secure=False, region="us-east-1")

    def look(self, house: Lakehouse) -> bool:
        """Upload the next one when its time has come; say whether all are in their tables."""
        try:
            stored = self.stored(house)
        except LakehouseError as error:
            say(f"the tables cannot be read now: {error}")
            return False
        if stored == set(WAVES):
            return True
        if stored == set(self.given):
            self.upload(WAVES[len(self.given)])
        return False

    @staticmethod
    def stored(house: Lakehouse) -> set[int]:
        pin = house.releases.current().tables.get(OUTCOMES)
        if pin is None:
            return set()
        return set(house.tables.read(OUTCOMES, columns=["year"], snapshot_id=pin.snapshot_id)["year"].to_pylist())

    def upload(self, year: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            written = college_scorecard.write(year, Path(folder))
            packed = shutil.make_archive(f"{folder}/packed", "zip", written)
            try:
                self.bucket.fput_object(minio_server.INBOX, f"wave-{year}.zip", packed)
            except (MinioException, HTTPError, OSError) as error:
                say(f"wave {year} could not be uploaded, and is later: {error}")
                return
        say(f"wave {year} is uploaded")
        self.given.append(year)


def say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def started(made: Cluster) -> list[Service]:
    """Start what `cluster` has not, and return how each of all services is restarted."""
    jars = load_settings().home / "tools" / "rest-catalog"
    server = Path(__file__).parents[1] / "flow" / "LoopbackCatalog.java"
    java = {"CATALOG_JARS": jars, "CATALOG_SERVER": server, "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1"}
    made.services["catalog"]["environment"] |= {name: str(value) for name, value in java.items()}
    for name in OURS[1:]:
        if name == "superset":
            made.once("superset-setup")
        made.start(name)

    def start(name: str) -> None:
        made.launch(name)
        while not made.listens(name):
            assert made.running[name].poll() is None, f"{name} ended: {made.told(name)}"
            time.sleep(0.2)

    ours = [
        Service(name, partial(made.stop, name, signal.SIGKILL), partial(made.stop, name), partial(start, name))
        for name in ("minio", *OURS)
    ]
    return [*ours, Service("postgres", made.database.break_off, made.database.end, made.database.start)]


def compared(house: Lakehouse, traffic: Traffic) -> int:
    """Compare all tables with those of an undisturbed run in plain folders, without a server; return how many."""
    with tempfile.TemporaryDirectory(prefix="undisturbed-") as folder:
        bench = open_bench(Path(folder))
        for key in traffic.submissions:
            traffic.hand_in(bench.house, key)
        for year in WAVES:
            outcome = bench.loop.ingest(bench.wave(year))
            assert outcome.success, outcome.failure
        found, wanted = (published(one, OF_THE_RUN) for one in (house, bench.house))
        other = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        for name in other:
            say(f"{name} is not as where nothing was restarted: {_columns(house, bench.house, name)}")
        bench.close()
    assert not other
    return len(found)


def _columns(house: Lakehouse, other: Lakehouse, name: str) -> list[str]:
    """Return the columns in which a table of two lakehouses differs, and how many rows there are."""
    one, two = (each.tables.read(name) for each in (house, other))
    columns = [column for column in one.column_names if column not in OF_THE_RUN["*"]]
    alone = [column for column in columns if _values(one, column) != _values(two, column)]
    return [f"{one.num_rows} and {two.num_rows} rows", *alone]


def _values(rows: pa.Table, column: str) -> list[str]:
    return sorted(map(repr, rows[column].to_pylist()))


def shaken(made: Cluster, services: list[Service], traffic: Traffic, draw: random.Random, times: int) -> None:
    """Restart services at random while all goes on; return when all that was handed in is in its tables."""
    settings = made.settings("code")
    house, arrivals, sql = lakehouse(settings), Arrivals(made), queries(made.settings("sql"))
    asked = f"select submission, line from lakehouse.{TABLE.name}"
    access = {name: made.secret(f"reader_{name}") for name in ("access_key", "secret_key")}

    def by_sql() -> Iterable[tuple[str, int]]:
        return [(row["submission"], row["line"]) for row in sql.fetch(asked).to_pylist()]

    def by_rest() -> Iterable[tuple[str, int]]:
        tables = IcebergTables.rest(
            made.url("catalog"), warehouse="s3://icewh/warehouse", s3_endpoint=made.url("minio"), **access
        )
        try:
            return [(row["submission"], row["line"]) for row in tables.read(TABLE.name).to_pylist()]
        finally:
            tables.close()

    house.tables.ensure(TABLE)
    traffic.hand_in(house, traffic.submissions[0])
    seen(by_sql)
    with traffic.going(lambda: lakehouse(settings), {"sql": by_sql, "rest catalog": by_rest}):
        for number, service in enumerate(order(services, times, draw), 1):
            traffic.go_on()
            arrivals.look(house)
            say(f"{number}: {restart(service, draw, longest_s=LONGEST_AWAY_S)}")
            time.sleep(draw.uniform(0, LONGEST_BETWEEN_S))
        end = time.monotonic() + ARRIVED_S
        while not arrivals.look(house):
            assert time.monotonic() < end, (
                f"only {arrivals.stored(house)} arrived; the daemon said {made.told('daemon')}"
            )
            time.sleep(2)
    for name in OURS:
        made.wait(name)
    assert (
        sorted(by_sql()) == sorted(by_rest()) == [(one, line) for one in traffic.submissions for line in range(LINES)]
    )
    house.tables.close()


def seen(look: Look) -> None:
    """Wait until the first release is seen."""
    end = time.monotonic() + SEEN_S
    while True:
        try:
            assert list(look())
        except QueryError:
            assert time.monotonic() < end, f"a release is not seen after {SEEN_S:.0f} s"
            time.sleep(0.2)
        else:
            return


def main(times: int, seed: int) -> None:
    """Shake a cluster in a temporary folder, judge it, and say how it went."""
    draw, traffic, start = random.Random(seed), Traffic(writers=2, appends=times), time.monotonic()
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="restarts-")))
        made = stack.enter_context(cluster(root, running_postgres, SETTINGS))
        shaken(made, started(made), traffic, draw, times)
        for name in ("dagster", "daemon", "code"):
            made.stop(name)
        house = lakehouse(made.settings("code"))
        judge(house, traffic)
        tables = compared(house, traffic)
        user, password = made.secret("minio_root_user"), made.secret("minio_root_password")
        root_user = Minio(made.addresses["minio"], user, password, secure=False, region="us-east-1")
        orphans = judge_storage(house, root_user, minio_server.TABLES)
        house.tables.close()
    say(
        f"seed {seed}: {times} restarts in {time.monotonic() - start:.0f} s; {len(traffic.acknowledged)} submissions "
        f"and {len(WAVES)} datasets are there once, {tables} tables have the content of an undisturbed run; "
        f"writers were refused {sum(traffic.refused.values())} times {dict(traffic.refused)}; looks "
        f"{dict(traffic.looks)}, not answered {dict(traffic.unseen)}; {orphans} orphans swept, none left"
    )


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:3]]
    main(*(numbers + [RESTARTS, random.SystemRandom().randrange(2**32)][len(numbers) :]))
