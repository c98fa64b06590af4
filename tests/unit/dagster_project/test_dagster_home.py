"""Dagster's own files: what they say for one machine and for a cluster, and that no password is in them."""

import stat
from pathlib import Path

import pytest
import yaml

from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.services import superset_environment
from dagster_project.serving_dagster import command
from dagster_project.settings import load_settings
from dagster_project.storing import provision
from dagster_project.withdrawing import databases
from lakehouse.errors import UnknownSettingError

PASSWORD = r"wor:d\with signs"


def settings(home, **more):
    given = {f"LAKEHOUSE_{name.upper()}": value for name, value in more.items()}
    return load_settings({"LAKEHOUSE_HOME": str(home), **given})


def on_postgres(home, **more):
    given = {"dagster_database": "postgresql://dagster@db:5432/dagster", "dagster_password": PASSWORD}
    return settings(home, **{**given, **more})


def test_one_machine_keeps_runs_in_its_own_folder(tmp_path):
    home = prepare_dagster_home(settings(tmp_path))
    assert {path.name for path in home.iterdir()} == {"dagster.yaml", "history", "schedules"}
    assert "storage" not in yaml.safe_load((home / "dagster.yaml").read_text())


def test_a_database_is_named_with_its_driver_and_a_file_that_holds_the_password(tmp_path):
    home = prepare_dagster_home(on_postgres(tmp_path))
    said = (home / "dagster.yaml").read_text()
    assert PASSWORD not in said
    url = yaml.safe_load(said)["storage"]["postgres"]["postgres_url"]
    assert url == f"postgresql+psycopg2://dagster@db:5432/dagster?passfile={home / 'pgpass'}"
    assert (home / "pgpass").read_text() == "*:*:*:*:wor\\:d\\\\with signs\n"
    assert stat.S_IMODE((home / "pgpass").stat().st_mode) == 0o600


def test_options_of_the_address_stay(tmp_path):
    made = on_postgres(tmp_path, dagster_database="postgresql://dagster@db/dagster?sslmode=verify-full")
    said = (prepare_dagster_home(made) / "dagster.yaml").read_text()
    assert "?sslmode=verify-full&passfile=" in said


def test_preparing_again_writes_nothing(tmp_path):
    made = on_postgres(tmp_path, dagster_code="code:4000")
    home = prepare_dagster_home(made)
    before = {path.name: path.stat().st_mtime_ns for path in home.iterdir()}
    prepare_dagster_home(made)
    assert {path.name: path.stat().st_mtime_ns for path in home.iterdir()} == before


def test_containers_that_start_together_and_have_the_same_process_id_both_write(tmp_path, monkeypatch):
    made = on_postgres(tmp_path, dagster_code="code:4000")
    replace, others = Path.replace, [True]

    def late(self, target):
        if others:
            others.pop()
            prepare_dagster_home(made)  # the other container is through before this one goes on
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", late)
    home = prepare_dagster_home(made)
    assert not others
    assert {path.name for path in home.iterdir()} == {"dagster.yaml", "workspace.yaml", "pgpass"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dagster_password": ""}, "DAGSTER_PASSWORD is empty"),
        ({"dagster_database": "postgresql://db/dagster"}, "names no user"),
        ({"dagster_code": "code"}, "write host:port"),
        ({"dagster_code": "code:web"}, "write host:port"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path, given, said):
    with pytest.raises(UnknownSettingError, match=said):
        prepare_dagster_home(on_postgres(tmp_path, **given))


@pytest.mark.parametrize("address", ["postgresql://dagster:secret@db/dagster", "http://db:80/dagster", "dagster"])
def test_an_address_that_holds_a_password_or_is_no_database_is_refused(tmp_path, address):
    with pytest.raises(UnknownSettingError, match="LAKEHOUSE_DAGSTER_DATABASE") as caught:
        settings(tmp_path, dagster_database=address)
    assert "secret" not in str(caught.value)


def test_pages_and_daemon_ask_the_code_locations_server_where_there_is_one(tmp_path):
    served = settings(tmp_path, dagster_code="code:4000")
    home = prepare_dagster_home(served)
    (location,) = yaml.safe_load((home / "workspace.yaml").read_text())["load_from"]
    assert (location["grpc_server"]["host"], location["grpc_server"]["port"]) == ("code", 4000)
    assert str(home / "workspace.yaml") in command(served, "daemon", home)
    assert "dagster_project.definitions" in command(served, "code", home)
    assert "dagster_project.definitions" in command(settings(tmp_path), "webserver", home)


def test_storage_is_not_set_up_without_its_keys(tmp_path):
    external = settings(tmp_path, storage="external", s3_endpoint="127.0.0.1:9")
    with pytest.raises(UnknownSettingError, match="minio_root_user cannot be read"):
        list(provision(external, tmp_path))
    (tmp_path / "minio_root_user").write_text("\n")
    with pytest.raises(UnknownSettingError, match="minio_root_user is empty"):
        list(provision(external, tmp_path))
    with pytest.raises(UnknownSettingError, match="STORAGE is 'bundled'"):
        list(provision(settings(tmp_path), tmp_path))


def test_superset_and_a_withdrawal_find_its_database_by_an_address_without_the_password(tmp_path):
    given = {"superset_database": "postgresql://superset@db/superset", "superset_database_password": PASSWORD}
    made = settings(tmp_path, **given)
    address = superset_environment(made)["SUPERSET_METADATA_URI"]
    assert address == f"postgresql+psycopg2://superset@db/superset?passfile={tmp_path / 'superset' / 'pgpass'}"
    assert (tmp_path / "superset" / "pgpass").stat().st_mode & 0o777 == 0o600
    assert [(one.name, one.url) for one in databases(made)] == [("superset's database", address)]
    assert superset_environment(settings(tmp_path))["SUPERSET_METADATA_URI"] == ""
    with pytest.raises(UnknownSettingError, match="SUPERSET_DATABASE_PASSWORD is empty"):
        databases(settings(tmp_path, superset_database=given["superset_database"]))
