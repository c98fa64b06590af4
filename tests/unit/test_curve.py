"""The curve of a training is in its table while it goes on, each step once, and a killed one leaves what it wrote."""

import time
from types import SimpleNamespace

import pytest

from assets import curve as module
from assets import learning
from assets.curve import Curve, kept_when_it_fails, training_curve, tuning_curve
from dagster_project.demo import TrainingBar, _progress, console
from lakehouse.errors import ServiceUnavailableError
from lakehouse.policy.decisions import Decision
from lakehouse.policy.terms import ConsentTable
from lakehouse.ports import Provenance
from lakehouse.tables.gold import TRAINING_PROGRESS, TUNING_PROGRESS
from models.errors import NaNLossError
from models.progress import Paced, Progress, TuningStep
from tests.unit.explained_lake import open_lake

HERE = Provenance(run_id="test", code_commit="c" * 40)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def point(step, steps=100):
    return Progress(step, steps, 4.0 - step / steps, None if step % 20 else 3.0, 1000.0, 2.0, 0.25)


@pytest.fixture
def lake(tmp_path):
    return open_lake(tmp_path)


def curve_of(lake, *, pause_s=0.0, log=print):
    return training_curve(lake.house, lambda: "key-1", HERE, log, pause_s)


def written(lake):
    pin = lake.house.releases.current().tables.get(TRAINING_PROGRESS.name)
    rows = lake.house.tables.read(TRAINING_PROGRESS.name, snapshot_id=pin.snapshot_id).to_pylist()
    return sorted((row["training_key"], row["step"], row["validation_bits_per_byte"]) for row in rows)


def test_points_are_there_while_it_goes_on_and_once_when_a_killed_run_is_gone_on_with(lake):
    killed = curve_of(lake)
    for step in (1, 20):
        killed.hear(point(step))
        killed.pause_s = 0.0
    assert written(lake) == [("key-1", 1, None), ("key-1", 20, 3.0)]

    again = curve_of(lake, pause_s=60.0)  # it tells its curve from the beginning, with what the killed one lost
    for step in (1, 10, 20, 30, 40):
        again.hear(point(step))
    assert len(written(lake)) == 2, "a pause keeps releases few"
    again.write()
    again.write()
    assert [step for _, step, _ in written(lake)] == [1, 10, 20, 30, 40]


def test_pauses_grow_and_a_short_training_is_left_to_its_publication(lake, monkeypatch):
    writes, now = [], [0.0]
    monkeypatch.setattr(Curve, "write", lambda self: writes.append(now[0]))
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    curve = training_curve(lake.house, lambda: "key-1", HERE, print)
    for second in range(0, 8 * 3600, 5):
        now[0] = float(second)
        curve.hear(point(1 + second, 10**6))
    assert writes[:4] == [30.0, 90.0, 210.0, 450.0]
    assert len(writes) == 51, "eight hours of training"
    writes.clear()
    short = training_curve(lake.house, lambda: "key-2", HERE, print)
    now[0] += 25
    short.hear(point(1))
    now[0] += 25
    short.hear(point(100))
    assert writes == []


def test_a_table_that_cannot_be_written_stops_no_training_and_nothing_is_lost(lake, monkeypatch):
    told, whole = [], module.commit

    def down(*_arguments, **_options):
        raise ServiceUnavailableError("the storage does not answer")

    monkeypatch.setattr(module, "commit", down)
    curve = curve_of(lake, log=told.append)
    curve.hear(point(1))
    assert told == ["the curve waits to be written: ServiceUnavailableError: the storage does not answer"]
    monkeypatch.setattr(module, "commit", whole)
    curve.pause_s = 60.0
    curve.hear(point(10))
    with pytest.raises(NaNLossError), kept_when_it_fails(curve):
        raise NaNLossError("the loss is nan")
    assert [step for _, step, _ in written(lake)] == [1, 10]


def test_a_log_hears_of_a_training_every_ten_seconds_of_its_first_and_last_point(monkeypatch):
    lines, now = [], [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    paced = Paced(lines.append)
    for step in range(1, 51):
        now[0] = float(step)
        paced(point(step, 50))
    assert [line.partition(":")[0] for line in lines] == [f"step {step}/50" for step in (1, 11, 21, 31, 41, 50)]
    assert lines[0] == "step 1/50: train 3.980 bits per byte, 1,000 tokens/s, 25% of the matmul rate, 2 s left"
    assert ", validation 3.000 bits per byte, " in str(point(20))
    with console.capture() as seen:
        TrainingBar(console, _progress()).hear(point(1))
    assert "step 1/100: train 3.990" in seen.get(), "no terminal, so lines"


def test_consent_is_asked_once_a_release_and_again_when_something_changed(monkeypatch):
    consent = ConsentTable("answers", "learner", "purpose", "given", opt_in=True)
    decided = Decision("training", "model_training", "marks", "marks", permitted=True, reason="", consent=consent)
    state, asked = {"release": 1, "decision": decided}, []
    empty = learning.pa.table({"document_id": [], "text": []})
    for name, stand_in in {
        "recover": lambda house: None,
        "current_release": lambda house: SimpleNamespace(number=state["release"]),
        "stored_datasets": lambda *_: {"marks": None},
        "_with_text": lambda name, stored: [("marks", None)],
        "_of_today": lambda *_: empty,
        "_permitted": lambda *_: asked.append(state["release"]) or empty,
        "_documents": lambda *_: empty,
        "read_released": lambda *_, **__: empty,
    }.items():
        monkeypatch.setattr(learning, name, stand_in)
    policy = SimpleNamespace(decide=lambda *_: state["decision"])
    permission = learning.Permission(users=None, denied=None)
    monkeypatch.setattr(learning.Permission, "policy", lambda self, house: policy)
    for _ in range(3):
        learning.require_agreed(None, None, None, permission)
    assert asked == [1]
    state["release"] = 2
    learning.require_agreed(None, None, None, permission)
    state["decision"] = Decision(
        "training", "model_training", "marks", "marks", permitted=True, reason="b", consent=consent
    )
    learning.require_agreed(None, None, None, permission)
    assert asked == [1, 2, 2]


def test_steps_of_a_tuning_are_in_their_table_under_its_name_and_run(lake):
    curve = tuning_curve(lake.house, "topics", HERE, print)
    for step in (40, 80):
        curve.hear(TuningStep(step, 120, 1.5, 4.0, 50.0, 9.0))
    with pytest.raises(NaNLossError), kept_when_it_fails(curve):
        raise NaNLossError("the loss is nan")
    pin = lake.house.releases.current().pin(TUNING_PROGRESS.name)
    rows = lake.house.tables.read(TUNING_PROGRESS.name, snapshot_id=pin.snapshot_id).to_pylist()
    assert sorted((row["tuning"], row["name"], row["step"], row["steps"], row["loss"]) for row in rows) == [
        ("topics/test", "topics", 40, 120, 1.5),
        ("topics/test", "topics", 80, 120, 1.5),
    ]
