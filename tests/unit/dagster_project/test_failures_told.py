"""What a failed run tells on the command line."""

import dagster as dg
import pytest

from assets.house import failures
from dagster_project.loop import _first_failure
from lakehouse.errors import ServiceUnavailableError


@dg.asset
def stored():
    with failures():
        try:
            raise ConnectionRefusedError(111, "Connection refused")
        except OSError as error:
            raise ServiceUnavailableError("the storage is away; start it") from error


@dg.asset
def broken():
    try:
        raise ValueError("inner")
    except ValueError as error:
        raise RuntimeError("outer") from error


@pytest.mark.parametrize(
    ("asset", "told", "code"),
    [(stored, "the storage is away; start it", ServiceUnavailableError.exit_code), (broken, "ValueError: inner", 1)],
)
def test_a_failure_is_told_in_the_words_that_say_what_to_do(asset, told, code, monkeypatch):
    monkeypatch.setattr("assets.house.MAX_RETRIES", 0)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([asset], instance=instance, raise_on_error=False)
    said, exit_code = _first_failure(result)
    assert said == told
    assert exit_code == code
