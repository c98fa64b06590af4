"""Hostile archives and files, built from nothing: no bomb is kept in the repository."""

import io
import os
import stat
import struct
import zipfile
import zlib

LOCAL, CENTRAL, END = 0x04034B50, 0x02014B50, 0x06054B50
END64, LOCATOR64 = 0x06064B50, 0x07064B50
DEFLATED, STORED = 8, 0


def local_header(name, method, crc, packed, size):
    return struct.pack("<IHHHHHIIIHH", LOCAL, 20, 0, method, 0, 33, crc, packed, size, len(name), 0) + name


def central_entry(name, method, crc, packed, size, offset, mode=0):
    head = struct.pack("<IHHHHHHIIIHHHHHII", CENTRAL, 0x0314, 20, 0, method, 0, 33, crc, packed, size, len(name), 0, 0,
                       0, 0, mode << 16, offset)  # fmt: skip
    return head + name


def end(count, directory_bytes, offset):
    return struct.pack("<IHHHHIIH", END, 0, 0, count & 0xFFFF, count & 0xFFFF, directory_bytes, offset, 0)


def end64(count, directory_bytes, offset, at):
    record = struct.pack("<IQHHIIQQQQ", END64, 44, 45, 45, 0, 0, count, count, directory_bytes, offset)
    return record + struct.pack("<IIQI", LOCATOR64, 0, at, 1) + struct.pack("<IHHHHIIH", END, 0, 0, *[0xFFFF] * 2,
                                                                            *[0xFFFFFFFF] * 2, 0)  # fmt: skip


def deflated(body):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(body) + packer.flush()


def overlapping(files=300, kernel_bytes=2_000_000):
    """A flat bomb: every file's data quote the header of the next, so that all of them share one kernel."""
    kernel = deflated(b"\0" * kernel_bytes)
    name = f"tables/t/{files:04}.csv".encode()
    tail = local_header(name, DEFLATED, zlib.crc32(b"\0" * kernel_bytes), len(kernel), kernel_bytes) + kernel
    sizes = [(name, zlib.crc32(b"\0" * kernel_bytes), len(kernel), kernel_bytes, len(tail))]
    content = b"\0" * kernel_bytes
    for number in range(files - 1, 0, -1):
        head = tail[: 30 + len(sizes[-1][0])]
        quote = struct.pack("<BHH", 0, len(head), len(head) ^ 0xFFFF)
        content = head + content
        _, _, packed, size, _ = sizes[-1]
        name = f"tables/t/{number:04}.csv".encode()
        packed, size = packed + len(quote) + len(head), size + len(head)
        own = local_header(name, DEFLATED, zlib.crc32(content), packed, size)
        tail = own + quote + tail
        sizes.append((name, zlib.crc32(content), packed, size, len(tail)))
    directory = b"".join(
        central_entry(name, DEFLATED, crc, packed, size, len(tail) - from_end)
        for name, crc, packed, size, from_end in sizes
    )
    return tail + directory + end(len(sizes), len(directory), len(tail))


def nested(levels=6, copies=16, kernel_bytes=10_000_000):
    """Zips in zips in zips, like 42.zip: small outside, petabytes if somebody unpacked what is inside."""
    body = b"\0" * kernel_bytes
    for level in range(levels):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for copy in range(copies if level else 1):
                archive.writestr(f"lib {copy}.zip", body)
        body = buffer.getvalue()
    return body


def spanning():
    """A file of the archive whose data are said to be the whole archive, itself among them, as in a quine."""
    name = b"again.zip"
    whole = 30 + len(name) + 46 + len(name) + 22
    start = local_header(name, STORED, 0, whole, whole)
    entry = central_entry(name, STORED, 0, whole, whole, 0)
    return start + entry + end(1, len(entry), len(start))


def many_entries(count=1_000_000, declared=None):
    """A directory of so many entries, all of one empty file; the end may declare fewer."""
    start = local_header(b"a", STORED, 0, 0, 0)
    directory = central_entry(b"a", STORED, 0, 0, 0, 0) * count
    at = len(start) + len(directory)
    ends = (
        end64(count, len(directory), len(start), at) if declared is None else end(declared, len(directory), len(start))
    )
    return start + directory + ends


def claims_entries(count=1_000_000):
    """An archive of one file whose end claims a million."""
    start = local_header(b"a", STORED, 0, 0, 0)
    directory = central_entry(b"a", STORED, 0, 0, 0, 0)
    return start + directory + end64(count, len(directory), len(start), len(start) + len(directory))


def named(name, mode=stat.S_IFREG | 0o644, body=b"/etc/passwd"):
    """An archive of one file with a raw name and mode, such as a symbolic link."""
    crc = zlib.crc32(body)
    start = local_header(name, STORED, crc, len(body), len(body)) + body
    directory = central_entry(name, STORED, crc, len(body), len(body), 0, mode)
    return start + directory + end(1, len(directory), len(start))


def lies_about_size(real=50_000_000, said=10):
    """A file that unpacks to far more than the archive says."""
    body = b"\0" * real
    packed = deflated(body)
    name = b"tables/t/t.csv"
    start = local_header(name, DEFLATED, zlib.crc32(body), len(packed), said) + packed
    directory = central_entry(name, DEFLATED, zlib.crc32(body), len(packed), said, 0)
    return start + directory + end(1, len(directory), len(start))


def flagged(flags=0, method=STORED):
    """An archive whose one file is said to be encrypted, or packed in a way nobody knows."""
    body = bytearray(named(b"dataset.yaml"))
    entry = body.index(struct.pack("<I", CENTRAL))
    struct.pack_into("<HH", body, 6, flags, method)
    struct.pack_into("<HH", body, entry + 8, flags, method)
    return bytes(body)


class Explodes:
    """What a pickle would call when somebody loads it: it leaves a file behind."""

    def __init__(self, witness):
        self.witness = str(witness)

    def __reduce__(self):
        return os.system, (f"touch {self.witness}",)
