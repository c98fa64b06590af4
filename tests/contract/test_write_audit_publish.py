"""What write-audit-publish promises: exactly once, all tables together, and readers only ever see releases."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse.errors import AuditError, NoReleaseError, PermanentError, SchemaError
from lakehouse.ports import TableWrite
from lakehouse.tables.release import View
from lakehouse.tables.write_audit_publish import Published, write_audit_publish


@pytest.fixture
def as_in_the_cluster():
    return True


@pytest.fixture
def two(new_table):
    return new_table("_a"), new_table("_b")


def visible(house, table):
    """Return the students a reader of the current release sees."""
    pin = house.releases.current().tables[table.name]
    return sorted(house.tables.read(table.name, snapshot_id=pin.snapshot_id)["student"].to_pylist())


def writes(two, rows, **options):
    return [TableWrite(table, rows, **options) for table in two]


def test_all_tables_of_a_call_become_visible_in_one_release(backend, two, marks_of, provenance):
    house = backend.house()
    done = write_audit_publish(house, writes(two, marks_of("ann")), key="k1", provenance=provenance)
    assert done.changed
    assert done.release_number == house.releases.current().number == 1
    assert [visible(house, table) for table in two] == [["ann"], ["ann"]]
    pins = house.releases.current().tables
    assert {name: pin.snapshot_id for name, pin in pins.items()} == done.snapshots
    assert pins[two[0].name] == house.tables.pointer(two[0].name)


def test_the_same_call_again_changes_nothing(backend, two, marks_of, provenance):
    first = write_audit_publish(backend.house(), writes(two, marks_of("ann")), key="k1", provenance=provenance)
    house = backend.house()
    before = [house.tables.pointer(table.name) for table in two]
    again = write_audit_publish(house, writes(two, marks_of("ann")), key="k1", provenance=provenance)
    assert again == Published(first.release_number, first.snapshots, changed=False)
    assert [house.tables.pointer(table.name) for table in two] == before


def test_empty_rows_are_committed_once_too(backend, two, marks_of, provenance):
    house = backend.house()
    assert write_audit_publish(house, writes(two, marks_of()), key="k1", provenance=provenance).changed
    assert not write_audit_publish(house, writes(two, marks_of()), key="k1", provenance=provenance).changed


def test_every_snapshot_says_where_its_rows_come_from(backend, two, marks_of, provenance):
    house = backend.house()
    write_audit_publish(house, writes(two, marks_of("ann")), key="k1", provenance=provenance)
    last = house.tables.summaries(two[0].name)[-1]
    assert {**provenance.summary(), "lakehouse.key": "k1"}.items() <= last.items()
    assert house.releases.current().provenance == provenance.summary()


def test_a_broken_key_publishes_nothing_of_any_table(backend, two, marks_of, provenance):
    house = backend.house()
    write_audit_publish(house, writes(two, marks_of("ann")), key="k1", provenance=provenance)
    before = [house.tables.pointer(table.name).snapshot_id for table in two]
    mixed = [TableWrite(two[0], marks_of("bo")), TableWrite(two[1], marks_of("ann"))]
    with pytest.raises(AuditError, match=rf"{two[1].name}: key .* not unique: 2 rows with student='ann'"):
        write_audit_publish(house, mixed, key="k2", provenance=provenance)
    assert [house.tables.pointer(table.name).snapshot_id for table in two] == before
    assert house.releases.current().number == 1
    assert write_audit_publish(house, writes(two, marks_of("bo")), key="k2", provenance=provenance).changed


def test_rows_of_the_wrong_shape_publish_nothing_of_any_table(backend, two, marks_of, provenance):
    house = backend.house()
    mixed = [TableWrite(two[0], marks_of("bo")), TableWrite(two[1], marks_of("bo").drop_columns(["mark"]))]
    with pytest.raises(SchemaError, match="mark"):
        write_audit_publish(house, mixed, key="k1", provenance=provenance)
    with pytest.raises(NoReleaseError):
        house.releases.current()


def test_the_callers_audits_see_all_rows_and_can_refuse(backend, two, marks_of, provenance):
    house, seen = backend.house(), []

    def no_bo(table, rows):
        seen.append((table.name, rows.num_rows))
        return ["bo is not a student"] if "bo" in rows["student"].to_pylist() else []

    write_audit_publish(house, writes(two, marks_of("ann")), key="k1", provenance=provenance, audits=[no_bo])
    with pytest.raises(AuditError, match="bo is not a student"):
        write_audit_publish(house, writes(two, marks_of("bo")), key="k2", provenance=provenance, audits=[no_bo])
    assert seen == [(table.name, count) for count in (1, 2) for table in two]


def test_replacing_publishes_only_the_new_rows(backend, two, marks_of, provenance):
    house = backend.house()
    write_audit_publish(house, writes(two, marks_of("ann", "bo")), key="k1", provenance=provenance)
    write_audit_publish(house, writes(two, marks_of("bo"), mode="replace"), key="k2", provenance=provenance)
    assert [visible(house, table) for table in two] == [["bo"], ["bo"]]


def test_views_and_the_model_move_with_the_tables_and_stay_otherwise(backend, two, marks_of, provenance):
    house = backend.house()
    views = {"kpi.marks": View("kpi.marks", "select 1")}
    write_audit_publish(
        house, writes(two, marks_of("ann")), key="k1", provenance=provenance, views=views, model_version="m1"
    )
    write_audit_publish(house, writes(two, marks_of("bo")), key="k2", provenance=provenance)
    release = house.releases.current()
    assert (release.number, release.views, release.model_version) == (2, views, "m1")


def test_views_alone_can_be_published_and_only_when_they_differ(backend, provenance):
    house = backend.house()
    views = {"kpi.marks": View("kpi.marks", "select 1")}
    assert write_audit_publish(house, [], key="v1", provenance=provenance, views=views).changed
    assert not write_audit_publish(house, [], key="v1", provenance=provenance, views=views).changed
    assert house.releases.current().number == 1


def test_one_call_names_each_table_once(backend, new_table, marks_of, provenance):
    table = new_table()
    with pytest.raises(PermanentError, match=table.name):
        write_audit_publish(backend.house(), writes([table, table], marks_of("ann")), key="k", provenance=provenance)


def test_a_lost_release_log_is_written_again_from_the_tables(backend, two, marks_of, provenance):
    house = backend.house()
    write_audit_publish(house, writes(two, marks_of("ann")), key="k1", provenance=provenance)
    for key in house.objects.keys(""):
        house.objects.delete(key)
    assert write_audit_publish(house, writes(two, marks_of("ann")), key="k1", provenance=provenance).changed
    assert [visible(house, table) for table in two] == [["ann"], ["ann"]]


def test_writers_at_once_lose_nothing_and_no_reader_sees_a_half(backend, two, marks_of, provenance):
    def write(writer):
        house = backend.house()
        for number in range(3):
            rows = marks_of(f"{writer}{number}")
            write_audit_publish(house, writes(two, rows), key=f"{writer}{number}", provenance=provenance)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, "ab"))
    house = backend.house()
    assert visible(house, two[0]) == visible(house, two[1]) == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert house.releases.current().number == 6


def test_the_same_key_at_once_lands_once(backend, two, marks_of, provenance):
    def write(_):
        return write_audit_publish(backend.house(), writes(two, marks_of("ann")), key="k1", provenance=provenance)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(write, range(2)))
    house = backend.house()
    assert [visible(house, table) for table in two] == [["ann"], ["ann"]]
    assert results[0].snapshots == results[1].snapshots
