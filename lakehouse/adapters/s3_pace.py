"""Connections on which a server must keep a pace: one that sends or takes a trickle of bytes is given up, too.

A time-out alone counts from one byte to the next, so a server that sends a byte a second would never meet it.
"""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from socket import socket
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

GRACE_SECONDS = 60.0
"""How long a request may wait for the server in all, and the longest for the next bytes."""
SLOWEST_BYTES_PER_S = 16 * 1024
"""What each second beyond the grace must have moved, in the mean, of the request and its answer."""
PIECE_BYTES = 256 * 1024
"""Bodies are sent in pieces, for a time-out holds for what is sent at once."""


class _Pace:
    """How long a request has waited for the server, and how much it has moved; what the caller does between is free."""

    def __init__(self) -> None:
        self._waited_s, self._moved = 0.0, 0

    @contextmanager
    def waiting(self, sock: socket, longest_s: float | None) -> Iterator[None]:
        """Let the block wait for the server no longer than is left; raise TimeoutError where nothing is."""
        left_s = GRACE_SECONDS + self._moved / SLOWEST_BYTES_PER_S - self._waited_s
        if left_s <= 0:
            raise TimeoutError(f"{self._moved} bytes moved in {self._waited_s:.0f} s; the server is too slow")
        sock.settimeout(left_s if longest_s is None else min(left_s, longest_s))
        start = time.monotonic()
        try:
            yield
        finally:
            self._waited_s += time.monotonic() - start

    def moved(self, count: int) -> None:
        """Count bytes that were sent or have come."""
        self._moved += count


class _Answer(io.RawIOBase):
    """The bytes that come on a socket."""

    def __init__(self, sock: socket, pace: _Pace) -> None:
        super().__init__()
        self._sock, self._pace, self._longest_s = sock, pace, sock.gettimeout()
        self._plain: Any = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - whatever holds bytes
        with self._pace.waiting(self._sock, self._longest_s):
            count: int | None = self._plain.readinto(buffer)
        self._pace.moved(count or 0)
        return count

    def close(self) -> None:
        self._plain.close()
        super().close()


class _Socket:
    """What an answer is read from, as `http.client` asks for it."""

    def __init__(self, sock: socket, pace: _Pace) -> None:
        self._sock, self._pace = sock, pace

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(_Answer(self._sock, self._pace))


class _Paced(HTTPConnection):
    _pace = _Pace()

    def putrequest(self, *given: Any, **named: Any) -> None:  # noqa: ANN401 - as `http.client` has it
        self._pace = _Pace()
        super().putrequest(*given, **named)

    def send(self, data: Any) -> None:  # noqa: ANN401 - bytes of any kind
        if self.sock is None:
            self.connect()
        body = memoryview(data).cast("B")
        for start in range(0, len(body), PIECE_BYTES):
            piece = body[start : start + PIECE_BYTES]
            with self._pace.waiting(self.sock, GRACE_SECONDS):
                super().send(piece)
            self._pace.moved(len(piece))

    def response_class(self, sock: socket, *given: Any, **named: Any) -> HTTPResponse:  # type: ignore[override]  # noqa: ANN401
        """Return the answer that comes on a socket; `http.client` has a class there, and only calls it."""
        return HTTPResponse(_Socket(sock, self._pace), *given, **named)  # type: ignore[arg-type]  # all it asks for


class _PacedTls(_Paced, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Paced


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _PacedTls


PACED = {"http": _Pool, "https": _TlsPool}
"""What urllib3 makes connections of, by the scheme of an address."""
