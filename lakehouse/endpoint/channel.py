"""The pipe between the endpoint and an engine process: frames of a kind, a small header and a body."""

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa

HEAD = struct.Struct("<cIQ")  # kind, bytes of the header, bytes of the body
ASK, BATCH, DONE, FAILED = b"A", b"B", b"D", b"F"
MAX_BODY_BYTES = 2**34


class Frame(NamedTuple):
    """One message. The header is JSON; the body is an Arrow IPC message, or empty."""

    kind: bytes
    header: dict[str, Any]
    body: pa.Buffer


def send(pipe: socket.socket, kind: bytes, header: Mapping[str, object], body: pa.Buffer | bytes = b"") -> None:
    """Write one frame, waiting while the other side does not read. Raises OSError when there is no other side."""
    text = json.dumps(header).encode() if header else b""
    content = memoryview(body)
    parts = [memoryview(HEAD.pack(kind, len(text), len(content)) + text), content]
    while parts:
        sent = pipe.sendmsg(parts)
        while parts and sent >= len(parts[0]):
            sent -= len(parts.pop(0))
        if parts and sent:
            parts[0] = parts[0][sent:]


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
        count = pipe.recv_into(rest)
        if not count:
            return None
        rest = rest[count:]
    return buffer
