"""What every store promises that can be told to forget: table stores, dataset versions, and the disk below."""

import os
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lakehouse.adapters.datalad import DataladVersions
from lakehouse.adapters.seaweedfs import SeaweedDisk
from lakehouse.errors import NoTableError, WithdrawnError
from lakehouse.ports import Cleaned, TableWrite


def put(tables, definition, rows, *, key, mode="append"):
    tables.ensure(definition)
    return tables.advance(tables.stage(TableWrite(definition, rows, mode), "audit-test", {"lakehouse.key": key}))


def without(student):
    def clean(rows: pa.Table) -> Cleaned:
        kept = rows.filter(pc.not_equal(rows["student"], pa.scalar(student)))
        gone = rows.num_rows - kept.num_rows
        return Cleaned(kept, removed=gone, changed=gone > 0)

    return clean


def renamed(key):
    return key.replace("old", "new")


def test_a_rewritten_table_has_neither_the_rows_nor_a_past(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    first = put(tables, marks, marks_of("ann", "bo"), key="old:1")
    second = put(tables, marks, marks_of("cy"), key="k2")
    tables.stage(TableWrite(marks, marks_of("bo")), "audit-left-over", {})
    done = tables.rewrite(marks.name, without("bo"), "r1", renamed)
    assert (done.table, done.removed, done.masked) == (marks.name, 1, 0)
    assert {first, second} <= set(done.forgot)
    assert sorted(backend.tables().read(marks.name)["student"].to_pylist()) == ["ann", "cy"]
    for old in (first, second):
        with pytest.raises(WithdrawnError, match="withdrawal r1"):
            tables.read(marks.name, snapshot_id=old)
    with pytest.raises(NoTableError):
        tables.read(marks.name, snapshot_id=1)
    assert [int(one["snapshot-id"]) for one in tables.summaries(marks.name)] == [done.snapshot_id]
    for key in ("old:1", "new:1", "k2"):
        assert tables.committed(marks.name, key) == done.snapshot_id
    assert tables.committed(marks.name, "k3") is None


def test_rewriting_again_under_the_same_receipt_answers_the_same(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    put(tables, marks, marks_of("ann", "bo"), key="k")
    once = tables.rewrite(marks.name, without("bo"), "r1", renamed)
    put(tables, marks, marks_of("di"), key="k9")
    assert backend.tables().rewrite(marks.name, without("bo"), "r1", renamed) == once
    assert tables.read(marks.name).num_rows == 2
    tables.sweep(marks.name)
    assert tables.rewrite(marks.name, without("bo"), "r2", renamed) is None, "nothing of bo is left in any file"


def test_a_row_that_only_an_old_snapshot_has_is_found(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    put(tables, marks, marks_of("bo"), key="k1")
    put(tables, marks, marks_of("ann"), key="k2", mode="replace")
    done = tables.rewrite(marks.name, without("bo"), "r1", renamed)
    assert (done is not None, done.removed) == (True, 0)
    assert tables.read(marks.name)["student"].to_pylist() == ["ann"]


def test_rows_of_a_killed_write_that_no_snapshot_names_are_found_and_swept(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    tables.store_rows(marks, [marks_of("bo")])
    assert tables.rewrite(marks.name, without("bo"), "r1", renamed) is not None
    assert tables.sweep(marks.name, (tables.pointer(marks.name).metadata_location,)) > 0
    assert tables.rewrite(marks.name, without("bo"), "r2", renamed) is None, "nothing of bo is left in any file"


def test_a_table_without_the_person_keeps_its_past(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    old = put(tables, marks, marks_of("ann"), key="k1")
    put(tables, marks, marks_of("cy"), key="k2")
    assert tables.rewrite(marks.name, without("bo"), "r1", renamed) is None
    assert tables.read(marks.name, snapshot_id=old)["student"].to_pylist() == ["ann"]


def test_sweeping_deletes_what_nothing_needs_and_the_table_goes_on(backend, new_table, marks_of):
    tables, marks = backend.tables(), new_table()
    put(tables, marks, marks_of("ann", "bo"), key="k1")
    tables.rewrite(marks.name, without("bo"), "r1", renamed)
    pinned = tables.pointer(marks.name).metadata_location
    put(tables, marks, marks_of("di"), key="k2")
    assert tables.sweep(marks.name, (pinned,)) > 5
    assert tables.sweep(marks.name, (pinned,)) == 0
    assert tables.sweep(marks.name) == 1, "the metadata file that was asked to stay"
    put(tables, marks, marks_of("ed"), key="k3")
    assert sorted(backend.tables().read(marks.name)["student"].to_pylist()) == ["ann", "di", "ed"]


@pytest.mark.servers
def test_deleted_bytes_leave_the_disk_of_seaweedfs(seaweed):
    needle = os.urandom(24).hex().encode()
    body = os.urandom(4000) + needle + os.urandom(4000)
    seaweed.objects().put("x/needle", body)
    seaweed.objects().delete("x/needle")
    SeaweedDisk(seaweed.ports).reclaim()
    end = time.monotonic() + 120
    while any(needle in path.read_bytes() for path in seaweed.data.rglob("*") if path.is_file()):
        assert time.monotonic() < end, "the volumes still hold what was deleted"
        time.sleep(0.2)


def save(versions, at: Path, label: str, files: dict[str, str]):
    for name, text in files.items():
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_text(text)
    return versions.save(at, "marks", label, f"{label:0>64}")


def test_a_rewritten_history_keeps_labels_order_dates_and_id_and_loses_the_content(tmp_path):
    versions = DataladVersions(tmp_path / "archive")
    assert versions.datasets() == []
    old = [
        save(versions, tmp_path / "1", "b", {"README.md": "bo was here", "tables/marks.csv": "pupil\nann\nbo\n"}),
        save(versions, tmp_path / "2", "a", {"tables/marks.csv": "pupil\nann\n"}),
    ]
    repository = tmp_path / "archive" / "marks"
    number = (repository / ".datalad" / "config").read_text()
    seen = []

    def change(version, folder):
        seen.append(version.version)
        for path in folder.rglob("*.*"):
            if path.is_file():
                path.write_text(path.read_text().replace("bo", "").replace("\n\n", "\n"))
        return f"{version.version}{'1' * 63}"

    new = versions.rewrite("marks", change)
    assert seen == ["b", "a"] == [one.version for one in new]
    assert [one.replaces for one in new] == [(one.commit,) for one in old]
    assert [(one.tag, one.created_at) for one in new] == [(one.tag, one.created_at) for one in old]
    assert new == versions.versions("marks") == DataladVersions(tmp_path / "archive").versions("marks")
    assert versions.find_content("marks", f"a{'1' * 63}") == new[1]
    assert (repository / ".datalad" / "config").read_text() == number
    assert versions.verify("marks") == []
    versions.export(new[0], tmp_path / "out")
    assert (tmp_path / "out" / "tables" / "marks.csv").read_text() == "pupil\nann\n"
    command = ["git", "-c", "safe.directory=*", "-C", str(repository), "cat-file", "--batch-all-objects", "--batch"]
    assert b"bo was here" not in subprocess.run(command, check=True, capture_output=True).stdout
    kept = [path.read_text() for path in (repository / ".git" / "annex" / "objects").rglob("*.csv") if path.is_file()]
    assert kept == ["pupil\nann\n"]
    assert versions.datasets() == ["marks"]
    assert versions.copies("marks") == []
    # The archive goes on as before.
    later = save(versions, tmp_path / "3", "c", {"tables/marks.csv": "pupil\ncy\n"})
    assert [one.version for one in versions.versions("marks")] == ["b", "a", "c"]
    assert later.replaces == ()


def test_a_rewriting_that_fails_leaves_the_old_history(tmp_path):
    versions = DataladVersions(tmp_path / "archive")
    old = save(versions, tmp_path / "1", "a", {"tables/marks.csv": "pupil\nann\n"})

    def fail(version, folder):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        versions.rewrite("marks", fail)
    assert versions.versions("marks") == [old]
    assert versions.verify("marks") == []
