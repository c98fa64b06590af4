"""Waits for what another thread or process is about to do."""

import time
from collections.abc import Callable


def wait_until(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Return as soon as `true()` holds; fail once that took longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
