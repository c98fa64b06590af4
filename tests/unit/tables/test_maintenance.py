"""What maintenance must keep that no release pins, and what it cares for that no release names."""

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse.adapters import iceberg_past
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.iceberg_upkeep import IcebergUpkeep
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.definition import Column, TableDefinition
from lakehouse.errors import ChecksumError, NoTableError
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.classifiers import CLASSIFIER_VERSIONS
from lakehouse.tables.gold import DOCUMENTS, MODEL_STAGES, MODEL_VERSIONS
from lakehouse.tables.maintenance import Upkeep, maintain
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.withdrawals import quarantine
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish

PROVENANCE = Provenance(run_id="run", code_commit="c")
AT_ONCE = Upkeep(keep_days=0, keep_releases=1, abandoned_hours=1e-9)
NOW = datetime(2024, 5, 1, tzinfo=UTC)
RUN = {"run_id": "run", "code_commit": "c", "recorded_at": NOW}


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Tables that keep no newest snapshots for their number's sake, so that a few are enough here."""
    monkeypatch.setattr(iceberg_past, "NEWEST", 1)
    monkeypatch.setattr(iceberg_past, "MOST", 2)
    objects = LocalObjects(tmp_path / "objects")
    return Lakehouse(IcebergTables.local(tmp_path / "tables"), objects, ReleaseLog(objects))


def publish(house, table, row, *, mode="append"):
    schema = table.arrow_schema()
    rows = pa.Table.from_pylist([{name: row.get(name) for name in schema.names}], schema=schema)
    write_audit_publish(house, [TableWrite(table, rows, mode=mode)], key=str(row), provenance=PROVENANCE)
    return house.releases.current().pin(table.name).snapshot_id


def documents(house, text):
    said = dict.fromkeys(("dataset", "dataset_version", "dataset_commit"), "d")
    return publish(house, DOCUMENTS, {"document_id": text, "text": text, "split": "train", **said}, mode="replace")


def learned(house, version, snapshot):
    row = {"model_version": version, "recipe": "{}", "documents_snapshot": str(snapshot), **RUN}
    publish(house, MODEL_VERSIONS, row)


def text_at(house, snapshot):
    return house.tables.read(DOCUMENTS.name, snapshot_id=snapshot)["text"].to_pylist()


def classified(house, version, snapshot):
    row = {"model_version": version, "table_name": DOCUMENTS.name, "table_snapshot": str(snapshot), **RUN}
    told = dict.fromkeys(("evaluation_snapshot", "judgement", "event_key", "classifier", "base", "reason"), "-")
    told |= dict.fromkeys(("dataset_commits", "recipe", "labels", "weights_sha256"), "-")
    publish(house, CLASSIFIER_VERSIONS, {**told, "promoted": True, "waits": False, **row})


def test_what_models_learned_from_stays_until_these_are_retired_or_in_quarantine(house):
    snapshots = [documents(house, text) for text in ("one", "two", "three", "four", "five")]
    learned(house, "gpt-0001", snapshots[0])
    learned(house, "gpt-0002", snapshots[2])
    classified(house, "topics-0001", snapshots[3])
    later = datetime.now(UTC) + timedelta(days=1)
    maintain(house, IcebergUpkeep(house.tables), AT_ONCE, PROVENANCE, now=later)
    assert [text_at(house, snapshots[at]) for at in (0, 2, 3, 4)] == [["one"], ["three"], ["four"], ["five"]]
    with pytest.raises(NoTableError, match="expired"):
        text_at(house, snapshots[1])
    retired = {"event_key": "1", "stage": "retired", "decided_by": "eve", "reason": "old", **RUN}
    publish(house, MODEL_STAGES, {"model_version": "gpt-0001", **retired})
    publish(house, MODEL_STAGES, {"model_version": "topics-0001", **retired, "event_key": "2"})
    quarantine(house.objects, "gpt-0002", "w1")
    maintain(house, IcebergUpkeep(house.tables), AT_ONCE, PROVENANCE, now=later)
    for at in (0, 2, 3):
        with pytest.raises(NoTableError, match="expired"):
            text_at(house, snapshots[at])
    assert text_at(house, snapshots[4]) == ["five"]


def test_tables_in_which_nothing_was_published_lose_what_was_left_there_and_others_are_not_touched(house):
    documents(house, "one")

    def left(name, summary):
        table = TableDefinition(name, grain="g", key=("n",), columns=(Column("n", pa.int64(), "N.", nullable=False),))
        house.tables.ensure(table)
        return house.tables.stage(TableWrite(table, pa.table({"n": pa.array([1], pa.int64())})), "audit", summary)

    left("silver.refused", {"lakehouse.key": "a"})
    house.tables.advance(left("silver.others", {"lakehouse.key": "b"}))
    time.sleep(1.1)  # some file systems tell whole seconds
    done = {one.table: one for one in maintain(house, IcebergUpkeep(house.tables), AT_ONCE, PROVENANCE)}
    assert set(done) == {DOCUMENTS.name, "silver.refused"}
    assert (done["silver.refused"].branches, done["silver.refused"].compactions) == (1, 0)
    assert done["silver.refused"].after.stored_files < done["silver.refused"].before.stored_files
    assert house.tables.read("silver.others")["n"].to_pylist() == [1]


def test_a_damaged_table_stops_no_care_of_the_others_and_what_was_done_is_told(house):
    told = []
    for name in ("gold.a", "gold.b"):
        table = TableDefinition(name, grain="g", key=("n",), columns=(Column("n", pa.int64(), "N.", nullable=False),))
        for number in range(9):
            publish(house, table, {"n": number})
    damaged = next(
        Path(task.file.file_path.removeprefix("file://"))
        for task in house.tables.catalog.load_table("gold.a").scan().plan_files()
    )
    damaged.write_bytes(damaged.read_bytes()[::-1])
    with pytest.raises(ChecksumError, match=re.escape(str(damaged))):
        maintain(house, IcebergUpkeep(house.tables), AT_ONCE, PROVENANCE, record=told.extend)
    (sound,) = told
    assert (sound.table, sound.before.data_files, sound.after.data_files) == ("gold.b", 9, 1)
