"""Frames between endpoint and engine: batches are sent from where they lie, and arrive as Arrow would write them."""

import socket
import threading

import pyarrow as pa
import pytest

from lakehouse.endpoint.channel import BATCH, DONE, Message, framed, receive, send, send_parts

BATCH_OF_ALL = pa.record_batch(
    {
        "n": [1, None, 3] * 100,
        "word": ["x", "yy", None] * 100,
        "yes": [True, False, None] * 100,
        "words": [["a"], None, []] * 100,
        "pairs": pa.array([[("k", 1)], [], None] * 100, pa.map_(pa.string(), pa.int32())),
    }
)


@pytest.mark.parametrize("part", [(0, 300), (7, 50), (299, 1), (5, 0)])
def test_a_message_has_the_bytes_that_arrow_serialises(part):
    message, batch = Message(BATCH_OF_ALL.schema), BATCH_OF_ALL.slice(*part)
    for _ in range(2):
        assert b"".join(message.of(batch)) == batch.serialize().to_pybytes()


def test_many_pieces_arrive_whole_through_a_narrow_pipe():
    here, there = socket.socketpair()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    pieces = [memoryview(bytes([n % 256]) * (n % 97 + 1)) for n in range(5000)]
    with here, there:
        writer = threading.Thread(
            target=send_parts, args=(here, [*framed(BATCH, {}, pieces), *framed(DONE, {"a": 1}, [])])
        )
        writer.start()
        frame, answer = receive(there), receive(there)
        writer.join()
        assert (frame.kind, frame.header, frame.body.to_pybytes()) == (BATCH, {}, b"".join(pieces))
        assert (answer.kind, answer.header, answer.body.size) == (DONE, {"a": 1}, 0)
        send(there, DONE, {}, b"body")
        assert receive(here).body.to_pybytes() == b"body"
        there.shutdown(socket.SHUT_WR)
        assert receive(here) is None
