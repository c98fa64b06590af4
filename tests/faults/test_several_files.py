"""A file is read back while others are encoded or its manifest is made, and still there when a snapshot names it."""

from collections import Counter
from pathlib import Path

import pytest

from lakehouse.adapters import iceberg_branches, iceberg_files, iceberg_proof
from lakehouse.adapters.iceberg_folder import WholeFiles, _WholeFile
from lakehouse.errors import ChecksumError, LakehouseError, PermanentError
from lakehouse.ports import TableWrite
from lakehouse.tables.write_audit_publish import write_audit_publish
from tests.faults.folder_lake import house_in, shown

STUDENTS = [f"s{one}" for one in range(8)]


@pytest.fixture(params=["several", "one"])
def submit(tmp_path, new_table, marks_of, provenance, monkeypatch, request):
    """Append eight rows in two files at least, or in one that a thread stores, beside one that was there before."""
    table = new_table()

    def append(key, students):
        write = TableWrite(table, marks_of(*students))
        return write_audit_publish(house_in(tmp_path), [write], key=key, provenance=provenance)

    append("before", ["a"])
    if request.param == "several":
        monkeypatch.setattr(iceberg_files, "SPLIT_BYTES", 2)
        monkeypatch.setattr(iceberg_files, "LINE_BYTES", 1)
    monkeypatch.setattr(iceberg_files, "BESIDE_BYTES", 0)
    append.several = request.param == "several"
    append.shown = lambda: shown(house_in(tmp_path), table)
    append.files = lambda: sorted(tmp_path.rglob("rows-*.parquet"))
    return append


def test_each_file_is_read_back_once(submit, monkeypatch):
    judged, plain = Counter(), iceberg_proof.judge

    def judge(io, location):
        judged[location] += 1
        plain(io, location)

    monkeypatch.setattr(iceberg_proof, "judge", judge)
    before = set(submit.files())
    submit("more", STUDENTS)
    assert submit.shown() == ["a", *STUDENTS]
    written = set(submit.files()) - before
    assert (len(written) > 1) is submit.several
    assert judged == {f"file://{path}": 1 for path in written}


class Half(_WholeFile):
    def write(self, body):
        return super().write(memoryview(body)[: len(memoryview(body)) // 2])


def test_a_file_that_was_stored_by_half_is_told_before_a_snapshot_names_it(submit, monkeypatch):
    lies = iter([False, True] if submit.several else [True])

    def stream(_, path, *__, **___):
        return Half(Path(path)) if "rows-" in path and next(lies, False) else _WholeFile(Path(path))

    def commit(*_):
        raise AssertionError("the snapshot was committed")

    with monkeypatch.context() as lying:
        lying.setattr(WholeFiles, "open_output_stream", stream)
        lying.setattr(iceberg_branches, "add_snapshot", commit)
        with pytest.raises(ChecksumError, match="is damaged"):
            submit("more", STUDENTS)
    assert submit.shown() == ["a"]
    submit("more", STUDENTS)
    assert submit.shown() == ["a", *STUDENTS]


@pytest.mark.parametrize("lost", ["all", "half"])
def test_a_file_that_is_lost_before_a_snapshot_names_it_is_never_published(submit, monkeypatch, lost):
    """As where a writer sleeps so long that maintenance takes its files for orphans."""
    before, plain = set(submit.files()), iceberg_branches.add_snapshot

    def commit(*given):
        path = next(one for one in submit.files() if one not in before)
        body = path.read_bytes()
        path.unlink()
        if lost == "half":
            path.write_bytes(body[: len(body) // 2])
        return plain(*given)

    with monkeypatch.context() as losing:
        losing.setattr(iceberg_branches, "add_snapshot", commit)
        with pytest.raises(LakehouseError, match="is gone" if lost == "all" else "bytes now") as told:
            submit("more", STUDENTS)
    assert isinstance(told.value, PermanentError if lost == "all" else ChecksumError)
    assert submit.shown() == ["a"]
    submit("more", STUDENTS)
    assert submit.shown() == ["a", *STUDENTS]


def test_an_append_that_fails_while_its_file_is_stored_waits_for_it(submit, monkeypatch):
    """Nobody writes any more once the error is told."""

    def full(*_):
        raise OSError("no space is left")

    with monkeypatch.context() as failing:
        failing.setattr(iceberg_branches, "make_snapshot", full)
        with pytest.raises(LakehouseError, match="no space"):
            submit("more", STUDENTS)
    files = submit.files()
    assert files, "it was stored, and is nobody's"
    assert submit.shown() == ["a"]
    submit("more", STUDENTS)
    assert set(files) < set(submit.files())
    assert submit.shown() == ["a", *STUDENTS]
