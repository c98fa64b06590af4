"""Storage that says it stored a file, and has nothing or half of it: the writer is told, readers see none of it."""

from pathlib import Path

import pytest

from lakehouse.adapters.iceberg_folder import WholeFiles, _WholeFile
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.errors import ChecksumError, LakehouseError
from lakehouse.ports import TableWrite
from lakehouse.tables.write_audit_publish import write_audit_publish
from tests.faults.folder_lake import house_in
from tests.faults.folder_lake import shown as students_shown

MOST = 20
"""More files than one publish writes."""


def shown(house, table):
    pin = house.releases.current().tables[table.name]
    with house.tables.catalog.load_table(table.name).io.new_input(pin.metadata_location).open():
        pass  # readers without a catalog begin here
    return students_shown(house, table)


class Lies:
    """Of the files that are written from now on, the one with this number is not what was given."""

    def __init__(self, at, lie):
        self.left, self.lie = at, lie

    def due(self):
        self.left -= 1
        return self.left == -1

    def stream(self, path):
        return Lied(path, self.lie) if self.due() else _WholeFile(path)


class Lied(_WholeFile):
    def __init__(self, path, lie):
        super().__init__(path)
        self.lie, self.path = lie, path

    def write(self, body):
        kept = memoryview(body)
        super().write(kept[: len(kept) // 2] if self.lie == "half" else kept)
        return len(kept)

    def close(self):
        super().close()
        if self.lie == "nothing":
            self.path.unlink(missing_ok=True)


@pytest.mark.parametrize("lie", ["nothing", "half"])
def test_no_file_of_a_publish_is_believed_to_be_stored(tmp_path, new_table, marks_of, provenance, monkeypatch, lie):
    table, told = new_table(), []

    def submit(house, student):
        return write_audit_publish(house, [TableWrite(table, marks_of(student))], key=student, provenance=provenance)

    students = ["s0"]
    submit(house_in(tmp_path), "s0")
    for at in range(MOST):
        lies, student = Lies(at, lie), f"s{at + 1}"
        with monkeypatch.context() as patch:
            patch.setattr(WholeFiles, "open_output_stream", lambda _, path, *a, lies=lies, **b: lies.stream(Path(path)))
            try:
                submit(house_in(tmp_path), student)
            except LakehouseError as error:
                told.append(str(error))
                assert shown(house_in(tmp_path), table) == sorted(students)
        if lies.left >= 0:
            break
        submit(house_in(tmp_path), student)
        students.append(student)
        assert shown(house_in(tmp_path), table) == sorted(students), f"file {at}"
    assert len(told) == at > 4, "each file that was not there was told of"


@pytest.mark.parametrize("lie", ["nothing", "half"])
def test_no_file_of_a_new_table_is_believed_to_be_stored(tmp_path, new_table, monkeypatch, lie):
    told = []
    for at in range(1, MOST):  # the first metadata have no seal, and are read as the table is made
        lies, table = Lies(at, lie), new_table(f"_{at}")
        with monkeypatch.context() as patch:
            patch.setattr(WholeFiles, "open_output_stream", lambda _, path, *a, lies=lies, **b: lies.stream(Path(path)))
            try:
                house_in(tmp_path).tables.ensure(table)
            except LakehouseError as error:
                told.append(str(error))
        house_in(tmp_path).tables.ensure(table)
        assert house_in(tmp_path).tables.read(table.name).num_rows == 0
        if lies.left >= 0:
            break
    assert len(told) == at - 1 == 2, "the empty list, and the metadata that name it"


@pytest.mark.parametrize("kept", [0.0, 0.5], ids=["nothing", "half"])
@pytest.mark.parametrize("prefix", ["releases/", "intents/"])
def test_a_release_or_intent_that_was_not_kept_is_written_again(
    tmp_path, new_table, marks_of, provenance, monkeypatch, prefix, kept
):
    """Storage lies one to three times, and then always: that is told, and nobody is pointed at what is not there."""
    table, plain = new_table(), {"put": LocalObjects.put, "put_new": LocalObjects.put_new}
    left, at = [0], {}

    def submit(student):
        write = TableWrite(table, marks_of(student))
        return write_audit_publish(house_in(tmp_path), [write], key=student, provenance=provenance)

    def lying(name):
        def call(objects, key, body):
            if not key.startswith(prefix) or not body or not left[0]:
                return plain[name](objects, key, body)
            left[0] -= 1
            at[key] = at.get(key, 0) + 1
            return plain[name](objects, key, body[: int(len(body) * kept)]) if kept else None

        return call

    submit("s0")
    for name in plain:
        monkeypatch.setattr(LocalObjects, name, lying(name))
    for times in (1, 2, 3):
        left[0] = times
        submit(f"s{times}")
        assert not left[0]
        assert shown(house_in(tmp_path), table) == [f"s{one}" for one in range(times + 1)]
    left[0] = 10**6
    with pytest.raises(ChecksumError, match="Look after the storage"):
        submit("s4")
    left[0] = 0
    if kept:
        with pytest.raises(ChecksumError, match="is damaged"):
            submit("s4")
        (tmp_path / "objects" / max(at)).unlink()  # as the first error says
    assert shown(house_in(tmp_path), table) == ["s0", "s1", "s2", "s3"]
    submit("s4")
    assert shown(house_in(tmp_path), table) == ["s0", "s1", "s2", "s3", "s4"]
