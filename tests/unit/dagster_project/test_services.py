"""A profile decides what runs here; nothing secret stands on a command line."""

from pathlib import Path

from pydantic import SecretStr

from dagster_project.local_env import ensure_local
from dagster_project.services import services
from dagster_project.settings import PROJECT, load_settings, read_env_file


def bundled(tmp_path, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path))
    return ensure_local(load_settings())


def test_a_bare_machine_runs_all_five(tmp_path, monkeypatch):
    names = [service.name for service in services(bundled(tmp_path, monkeypatch))]
    assert names == ["storage", "sql", "catalogue", "dagster", "superset"]


def test_uploads_are_received_where_a_bucket_for_them_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_S3_INBOX", "inbox")
    names = [service.name for service in services(bundled(tmp_path, monkeypatch))]
    assert names == ["storage", "sql", "catalogue", "uploads", "dagster", "superset"]


def test_no_secret_stands_on_a_command_line(tmp_path, monkeypatch):
    settings = bundled(tmp_path, monkeypatch)
    secrets = {
        value for name, value in read_env_file(settings.env_file).items() if name.endswith(("_KEY", "_PASSWORD"))
    }
    assert len(secrets) >= 6
    for service in services(settings):
        assert not [word for word in service.command if any(secret in word for secret in secrets)], service.name


def test_servers_are_made_of_code_and_settings_but_of_no_secret(tmp_path, monkeypatch):
    settings = bundled(tmp_path, monkeypatch)

    def made_of(given):
        return {service.name: dict(service.made_of) for service in services(given) if service.made_of}

    before = made_of(settings)
    assert set(before) == {"sql", "catalogue", "dagster"}
    assert made_of(settings.model_copy(update={"sql_password": SecretStr("another")})) == before
    after = made_of(settings.model_copy(update={"sql_kept_bytes": 0}))
    assert all(after[name]["settings"] != before[name]["settings"] for name in before)
    assert all(after[name]["code"] == before[name]["code"] for name in before)


def test_everything_listens_on_loopback(tmp_path, monkeypatch):
    for service in services(bundled(tmp_path, monkeypatch)):
        assert "0.0.0.0" not in " ".join(service.command)


def test_the_example_profile_parses_and_starts_nothing_that_runs_elsewhere(tmp_path):
    profile = PROJECT / "compose" / "external.env"
    settings = load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_PROFILE": str(profile)})
    assert [service.name for service in services(settings)] == ["catalogue", "dagster", "superset"]
    assert settings.s3_secure


def test_paths_do_not_depend_on_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_settings({}).home == PROJECT / ".lakehouse"
    assert Path(PROJECT).is_absolute()
