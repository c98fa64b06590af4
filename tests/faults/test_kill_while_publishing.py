"""A writer killed at any point leaves readers on a whole release, and the next run ends as an undisturbed one."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.errors import NoReleaseError
from lakehouse.tables.intents import IntentLog
from lakehouse.tables.write_audit_publish import recover

PROGRAM = Path(__file__).with_name("crashing_writer.py")
spec = importlib.util.spec_from_file_location("crashing_writer", PROGRAM)
writer = importlib.util.module_from_spec(spec)
sys.modules["crashing_writer"] = writer
spec.loader.exec_module(writer)


def kill_writers(place, points):
    """Run one writer per point of `points`; return the points at which it was killed."""
    place |= {"first": points.start, "stop": points.stop, "step": points.step}
    done = subprocess.run([sys.executable, PROGRAM, json.dumps(place)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def fresh(place, point):
    return writer.open_house(place, point, writer.Fuse(writer.NEVER))


def seen(house, place, point):
    """Return what a reader of the current release sees: one list of students per table, and the view."""
    try:
        release = house.releases.current()
    except NoReleaseError:
        return None
    pins = [release.tables[table.name] for table in writer.definitions(place, point)]
    rows = [house.tables.read(pin.name, snapshot_id=pin.snapshot_id)["student"].to_pylist() for pin in pins]
    return [sorted(students) for students in rows], release.views["kpi.newest"].sql


def whole(*students):
    """Return what a reader sees once exactly these students were submitted."""
    return [list(students), list(students)], f"select '{students[-1]}'"


def check_a_crash(place, point, old, new):
    house = fresh(place, point)
    assert seen(house, place, point) in (old, new), "a reader sees something between two releases"
    student = new[0][0][-1]
    writer.submit(house, place, point, student)
    assert seen(house, place, point) == new
    assert house.releases.current().number == len(new[0][0])
    assert not writer.submit(house, place, point, student).changed
    for table in writer.definitions(place, point):
        keys = [summary.get("lakehouse.key") for summary in house.tables.summaries(table.name)]
        assert [key for key in keys if key] == new[0][0], "each key landed exactly once"
        assert house.tables.read(table.name).num_rows == len(new[0][0])
    assert IntentLog(house.objects).newest()[1] is None
    house.tables.close()


def finish_by_a_stranger(place, point):
    """Let every other open intent be finished by someone who has no rows; say whether that was needed."""
    house = fresh(place, point)
    was_open = IntentLog(house.objects).newest()[1] is not None
    if was_open and point % 2:
        recover(house)
        assert seen(house, place, point) == whole("ann", "bo")
    house.tables.close()
    return was_open


def test_a_kill_at_every_change_of_a_second_submission_is_repaired_by_the_same_run(tmp_path):
    place = {"kind": "local", "folder": str(tmp_path), "tag": "again", "before": True}
    killed = kill_writers(place, range(14))
    assert killed == list(range(len(killed))), "the points are counted without gaps"
    assert 9 <= len(killed) < 14, "the last writers get through, so every point was tried"
    decided = [point for point in killed if finish_by_a_stranger(place, point)]
    assert len(decided) >= 3, "the intent is open from its creation to its mark"
    for point in killed:
        check_a_crash(place, point, whole("ann"), whole("ann", "bo"))


def test_a_kill_at_every_change_of_the_first_submission_is_repaired_by_the_same_run(tmp_path):
    place = {"kind": "local", "folder": str(tmp_path), "tag": "first", "before": False}
    killed = kill_writers(place, range(16))
    assert killed == list(range(len(killed)))
    assert 10 <= len(killed) < 16
    for point in killed:
        check_a_crash(place, point, None, whole("ann"))


@pytest.mark.servers
def test_kills_on_seaweedfs_are_repaired_too(seaweed, tmp_path):
    place = {
        "kind": "seaweedfs",
        "tag": tmp_path.name.lower(),
        "before": True,
        "catalog": {
            "uri": f"http://127.0.0.1:{seaweed.ports.iceberg}",
            "warehouse": "s3://icewh",
            "access_key": "test-access",
            "secret_key": "test-secret",
            "s3_endpoint": f"http://127.0.0.1:{seaweed.ports.s3}",
        },
        "objects": {
            "endpoint": f"127.0.0.1:{seaweed.ports.s3}",
            "access_key": "test-access",
            "secret_key": "test-secret",
            "bucket": "lake",
        },
    }
    killed = kill_writers(place, range(3, 9))
    assert killed == list(range(3, 9))
    for point in killed:
        check_a_crash(place, point, whole("ann"), whole("ann", "bo"))
