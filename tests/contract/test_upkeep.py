"""What upkeep promises of every store: fewer files, no other rows, nothing lost that somebody may still ask for."""

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from lakehouse.adapters import catalog, iceberg_commit, iceberg_past
from lakehouse.adapters.iceberg_upkeep import IcebergUpkeep
from lakehouse.errors import CommitConflictError, NoTableError
from lakehouse.ports import TableWrite
from lakehouse.tables import maintenance
from lakehouse.tables.maintenance import Upkeep, maintain, maintenance_rows, survey
from lakehouse.tables.write_audit_publish import write_audit_publish

pytestmark = pytest.mark.usefixtures("released_tables_only")

APPENDS = 9
AT_ONCE = Upkeep(keep_days=0, keep_releases=2, abandoned_hours=1e-9)


@pytest.fixture
def grown(backend, new_table, marks_of, provenance, monkeypatch):
    """A table of many small appends, and each append's release."""
    monkeypatch.setattr(iceberg_past, "NEWEST", 3)
    monkeypatch.setattr(iceberg_past, "MOST", 5)
    # A writer that comes while maintenance has its turn waits here for nothing: both are one thread.
    monkeypatch.setattr(catalog, "TURN_S", 0.1)
    house, table = backend.house(), new_table()

    def append(number):
        write = TableWrite(table, marks_of(f"s{number}"))
        return write_audit_publish(house, [write], key=f"k{number}", provenance=provenance)

    return house, table, [append(number) for number in range(APPENDS)], append


def everyone(count):
    return [f"s{one}" for one in sorted(range(count), key=str)]


def a_moment_later():
    """Let the storages' clocks go on, some of which tell whole seconds."""
    time.sleep(1.1)


def students(house, table, snapshot_id=None):
    return sorted(house.tables.read(table.name, snapshot_id=snapshot_id)["student"].to_pylist())


def test_small_files_become_few_with_the_same_rows_and_old_releases_stay_readable(grown, provenance):
    house, table, releases, append = grown
    care = IcebergUpkeep(house.tables)
    (done,) = maintain(house, care, Upkeep(), provenance)
    assert (done.before.data_files, done.after.data_files, done.compactions) == (APPENDS, 1, 1)
    assert (done.expired, done.orphan_files) == (0, 0), "all of it is young"
    (row,) = maintenance_rows([done], provenance).to_pylist()
    assert row["data_bytes_before"] > row["data_bytes"] > 0
    assert students(house, table) == everyone(APPENDS)
    current = house.releases.current()
    assert current.tables[table.name] == house.tables.pointer(table.name)
    first = house.releases.numbered(releases[0].release_number).tables[table.name]
    assert students(house, table, first.snapshot_id) == ["s0"]
    (again,) = maintain(house, care, Upkeep(), provenance)
    assert maintenance_rows([again], provenance).num_rows == 0
    assert house.releases.current() == current, "with nothing to do nothing is published"
    append(APPENDS)
    assert students(house, table) == everyone(APPENDS + 1)


def test_old_snapshots_expire_but_pinned_ones_and_every_key_stay(grown, provenance):
    house, table, releases, append = grown
    care, later = IcebergUpkeep(house.tables), datetime.now(UTC) + timedelta(days=1)
    house.tables.catalog.load_table(table.name).manage_snapshots().create_tag(
        releases[-3].snapshots[table.name], "thesis"
    ).commit()
    a_moment_later()
    assert survey(house, care, AT_ONCE)[0][2].small_files == APPENDS
    (done,) = maintain(house, care, AT_ONCE, provenance, now=later)
    assert done.expired > 0
    assert done.orphan_files > 0
    assert done.after.stored_files < done.before.stored_files
    assert students(house, table) == everyone(APPENDS)
    kept = house.releases.numbered(releases[-1].release_number).tables[table.name]
    assert students(house, table, kept.snapshot_id) == everyone(APPENDS)
    assert students(house, table, releases[-3].snapshots[table.name]) == everyone(APPENDS - 2), (
        "a tag keeps its snapshot"
    )
    with pytest.raises(NoTableError, match="expired"):
        house.tables.read(table.name, snapshot_id=releases[0].snapshots[table.name])
    for number, release in enumerate(releases):
        assert house.tables.committed(table.name, f"k{number}") == release.snapshots[table.name]
        assert not append(number).changed
    append(APPENDS)
    assert students(house, table) == everyone(APPENDS + 1)


def test_dead_branches_go_and_live_ones_stay(grown, provenance, marks_of):
    house, table, _, _ = grown
    house.tables.stage(TableWrite(table, marks_of("dead")), "audit-dead", {})
    care = IcebergUpkeep(house.tables)
    (done,) = maintain(house, care, Upkeep(), provenance)
    assert (done.branches, done.after.branches) == (0, 1)
    a_moment_later()
    (done,) = maintain(house, care, AT_ONCE, provenance)
    assert (done.branches, done.after.branches) == (1, 0)
    assert "dead" not in students(house, table)


def test_work_in_progress_stays_however_wrong_the_clocks_are(grown, provenance, marks_of, monkeypatch):
    house, table, _, _ = grown
    past = SimpleNamespace(time=lambda: 1e9)
    with monkeypatch.context() as patch:
        patch.setattr(iceberg_commit, "time", past)
        staged = house.tables.stage(TableWrite(table, marks_of("slow")), "audit-slow", {})
    writer_is_behind = Upkeep(keep_days=0)
    (done,) = maintain(
        house,
        IcebergUpkeep(house.tables),
        writer_is_behind,
        provenance,
        now=datetime.now(UTC) + timedelta(days=3652),
    )
    assert (done.branches, done.after.branches) == (0, 1)
    assert house.tables.read_staged(staged).num_rows == APPENDS + 1


def test_a_writer_that_comes_between_loses_nothing(grown, provenance):
    house, table, _, append = grown

    class Disturbed(IcebergUpkeep):
        def stage_compaction(self, name, branch, summary, lost=None):
            staged = super().stage_compaction(name, branch, summary, lost)
            if not late:
                late.append(append(APPENDS))
            return staged

    late = []
    (done,) = maintain(house, Disturbed(house.tables), Upkeep(), provenance)
    assert late
    assert late[0].changed
    assert done.after.data_files == 2, "the late one is joined the next time"
    assert students(house, table) == everyone(APPENDS + 1)


def test_compaction_that_loses_its_race_takes_the_files_again_that_it_has_written(grown, provenance):
    house, table, _, append = grown
    joined = []

    class Disturbed(IcebergUpkeep):
        def stage_compaction(self, name, branch, summary, lost=None):
            staged = super().stage_compaction(name, branch, summary, lost)
            if len(late) < 4:
                late.append(append(APPENDS + len(late)))
            return staged

        def _joined(self, stored, head, group):
            joined.append(len(group))
            return super()._joined(stored, head, group)

    late = []
    (done,) = maintain(house, Disturbed(house.tables), Upkeep(), provenance)
    assert joined == [APPENDS], "its rows are read and written once"
    assert (done.compactions, done.after.data_files) == (1, 1 + len(late))
    assert students(house, table) == everyone(APPENDS + len(late))


def test_a_table_that_others_write_to_all_the_time_stops_no_care_of_the_rest(grown, provenance, monkeypatch):
    house, table, releases, append = grown
    monkeypatch.setattr(maintenance, "ATTEMPTS", 3)

    class Overtaken(IcebergUpkeep):
        def stage_compaction(self, name, branch, summary, lost=None):
            staged = super().stage_compaction(name, branch, summary, lost)
            late.append(append(APPENDS + len(late)))
            return staged

    late = []
    a_moment_later()
    later = datetime.now(UTC) + timedelta(days=1)
    with pytest.raises(CommitConflictError, match="run maintenance again when there are fewer"):
        maintain(house, Overtaken(house.tables), AT_ONCE, provenance, now=later)
    assert students(house, table) == everyone(APPENDS + 3)
    with pytest.raises(NoTableError, match="expired"):
        house.tables.read(table.name, snapshot_id=releases[0].snapshots[table.name])


def test_rows_that_come_back_while_their_old_file_is_deleted_stay(grown, provenance, marks_of):
    house, table, _, _ = grown

    def replace(student, key):
        write = TableWrite(table, marks_of(student), "replace")
        return write_audit_publish(house, [write], key=key, provenance=provenance)

    class Disturbed(IcebergUpkeep):
        def _spare(self, stored, paths, retention):
            spare = super()._spare(stored, paths, retention)
            if not late:
                late.append(replace("ann", "again"))
            return spare

    late = []
    for number, student in enumerate(["ann", *["bob"] * 6]):
        replace(student, f"r{number}")
    a_moment_later()
    later = datetime.now(UTC) + timedelta(days=1)
    only_the_newest = Upkeep(keep_days=0, keep_releases=1, abandoned_hours=1e-9)
    (done,) = maintain(house, Disturbed(house.tables), only_the_newest, provenance, now=later)
    assert done.orphan_files > APPENDS, "the file that held her row before is among them"
    assert late[0].changed
    assert students(house, table) == ["ann"]
