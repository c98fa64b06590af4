"""What the SQL endpoint is told of this machine's settings."""

import pytest

from dagster_project import asking
from dagster_project.settings import load_settings
from lakehouse.errors import UnknownSettingError


def told(monkeypatch, tmp_path, **settings):
    """Return what the endpoint is started with under these settings."""
    given = {"HOME": str(tmp_path), "STORAGE": "folder", "SQL_PASSWORD": "pass-own", **settings}
    started = []
    monkeypatch.setattr(asking, "run_forever", lambda config, *_rest: started.append(config))
    asking.serve(load_settings({f"LAKEHOUSE_{name}": value for name, value in given.items()}))
    return started[0]


def test_the_memory_for_kept_rows_is_a_setting(monkeypatch, tmp_path):
    assert told(monkeypatch, tmp_path).kept_bytes == 512 * 1024 * 1024
    assert told(monkeypatch, tmp_path, SQL_KEPT_BYTES="0").kept_bytes == 0
    assert told(monkeypatch, tmp_path, SQL_KEPT_BYTES="1000").kept_bytes == 1000
    assert told(monkeypatch, tmp_path).ahead_bytes == 384 * 1024 * 1024
    assert told(monkeypatch, tmp_path, SQL_AHEAD_BYTES="0").ahead_bytes == 0
    with pytest.raises(UnknownSettingError, match="LAKEHOUSE_SQL_KEPT_BYTES is '-1'"):
        load_settings({"LAKEHOUSE_SQL_KEPT_BYTES": "-1"})
