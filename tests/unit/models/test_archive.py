"""Retired versions lie in one file each, compared before anything goes, and come back byte for byte or not at all."""

import shutil

import pytest

from models.archive import archive_of, forget, pack, receipt_of, restore, strip, strip_again
from models.checkpoint import FILES, QUARANTINE, TRAINING, CheckpointStore
from models.durable import ARCHIVED
from models.errors import CheckpointError


@pytest.fixture
def store(checkpoint, tmp_path):
    shutil.copytree(checkpoint, tmp_path / "versions" / checkpoint.name)
    return CheckpointStore(tmp_path / "versions")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_version_goes_to_the_archive_and_comes_back_byte_for_byte(store, tmp_path):
    (version,) = store.versions()
    folder, before = store.folder(version), contents(store.folder(version))
    receipt = pack(folder, FILES, TRAINING, tmp_path)
    assert contents(folder) == before, "nothing is removed before the decision"
    assert pack(folder, FILES, TRAINING, tmp_path) == receipt, "the same version gives the same archive"
    assert receipt.size_bytes < receipt.whole_size_bytes
    strip(folder, receipt)
    assert {path.name for path in folder.iterdir()} == {TRAINING, "SHA256SUMS", ARCHIVED}
    assert (store.at_hand(), store.usable()) == ([], [version])
    assert store.find("key-1") == version
    with pytest.raises(CheckpointError, match=f"lakehouse models restore {version}"):
        store.whole(version)
    assert contents(restore(folder, tmp_path)) == before
    assert not archive_of(folder, tmp_path).exists()
    assert store.whole(version) == folder
    assert [path.name for path in store.root.iterdir()] == [version]


@pytest.mark.parametrize("harm", ["altered", "cut", "gone"])
def test_an_archive_that_was_harmed_gives_nothing(store, tmp_path, harm):
    folder = store.folder(store.versions()[0])
    strip(folder, pack(folder, FILES, TRAINING, tmp_path))
    archive, left = archive_of(folder, tmp_path), contents(folder)
    content = archive.read_bytes()
    archive.unlink()
    if harm != "gone":
        archive.write_bytes(content[:-40] if harm == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="is missing, or not what was archived"):
        restore(folder, tmp_path)
    assert contents(folder) == left


def test_a_restoring_that_was_killed_is_done_again_and_what_must_be_forgotten_goes(store, tmp_path, monkeypatch):
    (version,) = store.versions()
    folder, before = store.folder(version), contents(store.folder(version))
    receipt = pack(folder, FILES, TRAINING, tmp_path)
    strip(folder, receipt)
    (folder / receipt.files[0]).write_bytes(before[receipt.files[0]])  # killed after the first file
    assert contents(restore(folder, tmp_path)) == before

    strip(folder, pack(folder, FILES, TRAINING, tmp_path))
    assert receipt_of(folder).files == receipt.files
    assert store.quarantine(version, {"receipt": "r"}, tells=lambda _: False), "nobody can look into an archive"
    assert {path.name for path in folder.iterdir()} == {TRAINING, "SHA256SUMS", QUARANTINE}
    assert not archive_of(folder, tmp_path).exists()
    forget(folder, tmp_path)


def test_a_receipt_that_is_cut_while_it_is_written_is_none(store, tmp_path, monkeypatch):
    folder = store.folder(store.versions()[0])
    before, receipt = contents(folder), pack(folder, FILES, TRAINING, tmp_path)

    def cut(path, values):
        path.write_text("{")
        raise KeyboardInterrupt

    monkeypatch.setattr("models.archive.write_json", cut)
    with pytest.raises(KeyboardInterrupt):
        strip(folder, receipt)
    assert contents(folder) == before
    assert store.whole(folder.name) == folder


def test_what_a_killed_retirement_left_goes_with_the_next_unless_the_archive_was_harmed(store, tmp_path):
    folder = store.folder(store.versions()[0])
    before, receipt = contents(folder), pack(folder, FILES, TRAINING, tmp_path)
    strip(folder, receipt)
    assert not strip_again(folder, tmp_path)
    left = folder / receipt.files[0]
    left.write_bytes(before[left.name])
    assert strip_again(folder, tmp_path)
    assert not left.exists()
    left.write_bytes(before[left.name])
    archive_of(folder, tmp_path).unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        strip_again(folder, tmp_path)
    assert left.exists()
