"""Storage that nobody listens at is told at once, before a submission is read."""

import socket

import pytest

from dagster_project.reaching import require_storage
from dagster_project.settings import load_settings
from dagster_project.submitting import submit_path
from lakehouse.errors import ServiceUnavailableError, UnknownSettingError


def settings(home, address, storage="bundled"):
    return load_settings({"LAKEHOUSE_HOME": str(home), "LAKEHOUSE_STORAGE": storage, "LAKEHOUSE_S3_ENDPOINT": address})


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_submission_is_not_read_while_the_storage_is_away(tmp_path, listening):
    require_storage(settings(tmp_path, listening))
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = f"127.0.0.1:{server.getsockname()[1]}"
    missing = tmp_path / "no_such_folder"  # which would be told first if it were looked at
    with pytest.raises(ServiceUnavailableError, match=rf"{gone} does not answer .* `lakehouse up`"):
        submit_path(settings(tmp_path / "home", gone), missing)
    assert not (tmp_path / "home").exists()


def test_an_address_that_is_none_is_told_as_a_setting(tmp_path):
    with pytest.raises(UnknownSettingError, match=r"LAKEHOUSE_S3_ENDPOINT is '127\.0\.0\.1:abc'"):
        require_storage(settings(tmp_path, "127.0.0.1:abc"))


def test_plain_folders_always_answer(tmp_path):
    require_storage(settings(tmp_path, "", storage="folder"))
