"""The pipe between the endpoint and an engine process: frames of a kind, a small header and a body."""

import io
import json
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

HEAD = struct.Struct("<cIQ")  # kind, bytes of the header, bytes of the body
ASK, BATCH, DONE, FAILED = b"A", b"B", b"D", b"F"
MAX_BODY_BYTES = 2**34
MOST_PARTS = 1024  # IOV_MAX


class Frame(NamedTuple):
    """One message. The header is JSON; the body is an Arrow IPC message, or empty."""

    kind: bytes
    header: dict[str, Any]
    body: pa.Buffer


def send(pipe: socket.socket, kind: bytes, header: Mapping[str, object], body: pa.Buffer | bytes = b"") -> None:
    """Write one frame, waiting while the other side does not read. Raises OSError when there is no other side."""
    send_parts(pipe, framed(kind, header, [memoryview(body)]))


def framed(kind: bytes, header: Mapping[str, object], parts: Sequence[memoryview]) -> list[memoryview]:
    """Return the bytes of one frame whose body is these parts, one after the other."""
    text = json.dumps(header).encode() if header else b""
    size = sum(part.nbytes for part in parts)
    return [memoryview(HEAD.pack(kind, len(text), size) + text), *parts]


def send_parts(pipe: socket.socket, parts: list[memoryview]) -> None:
    """Write bytes from where they lie, waiting while the other side does not read."""
    at = 0
    while at < len(parts):
        sent = pipe.sendmsg(parts[at : at + MOST_PARTS])
        while at < len(parts) and sent >= parts[at].nbytes:
            sent -= parts[at].nbytes
            at += 1
        if sent:
            parts[at] = parts[at][sent:]


class Message(io.RawIOBase):
    """Gives the Arrow message of a batch as the pieces of memory it consists of: nothing is copied to send it."""

    def __init__(self, schema: pa.Schema) -> None:
        super().__init__()
        self._parts: list[memoryview] = []
        self._writer = pa.ipc.new_stream(pa.PythonFile(self, mode="w"), schema)
        # The schema goes before the first batch.
        self._writer.write_batch(pa.RecordBatch.from_arrays([pa.nulls(0, one.type) for one in schema], schema=schema))

    def of(self, batch: pa.RecordBatch) -> list[memoryview]:
        """Return the pieces of a batch's message, as `RecordBatch.serialize` writes it."""
        self._parts = []
        self._writer.write_batch(batch)
        return self._parts

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def write(self, part: Any, /) -> int:  # noqa: ANN401 (a buffer of Arrow's, or bytes)
        """Take a piece from the writer."""
        view = memoryview(part)
        if view.nbytes:
            self._parts.append(view)
        return view.nbytes


def receive(pipe: socket.socket) -> Frame | None:
    """Read one frame; None when the other side is gone. Raises OSError when it stops in the middle of one."""
    head = _read(pipe, HEAD.size)
    if head is None:
        return None
    kind, header_bytes, body_bytes = HEAD.unpack(head)
    if body_bytes > MAX_BODY_BYTES:
        raise OSError(f"a frame of {body_bytes} bytes is not one of ours")
    header = _read(pipe, header_bytes) if header_bytes else None
    body = _read(pipe, body_bytes) if body_bytes else pa.py_buffer(b"")
    if body is None or (header_bytes and header is None):
        return None
    return Frame(kind, json.loads(header.to_pybytes()) if header is not None else {}, body)


def _read(pipe: socket.socket, size: int) -> pa.Buffer | None:
    buffer = pa.allocate_buffer(size)
    rest = memoryview(buffer)
    while rest:
        count = pipe.recv_into(rest, 0, socket.MSG_WAITALL)  # one call, however often the other side has to wait
        if not count:
            return None
        rest = rest[count:]
    return buffer
