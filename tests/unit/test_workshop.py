"""The documents of a snapshot are read once by a process, and what became of their file meanwhile is seen."""

import pytest

from lakehouse.tables.gold import DOCUMENTS
from models.documents import read_documents
from tests.unit.explained_lake import open_lake

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def lake(tmp_path):
    return open_lake(tmp_path)


@pytest.fixture
def looks(lake, monkeypatch):
    """Names of tables in the order in which they are read."""
    seen, read = [], type(lake.house.tables).read

    def noted(self, name, **given):
        seen.append(name)
        return read(self, name, **given)

    monkeypatch.setattr(type(lake.house.tables), "read", noted)
    return seen


def test_a_snapshot_is_read_once(lake, looks):
    first = lake.workshop.corpus(lake.house)
    assert looks.count(DOCUMENTS.name) == 1
    assert lake.workshop.corpus(lake.house) == first
    assert looks.count(DOCUMENTS.name) == 1


@pytest.mark.parametrize("harm", ["altered", "gone"])
def test_a_file_that_was_touched_is_looked_at_again_and_written_anew(lake, looks, harm):
    file = lake.workshop.corpus(lake.house).file
    whole = file.read_bytes()
    if harm == "altered":
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    else:
        lake.workshop.forget_work()
    assert lake.workshop.corpus(lake.house).file == file
    assert looks.count(DOCUMENTS.name) == 2
    assert file.read_bytes() == whole
    assert read_documents(file)


def test_other_documents_are_another_corpus(lake, looks):
    before = lake.workshop.corpus(lake.house)
    lake.publish(DOCUMENTS, {"document_id": "lessons/notes/new", "text": "new text", "split": "train"})
    after = lake.workshop.corpus(lake.house)
    assert before.snapshot_id != after.snapshot_id
    assert before.file != after.file
    assert looks.count(DOCUMENTS.name) == 2
