"""What Dagster costs for each asset: our runs in one process, and its stock executor with a process for each step."""

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableJob

from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.settings import load_settings

ASSET_COUNT = 5


@pytest.fixture
def instance(tmp_path):
    settings = load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_STORAGE": "folder"})
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as made:
        yield made


@pytest.mark.timeout(300)
def test_both_executors_materialise_all_five_assets(bench, here, instance):
    stock = ReconstructableJob.for_file(str(here / "five_assets.py"), "five")
    job = stock.get_definition()
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

    def ours(_turn):
        return lambda: job.execute_in_process(instance=instance, run_config=quiet)

    def theirs(_turn):
        return lambda: dg.execute_job(stock, instance=instance, run_config=quiet)

    results = bench.race(
        "orchestration, per asset",
        {"Dagster's multiprocess executor": theirs, "`execute_in_process`, as `Loop` runs jobs": ours},
        rounds=5,
        per=ASSET_COUNT,
    )
    for result in results.values():
        done = [event for event in result.all_events if event.event_type_value == "ASSET_MATERIALIZATION"]
        assert result.success
        assert len(done) == ASSET_COUNT
