"""What a release says the archive holds: versions with their records, identifiers, loads, removals and terms."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lakehouse.errors import NoReleaseError
from lakehouse.policy.terms import Terms, read_terms
from lakehouse.ports import TablePointer
from lakehouse.tables.gold import LOADS
from lakehouse.tables.records import IDENTIFIERS, RECORDS, TOMBSTONES
from lakehouse.tables.register import TERMS, WITHDRAWALS
from lakehouse.tables.release import Release
from lakehouse.tables.write_audit_publish import Lakehouse

Row = Mapping[str, Any]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Removal:
    """Why data that once were there are gone."""

    reason: str
    decided_by: str
    removed_at: datetime


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A person whose rows were taken out of a version; who it was is kept nowhere."""

    kind: str
    rows_removed: int
    reason: str | None
    receipt: str
    withdrawn_at: datetime


@dataclass(frozen=True, slots=True)
class Load:
    """A table that holds rows of a version, and the run that wrote them."""

    table: str
    layer: str
    row_count: int
    run_id: str
    code_commit: str


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a dataset: its newest record's row, its tables, and its removal if its data are gone."""

    row: Row
    loads: tuple[Load, ...] = ()
    removal: Removal | None = None
    withdrawals: tuple[Withdrawal, ...] = ()

    @property
    def label(self) -> str:
        """The version's label."""
        return str(self.row["dataset_version"])

    @property
    def folder(self) -> str:
        """The key below which the files of its record lie."""
        return f"records/{self.row['dataset']}/{self.label}/{self.row['record_sha256'][:12]}"

    @property
    def keywords(self) -> list[str]:
        """Its keywords."""
        return [str(word) for word in json.loads(self.row["keywords"])]

    @property
    def creators(self) -> list[str]:
        """The names of its creators."""
        return [str(name) for name in json.loads(self.row["creators"])]


@dataclass(frozen=True, slots=True)
class Holdings:
    """Everything the catalogue shows, as one release has it. `versions` are by dataset, oldest first."""

    release: int = 0
    released_at: str = ""
    versions: Mapping[str, tuple[Version, ...]] = field(default_factory=dict)
    identifiers: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    pointers: Mapping[str, TablePointer] = field(default_factory=dict)
    terms: Mapping[str, Terms] = field(default_factory=dict)

    def newest(self, dataset: str) -> Version | None:
        """Return the newest version whose data are there, else the newest at all; None for an unknown dataset."""
        known = self.versions.get(dataset, ())
        return next((one for one in reversed(known) if one.removal is None), known[-1] if known else None)

    def find(self, dataset: str, label: str) -> Version | None:
        """Return a version, or None."""
        return next((one for one in self.versions.get(dataset, ()) if one.label == label), None)


def current_release(house: Lakehouse) -> Release | None:
    """Return the newest release, or None before the first."""
    try:
        return house.releases.current()
    except NoReleaseError:
        return None


def read_holdings(house: Lakehouse, release: Release | None) -> Holdings:
    """Return what a release says; nothing before the first."""
    if release is None:
        return Holdings()

    def rows(table: str) -> list[dict[str, Any]]:
        pin = release.tables.get(table)
        return house.tables.read(table, snapshot_id=pin.snapshot_id).to_pylist() if pin else []

    tombstones = rows(TOMBSTONES.name)
    removals = {(row["dataset"], row["dataset_version"]): _removal(row) for row in tombstones}
    loads = rows(LOADS.name)
    return Holdings(
        release=release.number,
        released_at=release.created_at,
        versions=_versions(rows(RECORDS.name), _loads(loads), removals, _withdrawn(rows(WITHDRAWALS.name))),
        identifiers={row["identifier"]: (row["dataset"], row["dataset_version"]) for row in rows(IDENTIFIERS.name)},
        pointers=release.tables,
        terms=read_terms(rows(TERMS.name), lambda: loads, lambda: tombstones),
    )


def _versions(
    records: Iterable[Row],
    loads: Mapping[Key, list[Load]],
    removals: Mapping[Key, Removal],
    withdrawn: Mapping[Key, list[Withdrawal]],
) -> dict[str, tuple[Version, ...]]:
    newest: dict[Key, Row] = {}
    for row in sorted(records, key=lambda row: row["recorded_at"]):
        newest[row["dataset"], row["dataset_version"]] = row
    found: dict[str, list[Version]] = {}
    for key, row in sorted(newest.items(), key=lambda pair: (pair[0][0], pair[1]["sequence"])):
        version = Version(row, tuple(loads.get(key, ())), removals.get(key), tuple(withdrawn.get(key, ())))
        found.setdefault(key[0], []).append(version)
    return {dataset: tuple(versions) for dataset, versions in found.items()}


def _loads(rows: Iterable[Row]) -> dict[Key, list[Load]]:
    found: dict[Key, list[Load]] = {}
    for row in sorted(rows, key=lambda row: row["table_name"]):
        load = Load(row["table_name"], row["layer"], row["row_count"], row["run_id"], row["code_commit"])
        found.setdefault((row["dataset"], row["dataset_version"]), []).append(load)
    return found


def _withdrawn(rows: Iterable[Row]) -> dict[Key, list[Withdrawal]]:
    """Return the withdrawals that took something out of a version, oldest first."""
    found: dict[Key, list[Withdrawal]] = {}
    for row in sorted(rows, key=lambda row: row["withdrawn_at"]):
        if row["rows_removed"] or row["mentions_masked"]:
            one = Withdrawal(
                row["subject_kind"], row["rows_removed"], row["reason"], row["receipt"], row["withdrawn_at"]
            )
            found.setdefault((row["dataset"], row["dataset_version"]), []).append(one)
    return found


def _removal(row: Row) -> Removal:
    return Removal(row["reason"], row["decided_by"], row["removed_at"])
