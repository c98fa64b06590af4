import os
import shutil
import struct
import zipfile
from dataclasses import replace

import pytest

from lakehouse.archive import stated_keys
from lakehouse.archive.apart import Costs
from lakehouse.archive.inbox import arrivals, submit
from lakehouse.archive.stated_keys import keys_here, keys_in_child
from lakehouse.errors import UnreadableSubmissionError


def test_an_absent_or_empty_inbox_has_no_arrivals(tmp_path):
    assert arrivals(tmp_path / "absent") == []
    assert arrivals(tmp_path) == []


def test_a_submitted_folder_arrives_under_its_name_and_version(dataset, tmp_path):
    arrival = submit(dataset, tmp_path / "inbox")
    assert arrival.key == "lessons@1"
    assert arrivals(tmp_path / "inbox") == [arrival]
    assert (arrival.path / "tables/rooms/rooms.csv").read_bytes() == (dataset / "tables/rooms/rooms.csv").read_bytes()


@pytest.mark.parametrize("prefix", ["", "anything/"])
def test_a_zip_arrives_under_the_name_inside_it(dataset, tmp_path, prefix):
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.write(dataset / "dataset.yaml", f"{prefix}dataset.yaml")
    assert submit(archive, tmp_path / "inbox").key == "lessons@1"


def test_submitting_again_replaces_the_namesake(dataset, tmp_path):
    first = submit(dataset, tmp_path / "inbox")
    (dataset / "tables/rooms/rooms.csv").write_text("room,size\n10,1\n")
    second = submit(dataset, tmp_path / "inbox")
    assert arrivals(tmp_path / "inbox") == [second]
    assert second.fingerprint != first.fingerprint


@pytest.mark.parametrize(
    "description", [None, b"\xff\xfe", b"- a list", b"name: [x]\nversion: '1'", b"name: x", b"a: b: c"]
)
def test_without_a_usable_name_the_key_is_the_stem(dataset, tmp_path, description):
    path = dataset / "dataset.yaml"
    path.unlink()
    if description is not None:
        path.write_bytes(description)
    assert submit(dataset, tmp_path / "inbox").key == "lessons@undescribed"


@pytest.mark.parametrize(
    ("name", "version", "key"),
    [
        ("../../etc", "1", "etc@1"),
        ("A B", "V 2", "a-b@v-2"),
        ("x@y", "1@2", "x-y@1-2"),
        ("é", "", "unnamed@undescribed"),
    ],
)
def test_keys_have_only_harmless_letters(tmp_path, name, version, key):
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "dataset.yaml").write_text(f'name: "{name}"\nversion: "{version}"\n')
    assert submit(folder, tmp_path / "inbox").key == key


def test_what_is_being_written_or_hidden_has_not_arrived(dataset, tmp_path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for name in (".hidden", "lessons.part", "lessons.zip.part", "notes.txt"):
        (inbox / name).write_text("x")
    (inbox / "link").symlink_to(dataset)
    assert arrivals(inbox) == []


def test_the_fingerprint_follows_names_sizes_and_times(dataset, tmp_path):
    submit(dataset, tmp_path / "inbox")
    seen = {arrivals(tmp_path / "inbox")[0].fingerprint}
    file = tmp_path / "inbox/lessons@1/tables/rooms/rooms.csv"
    os.utime(file, ns=(1, 1))
    seen.add(arrivals(tmp_path / "inbox")[0].fingerprint)
    file.rename(file.with_name("other.csv"))
    seen.add(arrivals(tmp_path / "inbox")[0].fingerprint)
    assert len(seen) == 3
    assert arrivals(tmp_path / "inbox")[0].fingerprint in seen


def test_only_folders_and_zips_can_be_submitted(tmp_path):
    (tmp_path / "a.csv").write_text("x")
    for source in (tmp_path / "a.csv", tmp_path / "absent"):
        with pytest.raises(UnreadableSubmissionError):
            submit(source, tmp_path / "inbox")
    assert arrivals(tmp_path / "inbox") == []


def test_a_huge_description_in_a_zip_is_not_unpacked(tmp_path):
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("dataset.yaml", b"name: x\nversion: '1'\n" + b"#" * 50_000_000)
    assert submit(archive, tmp_path / "inbox").key == "bomb@undescribed"


def test_what_cannot_be_copied_is_a_typed_error_and_does_not_arrive(dataset, tmp_path):
    os.mkfifo(dataset / "tables/rooms/pipe.csv")
    with pytest.raises(UnreadableSubmissionError, match="pipe"):
        submit(dataset, tmp_path / "inbox")
    assert arrivals(tmp_path / "inbox") == []


def test_a_copy_that_is_stopped_leaves_nothing_and_one_that_is_there_is_told(dataset, tmp_path, monkeypatch):
    box, told = tmp_path / "inbox", []
    with monkeypatch.context() as patched:

        def stopped(source, target):
            shutil.copyfile(source, target)
            raise KeyboardInterrupt

        patched.setattr(shutil, "copytree", lambda source, part, **_: stopped(source / "dataset.yaml", part))
        with pytest.raises(KeyboardInterrupt):
            submit(dataset, box, there=told.append)
    assert (list(box.iterdir()), told) == ([], [])
    assert told == [submit(dataset, box, there=told.append).path]


def test_an_archive_of_too_many_entries_is_not_read_to_name_it(tmp_path):
    archive = tmp_path / "many.zip"
    for count, key in ((100_000, "lessons@1"), (100_001, "many@undescribed")):
        with zipfile.ZipFile(archive, "w") as out:
            out.writestr("dataset.yaml", "name: lessons\nversion: '1'\n")
            for number in range(3):
                out.writestr(f"{number}", b"")
        body = archive.read_bytes()
        directory = body[body.index(b"PK\x01\x02") : -22]
        entry = directory[directory.rindex(b"PK\x01\x02") :]
        start = body[: body.index(b"PK\x01\x02")]
        long = directory + entry * (count - 4)
        end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, len(long), len(start), 0)
        archive.write_bytes(start + long + end)
        assert [arrival.key for arrival in arrivals(tmp_path)] == [key]


def test_a_description_that_kills_its_reader_spoils_no_other_name(dataset, tmp_path, monkeypatch):
    for name in ("good", "bad"):
        shutil.copytree(dataset, tmp_path / "inbox" / name)
    little = Costs(memory_bytes=2 << 30, cpu_seconds=30, wall_seconds=120, file_bytes=1 << 20, answer_bytes=60)
    paths = [tmp_path / "inbox" / name for name in ("bad", "good")]
    # Two answers are more than is taken, one is not: each is then asked for by itself.
    assert [named.key for named in keys_in_child(paths, little).values()] == ["lessons@1", "lessons@1"]
    none = replace(little, answer_bytes=6)
    assert [named.key for named in keys_in_child(paths, none).values()] == ["bad@undescribed", "good@undescribed"]


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tgz", ".tar.zst"])
@pytest.mark.parametrize("prefix", ["", "./", "anything/"])
def test_a_tar_arrives_under_the_name_inside_it(dataset, packed, tmp_path, ending, prefix):
    path = packed(tmp_path / f"x{ending}", {f"{prefix}dataset.yaml": (dataset / "dataset.yaml").read_bytes()})
    assert keys_here([str(path)])[0]["key"] == "lessons@1"


def test_a_submitted_tar_arrives_with_its_ending(dataset, packed, tmp_path):
    path = packed(tmp_path / "x.tgz", {"dataset.yaml": (dataset / "dataset.yaml").read_bytes()})
    arrival = submit(path, tmp_path / "inbox")
    assert (arrival.key, arrival.path.name) == ("lessons@1", "lessons@1.tar.gz")
    assert arrivals(tmp_path / "inbox") == [arrival]


def test_a_submission_that_has_not_changed_is_read_once(dataset, tmp_path, monkeypatch):
    submit(dataset, tmp_path / "inbox")
    asked = []
    monkeypatch.setattr(stated_keys, "keys_in_child", lambda paths: asked.append(list(paths)) or {})
    arrivals(tmp_path / "inbox")
    assert asked == [[]]
