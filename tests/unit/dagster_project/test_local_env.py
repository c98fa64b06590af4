"""Ports and secrets are made once, differ between machines, and are readable by their owner only."""

import stat

from dagster_project.local_env import ensure_local
from dagster_project.settings import load_settings


def make(tmp_path, monkeypatch, name):
    home = tmp_path / name
    monkeypatch.setenv("LAKEHOUSE_HOME", str(home))
    return ensure_local(load_settings())


def test_the_file_is_private(tmp_path, monkeypatch):
    settings = make(tmp_path, monkeypatch, "a")
    assert stat.S_IMODE(settings.env_file.stat().st_mode) == 0o600


def test_secrets_are_made_once(tmp_path, monkeypatch):
    first = make(tmp_path, monkeypatch, "a")
    text = first.env_file.read_text()
    assert make(tmp_path, monkeypatch, "a") == first
    assert first.env_file.read_text() == text


def test_two_machines_share_no_secret(tmp_path, monkeypatch):
    one, two = make(tmp_path, monkeypatch, "a"), make(tmp_path, monkeypatch, "b")
    for name in ("s3_secret_key", "sql_password", "superset_password", "superset_secret_key"):
        ours, theirs = getattr(one, name).get_secret_value(), getattr(two, name).get_secret_value()
        assert len(ours) >= 32
        assert ours != theirs


def test_no_secret_breaks_a_connection_string(tmp_path, monkeypatch):
    assert ";" not in make(tmp_path, monkeypatch, "a").sql_password.get_secret_value()


def test_the_sql_address_carries_the_chosen_port(tmp_path, monkeypatch):
    settings = make(tmp_path, monkeypatch, "a")
    assert settings.sql_uri == f"grpc://127.0.0.1:{settings.sql_port}"


def test_a_token_for_uploads_is_made_once_they_are_wanted(tmp_path, monkeypatch):
    assert "UPLOADS" not in make(tmp_path, monkeypatch, "a").env_file.read_text()
    monkeypatch.setenv("LAKEHOUSE_S3_INBOX", "inbox")
    token = make(tmp_path, monkeypatch, "a").uploads_token.get_secret_value()
    assert len(token) >= 32
    assert make(tmp_path, monkeypatch, "a").uploads_token.get_secret_value() == token
