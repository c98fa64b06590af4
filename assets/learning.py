"""What models may learn from: the documents of published datasets whose terms and subjects permit it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assets.house import Stored, current_release, read_released, stored_datasets
from lakehouse.archive.reading import table_definition, text_definition
from lakehouse.archive.shelf import Shelf
from lakehouse.definition import TableDefinition
from lakehouse.errors import BusyError, NoReleaseError, PurposeError
from lakehouse.policy.audit import DeniedLog
from lakehouse.policy.consent import consented_rows, unstored_answers
from lakehouse.policy.decisions import Decision, Policy
from lakehouse.policy.terms import Terms
from lakehouse.policy.users import TRAINER, UsersFile
from lakehouse.ports import DatasetVersions
from lakehouse.tables.documents import from_outcomes, from_texts
from lakehouse.tables.gold import DOCUMENTS
from lakehouse.tables.released_policy import released_policy
from lakehouse.tables.write_audit_publish import Lakehouse, recover

OUTCOMES = "silver.college_scorecard_outcomes"
PURPOSE = "model_training"


@dataclass(frozen=True, slots=True)
class Permission:
    """Who there is, where denials are kept, and whether a forbidden dataset is left out instead of an error."""

    users: UsersFile
    denied: DeniedLog
    leave_out: bool = False
    _agreed: list[tuple[int, list[Decision]]] = field(default_factory=list, compare=False, repr=False)

    def policy(self, house: Lakehouse) -> Policy:
        """Return what may be done with what is published now."""
        return released_policy(house, self.users.current())

    def learn(self, policy: Policy, dataset: str, part: str) -> Decision:
        """Return the decision on learning from a part of a dataset, and keep a record when it is denied."""
        decision = policy.decide(TRAINER, PURPOSE, dataset, part)
        if not decision.permitted:
            self.denied.record(decision, asked_by="training")
        return decision


@dataclass(frozen=True, slots=True)
class Past:
    """A snapshot of a table that was read before, and the dataset versions, by label, whose rows were taken of it."""

    snapshot_id: int
    labels: Sequence[str]


def document_parts(
    house: Lakehouse, shelf: Shelf, versions: DatasetVersions, permission: Permission
) -> tuple[list[pa.Table], list[str]]:
    """Return the documents of every published dataset, and why parts of some are not among them.

    Of waves all versions count, of snapshots the newest. Subjects who did not agree are left out.

    Raises:
        PurposeError: a part may not be learned from, and it was not said to leave such parts out.
        NoReleaseError: there is nothing to learn from.
    """
    # The policy is asked last: no version's rows are taken before the policy knows that its answers count.
    datasets, policy = stored_datasets(house, shelf, versions), permission.policy(house)
    parts, left_out = [], []
    for name, stored in datasets.items():
        for part, definition in _with_text(name, stored):
            decision = permission.learn(policy, name, part)
            if not decision.permitted:
                left_out.append(_refused(decision, part, leave_out=permission.leave_out))
                continue
            rows = _permitted(house, policy, decision, _of_today(house, definition, stored))
            parts.append(_documents(rows, name, part, stored))
    if not parts:
        raise NoReleaseError("no published dataset holds text to learn from; hand one in with `lakehouse submit PATH`")
    return parts, left_out


def labelled_snapshot(
    house: Lakehouse, shelf: Shelf, versions: DatasetVersions, permission: Permission, dataset: str, part: str
) -> tuple[pa.Table, dict[str, Any]]:
    """Return the rows of a published table that may be learned from, all of one snapshot, and where they come from.

    Raises:
        PurposeError: the table may not be learned from.
        NoReleaseError: no such dataset or table is published.
        BusyError: another release of the table came meanwhile; read it again.
    """
    recover(house)
    before = current_release(house)
    definition, rows, stored = labelled_rows(house, shelf, versions, permission, dataset, part)
    pin = current_release(house).pin(definition.name)
    if before.tables.get(definition.name) != pin:
        raise BusyError(f"{definition.name} was published anew while it was read; run this again")
    used = set(rows["dataset_version"].to_pylist())
    commits = {f"{one.dataset}@{one.version}": one.commit for one in stored.versions if one.version in used}
    return rows, {
        "table": definition.name,
        "table_snapshot": str(pin.snapshot_id),
        "table_versions": sorted(commits),
        "dataset_commits": commits,
        "licence": stored.description.licence or "",
    }


def recorded_rows(
    training: Mapping[str, Any], house: Lakehouse, shelf: Shelf, versions: DatasetVersions, permission: Permission
) -> pa.Table:
    """Return the rows of the snapshot that a tuned version learned from, as terms and subjects of today permit them.

    Raises:
        PurposeError: the table may not be learned from any more.
        NoReleaseError: the dataset is not published any more.
        NoTableError: the snapshot is gone; WithdrawnError when a withdrawal removed it.
    """
    read_as = training["read_as"]
    labels = [name.partition("@")[2] for name in training["table_versions"]]
    past = Past(int(training["table_snapshot"]), labels)
    _, rows, _ = labelled_rows(house, shelf, versions, permission, read_as["dataset"], read_as["table"], past=past)
    return rows


def labelled_rows(
    house: Lakehouse,
    shelf: Shelf,
    versions: DatasetVersions,
    permission: Permission,
    dataset: str,
    part: str,
    *,
    past: Past | None = None,
) -> tuple[TableDefinition, pa.Table, Stored]:
    """Return a published table's definition, the rows of it that may be learned from, and what is stored beside.

    Of waves all versions count, of snapshots the newest; of a `past` those that were read then. Terms and consent are
    those of today in any case: subjects who do not agree are left out.

    Raises:
        PurposeError: the table may not be learned from.
        NoReleaseError: no such dataset or table is published.
        NoTableError: the past snapshot is gone; WithdrawnError when a withdrawal removed it.
    """
    stored = stored_datasets(house, shelf, versions).get(dataset)
    table = None if stored is None else stored.description.tables.get(part)
    if stored is None or table is None:
        raise NoReleaseError(
            f"no table {part} of a dataset {dataset} is published; hand it in with `lakehouse submit PATH` and "
            "`lakehouse run`"
        )
    policy = permission.policy(house)
    decision = permission.learn(policy, dataset, part)
    if not decision.permitted:
        raise PurposeError(f"{decision.message}; {part} cannot be learned from. Ask its owner for other terms")
    definition = table_definition(dataset, table, "silver")
    rows = _of_today(house, definition, stored) if past is None else _of_past(house, definition, past)
    return definition, _permitted(house, policy, decision, rows), stored


def require_learnable(documents: pa.Table, policy: Policy, permission: Permission) -> None:
    """Raise PurposeError when published documents come from what may not be learned from any more."""
    places = {tuple(str(key).split("/")[:2]) for key in documents.column("document_id").to_pylist()}
    for dataset, part in sorted(places):
        decision = permission.learn(policy, dataset, part)
        if not decision.permitted:
            raise PurposeError(f"{decision.message}, but {part} is among the documents; materialise `documents` again")


def require_agreed(house: Lakehouse, shelf: Shelf, versions: DatasetVersions, permission: Permission) -> None:
    """Raise PurposeError when a published document is of a subject who does not agree, as of today.

    `documents` asks when it puts them together; who made the assets behind it alone would miss an answer since then.
    Texts are put together once a release: with the same tables and the same decisions the answer is the same.
    """
    recover(house)
    release = current_release(house).number
    datasets, policy, published = stored_datasets(house, shelf, versions), permission.policy(house), None
    asked = [
        (policy.decide(TRAINER, PURPOSE, name, part), definition, stored)
        for name, stored in datasets.items()
        for part, definition in _with_text(name, stored)
    ]
    about = [each for each in asked if each[0].permitted and each[0].consent is not None]
    known = release, [decision for decision, _, _ in about]
    if known in permission._agreed:
        return
    for decision, definition, stored in about:
        place = f"{decision.dataset}/{decision.part}"
        rows = _permitted(house, policy, decision, _of_today(house, definition, stored))
        agreed = _documents(rows, decision.dataset, str(decision.part), stored)
        if published is None:
            published = _texts_by_id(read_released(house, DOCUMENTS, columns=["document_id", "text"]))
        mine = {key: text for key, text in published.items() if key.startswith(f"{place}/")}
        gone = mine.items() - _texts_by_id(agreed).items()
        if gone:
            raise PurposeError(
                f"{len(gone)} of {len(mine)} published documents of {place} are not those whose subjects "
                "agree today; materialise `documents` again"
            )
    permission._agreed[:] = [known]


def _texts_by_id(documents: pa.Table) -> dict[str, str]:
    rows = documents.select(["document_id", "text"]).to_pylist()
    return {str(row["document_id"]): str(row["text"]) for row in rows}


def _with_text(dataset: str, stored: Stored) -> Iterator[tuple[str, TableDefinition]]:
    for collection in stored.description.texts.values():
        yield collection.name, text_definition(dataset, collection, "silver")
    for table in stored.description.tables.values():
        definition = table_definition(dataset, table, "silver")
        if definition.name == OUTCOMES:
            yield table.name, definition


def _refused(decision: Decision, part: str, *, leave_out: bool) -> str:
    if not leave_out:
        raise PurposeError(
            f"{decision.message}; {part} cannot be learned from. Ask its owner for other terms, or set "
            "LAKEHOUSE_TRAINING_FORBIDDEN=leave_out to learn without it"
        )
    return f"{part}: {decision.message}"


def _of_today(house: Lakehouse, definition: TableDefinition, stored: Stored) -> pa.Table:
    """Return a table's rows that count: of waves those of all versions, of snapshots those of the newest."""
    rows = read_released(house, definition)
    if stored.description.accumulates != "snapshots":
        return rows
    return rows.filter(pc.is_in(rows["dataset_version"], value_set=pa.array([stored.versions[-1].version])))


def _of_past(house: Lakehouse, definition: TableDefinition, past: Past) -> pa.Table:
    rows = house.tables.read(definition.name, snapshot_id=past.snapshot_id)
    return rows.filter(pc.is_in(rows["dataset_version"], value_set=pa.array(past.labels, pa.string())))


def _permitted(house: Lakehouse, policy: Policy, decision: Decision, rows: pa.Table) -> pa.Table:
    """Return the rows of a part that may be learned from."""
    terms, part = policy.terms[decision.dataset], str(decision.part)
    return consented_rows(rows, decision, terms, part=part, consents=_consents(house, decision, terms))


def _consents(house: Lakehouse, decision: Decision, terms: Terms) -> Sequence[Mapping[str, Any]]:
    """Return the answers of a dataset's consent table, under the names that its columns have there."""
    consent = decision.consent
    if consent is None or not terms.parts[str(decision.part)].subject_columns:
        return []
    name = f"silver.{decision.dataset}_{consent.part}"
    recover(house)
    pin = current_release(house).tables.get(name)
    if pin is None:
        raise PurposeError(unstored_answers(name))
    rows = house.tables.read(name, snapshot_id=pin.snapshot_id)
    # Terms can tell of new names before the table has them.
    names = terms.parts[consent.part].names
    asked = {one for column in (consent.subject, consent.purpose, consent.given) for one in names.all(column)}
    return rows.select([column for column in rows.column_names if column in {*asked, "dataset_version"}]).to_pylist()


def _documents(rows: pa.Table, dataset: str, part: str, stored: Stored) -> pa.Table:
    licence = stored.description.licence or ""
    if part in stored.description.texts:
        return from_texts(rows, dataset=dataset, collection=part, licence=licence)
    return from_outcomes(rows, dataset=dataset, licence=licence)
