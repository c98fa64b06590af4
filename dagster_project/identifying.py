"""Registers a DOI for a stored version, and records versions again whose content was rewritten."""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from assets.house import commit, read_released, with_run
from assets.version import recorded
from dagster_project.settings import Settings, code_commit
from dagster_project.wiring import lakehouse, naming, shelf, versions
from lakehouse.adapters.datacite import DataCite, State
from lakehouse.archive.records import metadata_for_doi
from lakehouse.errors import NoVersionError, UnknownSettingError
from lakehouse.ports import DatasetVersion, Provenance, TableWrite
from lakehouse.tables.records import IDENTIFIERS, RECORDS
from lakehouse.tables.write_audit_publish import Lakehouse

BY_HAND = "by hand"


@dataclass(frozen=True, slots=True)
class Registered:
    """A DOI, the state it is in now, and the page it leads to."""

    doi: str
    state: State
    url: str


def register_doi(settings: Settings, key: str, state: State) -> Registered:
    """Reserve a DOI for a stored version, record it, and bring it into a state; the same again changes nothing.

    Raises:
        UnknownSettingError: there is no account, or no address that others can reach.
        NoVersionError: no such version is stored.
    """
    client = _client(settings, state)
    house = lakehouse(settings)
    version = _stored(settings, key)
    doi = f"{settings.datacite_prefix}/{_suffix(house, version)}"
    client.draft(doi)
    provenance = Provenance(run_id=BY_HAND, code_commit=code_commit())
    row = {"identifier": doi, "scheme": "DOI", "dataset": version.dataset, "dataset_version": version.version}
    rows = with_run(pa.Table.from_pylist([row]), provenance, IDENTIFIERS)
    commit(house, [TableWrite(IDENTIFIERS, rows)], key=f"identifier:{doi}", provenance=provenance)
    record = recorded(house, shelf(settings), versions(settings), naming(settings), version, provenance)
    client.describe(doi, metadata_for_doi(record), state)
    return Registered(doi, state, naming(settings).landing_url(version.dataset, version.version))


def record_again(settings: Settings, keys: Iterable[str], *, run_id: str) -> None:
    """Write the records of versions anew, as after a withdrawal changed their files and rows."""
    provenance = Provenance(run_id=run_id, code_commit=code_commit())
    for key in keys:
        version = _stored(settings, key)
        recorded(lakehouse(settings), shelf(settings), versions(settings), naming(settings), version, provenance)


def _client(settings: Settings, state: State) -> DataCite:
    needed = ("datacite_url", "datacite_repository", "datacite_password", "datacite_prefix")
    asked = needed if state == "draft" else (*needed, "catalogue_url")
    empty = [f"LAKEHOUSE_{name.upper()}" for name in asked if not str(_plain(getattr(settings, name)))]
    if empty:
        raise UnknownSettingError(f"set {', '.join(empty)} before a DOI can be {state}; see docs/flow/identifiers.md")
    password = settings.datacite_password.get_secret_value()
    return DataCite(settings.datacite_url, settings.datacite_repository, password)


def _plain(value: object) -> object:
    reveal = getattr(value, "get_secret_value", None)
    return reveal() if reveal else value


def _stored(settings: Settings, key: str) -> DatasetVersion:
    dataset, _, label = key.partition("@")
    version = versions(settings).find(dataset, label)
    if version is None:
        raise NoVersionError(f"no version {key!r} is stored; name one as dataset@version")
    return version


def _suffix(house: Lakehouse, version: DatasetVersion) -> str:
    """Return the part of the version's own ARK that no other identifier has."""
    for row in read_released(house, IDENTIFIERS).to_pylist():
        if row["scheme"] == "ARK" and (row["dataset"], row["dataset_version"]) == (version.dataset, version.version):
            return str(row["identifier"]).rpartition("/")[2]
    raise NoVersionError(
        f"{version.dataset}@{version.version} has no record in {RECORDS.name}; run `lakehouse run` first"
    )
