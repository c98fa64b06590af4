"""The secret that groups of people and pseudonyms are drawn by stays the same between starts."""

import pytest

from dagster_project.asking import SECRET_FILE, secret
from dagster_project.settings import Settings
from lakehouse.errors import UnknownSettingError


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.delenv("LAKEHOUSE_SQL_SECRET", raising=False)
    return Settings(home=tmp_path / "state")


def test_a_secret_is_drawn_once_and_kept_for_its_owner_only(settings):
    first = secret(settings)
    assert len(first) == 32
    assert secret(settings) == first
    assert (settings.home / SECRET_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in settings.home.iterdir()] == [SECRET_FILE]


def test_two_state_folders_have_two_secrets(settings, tmp_path):
    assert secret(settings) != secret(Settings(home=tmp_path / "other"))


def test_a_secret_that_is_set_is_used_and_not_written(tmp_path):
    settings = Settings(home=tmp_path, sql_secret="said")
    assert secret(settings) == "said"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("text", "mode"), [("kept", 0o640), ("kept", 0o604), ("", 0o600), (" \n", 0o600)])
def test_a_secret_that_others_may_read_or_that_is_empty_is_refused(settings, text, mode):
    settings.home.mkdir()
    path = settings.home / SECRET_FILE
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(UnknownSettingError, match="chmod 600"):
        secret(settings)
