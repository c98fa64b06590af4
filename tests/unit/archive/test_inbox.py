import os
import zipfile

import pytest

from lakehouse.archive.inbox import arrivals, submit
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


def test_an_archive_of_too_many_entries_is_not_read_to_name_it(tmp_path, monkeypatch):
    monkeypatch.setattr("lakehouse.archive.inbox.MOST_ENTRIES", 10)
    for name, count in (("few", 10), ("many", 11)):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr("dataset.yaml", "name: lessons\nversion: '1'\n")
            for number in range(count - 1):
                archive.writestr(f"{number}", b"")
    assert [arrival.key for arrival in arrivals(tmp_path)] == ["lessons@1", "many@undescribed"]
