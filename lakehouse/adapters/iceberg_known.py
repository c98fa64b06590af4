"""What was read of files that never change, kept by their paths."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Read = TypeVar("Read")


class Known(Generic[Read]):
    """The last `most` things that were read. Safe among threads; what was asked for longest ago goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Read] = OrderedDict()

    def of(self, path: str, read: Callable[[], Read]) -> Read:
        """Return what is known under a path, read now when nothing is."""
        with self._lock:
            if path in self._known:
                self._known.move_to_end(path)
                return self._known[path]
        found = read()
        self.keep(path, found)
        return found

    def at(self, path: str) -> Read | None:
        """Return what is known under a path; None when nothing is."""
        with self._lock:
            return self._known.get(path)

    def take(self, path: str) -> Read | None:
        """Return what is known under a path, which it is not any more then; None when nothing is."""
        with self._lock:
            return self._known.pop(path, None)

    def keep(self, path: str, found: Read) -> None:
        """Know this under a path from now on."""
        with self._lock:
            self._known[path] = found
            if len(self._known) > self._most:
                self._known.popitem(last=False)
