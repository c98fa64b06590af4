"""A local folder as Iceberg's storage, where a file is whole and on the disk, or not there at all, as in a bucket."""

import contextlib
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
from pyiceberg.io.pyarrow import PyArrowLocalFileSystem

from lakehouse.durable_files import settle, sync_folder, unnamed_file


class WholeFiles(PyArrowLocalFileSystem):
    """PyIceberg's own local files, except that they are written under another name first.

    Arrow empties a file that is there before it writes to it. A reader, or a writer killed at that moment, would leave
    half of a file whose name somebody may already have been given.
    """

    def open_output_stream(self, path: str, *_: object, **__: object) -> "_WholeFile":  # type: ignore[override]
        """Return a stream whose bytes are at `path` once it is closed without an error."""
        return _WholeFile(Path(path))


class _WholeFile:
    def __init__(self, target: Path) -> None:
        self._target = target
        self._open = contextlib.ExitStack()
        self._temporary, self._file = self._open.enter_context(unnamed_file(target))

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, body: bytes | pa.Buffer) -> int:
        return self._file.write(memoryview(body))

    def close(self) -> None:
        if self.closed:
            return
        with self._open:
            settle(self._file)
            self._temporary.replace(self._target)
            sync_folder(self._target.parent)

    def __enter__(self) -> "_WholeFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:  # noqa: ANN401 - what `contextlib` says
        if kind is None:
            self.close()
        else:
            self._open.__exit__(kind, error, trace)
