"""On a full disk a state of training and a dataset version are kept whole or not at all, and the next time are."""

import contextlib
import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import safetensors.torch
import torch
from safetensors import SafetensorError

from lakehouse.adapters import datalad
from lakehouse.adapters.datalad import DataladVersions
from lakehouse.errors import ServiceUnavailableError
from models import resume
from models.errors import NoRoomError
from models.progress import Progress
from models.resume import ResumeStore, State

SIZE_MIB = 8


def full(*_given, **_named):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_in_rust(*_given, **_named):
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few MiB, by which the real messages of a full disk are met; only root may mount one."""
    mounted = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(tmp_path)]
    tool = shutil.which("mount")
    if tool is None or subprocess.run(mounted, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@contextlib.contextmanager
def filled(disk, *, free_kib=0):
    """Leave so much room on a disk."""
    room = os.statvfs(disk)
    filler = disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - free_kib * 1024)
    yield
    filler.unlink()


def state(step):
    tensors = {"weights": torch.full((100_000,), float(step))}
    return State(step=step, tensors=tensors, loader={}, curve=[], seconds=1.0, made_by={})


def left_over(folder):
    return sorted(path.name for path in folder.iterdir())


def goes_on(store):
    """Say that the first state is whole and alone, and that the next is taken once there is room."""
    assert left_over(store.folder) == ["step-00000010"], "nothing half-written is left"
    assert store.newest().step == 10
    store.save(state(20))
    found = ResumeStore(store.root, "k" * 64, Progress).newest()
    assert found.step == 20
    assert torch.equal(found.tensors["weights"], state(20).tensors["weights"])


@pytest.mark.parametrize(
    ("where", "name", "fault"),
    [
        (resume, "write_json", full),
        (resume, "seal", full),
        (resume, "sync", full),
        (Path, "rename", full),
        (safetensors.torch, "save_file", full_in_rust),
    ],
)
def test_a_state_of_training_is_kept_whole_or_not_at_all(tmp_path, monkeypatch, where, name, fault):
    store = ResumeStore(tmp_path / "resume", "k" * 64, Progress)
    store.save(state(10))
    with monkeypatch.context() as patch:
        patch.setattr(where, name, fault)
        with pytest.raises(NoRoomError, match="Free disk space, then run again"):
            store.save(state(20))
    if name == "sync":
        assert left_over(store.folder) == ["step-00000010", "step-00000020"], "it was there whole, and named"
        assert store.newest().step == 20
        return
    goes_on(store)


def test_another_fault_of_the_disk_is_not_taken_for_a_full_one(tmp_path, monkeypatch):
    def broken(*_given):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(resume, "write_json", broken)
    with pytest.raises(OSError, match="Input/output"):
        ResumeStore(tmp_path / "resume", "k" * 64, Progress).save(state(10))


@pytest.mark.parametrize("free_kib", [0, 100, 396])
def test_a_state_on_a_disk_that_is_full(small_disk, free_kib):
    store = ResumeStore(small_disk / "resume", "k" * 64, Progress)
    store.save(state(10))
    with filled(small_disk, free_kib=free_kib), pytest.raises(NoRoomError, match="no room on the disk"):
        store.save(state(20))
    goes_on(store)


def submission(at, size):
    at.mkdir(parents=True)
    (at / "dataset.yaml").write_text("name: marks\n", encoding="utf-8")
    (at / "marks.bin").write_bytes(os.urandom(size))
    return at


def test_a_version_on_a_disk_that_is_full(small_disk, tmp_path_factory, monkeypatch):
    sources = tmp_path_factory.mktemp("sources")
    versions = DataladVersions(small_disk / "archive")
    one, two = submission(sources / "one", 1000), submission(sources / "two", 2**20)
    first = versions.save(one, "marks", "1", "a" * 64)

    def refused(what):
        with pytest.raises(ServiceUnavailableError, match=f"{what}.*no room on the disk.*Free disk space"):
            versions.save(two, "marks", "2", "b" * 64)
        assert versions.versions("marks") == [first], "what was not saved whole is no version"

    with filled(small_disk):
        refused("git symbolic-ref")  # git says it
    with filled(small_disk, free_kib=1032):
        refused("cannot be saved")  # there is room for the file, and for little of what git-annex writes
    with monkeypatch.context() as patch:
        patch.setattr(datalad.shutil, "copyfile", full)
        refused("cannot be saved")
    second = versions.save(two, "marks", "2", "b" * 64)
    assert versions.versions("marks") == [first, second]
    versions.export(second, sources / "out")
    assert (sources / "out" / "marks.bin").read_bytes() == (two / "marks.bin").read_bytes()
    assert versions.verify("marks") == []
