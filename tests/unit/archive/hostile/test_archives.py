"""Archives that would fill the disk, write elsewhere, or read what is not theirs: each is refused with its reason."""

import importlib.util
import os
import socket
import stat
import zipfile
from pathlib import Path

import pytest

from lakehouse.archive.zip_directory import count_entries

_spec = importlib.util.spec_from_file_location("hostile_builders", Path(__file__).with_name("builders.py"))
assert _spec is not None
assert _spec.loader is not None
build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build)

UNSAFE, UNREADABLE = 13, 19

BOMBS = {
    "overlapping files": (build.overlapping, UNSAFE, "times its size"),
    "a million entries": (build.many_entries, UNSAFE, "more than 100000 entries"),
    "a million entries, one declared": (lambda: build.many_entries(declared=1), UNSAFE, "more than 100000 entries"),
    "a size that is a lie": (build.lies_about_size, UNREADABLE, "Bad CRC-32"),
    "itself": (build.spanning, UNREADABLE, "cannot be unpacked"),
    "an encrypted file": (lambda: build.flagged(flags=1), UNREADABLE, "is encrypted"),
    "an unknown packing": (lambda: build.flagged(method=99), UNREADABLE, "cannot be unpacked"),
}
NAMES = {
    "up": b"../climbed.csv",
    "up from inside": b"tables/../../climbed.csv",
    "absolute": b"/tmp/climbed.csv",
    "drive": b"C:/climbed.csv",
    "backslash": b"..\\climbed.csv",
    "newline": b"tables/a\nb.csv",
    "carriage return": b"tables/a\rb.csv",
    "escape": b"tables/\x1b[31m.csv",
    "NUL": b"tables/a\0b.csv",
    "dot": b"tables/./a.csv",
    "empty part": b"tables//a.csv",
    "git": b".git/hooks/post-checkout",
    "git in other letters": b".GIT/config",
    "datalad": b".datalad/config",
    "none": b"",
    "NUL only": b"\0",
    "very long": b"a" * 5000,
    "very deep": b"a/" * 200 + b"a",
}
KINDS = {
    "symbolic link": stat.S_IFLNK,
    "character device": stat.S_IFCHR,
    "block device": stat.S_IFBLK,
    "pipe": stat.S_IFIFO,
    "socket": stat.S_IFSOCK,
}


def refused(outcome, exit_code=UNSAFE):
    assert outcome.exit_code == exit_code, outcome.words
    if exit_code == UNSAFE:
        assert outcome.codes == {"ARCHIVE_UNSAFE"}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_before_it_goes_off(hostile, tmp_path, bomb):
    make, exit_code, words = BOMBS[bomb]
    (tmp_path / "bomb.zip").write_bytes(make())
    outcome = hostile(tmp_path / "bomb.zip", memory=100_000_000)
    assert words in outcome.words
    refused(outcome, exit_code)


def test_a_million_entries_that_are_only_claimed_do_no_harm(hostile, tmp_path):
    (tmp_path / "claims.zip").write_bytes(build.claims_entries())
    assert "DESCRIPTION_MISSING" in hostile(tmp_path / "claims.zip").codes


@pytest.mark.parametrize(("count", "refuses"), [(99_999, False), (100_000, False), (100_001, True)])
def test_entries_are_counted_as_zip_readers_count_them(tmp_path, count, refuses):
    path = tmp_path / "many.zip"
    path.write_bytes(build.many_entries(count))
    assert count_entries(path, 100_000) == min(count, 100_001)
    assert (count_entries(path, 100_000) > 100_000) == refuses


def test_a_second_end_inside_the_end_hides_no_entries(tmp_path):
    body = bytearray(build.many_entries(200, declared=1))
    path = tmp_path / "hides.zip"
    for at in (4, 8):  # within the numbers of disks and of entries, which nobody reads
        hidden = body.copy()
        hidden[len(body) - 22 + at : len(body) - 18 + at] = b"PK\x05\x06"
        path.write_bytes(hidden)
        assert count_entries(path, 100) == 101
        with zipfile.ZipFile(path) as archive:
            assert len(archive.infolist()) == 200


def test_archives_inside_archives_are_not_unpacked(hostile, tmp_path):
    (tmp_path / "42.zip").write_bytes(build.nested())
    outcome = hostile(tmp_path / "42.zip")
    assert "DESCRIPTION_MISSING" in outcome.codes
    assert outcome.report["size_bytes"] < 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_elsewhere_is_refused(hostile, tmp_path, name):
    (tmp_path / "names.zip").write_bytes(build.named(NAMES[name]))
    outcome = hostile(tmp_path / "names.zip")
    refused(outcome)
    message = outcome.finding("ARCHIVE_UNSAFE")["message"]
    assert "\n" not in message
    assert "\x1b" not in message
    assert not list(tmp_path.parent.rglob("climbed.csv"))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_in_an_archive_is_refused(hostile, tmp_path, kind):
    (tmp_path / "kinds.zip").write_bytes(build.named(b"tables/t/t.csv", KINDS[kind] | 0o644))
    refused(hostile(tmp_path / "kinds.zip"))


@pytest.mark.parametrize(
    "names",
    [
        ("a.csv", "A.csv"),
        ("caf\u00e9.csv", "cafe\u0301.csv"),
        ("t/a.csv", "T/b.csv"),
        ("stra\u00dfe", "STRASSE"),
        ("a", "a/b"),
    ],
)
def test_names_that_are_one_file_on_some_disks_are_refused(hostile, tmp_path, names):
    with zipfile.ZipFile(tmp_path / "twins.zip", "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    refused(hostile(tmp_path / "twins.zip"))


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside.txt", "dataset.yaml", "."])
def test_a_link_in_a_folder_is_refused(hostile, dataset, target):
    (dataset.parent / "outside.txt").write_text("secret")
    (dataset / "tables/rooms/link.csv").symlink_to(target)
    outcome = hostile(dataset)
    refused(outcome)
    assert "link.csv" in outcome.words


def test_a_folder_that_is_a_link_itself_is_refused(hostile, dataset):
    (dataset.parent / "link").symlink_to(dataset)
    refused(hostile(dataset.parent / "link"))


def test_pipes_sockets_and_devices_in_a_folder_are_refused(hostile, dataset):
    place = dataset / "tables/rooms/x.csv"
    os.mkfifo(place)
    refused(hostile(dataset))
    place.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(place.parent)
        listener.bind(place.name)
        os.chdir(here)
        refused(hostile(dataset))
    place.unlink()
    if os.geteuid() == 0:
        os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(1, 5))
        refused(hostile(dataset))


def test_names_in_a_folder_are_held_to_the_same(hostile, dataset):
    for name in ("a\nb.csv", "\x1b[2J.csv", "a\\b", ".git", os.fsdecode(b"\xff.csv")):
        place = dataset / "tables/rooms" / name
        place.write_text("x")
        if "\\" not in name:
            refused(hostile(dataset))
        place.unlink()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_cut_archive_is_said_to_be_unreadable(hostile, tmp_path, zipped, dataset, share):
    files = {p.relative_to(dataset).as_posix(): p.read_bytes() for p in dataset.rglob("*") if p.is_file()}
    path = zipped(files)
    body = path.read_bytes()
    path.write_bytes(body[: int(len(body) * share)])
    refused(hostile(path), UNREADABLE)
