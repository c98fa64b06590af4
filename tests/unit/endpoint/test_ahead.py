"""The thread that follows the releases goes on whatever it meets: it drops what was withdrawn, too."""

import threading
from types import SimpleNamespace

import duckdb
import pytest

from lakehouse.endpoint import ahead
from lakehouse.endpoint.kept import Kept


@pytest.mark.parametrize("fault", [duckdb.IOException("no file"), MemoryError(), RuntimeError("a fault of ours")])
def test_a_catalogue_that_fails_is_looked_at_again(monkeypatch, caplog, fault):
    monkeypatch.setattr(ahead, "LOOK_SECONDS", 0.01)
    looks, again = [], threading.Event()

    def current():
        looks.append(1)
        if len(looks) == 1:
            raise fault
        again.set()
        return SimpleNamespace(entries={})

    duck = SimpleNamespace(kept=Kept(1000, 1.0, 1000))
    reading = ahead.Ahead(None, duck, SimpleNamespace(current=current))
    try:
        assert again.wait(60)
    finally:
        reading.close()
    assert "nothing is read ahead now" in caplog.text
