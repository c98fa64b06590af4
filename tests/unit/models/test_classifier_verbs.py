"""What the child process does for a classifier: a version is made once, measured, and compared with the one in use."""

import json
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.archive import pack, restore, strip
from models.child import REQUEST
from models.classifier_store import load_classifier
from models.classifier_verbs import run_classify
from models.classifier_versions import FILES, TRAINING
from models.device import choose_device
from models.progress import TuningStep
from models.requests import RESULT
from models.tuned_requests import TuneRequest, tune_answer
from tests.unit.models.test_finetune import RECIPE, made

TRIALS = "case: {kind: invariance, change: upper, at_least: 0.1, stops: nothing, owner: me, means: why}\n"


@pytest.fixture
def ask(checkpoint, tmp_path):
    """Ask for a version of `topics` from texts, and return the answer with the epochs that were told."""
    (tmp_path / "trials.yaml").write_text(TRIALS)

    def call(texts, compare=""):
        file, told = tmp_path / "work" / "texts.parquet", []
        file.parent.mkdir(exist_ok=True)
        columns = ("text", "label", "group", "split")
        pq.write_table(pa.table({name: [getattr(each, name) for each in texts] for name in columns}), file)
        request = TuneRequest(
            texts=file, base=checkpoint, root=tmp_path / "versions", name="topics", recipe=asdict(RECIPE),
            trials=(tmp_path / "trials.yaml",), compare=compare, threads=1, origin={"base_version": "gpt-0001"},
        )  # fmt: skip
        (file.parent / REQUEST).write_text(json.dumps(request.as_json()))
        run_classify(file.parent / REQUEST, told.append)
        return tune_answer(json.loads((file.parent / RESULT).read_text())), told

    return call


def right(folder, held):
    classifier = load_classifier(folder)
    chances = classifier.chances([each.text for each in held], choose_device("float32", threads=1))
    return np.array([classifier.labels[at] == each.label for at, each in zip(chances.argmax(1), held, strict=True)])


def test_a_version_is_made_once_and_compared_with_the_one_in_use_on_the_same_texts(ask, tmp_path, monkeypatch):
    two = made()
    monkeypatch.setattr("models.tuning.TOLD_SECONDS", 0.0)
    first, told = ask(two)
    assert (first.version, first.created, first.gain) == ("topics-0001", True, None)
    steps = [each for each in told if isinstance(each, TuningStep)]
    assert [each.step for each in steps] == list(range(1, steps[0].steps + 1)), "each is told where none is held back"
    assert len(told) - len(steps) == 2, "and each epoch"
    assert steps[-1].seconds_left == 0 < steps[0].seconds_left
    again, epochs = ask(two, compare="topics-0001")
    assert (again.version, again.created, again.gain, epochs) == ("topics-0001", False, None, [])
    assert again.figures == first.figures

    # Retired: found as before, measured from a copy, and it stays in the archive.
    folder = tmp_path / "versions" / "topics-0001"
    strip(folder, pack(folder, FILES, TRAINING, tmp_path))
    left = sorted(path.name for path in folder.iterdir())
    retired, epochs = ask(two)
    assert (retired.version, retired.created, retired.figures, epochs) == ("topics-0001", False, first.figures, [])
    assert sorted(path.name for path in folder.iterdir()) == left
    assert [path.name for path in folder.parent.iterdir()] == ["topics-0001"]
    restore(folder, tmp_path)

    # Every third chapter is about music now, of which the version in use never heard: it is wrong there.
    changed = {f"chapter {at}" for at in range(0, 60, 3)}
    three = [
        replace(each, label="music", text=f"{each.text} song drum choir") if each.group in changed else each
        for each in two
    ]
    other, _ = ask(three, compare="topics-0001")
    held = [each for each in three if each.split == "test"]
    mine, used = (right(tmp_path / "versions" / name, held) for name in ("topics-0002", "topics-0001"))
    assert not used[[each.label == "music" for each in held]].any()
    assert (other.version, other.gain.text_count, other.gain.group_count) == ("topics-0002", 60, 12)
    assert other.gain.difference == pytest.approx(mine.mean() - used.mean())
    assert other.gain.low < other.gain.difference < other.gain.high
    assert other.gain.wins == (other.gain.low > 0)
    assert other.figure("accuracy").value == pytest.approx(mine.mean())
