"""Secrets of Superset may stand in files, and its metadata's password beside the address."""

import runpy

import pytest

from dagster_project.settings import PROJECT

CONFIG = PROJECT / "superset" / "superset_config.py"


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Run Superset's configuration with these variables, those that end in _FILE as files."""
    for name in ("SUPERSET_SECRET_KEY", "SUPERSET_METADATA_PASSWORD", "SUPERSET_METADATA_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SUPERSET_HOME", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))  # and take away what the configuration adds to the path

    def run(**given):
        for name, value in given.items():
            path = tmp_path / name
            if name.endswith("_FILE"):
                path.write_text(value)
            monkeypatch.setenv(f"SUPERSET_{name}", str(path) if name.endswith("_FILE") else value)
        return runpy.run_path(str(CONFIG))

    return run


def test_a_key_and_a_password_are_read_from_files_without_their_last_line_end(told):
    found = told(
        SECRET_KEY_FILE="k" * 40 + "\n",
        METADATA_URI="postgresql+psycopg2://superset@db:5432/superset",
        METADATA_PASSWORD_FILE="p@ss/word\n",
    )
    assert found["SECRET_KEY"] == "k" * 40
    assert found["SQLALCHEMY_DATABASE_URI"] == "postgresql+psycopg2://superset:p%40ss%2Fword@db:5432/superset"


def test_without_an_address_the_metadata_is_a_file_of_its_own(told, tmp_path):
    assert told(SECRET_KEY="k" * 40)["SQLALCHEMY_DATABASE_URI"] == f"sqlite:///{tmp_path / 'superset.db'}"


def test_a_secret_given_twice_or_in_a_file_that_is_not_there_is_refused(told, tmp_path, monkeypatch):
    monkeypatch.setenv("SUPERSET_SECRET_KEY_FILE", str(tmp_path / "absent"))
    with pytest.raises(RuntimeError, match=r"SUPERSET_SECRET_KEY_FILE is .* cannot be read"):
        told()
    with pytest.raises(RuntimeError, match="are both set; keep one"):
        told(SECRET_KEY="k" * 40, SECRET_KEY_FILE="k" * 40)
