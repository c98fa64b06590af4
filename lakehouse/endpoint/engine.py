"""The engine processes: a nursery that forks them, and what each does for the endpoint that it belongs to.

Started as ``python -m lakehouse.endpoint.engine FD EXTENSION ...``. The nursery opens DuckDB with one thread and forks
a ready engine whenever it is asked; no statement ever runs in it. When the endpoint goes, so do they all.
"""

import contextlib
import os
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute  # casts load it, and in the cage nothing can be loaded any more

from lakehouse.endpoint.cage import Cage
from lakehouse.endpoint.channel import BATCH, DONE, FAILED, Frame, Message, framed, receive, send_parts
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.macros import MACROS
from lakehouse.endpoint.whole_files import BATCH_ROWS, batches, read_alike
from lakehouse.endpoint.wire import to_wire, wire_type

PIECE_BYTES = 4 * 1024 * 1024  # some clients take no message above 16 MB
COPIED_BYTES = 256 * 1024  # of less, the pieces that a message consists of cost more than a copy
INTERRUPT_SECONDS = 0.05
MAX_TEXT = 4000
SETTINGS = (
    "set global TimeZone = 'UTC'",
    "set global integer_division = true",
)
FAULTS = (duckdb.Error, OSError, MemoryError, pa.ArrowInvalid, pa.ArrowNotImplementedError, RefusedStatementError)
START, NUMBER, PID = b"+", struct.Struct("<Q"), struct.Struct("<Q")


class Gone(Exception):
    """The endpoint does not listen any more."""


class Engine:
    """Answers one request at a time from `data`; a number on `control` stops the request of that number."""

    def __init__(self, db: duckdb.DuckDBPyConnection, data: socket.socket, control: socket.socket) -> None:
        self._db = db
        self._data = data
        self._control = control
        self._running: tuple[int, duckdb.DuckDBPyConnection] | None = None
        self._stopped = 0
        self._last: list[memoryview] = []

    def serve(self) -> None:
        """Enter the cage, set up, then answer until the endpoint goes."""
        start = receive(self._data)
        if start is None:
            return
        os.nice(start.header["nice"])  # what it starts from now on inherits it
        held = Cage(**{**start.header["cage"], "roots": tuple(start.header["cage"]["roots"])}).enter()
        for statement in start.header["setup"]:
            self._db.execute(statement)
        threading.Thread(target=self._listen, name="stop", daemon=True).start()
        self._say(DONE, {"held": held})
        while (asked := receive(self._data)) is not None:
            self._answer(asked)

    def _listen(self) -> None:
        """Interrupt what a number says for as long as it runs; end the process when the endpoint is gone."""
        while True:
            message = self._control.recv(NUMBER.size)
            if len(message) < NUMBER.size:
                os._exit(1)
            (number,) = NUMBER.unpack(message)
            self._stopped = number
            while (running := self._running) is not None and running[0] == number:
                with contextlib.suppress(duckdb.Error):  # it has ended meanwhile
                    running[1].interrupt()
                time.sleep(INTERRUPT_SECONDS)

    def _answer(self, asked: Frame) -> None:
        header = asked.header
        with self._db.cursor() as cursor:
            self._running = (header["number"], cursor)
            making = True
            try:
                self._arrange(cursor, header, asked.body)
                making = False
                answer, body = self._do(cursor, header)
            except FAULTS as fault:
                name = type(fault).__name__
                self._running, self._last = None, []
                self._say(FAILED, {"fault": name, "text": str(fault)[:MAX_TEXT], "making": making})
            else:
                self._running = None
                self._say(DONE, answer, body)

    def _arrange(self, cursor: duckdb.DuckDBPyConnection, header: Mapping[str, Any], body: pa.Buffer) -> None:
        """Drop the relations that are not wanted any more, and make those that a statement needs."""
        for statement in header["drop"]:
            cursor.execute(statement)
        at = 0
        for name, statement, size in header["make"]:
            if size:
                cursor.register(f"arrow_{name}", pa.ipc.open_stream(body.slice(at, size)).read_all())
                at += size
            cursor.execute(statement)
            if size:
                cursor.unregister(f"arrow_{name}")

    def _do(self, cursor: duckdb.DuckDBPyConnection, header: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        match header["what"]:
            case "describe":
                relation = cursor.sql(header["sql"])
                kinds = [str(kind.id).lower() for kind in relation.types]
                fields = [
                    pa.field(name, wire_type(kind)) for name, kind in zip(relation.columns, relation.types, strict=True)
                ]
                return {"kinds": kinds}, pa.schema(fields).serialize().to_pybytes()
            case "run":
                schema = pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(header["schema"])))
                self._run(self._rows(cursor, header, schema), schema)
        return {}, b""

    def _rows(
        self, cursor: duckdb.DuckDBPyConnection, header: Mapping[str, Any], schema: pa.Schema
    ) -> Iterable[pa.RecordBatch]:
        """Return the rows of a statement, by Arrow where it reads whole files and that is the same."""
        files = header["files"]
        if files and read_alike(files, schema):

            def look() -> None:
                if self._stopped == header["number"]:
                    raise duckdb.InterruptException("INTERRUPT Error: Interrupted!")

            return batches(files, schema, look)
        return cursor.execute(header["sql"]).to_arrow_reader(BATCH_ROWS)

    def _run(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
        """Send the rows as they come: the endpoint's reading is what lets the next ones be made."""
        message: Message | None = None
        for batch in batches:
            wired = to_wire(batch, schema)
            pieces = max(1, -(-wired.nbytes // PIECE_BYTES))
            rows = max(1, -(-wired.num_rows // pieces))
            for first in range(0, max(1, wired.num_rows), rows):
                piece = wired.slice(first, rows)
                if piece.nbytes < COPIED_BYTES:
                    parts = [memoryview(piece.serialize())]
                else:
                    message = message or Message(schema)
                    parts = message.of(piece)
                # What is probably the last one goes together with the answer: the endpoint is woken once.
                self._send(framed(BATCH, {}, parts), wait=wired.num_rows < BATCH_ROWS)

    def _say(self, kind: bytes, header: Mapping[str, Any], body: pa.Buffer | bytes = b"") -> None:
        self._send(framed(kind, header, [memoryview(body)]))

    def _send(self, parts: list[memoryview], *, wait: bool = False) -> None:
        """Send a frame, behind the one that waits for it; or let it wait for the next."""
        parts, self._last = [*self._last, *parts], []
        if wait:
            self._last = parts
            return
        try:
            send_parts(self._data, parts)
        except OSError as error:
            raise Gone from error


def opened(extensions: list[str]) -> duckdb.DuckDBPyConnection:
    """Return a database with its extensions and macros; one thread, so that the process may be forked."""
    db = duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,
            "allow_persistent_secrets": False,
            "temp_directory": "",
        },
    )
    for name in extensions:
        db.load_extension(str(extension_file(name)))
    for setting in SETTINGS:  # before the macros: what a division means is decided when one is made
        db.execute(setting)
    for macro in MACROS:
        db.execute(macro)
    return db


def extension_file(name: str) -> Path:
    """Return the signed binary inside its PyPI wheel. Raises FileNotFoundError with what to install."""
    package = Path(str(resources.files(f"duckdb_extension_{name}")))
    found = sorted(package.glob(f"extensions/v{duckdb.__version__}/{name}.duckdb_extension"))
    if not found:
        wanted = f"duckdb-extension-{name}=={duckdb.__version__}"
        raise FileNotFoundError(f"no {name} extension for DuckDB {duckdb.__version__}; install {wanted}")
    return found[0]


def _live(db: duckdb.DuckDBPyConnection, fds: list[int]) -> None:
    """Be an engine, in the forked process, until the endpoint goes."""
    data, control = (socket.socket(fileno=fd) for fd in fds)
    with contextlib.suppress(Gone):
        Engine(db, data, control).serve()


def main() -> None:
    """Fork an engine for every pair of sockets that comes; answer with its process id and a handle of it."""
    nursery = socket.socket(fileno=int(sys.argv[1]))
    db = opened(sys.argv[2:])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    nursery.sendall(START)
    while True:
        message, fds, _, _ = socket.recv_fds(nursery, 1, 2)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                nursery.close()
                _live(db, fds)
                status = 0
            except BaseException:  # noqa: BLE001 (what ends this process is told here: nothing follows)
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(status)
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:  # it died at once, and was reaped
            nursery.sendall(PID.pack(0))
        else:
            socket.send_fds(nursery, [PID.pack(pid)], [handle])
            os.close(handle)
        for fd in fds:
            os.close(fd)


if __name__ == "__main__":
    main()
