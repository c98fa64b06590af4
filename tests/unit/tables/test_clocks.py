"""Whose clock decides what is old: the storage's, and only while this machine's agrees; no writer's."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pyarrow as pa
import pytest

from lakehouse.adapters import iceberg_commit, iceberg_past
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.iceberg_upkeep import IcebergUpkeep
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.definition import Column, TableDefinition
from lakehouse.errors import ClockError, NoTableError
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables import clocks, release, withdrawals
from lakehouse.tables.clocks import APART, agreed_time
from lakehouse.tables.maintenance import Upkeep, maintain
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish

TABLE = TableDefinition("gold.words", grain="one row a word", key=(), columns=(Column("word", pa.string(), "A word."),))
PROVENANCE = Provenance(run_id="run", code_commit="c")
YEARS = timedelta(days=3652)
WORDS = ("one", "two", "three", "four")


@dataclass(frozen=True)
class Elsewhere(LocalObjects):
    """Objects on a machine whose clock is that much ahead."""

    ahead: timedelta = timedelta(0)

    def stored_at(self, key):
        return super().stored_at(key) + self.ahead


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Tables that keep no newest snapshots for their number's sake, so that a few are enough here."""
    monkeypatch.setattr(iceberg_past, "NEWEST", 1)
    monkeypatch.setattr(iceberg_past, "MOST", 2)
    objects = LocalObjects(tmp_path / "objects")
    return Lakehouse(IcebergTables.local(tmp_path / "tables"), objects, ReleaseLog(objects))


def believing(offset):
    """Return what stands for `datetime` in a process whose clock is wrong by so much."""

    class Wrong(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + offset

    return Wrong


def written(house, monkeypatch, *, ahead=timedelta(0)):
    """Publish a table word by word, by a writer whose clock is wrong; return the snapshots."""
    now = (datetime.now(UTC) + ahead).timestamp()
    with monkeypatch.context() as patch:
        patch.setattr(iceberg_commit, "time", SimpleNamespace(time=lambda: now))
        patch.setattr(release, "datetime", believing(ahead))
        for word in WORDS:
            write = TableWrite(TABLE, pa.table({"word": [word]}), "replace")
            write_audit_publish(house, [write], key=word, provenance=PROVENANCE)
    releases = [house.releases.numbered(number) for number in range(1, len(WORDS) + 1)]
    assert abs(datetime.fromisoformat(releases[0].created_at) - datetime.now(UTC) - ahead) < timedelta(days=1)
    return [one.pin(TABLE.name) for one in releases]


def word_at(house, pin):
    return house.tables.read(TABLE.name, snapshot_id=pin.snapshot_id)["word"].to_pylist()


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "clock"}


@pytest.mark.parametrize("ahead", [YEARS, -YEARS, APART * 2, -APART * 2])
def test_clocks_that_disagree_are_both_told(tmp_path, ahead):
    own = datetime.now(UTC)
    with pytest.raises(ClockError, match="set the clock that is wrong") as told:
        agreed_time(Elsewhere(tmp_path, ahead), own)
    assert f"{own:%Y-%m-%d %H:%M:%S}" in str(told.value)
    assert f"{own + ahead:%Y-%m-%d}" in str(told.value)


@pytest.mark.parametrize("ahead", [APART / 3, -APART / 3])
def test_of_clocks_that_differ_a_little_the_earlier_counts(tmp_path, ahead):
    own = datetime.now(UTC)
    agreed = agreed_time(Elsewhere(tmp_path, ahead), own)
    assert agreed == own if ahead > timedelta(0) else agreed < own


@pytest.mark.parametrize("offset", [YEARS, -YEARS])
def test_maintenance_whose_clock_is_wrong_by_years_changes_nothing(house, monkeypatch, tmp_path, offset):
    pins = written(house, monkeypatch)
    before = files(tmp_path)
    monkeypatch.setattr(clocks, "datetime", believing(offset))
    with pytest.raises(ClockError):
        maintain(house, IcebergUpkeep(house.tables), Upkeep(keep_releases=1), PROVENANCE)
    assert files(tmp_path) == before
    assert [word_at(house, pin) for pin in pins] == [[word] for word in WORDS]


@pytest.mark.parametrize("ahead", [YEARS, -YEARS])
def test_what_a_writer_with_a_wrong_clock_published_stays_as_long_as_all_else_and_no_longer(house, monkeypatch, ahead):
    pins = written(house, monkeypatch, ahead=ahead)
    care, newest_only = IcebergUpkeep(house.tables), Upkeep(keep_days=30, keep_releases=1, abandoned_hours=0)
    today = datetime.now(UTC)
    maintain(house, care, newest_only, PROVENANCE, now=today + timedelta(days=29))
    assert [word_at(house, pin) for pin in pins] == [[word] for word in WORDS]
    for pin in pins:
        assert house.tables.catalog.load_table(TABLE.name).io.new_input(pin.metadata_location).exists()
    maintain(house, care, newest_only, PROVENANCE, now=today + timedelta(days=31))
    assert word_at(house, pins[-1]) == [WORDS[-1]]
    with pytest.raises(NoTableError, match="expired"):
        word_at(house, pins[0])


def test_a_withdrawal_makes_no_release_younger(house, monkeypatch):
    pins = written(house, monkeypatch)
    ages = [house.releases.stored_at(number) for number in range(1, len(WORDS) + 1)]
    forgot = {TABLE.name: {pin.snapshot_id for pin in pins[:2]}}
    monkeypatch.setattr(LocalObjects, "stored_at", lambda objects, key: datetime(2001, 1, 1, tzinfo=UTC))
    assert withdrawals.forget_in_releases(house.objects, forgot, "receipt-1", set()) == 2
    monkeypatch.undo()
    assert withdrawals.forget_in_releases(house.objects, forgot, "receipt-1", set()) == 0, "again is no change"
    found = [house.releases.stored_at(number) for number in range(1, len(WORDS) + 1)]
    assert found == [datetime(2001, 1, 1, tzinfo=UTC)] * 2 + ages[2:]
