"""A run killed at any durable change of `store` or `publish`, then run again, ends as if it had never been killed."""

import dataclasses
import json
import shutil
import signal
from collections import Counter

import pytest

from dagster_project.dead_runs import end_dead_runs
from dagster_project.wiring import lakehouse
from models.config import TINY

COPYIST = dataclasses.replace(TINY, vocabulary_size=257, context=48, batch=16, steps=120, validate_every=60)
WAVES = (2011, 2012, 2013)
TABLES = ("bronze.college_scorecard_outcomes", "silver.college_scorecard_outcomes", "gold.loads")

pytestmark = pytest.mark.slow


def published(bench, table):
    """Rows of a table as SQL and dashboards see them: at the snapshot that the current release pins."""
    house = lakehouse(bench.settings)
    pin = house.releases.current().tables.get(table)
    return house.tables.read(table, snapshot_id=pin.snapshot_id).to_pylist() if pin else []


def versions_of(rows):
    return Counter(row.get("dataset_version") or row.get("_dataset_version") for row in rows)


def test_kills_during_store_leave_whole_versions_and_nothing_twice(bench, apart):
    assert bench.loop.ingest(bench.wave(2007)).success
    second = apart.run(bench, "ingest", bench.wave(2009))
    assert second.returncode == 0, second.stderr[-2000:]
    changes = json.loads(second.stdout)["changes"]
    expected = {table: versions_of(published(bench, table)) for table in TABLES}
    killed = []
    for number, year in enumerate(WAVES):
        key = bench.wave(year)
        # After the register's writes at the start, up to the drift's at the end.
        point = round(changes * (0.3 + 0.4 * number / (len(WAVES) - 1)))
        done = apart.run(bench, "ingest", key, point=point)
        killed.append(done.returncode == -signal.SIGKILL)
        assert len(end_dead_runs(bench.loop.instance)) == 1, "a dead run does not hold the queue's place"
        for table in TABLES[:2]:
            seen = versions_of(published(bench, table))
            rows = len(bench.shelf_rows(year))
            assert seen - expected[table] in (Counter(), Counter({str(year): rows})), "a version is whole or not there"
        outcome = bench.loop.ingest(key)
        assert outcome.success, outcome.failure
        for table in TABLES[:2]:
            expected[table] += Counter({str(year): rows})
            assert versions_of(published(bench, table)) == expected[table]
        expected["gold.loads"] += Counter({str(year): 2})
        assert versions_of(published(bench, "gold.loads")) == expected["gold.loads"]
    assert all(killed), killed


def test_two_processes_that_ingest_one_arrival_at_once_store_it_once(bench, apart):
    key = bench.wave(2007)
    both = apart.ingest_twice(bench, key)
    assert [done.returncode for done in both] == [0, 0], [done.stderr[-2000:] for done in both]
    outcomes = [json.loads(done.stdout) for done in both]
    assert any(one["success"] for one in outcomes), outcomes
    # Whoever came late may be told to run again; it is, and changes nothing.
    again = bench.loop.ingest(key)
    assert again.success, again.failure
    rows = len(bench.shelf_rows(2007))
    for table in TABLES[:2]:
        assert versions_of(published(bench, table)) == Counter({"2007": rows})
    assert versions_of(published(bench, "gold.loads")) == Counter({"2007": 2})
    assert len(bench.state()["versions"]) == 1


def test_kills_during_publish_leave_no_half_release(bench, apart, tmp_path_factory):
    key = bench.periodic_texts()
    bench.loop.ingest(key)
    bench.learns_with(COPYIST)
    recipe = COPYIST.canonical_json()
    whole = apart.run(bench, "learn", recipe=recipe)
    assert json.loads(whole.stdout)["success"], whole.stdout
    changes = json.loads(whole.stdout)["changes"]
    wanted = results(bench)
    trained = bench.settings.home / "models"
    for point in (changes - 8, changes - 3):
        other = bench.another(tmp_path_factory.mktemp(f"kill-{point}"))
        other.loop.ingest(other.periodic_texts())
        other.learns_with(COPYIST)
        shutil.copytree(trained, other.settings.home / "models", dirs_exist_ok=True)
        done = apart.run(other, "learn", point=point, recipe=recipe)
        assert done.returncode == -signal.SIGKILL, done.stdout
        assert results(other) in (wanted, NOTHING), "everything of a model is visible, or nothing"
        outcome = other.loop.learn("first")
        assert outcome.success, outcome.failure
        assert results(other) == wanted
        other.close()


MODEL_TABLES = (
    "gold.model_versions",
    "gold.training_curve",
    "gold.evaluations",
    "gold.predictions",
    "gold.promotions",
)
NOTHING = {"current": None} | dict.fromkeys(MODEL_TABLES, 0)


def results(bench):
    counts = {table: len(published(bench, table)) for table in MODEL_TABLES}
    return {"current": lakehouse(bench.settings).releases.current().model_version} | counts
