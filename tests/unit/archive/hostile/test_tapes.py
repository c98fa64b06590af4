"""Tar archives that would fill the disk, write elsewhere, or link to what is not theirs: refused with the reason."""

import gzip
import importlib.util
import io
import tarfile
from pathlib import Path

import pytest
import zstandard

from lakehouse.archive.entries import Limits
from lakehouse.archive.landing import land
from lakehouse.errors import UnsafeArchiveError

_spec = importlib.util.spec_from_file_location("hostile_builders", Path(__file__).with_name("builders.py"))
assert _spec is not None
assert _spec.loader is not None
build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build)

UNSAFE, UNREADABLE = 13, 19
LITTLE = 100_000_000


def entry(name, kind=tarfile.REGTYPE, body=b"", linkname="", size=None):
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, linkname, len(body) if size is None else size
    return made, body


def tape(path, *entries, form=tarfile.GNU_FORMAT, end=True):
    """Write entries as they are, even those that no writer would; packed as the name says."""
    body = b""
    for made, content in entries:
        head = made.tobuf(form, "utf-8", "surrogateescape")
        body += head + content + b"\0" * (-len(content) % 512)
    body += b"\0" * 1024 * end
    pack = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}.get(path.suffix, bytes)
    path.write_bytes(pack(body))
    return path


def refused(outcome, exit_code=UNSAFE, words=""):
    assert outcome.exit_code == exit_code, outcome.words
    assert words in outcome.words
    if exit_code == UNSAFE:
        assert outcome.codes == {"ARCHIVE_UNSAFE"}


NAMES = {
    "up": "../climbed.csv",
    "up from inside": "tables/../../climbed.csv",
    "absolute": "/tmp/climbed.csv",
    "absolute twice": "//tmp/climbed.csv",
    "after a dot": ".//tmp/climbed.csv",
    "drive": "C:/climbed.csv",
    "backslash": "..\\climbed.csv",
    "newline": "tables/a\nb.csv",
    "escape": "tables/\x1b[31m.csv",
    "dot": "tables/./a.csv",
    "empty part": "tables//a.csv",
    "git": ".git/hooks/post-checkout",
    "git in other letters": ".GIT/config",
    "not UTF-8": "tables/\udcff.csv",
    "very long": "a" * 5000,
    "very deep": "a/" * 200 + "a",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_elsewhere_is_refused(hostile, tmp_path, name):
    outcome = hostile(tape(tmp_path / "names.tar", entry(NAMES[name], body=b"x")), memory=LITTLE)
    refused(outcome)
    message = outcome.finding("ARCHIVE_UNSAFE")["message"]
    assert "\n" not in message
    assert "\x1b" not in message
    assert not list(tmp_path.parent.rglob("climbed.csv"))


def test_a_name_with_a_nul_in_a_header_of_its_own_is_refused(hostile, tmp_path):
    made = tarfile.TarInfo("x")
    made.pax_headers = {"path": "tables/a\0b.csv"}
    refused(hostile(tape(tmp_path / "nul.tar", (made, b""), form=tarfile.PAX_FORMAT)), words="NUL")


KINDS = {
    "symbolic link": (tarfile.SYMTYPE, "/etc/passwd"),
    "symbolic link inside": (tarfile.SYMTYPE, "dataset.yaml"),
    "symbolic link up": (tarfile.SYMTYPE, "../../outside"),
    "hard link": (tarfile.LNKTYPE, "/etc/passwd"),
    "hard link inside": (tarfile.LNKTYPE, "dataset.yaml"),
    "character device": (tarfile.CHRTYPE, ""),
    "block device": (tarfile.BLKTYPE, ""),
    "pipe": (tarfile.FIFOTYPE, ""),
}


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_plain_file_is_refused(hostile, tmp_path, kind, ending):
    what, to = KINDS[kind]
    whole = tape(
        tmp_path / f"kinds.{ending}", entry("dataset.yaml", body=b"a: b"), entry("tables/t/t.csv", what, b"", to)
    )
    refused(hostile(whole, memory=LITTLE), words="link, a device")


def test_a_file_written_through_a_link_is_refused(hostile, tmp_path):
    link, inside = entry("tables", tarfile.SYMTYPE, b"", str(tmp_path)), entry("tables/climbed.csv", body=b"x")
    refused(hostile(tape(tmp_path / "through.tar", link, inside)))
    assert not list(tmp_path.rglob("climbed.csv"))


def test_a_file_with_holes_is_refused(hostile, tmp_path):
    made = tarfile.TarInfo("tables/t/t.csv")
    made.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 40)}
    refused(hostile(tape(tmp_path / "holes.tar", (made, b""), form=tarfile.PAX_FORMAT)), words="holes")


@pytest.mark.parametrize(
    "names",
    [("a.csv", "a.csv"), ("a.csv", "A.csv"), ("caf\u00e9.csv", "cafe\u0301.csv"), ("t/a.csv", "T/b.csv"), ("a", "a/b")],
)
def test_names_that_are_one_file_on_some_disks_are_refused(hostile, tmp_path, names):
    refused(hostile(tape(tmp_path / "twins.tar", *(entry(name) for name in names)), memory=LITTLE))


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_a_bomb_is_refused_before_it_goes_off(hostile, tmp_path, ending):
    body = tape(tmp_path / "kernel.tar", entry("tables/t/t.csv", size=1 << 34), end=False).read_bytes()
    pack = gzip.compress if ending == "gz" else zstandard.ZstdCompressor().compress
    (tmp_path / f"bomb.tar.{ending}").write_bytes(pack(body) + pack(b"0" * (16 << 20)) * 1024)
    refused(hostile(tmp_path / f"bomb.tar.{ending}", memory=LITTLE), words="times its size")


@pytest.mark.parametrize("what", ["__MACOSX", "tables"])
def test_what_is_left_out_or_hidden_is_measured_too(hostile, tmp_path, what):
    body = tape(tmp_path / "kernel.tar", entry(f"{what}/t", tarfile.DIRTYPE, size=1 << 30), end=False).read_bytes()
    junk = tape(tmp_path / "junk.tar", entry("__MACOSX/t", size=1 << 30), end=False).read_bytes()
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(junk + body) + gzip.compress(b"0" * (16 << 20)) * 64)
    refused(hostile(tmp_path / "bomb.tar.gz", memory=LITTLE), words="times its size")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_of_a_gigabyte_is_not_read(hostile, tmp_path, kind):
    path = tape(tmp_path / "header.tar", entry("x", kind, size=1 << 30), end=False)
    with path.open("r+b") as stream:
        stream.truncate(1 << 30)
    refused(hostile(path, memory=LITTLE), words="a header of")


def test_very_many_entries_are_refused_at_the_first_too_many(tmp_path):
    path = tmp_path / "many.tar.gz"
    folder = entry("d", tarfile.DIRTYPE)[0].tobuf(tarfile.GNU_FORMAT)
    path.write_bytes(gzip.compress(folder * 100_000, 1))
    with pytest.raises(UnsafeArchiveError, match="more than 500 entries"):
        land(path, tmp_path / "in", Limits(entries=500, ratio=1e9))
    assert list((tmp_path / "in").iterdir()) == []


def test_archives_inside_archives_are_not_unpacked(hostile, tmp_path):
    body = b"0" * 1_000_000
    for level in range(8):
        inner = io.BytesIO()
        with tarfile.open(fileobj=inner, mode="w:gz") as archive:
            for copy in range(8 if level else 1):
                made = tarfile.TarInfo(f"lib{copy}.tar.gz")
                made.size = len(body)
                archive.addfile(made, io.BytesIO(body))
        body = inner.getvalue()
    (tmp_path / "42.tar.gz").write_bytes(body)
    outcome = hostile(tmp_path / "42.tar.gz")
    assert "DESCRIPTION_MISSING" in outcome.codes
    assert outcome.report["size_bytes"] < 1_000_000


@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tar.zst"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_a_cut_archive_is_said_to_be_unreadable(hostile, tmp_path, dataset, packed, share, ending):
    files = {p.relative_to(dataset).as_posix(): p.read_bytes() for p in dataset.rglob("*") if p.is_file()}
    body = packed(tmp_path / f"whole.{ending}", files).read_bytes()
    if ending == "tar":
        body = body.rstrip(b"\0")
    (tmp_path / f"cut.{ending}").write_bytes(body[: int(len(body) * share)])
    refused(hostile(tmp_path / f"cut.{ending}"), UNREADABLE)


@pytest.mark.parametrize("spoil", ["size", "checksum", "negative", "no end"])
def test_a_broken_header_is_not_the_end_of_the_archive(hostile, tmp_path, spoil):
    path = tape(tmp_path / "x.tar", entry("a.csv", body=b"1"), entry("b.csv", body=b"2"), end=spoil != "no end")
    body = bytearray(path.read_bytes())
    if spoil == "size":
        body[1024 + 124 : 1024 + 136] = b"not a number"
    elif spoil == "checksum":
        body[1024 + 148 : 1024 + 156] = b"0000000\0"
    elif spoil == "negative":
        made, _ = entry("b.csv", size=-1024)
        body[1024:1536] = made.tobuf(tarfile.GNU_FORMAT)
    path.write_bytes(body)
    refused(hostile(path), UNREADABLE)


def test_a_size_that_sends_the_reader_back_is_refused(hostile, tmp_path):
    made = tarfile.TarInfo("a.csv")
    made.pax_headers = {"size": "-1024"}
    refused(hostile(tape(tmp_path / "back.tar", (made, b""), form=tarfile.PAX_FORMAT), seconds=30), UNREADABLE)


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.tgz", "x.tar.zst", "x.zip"])
@pytest.mark.parametrize("body", [b"", b"no archive at all", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\0" * 300])
def test_what_is_only_called_an_archive_is_unreadable(hostile, tmp_path, name, body):
    (tmp_path / name).write_bytes(body)
    refused(hostile(tmp_path / name), UNREADABLE)
