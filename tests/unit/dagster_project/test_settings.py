"""Settings come from one place, in a known order, and a wrong one is an error."""

import pytest

from dagster_project.people import users_file
from dagster_project.settings import PROJECT, load_settings, read_env_file
from lakehouse.errors import UnknownSettingError


def test_defaults_work_on_a_laptop(tmp_path):
    settings = load_settings({"LAKEHOUSE_HOME": str(tmp_path)})
    assert settings.home == tmp_path
    assert settings.host == "127.0.0.1"


def test_a_file_that_is_not_there_is_told_and_an_empty_one_is_none(tmp_path):
    values = {"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_S3_CA_FILE": ""}
    assert load_settings(values).s3_ca_file is None
    with pytest.raises(UnknownSettingError, match=r"LAKEHOUSE_S3_CA_FILE is .*is not a file"):
        load_settings({**values, "LAKEHOUSE_S3_CA_FILE": str(tmp_path / "no.pem")})


def test_paths_that_may_be_empty_are_none_then_and_else_of_the_project(tmp_path):
    values = {
        "LAKEHOUSE_HOME": str(tmp_path),
        "LAKEHOUSE_INSTRUCT_RECIPE": "",
        "LAKEHOUSE_INSTRUCT_BASE": "models/base",
    }
    settings = load_settings(values)
    assert load_settings({**values, "LAKEHOUSE_INSTRUCT_BASE": "hub:a/b@main"}).instruct_base == "hub:a/b@main"
    assert (settings.instruct_recipe, settings.instruct_base) == (None, str(PROJECT / "models/base"))


def test_a_misspelt_setting_names_the_nearest_one(tmp_path):
    with pytest.raises(
        UnknownSettingError, match="LAKEHOUSE_DAGSTR_PORT is not a setting; did you mean LAKEHOUSE_DAGSTER_PORT"
    ):
        load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_DAGSTR_PORT": "3001"})


def test_a_wrong_value_names_the_setting_and_the_value(tmp_path):
    with pytest.raises(UnknownSettingError, match="LAKEHOUSE_SQL_PORT is 'abc'"):
        load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_SQL_PORT": "abc"})


def test_an_unknown_setting_in_the_env_file_is_an_error(tmp_path):
    (tmp_path / "local.env").write_text("LAKEHOUSE_COLOUR=blue\n")
    with pytest.raises(UnknownSettingError, match="LAKEHOUSE_COLOUR"):
        load_settings({"LAKEHOUSE_HOME": str(tmp_path)})


def test_the_environment_stands_above_the_profile_above_the_env_file(tmp_path):
    (tmp_path / "local.env").write_text("LAKEHOUSE_SQL_USER=file\nLAKEHOUSE_S3_BUCKET=file\nLAKEHOUSE_HOST=127.0.0.2\n")
    profile = tmp_path / "cluster.env"
    profile.write_text("# a comment\n\nLAKEHOUSE_SQL_USER=profile\nLAKEHOUSE_S3_BUCKET=profile\n")
    settings = load_settings(
        {"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_PROFILE": str(profile), "LAKEHOUSE_SQL_USER": "environment"}
    )
    assert (settings.sql_user, settings.s3_bucket, settings.host) == ("environment", "profile", "127.0.0.2")


def test_a_profile_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(UnknownSettingError, match="not a file"):
        load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_PROFILE": str(tmp_path / "no.env")})


def test_a_line_without_a_name_is_an_error_with_its_place(tmp_path):
    file = tmp_path / "x.env"
    file.write_text("LAKEHOUSE_HOST=127.0.0.1\nnonsense\n")
    with pytest.raises(UnknownSettingError, match=r"x\.env:2 is 'nonsense'"):
        read_env_file(file)


def test_the_users_are_in_the_state_folder_or_where_the_setting_says(tmp_path):
    given = {"LAKEHOUSE_HOME": str(tmp_path)}
    assert users_file(load_settings(given)).path == tmp_path / "policy.yaml"
    other = tmp_path / "policy" / "policy.yaml"
    found = users_file(load_settings(given | {"LAKEHOUSE_POLICY": str(other)}))
    found.ensure()
    assert found.path == other
    assert other.is_file()


def test_secrets_are_not_shown(tmp_path):
    settings = load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_SQL_PASSWORD": "hush-hush"})
    assert "hush-hush" not in repr(settings)
    assert settings.sql_password.get_secret_value() == "hush-hush"


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path):
    (tmp_path / "password").write_text("hush-hush\n")
    given = {"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_CATALOG_PASSWORD_FILE": str(tmp_path / "password")}
    assert load_settings(given).catalog_password.get_secret_value() == "hush-hush"
    with pytest.raises(UnknownSettingError, match="both given"):
        load_settings({**given, "LAKEHOUSE_CATALOG_PASSWORD": "other"})


def test_a_secret_given_higher_up_stands_above_a_file_lower_down(tmp_path):
    (tmp_path / "password").write_text("low\n")
    (tmp_path / "local.env").write_text(f"LAKEHOUSE_SQL_PASSWORD_FILE={tmp_path / 'password'}\n")
    assert load_settings({"LAKEHOUSE_HOME": str(tmp_path)}).sql_password.get_secret_value() == "low"
    higher = {"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_SQL_PASSWORD": "high"}
    assert load_settings(higher).sql_password.get_secret_value() == "high"


def test_a_secret_file_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(UnknownSettingError, match=r"LAKEHOUSE_SQL_PASSWORD_FILE is .*no-such-file"):
        load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_SQL_PASSWORD_FILE": str(tmp_path / "no-such-file")})


def test_only_secrets_are_read_from_files(tmp_path):
    with pytest.raises(UnknownSettingError, match="LAKEHOUSE_SQL_USER_FILE is not a setting"):
        load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_SQL_USER_FILE": "x"})


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://lake:hush-hush@db/lake",
        "postgresql://lake:hush/hush-hush@db/lake",
        "postgresql://lake:1?hush-hush@db/lake",
        "postgres://lake@db/lake?sslmode=require&password=hush-hush",
        "postgresql+psycopg://lake:hush-hush@db/lake",
        "POSTGRESQL://lake:hush-hush@db/lake",
        "mysql://lake:hush-hush@db/lake",
        "https://lake:hush-hush@db:1/x",
        "https://a@b:hush-hush@db:1/x",
        "postgresql://lake@db/lake?sslpassword=hush-hush",
        "postgresql://lake@db/lake?Password=hush-hush",
        "postgresql://lake@db/lake?pass%77ord=hush-hush",
    ],
)
def test_a_password_within_the_catalogs_address_is_refused_and_not_shown(tmp_path, uri):
    with pytest.raises(UnknownSettingError, match="LAKEHOUSE_CATALOG_PASSWORD_FILE") as caught:
        load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_CATALOG_URI": uri})
    assert "hush-hush" not in str(caught.value)
    with pytest.raises(UnknownSettingError, match="LAKEHOUSE_DREMIO_CATALOG_URI holds a password") as caught:
        load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_DREMIO_CATALOG_URI": uri})
    assert "hush-hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "complaint"),
    [
        ("postgresql+psycopg://lake@db/lake", r"write http\(s\)://host:port/path .* or postgresql://user@host"),
        ("mysql://lake@db/lake", "the scheme 'mysql', which no catalog here has"),
        ("lake:hush-hush/x", "has none; write"),
        ("https://lake:hush-hush/x", "a port that is no number"),
        ("https://[hush-hush/x", "names no host"),
        ("https://db/x?token=hush-hush", "leave them out"),
    ],
)
def test_an_address_of_no_catalog_is_refused_with_what_to_write(tmp_path, uri, complaint):
    with pytest.raises(UnknownSettingError, match=f"LAKEHOUSE_CATALOG_URI .*{complaint}") as caught:
        load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_CATALOG_URI": uri})
    assert "hush-hush" not in str(caught.value)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:8181", "HTTPS://catalog.example.org/iceberg", "POSTGRES://u@db/x"])
def test_addresses_of_catalogs_are_taken_however_the_scheme_is_written(tmp_path, uri):
    assert load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_CATALOG_URI": uri}).catalog_uri == uri


@pytest.mark.parametrize(
    "uri", ["https://ada:hush-hush@db:1/x", "https://hush-hush@db", "http://db/?password=hush-hush"]
)
def test_a_user_or_password_within_the_tracking_servers_address_is_refused_and_not_shown(tmp_path, uri):
    with pytest.raises(UnknownSettingError, match="LAKEHOUSE_MLFLOW_TOKEN_FILE") as caught:
        load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_MLFLOW_URL": uri})
    assert "hush-hush" not in str(caught.value)


@pytest.mark.parametrize(
    "uri", ["mlflow:5000", "postgresql://db/x", "http://", "http://db:port", "http://db/?x=y", "http://a b:1"]
)
def test_what_is_no_address_of_a_tracking_server_is_refused_with_what_to_write(tmp_path, uri):
    with pytest.raises(UnknownSettingError, match=r"LAKEHOUSE_MLFLOW_URL .*write http\(s\)://host:port"):
        load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_MLFLOW_URL": uri})


@pytest.mark.parametrize("uri", ["http://tracking:5000", "HTTP://192.0.2.7:5000"])
def test_a_token_is_not_sent_unencrypted_to_another_machine(tmp_path, uri):
    given = {"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_MLFLOW_URL": uri}
    assert load_settings(given).mlflow_url == uri
    with pytest.raises(UnknownSettingError, match="unencrypted; write https://") as caught:
        load_settings({**given, "LAKEHOUSE_MLFLOW_TOKEN": "hush-hush"})
    assert "hush-hush" not in str(caught.value)


@pytest.mark.parametrize("uri", ["https://tracking", "http://127.0.0.1:5000", "http://[::1]:5000", "http://localhost"])
def test_a_token_goes_over_tls_or_stays_on_this_machine(tmp_path, uri):
    given = {"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_MLFLOW_URL": uri, "LAKEHOUSE_MLFLOW_TOKEN": "hush-hush"}
    assert load_settings(given).mlflow_url == uri


def test_a_token_of_the_hub_is_not_sent_unencrypted_to_another_machine_either(tmp_path):
    given = {"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_HUB_TOKEN": "hush-hush"}
    for url in ("https://hub.example", "http://127.0.0.1:8000"):
        assert load_settings({**given, "LAKEHOUSE_HUB_URL": url}).hub_url == url
    with pytest.raises(UnknownSettingError, match="_HUB_TOKEN would go to hub") as caught:
        load_settings({**given, "LAKEHOUSE_HUB_URL": "http://hub.example"})
    assert "hush-hush" not in str(caught.value)


def test_the_address_of_a_database_needs_no_password(tmp_path):
    uri = "postgresql://lake@db:5432/lake?sslmode=verify-full"
    assert load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_CATALOG_URI": uri}).catalog_uri == uri
