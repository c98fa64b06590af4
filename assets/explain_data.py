"""Explains data: published tables and their snapshots, dataset versions, and the people who answer for them."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from assets.house import current_release
from assets.workshop import Workshop
from lakehouse.archive.records import PREFIX, RECORD_FILE
from lakehouse.definition import TableDefinition
from lakehouse.errors import NoObjectError, NoTableError, WithdrawnError
from lakehouse.lineage import Fact, Link
from lakehouse.ports import DatasetVersion, DatasetVersions
from lakehouse.tables.gold import DOCUMENTS, LOADS
from lakehouse.tables.records import RECORDS, TOMBSTONES
from lakehouse.tables.register import TERMS
from lakehouse.tables.release import Release
from lakehouse.tables.write_audit_publish import Lakehouse, recover

Row = Mapping[str, Any]
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Sources:
    """Where explanations are read: one release of the tables, the trained versions, the DataLad datasets, the code.

    `missing_code` says why a commit of the code is not at hand, and nothing when it is.
    """

    house: Lakehouse
    workshop: Workshop
    versions: DatasetVersions
    missing_code: Callable[[str], str]
    release: Release
    _read: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def rows(self, table: TableDefinition) -> list[dict[str, Any]]:
        """Return a table's rows as the release shows them, without long texts; none while it is in no release.

        Long texts are what datasets say, which is asked for by SQL and under a purpose.
        """
        if table.name not in self._read:
            pin = self.release.tables.get(table.name)
            short = [each.name for each in table.arrow_schema() if str(each.type) != "large_string"]
            self._read[table.name] = (
                self.house.tables.read(table.name, columns=short, snapshot_id=pin.snapshot_id).to_pylist()
                if pin and pin.snapshot_id is not None
                else []
            )
        return self._read[table.name]

    def where(self, table: TableDefinition, **values: object) -> list[dict[str, Any]]:
        """Return the rows that have these values, oldest first."""
        found = [row for row in self.rows(table) if all(row[name] == value for name, value in values.items())]
        return sorted(found, key=lambda row: row["recorded_at"]) if found and "recorded_at" in found[0] else found


def open_sources(
    house: Lakehouse, workshop: Workshop, versions: DatasetVersions, missing_code: Callable[[str], str]
) -> Sources:
    """Return the sources as the current release shows them; what a crash left half done is finished first."""
    recover(house)
    return Sources(house, workshop, versions, missing_code, current_release(house))


def code(sources: Sources, commit: str) -> Link:
    """Explain a commit of this project's code."""
    record, missing = "the record that names it", sources.missing_code(commit)
    if not _COMMIT.fullmatch(commit):  # outside git, or files differed from it: such code was never to be had
        return Link("code commit", commit, record, unknown=missing)
    return Link("code commit", commit, record, gone=missing)


def run(run_id: str | None, record: str, **facts: Fact) -> Link:
    """Explain the run that wrote something."""
    unknown = "" if run_id else "the record was made before runs were recorded with a model"
    return Link("run", run_id or "unknown", record, facts, unknown=unknown)


def snapshot(sources: Sources, table: str, snapshot_id: int, *parts: Link, **facts: Fact) -> Link:
    """Explain a snapshot of a table: who committed it, and whether its rows can still be read."""
    gone, told = "", dict[str, Fact](facts)
    try:
        sources.house.tables.head(table, 1, where={}, snapshot_id=snapshot_id)
        summaries = {each["snapshot-id"]: each for each in sources.house.tables.summaries(table)}
        summary = summaries.get(str(snapshot_id), {})
        told |= {
            "written by run": summary.get("lakehouse.run-id"),
            "written by code": summary.get("lakehouse.code-commit"),
            "rows": summary.get("total-records"),
        }
    except (NoTableError, WithdrawnError) as error:
        gone = str(error)
    return Link("Iceberg snapshot", f"{table}@{snapshot_id}", f"the metadata of {table}", told, gone, parts)


def published_table(sources: Sources, table: str) -> Link:
    """Explain a table as the release shows it, with the dataset versions that were loaded into it."""
    pin = sources.release.pin(table)
    if pin.snapshot_id is None:
        return Link("table", table, f"release {sources.release.number}", {"rows": 0})
    loads = sources.rows(DOCUMENTS) if table == DOCUMENTS.name else sources.where(LOADS, table_name=table)
    named = dict.fromkeys((row["dataset"], row["dataset_version"], row["dataset_commit"]) for row in loads)
    data = [dataset_version(sources, *each) for each in sorted(named)]
    return snapshot(sources, table, pin.snapshot_id, *data)


def label_of(sources: Sources, dataset: str, commit: str) -> str | None:
    """Return the label of the version that has a commit, or had it before its history was rewritten."""
    for row in sources.where(RECORDS, dataset=dataset, dataset_commit=commit):
        return str(row["dataset_version"])
    known = sources.versions.versions(dataset)
    return next((each.version for each in known if commit in (each.commit, *each.replaces)), None)


def dataset_version(sources: Sources, dataset: str, label: str | None, commit: str) -> Link:
    """Explain a version of a dataset: its commit, licence and terms, and who answers for it."""
    if label is None:
        lost = f"no version of {dataset} has this commit any more"
        return Link("dataset version", f"{dataset} at {commit}", "the record that names it", gone=lost)
    name, record = f"{dataset}@{label}", "archive.records"
    rows = sources.where(RECORDS, dataset=dataset, dataset_version=label)
    gone = unavailable(sources, dataset, label, commit)
    if not rows:
        facts: dict[str, Fact] = {"DataLad commit": commit, "licence": None}
        unknown = "" if gone else f"{record} holds no row of it"
        return Link("dataset version", name, record, facts, gone, unknown=unknown)
    row = rows[-1]
    facts = {
        "DataLad commit": commit,
        "title": row["title"],
        "identifier": row["version_identifier"],
        "licence": row["licence"],
        "access": row["access"],
        "content sha256": row["content_sha256"],
        "saved at": row["saved_at"].isoformat(),
        "recorded by run": row["run_id"],
        **_terms(sources, dataset, label),
    }
    return Link("dataset version", name, record, facts, gone, tuple(_people(sources, row)))


def unavailable(sources: Sources, dataset: str, label: str, commit: str) -> str:
    """Return why the data of a version cannot be had as they were at a commit; nothing while they can."""
    for row in sources.where(TOMBSTONES, dataset=dataset, dataset_version=label):
        return f"its data were removed on {row['removed_at']:%Y-%m-%d} by {row['decided_by']}: {row['reason']}"
    found: DatasetVersion | None = sources.versions.find(dataset, label)
    if found is None:
        return f"the archive holds no {dataset}@{label}"
    if commit in found.replaces:
        return f"a withdrawal rewrote its history: commit {found.commit} replaces {commit}"
    return "" if found.commit == commit else f"the archive has commit {found.commit} under this label, not {commit}"


def _terms(sources: Sources, dataset: str, label: str) -> dict[str, Fact]:
    return {
        f"{name} of {row['part']}": row[name]
        for row in sources.where(TERMS, dataset=dataset, dataset_version=label)
        for name in ("licence", "purposes", "forbidden", "attribution")
        if row[name]
    }


def _people(sources: Sources, row: Row) -> Iterator[Link]:
    """Who answers for a version, as its own description says: whom to ask, then who made it."""
    key = f"{PREFIX}/{row['dataset']}/{row['dataset_version']}/{row['record_sha256'][:12]}/{RECORD_FILE}"
    try:
        said = json.loads(sources.house.objects.get(key))["description"]
    except NoObjectError:
        yield Link("person responsible", "unknown", key, gone="the record of the version is not in the object store")
        return
    contact, creators = said.get("contact"), said.get("creators") or []
    if contact:
        facts = {"role": "contact", "email": contact.get("email"), "url": contact.get("url")}
        yield Link("person responsible", contact["name"], key, facts)
    for creator in creators:
        kind = "creator" if contact else "person responsible"
        facts = {"role": "creator", "identifier": creator.get("identifier"), "affiliation": creator.get("affiliation")}
        yield Link(kind, creator["name"], key, facts)
    if said.get("publisher"):
        yield Link("publisher", said["publisher"], key, {"role": "publisher"})
    if not contact and not creators:
        nobody = "the description names neither a contact nor a creator"
        yield Link("person responsible", "nobody", key, unknown=nobody)
