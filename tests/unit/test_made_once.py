"""A file that several may make at once is made whole, once, and leaves nothing beside it."""

import errno
import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dagster_project.asking import SECRET_FILE, secret
from dagster_project.settings import Settings
from lakehouse.archive.privacy.steps import KEY_FILE, pseudonym_key
from lakehouse.archive.withdraw.receipt import Signer, verify
from lakehouse.errors import PermanentError
from lakehouse.kept_key import kept_key
from lakehouse.made_once import make_new, make_once


@pytest.fixture(params=[errno.EPERM, errno.EOPNOTSUPP])
def no_links(request, monkeypatch):
    """A file system without hard links, as FAT or a network share."""

    def refuse(*_given, **_named):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(os, "link", refuse)


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_first_of_many_counts_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "key"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: make_once(path, f"{number}".encode() * 100), range(8)))
    first = path.read_bytes()
    assert first == first[:1] * 100
    make_once(path, b"later")
    assert path.read_bytes() == first
    assert names(tmp_path) == ["key"]


def test_the_endpoints_secret_is_made_without_hard_links_too(no_links, tmp_path, monkeypatch):
    monkeypatch.delenv("LAKEHOUSE_SQL_SECRET", raising=False)
    settings = Settings(home=tmp_path / "state")
    assert secret(settings) == secret(settings)
    assert names(settings.home) == [SECRET_FILE]
    assert (settings.home / SECRET_FILE).stat().st_mode & 0o777 == 0o600


def test_the_key_of_pseudonyms_is_made_without_hard_links_too(no_links, tmp_path):
    assert pseudonym_key(tmp_path) == pseudonym_key(tmp_path)
    assert names(tmp_path) == [KEY_FILE]


def test_receipts_are_signed_without_hard_links_too(no_links, tmp_path):
    signer = Signer(tmp_path)
    assert verify(signer.sign({"receipt": "w1"}), signer.public_key()) == {"receipt": "w1"}
    assert names(tmp_path) == ["withdrawals.key", "withdrawals.pub"]


def test_a_copy_that_a_killed_process_left_of_a_key_goes_when_the_key_is_opened(tmp_path):
    key = pseudonym_key(tmp_path)
    for number, name in enumerate((f".{'a' * 16}.partial", f".{'b' * 16}.partial")):
        os.link(tmp_path / KEY_FILE, tmp_path / name) if number else (tmp_path / name).write_text("half")
    with (tmp_path / f".{'c' * 16}.partial").open("xb") as others:
        fcntl.flock(others, fcntl.LOCK_EX)
        assert pseudonym_key(tmp_path) == key
        assert names(tmp_path) == [f".{'c' * 16}.partial", KEY_FILE], "what a living process writes stays"


@pytest.mark.parametrize("there", [False, True])
def test_the_name_of_a_key_is_on_the_disk_before_the_key_is_used(tmp_path, monkeypatch, there):
    plain, synced = os.fsync, []

    def fsync(descriptor):
        plain(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((path, (tmp_path / "keys" / KEY_FILE).exists()))

    if there:
        pseudonym_key(tmp_path / "keys")
    monkeypatch.setattr(os, "fsync", fsync)
    pseudonym_key(tmp_path / "keys")
    assert (tmp_path / "keys", True) in synced
    assert there or (tmp_path, False) in synced, "and that of its folder"


def test_every_new_folder_above_a_key_is_on_the_disk_before_the_key_is_used(tmp_path, monkeypatch):
    plain, synced, keys = os.fsync, set(), tmp_path / "srv" / "home" / "keys"

    def fsync(descriptor):
        plain(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if not (keys / KEY_FILE).exists():
            synced.add(path)

    monkeypatch.setattr(os, "fsync", fsync)
    kept_key(keys / KEY_FILE)
    assert {tmp_path, tmp_path / "srv", tmp_path / "srv" / "home"} <= synced
    assert keys.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("there", [False, True])
def test_a_file_and_its_name_are_on_the_disk_when_it_is_made_or_found(tmp_path, monkeypatch, there):
    plain, synced, path = os.fsync, [], tmp_path / "key"

    def fsync(descriptor):
        plain(descriptor)
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink().is_dir(), path.exists()))

    if there:
        make_once(path, b"first")
    monkeypatch.setattr(os, "fsync", fsync)
    make_once(path, b"first")
    folder, named = True, True
    assert synced[-1] == (folder, named)
    assert there or synced[0] == (not folder, not named), "the bytes before the name"


def test_what_keeps_a_file_from_being_made_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_given, **_named):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(OSError, match="no space left"):
        make_once(tmp_path / "key", b"secret")
    assert names(tmp_path) == []


def test_a_new_file_is_for_whom_the_umask_says_and_never_takes_an_others_place(tmp_path):
    before = os.umask(0o027)
    try:
        make_new(tmp_path / "rows", b"first")
    finally:
        os.umask(before)
    assert (tmp_path / "rows").stat().st_mode & 0o777 == 0o640
    with pytest.raises(FileExistsError):
        make_new(tmp_path / "rows", b"second")
    assert (tmp_path / "rows").read_bytes() == b"first"
    assert names(tmp_path) == ["rows"]


def test_without_hard_links_a_new_file_never_takes_an_others_place_either(no_links, tmp_path):
    test_a_new_file_is_for_whom_the_umask_says_and_never_takes_an_others_place(tmp_path)


@pytest.mark.parametrize("text", ["", "abcd", "z" * 64, "\xff" * 32])
def test_half_a_key_of_pseudonyms_is_no_key(tmp_path, text):
    (tmp_path / KEY_FILE).write_text(text, encoding="latin-1")
    with pytest.raises(PermanentError, match="restore it from a backup"):
        pseudonym_key(tmp_path)


def test_of_a_folder_of_keys_only_copies_of_the_opened_key_go(tmp_path):
    keys = tmp_path / "keys"
    (keys / "sub").mkdir(parents=True)
    theirs = (".keystore", ".password", ".other.key.0a1b2c3d4e5f", "sub/.keystore", "sub/.0123456789abcdef.partial")
    left = (".silver.key.0a1b2c3d4e5f", ".0123456789abcdef.partial")
    for name in (*theirs, *left):
        (keys / name).write_text("x")
        os.utime(keys / name, (0, 0))
    young = keys / ".silver.key.aaaabbbbcccc"  # may be written by a process of an earlier version
    young.write_text("x")
    kept_key(keys / "silver.key")
    there = {str(path.relative_to(keys)) for path in keys.rglob("*") if path.is_file()}
    assert there == {*theirs, young.name, "silver.key"}
