import io
import os
import stat
import subprocess
import tarfile
import zipfile

import pytest

from lakehouse.archive.entries import Limits
from lakehouse.archive.landing import land, landing_place
from lakehouse.errors import UnreadableSubmissionError, UnsafeArchiveError


def _everything(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _zip_of(folder, path, prefix=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in _everything(folder).items():
            archive.writestr(prefix + name, body)
    return path


def _nothing_outside(tmp_path, into):
    outside = [p for p in tmp_path.rglob("*") if p.is_file() and into not in p.parents]
    return sorted(p.name for p in outside)


def test_a_folder_lands_byte_for_byte(dataset, tmp_path):
    landed = land(dataset, tmp_path / "in")
    assert _everything(landed.folder) == _everything(dataset)
    assert landed.file_count == 7
    assert landed.size_bytes == sum(len(body) for body in _everything(dataset).values())
    assert landed.folder.name == landed.content_sha256[:12]


@pytest.mark.parametrize("prefix", ["", "lessons/"])
def test_a_zip_lands_like_its_folder(dataset, tmp_path, prefix):
    archive = _zip_of(dataset, tmp_path / "a.zip", prefix)
    assert land(archive, tmp_path / "a").content_sha256 == land(dataset, tmp_path / "b").content_sha256


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tgz", ".tar.zst", ""])
@pytest.mark.parametrize("prefix", ["", "./", "lessons/"])
def test_a_tar_lands_like_its_folder(dataset, packed, tmp_path, ending, prefix):
    files = {f"{prefix}{name}": body for name, body in _everything(dataset).items()}
    archive = packed(tmp_path / f"set{ending}", {**files, f"{prefix}.DS_Store": b"x"})
    assert land(archive, tmp_path / "a").content_sha256 == land(dataset, tmp_path / "b").content_sha256


def test_a_tar_made_by_the_command_of_that_name_lands(dataset, tmp_path):
    subprocess.run(["tar", "-C", str(dataset.parent), "-czf", str(tmp_path / "a.tar.gz"), dataset.name], check=True)
    landed = land(tmp_path / "a.tar.gz", tmp_path / "a")
    assert landed.content_sha256 == land(dataset, tmp_path / "b").content_sha256


def test_files_of_a_tar_get_no_rights_and_owners_from_it(dataset, tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(dataset, "x", filter=lambda entry: entry.replace(mode=0o6777, uid=12_345, deep=False))
    landed = land(tmp_path / "a.tar", tmp_path / "in")
    for path in landed.folder.rglob("*"):
        assert path.stat().st_uid == os.geteuid()
        assert not path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH)


def test_the_same_content_lands_once(dataset, tmp_path):
    first = land(dataset, tmp_path / "in")
    assert land(dataset, tmp_path / "in") == first
    assert [p.name for p in (tmp_path / "in").iterdir()] == [first.folder.name]


def test_another_label_and_layout_of_the_description_is_the_same_content(dataset, tmp_path):
    first = land(dataset, tmp_path / "in")
    description = dataset / "dataset.yaml"
    lines = description.read_text().replace('version: "1"', 'version: "2"').splitlines()
    description.write_text("# a comment\n" + "\n".join(reversed(lines)) + "\n")
    second = land(dataset, tmp_path / "in")
    assert second.content_sha256 == first.content_sha256
    assert 'version: "2"' in (second.folder / "dataset.yaml").read_text()


@pytest.mark.parametrize("name", ["dataset.yaml", "tables/rooms/rooms.csv", "tables/rooms/columns.yaml"])
def test_any_other_change_is_other_content(dataset, tmp_path, name):
    first = land(dataset, tmp_path / "in").content_sha256
    text = (dataset / name).read_text()
    (dataset / name).write_text(text.replace("Lessons", "Hours").replace("50.5", "50.6").replace("Floor", "Area"))
    assert land(dataset, tmp_path / "in").content_sha256 != first


def test_what_a_killed_landing_left_goes_with_the_next_one_and_what_is_at_work_stays(dataset, tmp_path):
    left = tmp_path / ".landing-killed_1"
    left.mkdir()
    (left / "names.csv").write_text("ann")
    with landing_place(tmp_path) as work:
        assert not left.exists()
        land(dataset, tmp_path)
        assert work.is_dir()
    assert not list(tmp_path.glob(".landing-*"))


def test_a_damaged_landing_is_replaced(dataset, tmp_path):
    first = land(dataset, tmp_path / "in")
    (first.folder / "tables/rooms/rooms.csv").write_text("damaged")
    assert _everything(land(dataset, tmp_path / "in").folder) == _everything(dataset)


@pytest.mark.parametrize(
    "name",
    [
        "../evil.csv",
        "tables/../../evil.csv",
        "/etc/evil.csv",
        "tables/a\nb.csv",
        "tables\\..\\evil.csv",
        "C:/evil.csv",
        ".git/hooks/post-checkout",
        "tables/.gitattributes",
        ".datalad/config",
        "tables//x.csv",
        "tables/a/gpj.\u202evsc",
        "a/b/c/d/e/f/g/h/i.csv",
    ],
)
def test_unsafe_names_are_refused_and_nothing_is_written(zipped, tmp_path, name):
    archive = zipped({"dataset.yaml": b"name: x", name: b"evil"})
    with pytest.raises(UnsafeArchiveError) as raised:
        land(archive, tmp_path / "deep" / "in")
    assert raised.value.exit_code == 13
    assert list((tmp_path / "deep" / "in").iterdir()) == []
    assert _nothing_outside(tmp_path, tmp_path / "deep") == ["submission.zip"]


@pytest.mark.parametrize("letter", ["\u061c", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069"])
def test_a_name_that_reads_as_another_is_refused_in_a_folder_as_in_archives(dataset, packed, tmp_path, letter):
    (dataset / f"tables/rooms/{letter}b.csv").write_text("room,size\n12,1\n")
    archive = packed(tmp_path / "a.tar", {"dataset.yaml": b"name: x", f"a{letter}b.csv": b"x"})
    for source in (dataset, archive):
        with pytest.raises(UnsafeArchiveError, match=f"U\\+{ord(letter):04X}, which changes the direction") as raised:
            land(source, tmp_path / "in")
        assert raised.value.exit_code == 13
        assert letter not in str(raised.value)


@pytest.mark.parametrize(
    "name", ["\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.csv", "\u0915\u094d\u200d\u0937.csv"]
)
def test_joiners_that_languages_need_are_taken(packed, tmp_path, name):
    landed = land(packed(tmp_path / "a.tar", {"dataset.yaml": b"name: x", name: b"x"}), tmp_path / "in")
    assert (landed.folder / name).read_bytes() == b"x"


HOLES = {"GNU.sparse.realsize": "9", "GNU.sparse.name": "x.csv"}
BROKEN = {
    "0.0": {"GNU.sparse.size": "many"},
    "0.1": {"GNU.sparse.map": "0,5,x", **HOLES},
    "1.0": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", **HOLES},
    "1.0 of no number": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", **HOLES, "body": "1\nx\n"},
}


@pytest.mark.parametrize("said", BROKEN.values(), ids=BROKEN)
def test_a_broken_header_of_a_file_with_holes_is_told_in_words(tmp_path, said):
    entry, body = tarfile.TarInfo("x.csv"), said.get("body", "no map").encode()
    entry.pax_headers, entry.size = {name: value for name, value in said.items() if name != "body"}, len(body)
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as out:
        out.addfile(entry, io.BytesIO(body))
    told = "a.tar cannot be unpacked: the header of an entry says of its size or its holes what is no number; pack it"
    with pytest.raises(UnreadableSubmissionError, match=told) as raised:
        land(tmp_path / "a.tar", tmp_path / "in")
    assert raised.value.exit_code == 19


def test_a_name_with_a_nul_is_refused(tmp_path):
    archive = tmp_path / "nul.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("a_b.csv", b"x")
    archive.write_bytes(archive.read_bytes().replace(b"a_b.csv", b"a\0b.csv"))
    with pytest.raises(UnsafeArchiveError):
        land(archive, tmp_path / "in")


@pytest.mark.parametrize(("one", "other"), [("a/x.csv", "a/X.csv"), ("a/x.csv", "A/y.csv"), ("a", "a/x.csv")])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_collide_on_some_disks_are_refused(zipped, tmp_path, one, other):
    with pytest.raises(UnsafeArchiveError):
        land(zipped({one: b"1", other: b"2"}), tmp_path / "in")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_in_a_zip_is_refused(tmp_path):
    archive = tmp_path / "twice.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("x.csv", b"1")
        out.writestr("x.csv", b"2")
    with pytest.raises(UnsafeArchiveError, match="twice"):
        land(archive, tmp_path / "in")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, kind):
    archive = tmp_path / "link.zip"
    with zipfile.ZipFile(archive, "w") as out:
        member = zipfile.ZipInfo("tables/x.csv")
        member.external_attr = (kind | 0o777) << 16
        out.writestr(member, "/etc/passwd")
    with pytest.raises(UnsafeArchiveError):
        land(archive, tmp_path / "in")


@pytest.mark.parametrize("target", ["/etc/passwd", "rooms.csv", "/"])
def test_links_in_a_folder_are_refused(dataset, tmp_path, target):
    (dataset / "tables/rooms/link.csv").symlink_to(target)
    with pytest.raises(UnsafeArchiveError, match="symbolic link"):
        land(dataset, tmp_path / "in")


def test_all_links_of_a_folder_are_named_at_once(dataset, tmp_path):
    for number in range(7):
        (dataset / f"tables/rooms/link{number}.csv").symlink_to("/etc/passwd")
    named = "link0.csv, .*link4.csv and 2 more are symbolic links; put the files themselves there"
    with pytest.raises(UnsafeArchiveError, match=named):
        land(dataset, tmp_path / "in")


def test_a_link_to_a_folder_is_refused(dataset, tmp_path):
    (tmp_path / "link").symlink_to(dataset)
    with pytest.raises(UnsafeArchiveError):
        land(tmp_path / "link", tmp_path / "in")


def test_pipes_are_refused_without_waiting_for_them(dataset, tmp_path):
    os.mkfifo(dataset / "tables/rooms/pipe.csv")
    with pytest.raises(UnsafeArchiveError, match="pipe"):
        land(dataset, tmp_path / "in")


def test_a_zip_bomb_is_refused_by_its_claim(zipped, tmp_path):
    with pytest.raises(UnsafeArchiveError, match="times its size"):
        land(zipped({"big.csv": b"0" * 20_000_000}), tmp_path / "in")


def test_a_zip_bomb_that_lies_about_its_size_is_refused(zipped, tmp_path):
    archive = zipped({"big.csv": b"0" * 5_000_000})
    honest = archive.read_bytes()
    archive.write_bytes(honest.replace((5_000_000).to_bytes(4, "little"), (5).to_bytes(4, "little")))
    assert archive.read_bytes() != honest
    with pytest.raises((UnsafeArchiveError, UnreadableSubmissionError)):
        land(archive, tmp_path / "in")
    assert list((tmp_path / "in").iterdir()) == []


def test_too_many_bytes_are_refused(dataset, tmp_path):
    with pytest.raises(UnsafeArchiveError, match="bytes"):
        land(dataset, tmp_path / "in", Limits(total_bytes=100))


def test_too_many_entries_are_refused(dataset, zipped, tmp_path):
    with pytest.raises(UnsafeArchiveError, match="entries"):
        land(dataset, tmp_path / "in", Limits(entries=5))
    with pytest.raises(UnsafeArchiveError, match="entries"):
        land(zipped({f"{n}.csv": b"x" for n in range(6)}), tmp_path / "in", Limits(entries=5))


def test_what_operating_systems_leave_behind_is_not_taken(dataset, tmp_path):
    clean = land(dataset, tmp_path / "in")
    (dataset / ".DS_Store").write_bytes(b"x")
    (dataset / "__MACOSX").mkdir()
    (dataset / "__MACOSX" / "._x").write_bytes(b"x")
    assert land(dataset, tmp_path / "in").content_sha256 == clean.content_sha256


def test_neither_folder_nor_zip_is_unreadable(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    for source in (tmp_path / "notes.txt", tmp_path / "absent"):
        with pytest.raises(UnreadableSubmissionError) as raised:
            land(source, tmp_path / "in")
        assert raised.value.exit_code == 19


def test_a_torn_zip_is_unreadable(dataset, tmp_path):
    archive = _zip_of(dataset, tmp_path / "a.zip")
    body = bytearray(archive.read_bytes())
    body[60:90] = b"\xff" * 30
    archive.write_bytes(body)
    with pytest.raises((UnreadableSubmissionError, UnsafeArchiveError)):
        land(archive, tmp_path / "in")
