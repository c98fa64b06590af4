"""Each cause starts one run: a settled arrival, a decision to retrain, a tick of the schedule."""

import shutil
from datetime import UTC, datetime

import dagster as dg

from dagster_project.schedules import retrain_schedule
from dagster_project.sensors import drift_sensor, inbox_sensor
from dagster_project.wiring import lakehouse
from lakehouse.monitor.retraining import RetrainDecision


class Looks:
    """A sensor asked again and again as the daemon does, the cursor carried on."""

    def __init__(self, bench, sensor, **resources):
        self.bench, self.sensor, self.resources, self.cursor = bench, sensor, resources, None

    def look(self):
        with dg.build_sensor_context(
            instance=self.bench.loop.instance,
            cursor=self.cursor,
            resources=self.resources,
            definitions=self.bench.loop.defs,
        ) as context:
            result = self.sensor(context)
        self.cursor = result.cursor
        self.said = result.skip_reason.skip_message if result.skip_reason else ""
        return [(request.run_key, request.partition_key) for request in result.run_requests or []]


def test_an_arrival_is_ingested_once_it_has_settled(bench):
    looks = Looks(bench, inbox_sensor(1), shelf=bench.shelf)
    assert looks.look() == []
    key = bench.wave(2007)
    assert looks.look() == [], "it may still be being copied"
    ((run_key, partition),) = looks.look()
    assert partition == key
    assert run_key.startswith(f"{key}:")
    bench.loop.ingest(key)
    assert looks.look() == []


def test_two_daemons_that_look_at_once_ask_for_one_and_the_same_run(bench):
    both = [Looks(bench, inbox_sensor(1), shelf=bench.shelf) for _ in range(2)]
    key = bench.wave(2007)
    for looks in both:
        looks.look()
    (asked,), (again,) = (looks.look() for looks in both)
    assert asked == again, "by its key Dagster knows the run that was asked for before"
    assert asked[1] == key


def test_an_arrival_that_still_grows_is_left_alone(bench):
    looks = Looks(bench, inbox_sensor(1), shelf=bench.shelf)
    key = bench.wave(2007)
    looks.look()
    (bench.settings.home / "inbox" / key / "late.txt").write_text("still copying")
    assert looks.look() == []
    assert len(looks.look()) == 1


def test_an_arrival_that_was_neither_stored_nor_refused_is_tried_again_a_few_times(bench, monkeypatch):
    clock = [1_000_000.0]
    monkeypatch.setattr("dagster_project.sensors.time.time", lambda: clock[0])
    looks = Looks(bench, inbox_sensor(1), shelf=bench.shelf)
    bench.wave(2007)
    looks.look()
    asked = [run_key for run_key, _ in looks.look()]
    assert looks.look() == [], "not again at once"
    for _ in range(10):
        clock[0] += 3600
        asked.extend(run_key for run_key, _ in looks.look())
    assert len(asked) == len(set(asked)) == 5
    assert looks.said.startswith("given up after 5 tries: 'college_scorecard@2007'; ")
    (bench.settings.home / "inbox" / "college_scorecard@2007" / "dataset.yaml").touch()
    assert looks.look() == []
    assert len(looks.look()) == 1, "touched, it is asked for anew"
    assert looks.said == ""


def test_a_second_folder_with_the_same_name_and_version_gets_its_turn(bench):
    looks = Looks(bench, inbox_sensor(1), shelf=bench.shelf)
    key = bench.wave(2007)
    looks.look()
    looks.look()
    bench.loop.ingest(key)
    inbox = bench.settings.home / "inbox"
    shutil.copytree(inbox / key, inbox / "another name")
    (inbox / "another name" / "README.md").write_text("other content")
    looks.look()
    assert [partition for _, partition in looks.look()] == [key]


def test_two_entries_of_one_version_that_wait_together_both_settle(bench):
    looks = Looks(bench, inbox_sensor(1), shelf=bench.shelf)
    key = bench.wave(2007)
    inbox = bench.settings.home / "inbox"
    shutil.copytree(inbox / key, inbox / "another name")
    (inbox / "another name" / "README.md").write_text("other content")
    looks.look()
    assert {partition for _, partition in looks.look()} == {key}


def test_a_refused_arrival_is_not_asked_for_again(bench, tmp_path):
    from lakehouse.samples import course_records

    looks = Looks(bench, inbox_sensor(1), shelf=bench.shelf)
    key = bench.arrive(course_records.write(tmp_path))
    looks.look()
    assert len(looks.look()) == 1
    bench.loop.ingest(key)
    assert looks.look() == []


def test_each_decision_to_retrain_asks_once(bench):
    looks = Looks(bench, drift_sensor(1), house=lakehouse(bench.settings))
    assert looks.look() == []
    shifted, known = (RetrainDecision("d@2", "drift", "retrain", "x"), RetrainDecision("d@3", "drift", "wait", "x"))
    bench.decide(shifted, known)
    assert looks.look() == [("d@2", None)]
    assert looks.look() == []
    bench.decide(RetrainDecision("d@4", "drift", "retrain", "shifted again"))
    assert looks.look() == [("d@4", None)]


def test_causes_seen_together_share_one_training(bench):
    looks = Looks(bench, drift_sensor(1), house=lakehouse(bench.settings))
    bench.decide(RetrainDecision("d@3", "drift", "retrain", "x"), RetrainDecision("d@2", "drift", "retrain", "x"))
    assert looks.look() == [("d@2,d@3", None)]
    assert looks.look() == []


def test_a_tick_of_the_schedule_asks_for_one_retraining():
    when = datetime(2026, 1, 1, 2, tzinfo=UTC)
    context = dg.build_schedule_context(scheduled_execution_time=when)
    request = retrain_schedule("0 2 * * *")(context)
    assert request.run_key == f"schedule:{when.isoformat()}"
    assert request.run_config["ops"]["language_model"]["config"] == {"cause": "schedule"}
