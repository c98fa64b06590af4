"""Registers a DOI for a stored version, and keeps the books of versions whose content was rewritten or removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
import pyarrow as pa

from assets.house import commit, read_released, with_run
from assets.version import recorded
from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.previews import forget_runs
from dagster_project.settings import Settings, code_commit
from dagster_project.wiring import lakehouse, naming, shelf, versions
from lakehouse.adapters.datacite import DataCite, State
from lakehouse.archive.records import metadata_for_doi
from lakehouse.errors import NoVersionError, RetractedError, UnknownSettingError
from lakehouse.ports import DatasetVersion, Provenance, TableWrite
from lakehouse.tables.records import IDENTIFIERS, RECORDS, TOMBSTONES
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish

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
        RetractedError: its data were removed, so that it must not be found.
    """
    client = _client(settings, state)
    house = lakehouse(settings)
    _require_data(house, key, state)
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


@dataclass(frozen=True, slots=True)
class KeptBooks:
    """The records, identifiers and previews of this machine; see `lakehouse.archive.withdraw.archive.Books`."""

    settings: Settings

    def record(self, keys: Sequence[str], receipt: str) -> int:
        """Write the records of versions anew, as after a withdrawal changed their files and rows."""
        house, provenance = lakehouse(self.settings), Provenance(f"withdrawal {receipt}", code_commit())
        recorded_before = {
            (row["dataset"], row["dataset_version"]) for row in read_released(house, RECORDS).to_pylist()
        }
        stored = [_stored(self.settings, key) for key in keys]
        known = [one for one in stored if (one.dataset, one.version) in recorded_before]
        own, kept, names = shelf(self.settings), versions(self.settings), naming(self.settings)
        for version in known:
            # The withdrawal itself is what keeps everybody else from writing.
            recorded(house, own, kept, names, version, provenance, publish=write_audit_publish)
        return len(known)

    def hide(self, key: str) -> Mapping[str, str]:
        """Take the DOIs of a version out of searches; without an account say that it has to be done by hand."""
        dataset, _, label = key.partition("@")
        rows = read_released(lakehouse(self.settings), IDENTIFIERS).to_pylist()
        mine = [row for row in rows if (row["dataset"], row["dataset_version"]) == (dataset, label)]
        dois = [str(row["identifier"]) for row in mine if row["scheme"] == "DOI"]
        try:
            client = _client(self.settings, "draft")
        except UnknownSettingError:
            return dict.fromkeys(dois, "no account is set: hide it by hand")
        found: dict[str, str] = {}
        for doi in dois:
            client.hide(doi)
            found[doi] = client.state(doi) or "unknown to DataCite"
        return found

    def forget_previews(self, key: str) -> int:
        """Delete the runs of a version, whose events quote its first rows, and those that quote documents of all."""
        with dg.DagsterInstance.from_config(str(prepare_dagster_home(self.settings))) as instance:
            return forget_runs(instance, key)

    def forget_runs(self, keys: Sequence[str]) -> int:
        """Delete the runs of versions, whose events quote their first rows, and those that quote documents of all."""
        with dg.DagsterInstance.from_config(str(prepare_dagster_home(self.settings))) as instance:
            return sum(forget_runs(instance, key) for key in keys)


def _client(settings: Settings, state: State) -> DataCite:
    needed = ("datacite_url", "datacite_repository", "datacite_password", "datacite_prefix")
    asked = needed if state == "draft" else (*needed, "catalogue_url")
    empty = [f"LAKEHOUSE_{name.upper()}" for name in asked if not str(_plain(getattr(settings, name)))]
    if empty:
        raise UnknownSettingError(f"set {', '.join(empty)} before a DOI can be {state}; see docs/flow/identifiers.md")
    password = settings.datacite_password.get_secret_value()
    return DataCite(settings.datacite_url, settings.datacite_repository, password)


def _require_data(house: Lakehouse, key: str, state: State) -> None:
    gone = {f"{row['dataset']}@{row['dataset_version']}" for row in read_released(house, TOMBSTONES).to_pylist()}
    if key in gone and state == "findable":
        raise RetractedError(f"the data of {key} were removed, so its DOI resolves and is not findable; leave it so")


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
