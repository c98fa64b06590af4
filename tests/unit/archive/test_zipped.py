"""What a zip archive beside the data holds is searched file by file, and one that hides anything is not read."""

import io
import stat
import struct
import zipfile

import pytest

from lakehouse.archive.other_scan import look_into
from lakehouse.archive.zipped import ZipLimits, members
from lakehouse.errors import SchemaError

MAILS = "mail\n" + "".join(f"ann{n}.lee@school-one.org\n" for n in range(9))


def zipped(files, compression=zipfile.ZIP_DEFLATED, comment=b"", stream=None):
    buffer = stream or io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.comment = comment
        for name, body in files.items():
            archive.writestr(name, body)
    return buffer.getvalue()


class Pipe(io.BytesIO):
    """A stream that cannot be sought, so that sizes follow the bytes."""

    def seekable(self):
        return False

    def seek(self, *_):
        raise io.UnsupportedOperation

    def tell(self):
        raise io.UnsupportedOperation


def seen(tmp_path, body, name="files.zip"):
    path = tmp_path / name
    path.write_bytes(body)
    return look_into(path, "kept")


@pytest.mark.parametrize(
    "body",
    [
        zipped({"old/contacts.csv": MAILS, "old/": "", "notes.txt": "Water.\n"}),
        zipped({"old/contacts.csv": MAILS}, zipfile.ZIP_STORED, b"made by hand"),
        zipped({"old/contacts.csv": MAILS, "notes.txt": "Water.\n"}, stream=Pipe()),
    ],
    ids=["deflated", "stored", "streamed"],
)
def test_files_in_an_archive_are_searched_as_files(tmp_path, body):
    found = seen(tmp_path, body)
    assert found.unread is None
    assert [(s.member, s.column, s.kind, s.count, s.personal, s.rows[:2]) for s in found.suspicions] == [
        ("old/contacts.csv", "mail", "email", 9, True, (2, 3))
    ]


def test_names_and_comments_in_an_archive_are_searched(tmp_path):
    files = {f"ann{n}.lee@school-one.org.txt": "Water.\n" for n in range(3)}
    found = seen(tmp_path, zipped(files, comment=b"packed by bo.lee@school-one.org")).suspicions
    assert (None, "email", 4, True) in [(s.member, s.kind, s.count, s.personal) for s in found]


def test_an_archive_is_judged_with_the_file_named(dataset, judged):
    (dataset / "old.zip").write_bytes(zipped({"lists/contacts.csv": MAILS, "plot.png": b"\x89PNG\r\n"}))
    found = {(f.code, f.place): f.message for f in judged(dataset).findings if f.code.startswith("PERSONAL_")}
    assert set(found) == {("PERSONAL_FILE", "old.zip: contacts.csv: mail"), ("PERSONAL_FILE_UNREAD", "old.zip")}
    assert "plot.png: it looks like a picture" in found["PERSONAL_FILE_UNREAD", "old.zip"]


def with_link():
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zipped({info: "/etc/passwd"})


def overlapping():
    """Return an archive of which two entries of the directory speak of the same bytes."""
    body = bytearray(zipped({"a.txt": "Water.\n", "b.txt": "Water.\n"}))
    second = body.rfind(b"PK\1\2")
    body[second + 42 : second + 46] = struct.pack("<I", 0)
    return bytes(body)


def encrypted():
    body = bytearray(zipped({"a.txt": "Water.\n"}))
    body[body.rfind(b"PK\1\2") + 8] |= 1
    return bytes(body)


def between(hidden):
    """Return an archive with bytes of no member before its directory."""
    body = zipped({"a.txt": "Water.\n"})
    at = body.rfind(b"PK\1\2")
    end = body.rfind(b"PK\5\6")
    moved = bytearray(body[end:])
    moved[16:20] = struct.pack("<I", at + len(hidden))
    return body[:at] + hidden + body[at:end] + bytes(moved)


HOSTILE = {
    "a link": (with_link(), "link"),
    "bytes of two members": (overlapping(), "of several"),
    "a password": (encrypted(), "password"),
    "bytes of no member": (between(MAILS.encode()), "no member"),
    "bytes behind its end": (zipped({"a.txt": "Water.\n"}) + MAILS.encode(), "no member"),
    "an archive in it": (zipped({"b.zip": zipped({"contacts.csv": MAILS})}), "b.zip: it looks like a ZIP"),
    "packed by bzip2": (zipped({"a.txt": "Water.\n"}, zipfile.ZIP_BZIP2), "uncommon"),
    "a bomb": (zipped({f"{n}.txt": b" " * 10_000_000 for n in range(3)}), "too much"),
    "half of it": (zipped({"a.txt": MAILS * 50})[:200], "broken"),
    "a broken member": (zipped({"a.txt": MAILS}).replace(b"a.txt" + b"", b"b.txt", 1), "broken"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_hides_something_is_not_read(tmp_path, case):
    body, reason = HOSTILE[case]
    unread = seen(tmp_path, body).unread
    assert unread is not None
    assert reason in unread


def test_members_and_bytes_are_limited(tmp_path):
    path = tmp_path / "files.zip"
    path.write_bytes(zipped({f"{n}.txt": "Water.\n" for n in range(5)}))
    with pytest.raises(SchemaError, match="more than 4 members"):
        list(members(path, tmp_path / "member", ZipLimits(members=4)))
    with pytest.raises(SchemaError, match="too much"):
        list(members(path, tmp_path / "member", ZipLimits(total_bytes=30)))
    assert [name for name, _ in members(path, tmp_path / "member")] == [f"{n}.txt" for n in range(5)]
