"""The DataCite client against a double of the written API: states, refusals, retries, lost answers."""

import importlib.util
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from urllib3 import Timeout

from lakehouse.adapters.datacite import ATTEMPTS, DataCite
from lakehouse.archive.eds import Description
from lakehouse.archive.metadata import datacite as form
from lakehouse.archive.metadata.source import Record
from lakehouse.errors import LoginError, RegistrationError, ServiceUnavailableError

_spec = importlib.util.spec_from_file_location("datacite_double", Path(__file__).with_name("datacite_double.py"))
double = importlib.util.module_from_spec(_spec)
sys.modules["datacite_double"] = double
_spec.loader.exec_module(double)

DOI = f"{double.PREFIX}/v1bcdf"


@pytest.fixture
def registry():
    with double.registry() as held:
        yield held


@pytest.fixture
def waits():
    return []


@pytest.fixture
def client(registry, waits):
    return DataCite(
        registry.url, double.REPOSITORY, double.PASSWORD, wait=waits.append, timeout=Timeout(connect=2, read=2)
    )


@pytest.fixture
def metadata():
    """What the archive itself writes of a dataset with the fewest fields."""
    about = Description(
        eds_version="1.0", name="lessons", version="1", title="Lessons", description="Held.", accumulates="waves"
    )
    record = Record(about, "1", (), datetime(2026, 1, 2, tzinfo=UTC), landing_url="https://data.example.org/l/1")
    return json.loads(form.export(record)["datacite.json"])


def test_from_draft_to_findable_to_hidden(client, metadata):
    assert client.state(DOI) is None
    client.draft(DOI)
    assert client.state(DOI) == "draft"
    client.describe(DOI, metadata, "registered")
    assert client.state(DOI) == "registered"
    client.describe(DOI, metadata, "findable")
    assert client.state(DOI) == "findable"
    client.hide(DOI)
    assert client.state(DOI) == "registered"


def test_the_same_again_changes_nothing(client, registry, metadata):
    for _ in range(2):
        client.draft(DOI)
        client.describe(DOI, metadata, "findable")
    held = dict(registry.dois)
    client.draft(DOI)
    client.describe(DOI, metadata, "findable")
    assert registry.dois == held
    assert sum(line == "POST /dois" for line in registry.asked) == 1


def test_a_doi_that_was_never_reserved_is_made_with_its_metadata(client, registry, metadata):
    client.describe("10.5072/new", metadata, "findable")
    assert client.state("10.5072/new") == "findable"
    assert registry.asked.count("PUT /dois/10.5072/new") == 1
    with pytest.raises(LoginError):
        client.describe("10.9999/not-ours", metadata, "findable")


def test_new_metadata_replace_old_ones(client, registry, metadata):
    client.draft(DOI)
    client.describe(DOI, metadata, "findable")
    client.describe(DOI, {**metadata, "titles": [{"title": "New"}]}, "findable")
    assert registry.dois[DOI]["titles"] == [{"title": "New"}]
    assert client.state(DOI) == "findable"


def test_a_findable_doi_that_shall_be_registered_is_hidden(client, metadata):
    client.draft(DOI)
    client.describe(DOI, metadata, "findable")
    client.describe(DOI, metadata, "registered")
    assert client.state(DOI) == "registered"


def test_a_draft_can_be_given_back_and_nothing_else(client, metadata):
    client.draft(DOI)
    client.delete_draft(DOI)
    client.delete_draft(DOI)
    assert client.state(DOI) is None
    client.draft(DOI)
    client.describe(DOI, metadata, "registered")
    with pytest.raises(RegistrationError, match="only drafts"):
        client.delete_draft(DOI)


@pytest.mark.parametrize("name", double.MANDATORY)
def test_metadata_without_a_mandatory_property_are_refused_by_name(client, metadata, name):
    client.draft(DOI)
    with pytest.raises(RegistrationError, match=f"422.*{name}"):
        client.describe(DOI, {**metadata, name: None}, "findable")
    assert client.state(DOI) == "draft"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("schemaVersion", "http://datacite.org/schema/kernel-3"),
        ("types", {"resourceType": "Dataset"}),
        ("url", "nowhere"),
        ("publicationYear", "soon"),
    ],
)
def test_faulty_metadata_are_refused_by_name(client, metadata, name, value):
    client.draft(DOI)
    with pytest.raises(RegistrationError, match=name):
        client.describe(DOI, {**metadata, name: value}, "registered")


def test_a_foreign_prefix_is_a_matter_of_the_account(client):
    with pytest.raises(LoginError, match="403"):
        client.draft("10.9999/x")


def test_a_wrong_password_is_permanent_and_never_shown(registry, waits):
    client = DataCite(registry.url, double.REPOSITORY, "mistaken-word", wait=waits.append)
    with pytest.raises(LoginError) as caught:
        client.draft(DOI)
    assert "mistaken-word" not in str(caught.value)
    assert len(registry.asked) == 1
    assert waits == []


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(client, registry, waits, status):
    registry.instead = [(status, {})] * (ATTEMPTS - 1)
    client.draft(DOI)
    assert client.state(DOI) == "draft"
    assert len(waits) == ATTEMPTS - 1
    assert waits == sorted(waits)


def test_it_waits_as_long_as_the_server_says_with_a_bound(client, registry, waits):
    registry.instead = [(429, {"Retry-After": "7"}), (429, {"Retry-After": "86400"})]
    assert client.state(DOI) is None
    assert waits == [7.0, 30.0]


def test_attempts_are_bounded(client, registry, waits):
    registry.instead = [(503, {})] * 100
    with pytest.raises(ServiceUnavailableError, match=f"{ATTEMPTS} attempts"):
        client.state(DOI)
    assert len(registry.asked) == ATTEMPTS


def test_a_lost_answer_to_the_reservation_reserves_once(client, registry):
    assert client.state(DOI) is None
    registry.asked.clear()
    real = client._ask

    def lose_the_post(method, path, attributes=None):
        registry.lose_answers = 1 if method == "POST" else 0
        return real(method, path, attributes)

    client._ask = lose_the_post
    client.draft(DOI)
    assert list(registry.dois) == [DOI]
    assert registry.asked.count("POST /dois") == 2


def test_a_server_that_is_not_there(waits):
    with pytest.raises(ServiceUnavailableError, match="no answer"):
        DataCite("http://127.0.0.1:9", "a", "b", wait=waits.append).state(DOI)
    assert len(waits) == ATTEMPTS - 1


def test_something_else_at_the_address_is_said(client, registry, monkeypatch):
    monkeypatch.setattr(double._Handler, "_get", lambda _self: (200, {"hello": "world"}))
    with pytest.raises(ServiceUnavailableError, match="does not answer as DataCite"):
        client.state(DOI)
