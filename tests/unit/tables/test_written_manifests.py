"""What is known of manifests because this process wrote them is what anyone reads in them."""

import pytest
from pyiceberg.avro import file as avro
from pyiceberg.manifest import read_manifest_list, write_manifest, write_manifest_list
from pyiceberg.typedef import Record

from lakehouse.adapters import iceberg_avro, iceberg_commit
from lakehouse.adapters.iceberg_branches import head_of
from lakehouse.adapters.iceberg_commit import entries_of, make_snapshot, manifests_of, prove_own
from lakehouse.adapters.iceberg_seal import MemoryFile
from lakehouse.errors import ChecksumError
from lakehouse.ports import TableWrite
from lakehouse.tables.write_audit_publish import write_audit_publish
from tests.faults.folder_lake import house_in


def told(value):
    """Return all that a record of a manifest says, down to its last field."""
    if isinstance(value, Record):
        return [type(value).__name__, getattr(value, "_spec_id", None), *map(told, value._data)]
    return [told(one) for one in value] if isinstance(value, list) else value


@pytest.fixture
def house(tmp_path):
    opened = house_in(tmp_path)
    yield opened
    opened.tables.close()


@pytest.fixture
def table(house, new_table, marks_of, provenance, monkeypatch):
    """A table whose manifests were merged several times and of which files were replaced."""
    monkeypatch.setattr(iceberg_commit, "TIER", 3)
    table = new_table()
    for number, mode in enumerate("aaaarara"):
        write = TableWrite(table, marks_of(f"s{number}"), "append" if mode == "a" else "replace")
        write_audit_publish(house, [write], key=f"k{number}", provenance=provenance)
    return table


def test_known_manifests_and_entries_are_those_that_are_stored(house, table):
    stored = house.tables.catalog.load_table(table.name)
    files, merged = stored.io, 0
    for snapshot in stored.snapshots():
        read = list(read_manifest_list(files.new_input(snapshot.manifest_list)))
        known = manifests_of(files, snapshot)
        assert told(known) == told(read)
        for one, again in zip(known, read, strict=True):
            assert told(entries_of(files, one)) == told(again.fetch_manifest_entry(files, discard_deleted=True))
            merged += (one.existing_files_count or 0) > 1
    assert merged, "files of several appends share a manifest"


def test_no_file_that_this_process_wrote_is_decoded_for_an_append(house, table, marks_of, provenance, monkeypatch):
    decoded = []
    monkeypatch.setattr("pyiceberg.avro.file.AvroFile.__enter__", decoded.append)
    write = TableWrite(table, marks_of("new"))
    assert write_audit_publish(house, [write], key="k", provenance=provenance).changed
    assert decoded == []


@pytest.mark.parametrize("which", ["list", "manifest"])
@pytest.mark.parametrize("fault", ["damaged", "gone"])
def test_what_was_written_is_known_only_once_it_was_read_back(house, table, marks_of, which, fault):
    stored = house.tables.catalog.load_table(table.name)
    base = stored.snapshot_by_id(head_of(stored))
    added = house.tables.store_rows(table, [marks_of("new")]).files
    snapshot = make_snapshot(stored, base, iceberg_commit.Change(added), {})
    written = iceberg_commit._written._known[snapshot.manifest_list]
    path = snapshot.manifest_list if which == "list" else next(iter(written.entries))
    if fault == "gone":
        stored.io.delete(path)
    else:
        with stored.io.new_output(path).create(overwrite=True) as stream:
            stream.write(b"Obj\x01")
    with pytest.raises(ChecksumError if fault == "damaged" else FileNotFoundError, match=path.rsplit("/", 1)[-1]):
        prove_own(stored.io, snapshot)
    with pytest.raises((ChecksumError, FileNotFoundError)):
        [entries_of(stored.io, one) for one in manifests_of(stored.io, snapshot)]


def test_manifests_and_lists_are_written_byte_for_byte_as_pyiceberg_writes_them(house, table, monkeypatch):
    for module in (avro, iceberg_avro):
        monkeypatch.setattr(module.os, "urandom", bytes)
    stored = house.tables.catalog.load_table(table.name)
    metadata, head = stored.metadata, stored.current_snapshot()
    manifests = manifests_of(stored.io, head)
    entries = [entry for one in manifests for entry in entries_of(stored.io, one)]
    assert len(entries) > 1
    kept = {"spec": metadata.spec(), "schema": metadata.schema()}
    for ours, theirs, add in (
        (
            lambda file: iceberg_avro.manifest_writer(metadata, file, 7),
            lambda file: write_manifest(2, **kept, output_file=file, snapshot_id=7, avro_compression="deflate"),
            lambda writer: [writer.add_entry(one) for one in entries],
        ),
        (
            lambda file: iceberg_avro.list_writer(metadata, file, 7, head.snapshot_id, 9),
            lambda file: write_manifest_list(2, file, 7, head.snapshot_id, 9, "deflate"),
            lambda writer: writer.add_manifests(manifests),
        ),
    ):
        files = [MemoryFile(), MemoryFile()]
        for file, made in zip(files, (ours, theirs), strict=True):
            with made(file) as writer:
                add(writer)
        assert files[0].body == files[1].body != b""
