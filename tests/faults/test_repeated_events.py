"""One submission that is handed in a thousand times, among others, in any order and over restarts, counts once."""

import random

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse
from tests.restarts.traffic import LINES, TABLE, Traffic

SEED = 20261128
TIMES, OTHERS, RESTARTS = 1000, 20, 8


def house_in(folder):
    objects = LocalObjects(folder / "objects")
    return Lakehouse(IcebergTables.local(folder / "tables"), objects, ReleaseLog(objects))


def test_the_same_submission_a_thousand_times_in_any_order_over_restarts_is_there_once(tmp_path):
    traffic, draw = Traffic(writers=1, appends=1 + OTHERS), random.Random(SEED)
    same, *others = traffic.submissions
    told = [*[same] * (TIMES - OTHERS), *others]
    draw.shuffle(told)
    changed = []
    for start in range(0, len(told), len(told) // RESTARTS):
        house = house_in(tmp_path)
        changed += [key for key in told[start : start + len(told) // RESTARTS] if traffic.hand_in(house, key)]
        house.tables.close()
    house = house_in(tmp_path)
    pin = house.releases.current().tables[TABLE.name]
    rows = house.tables.read(TABLE.name, snapshot_id=pin.snapshot_id)
    shown = rows["submission"].to_pylist()[::LINES]
    house.tables.close()
    assert rows.num_rows == LINES * len(shown)
    assert sorted(shown) == sorted(changed) == traffic.submissions, f"seed {SEED}"
