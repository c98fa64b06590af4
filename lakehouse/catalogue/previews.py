"""The first rows of a table, if the policy lets anyone see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lakehouse.catalogue.holdings import Holdings, Version
from lakehouse.catalogue.library import Library
from lakehouse.errors import PurposeError
from lakehouse.policy.consent import consented_rows, unstored_answers
from lakehouse.policy.decisions import Decision, Policy
from lakehouse.policy.rules import Limits
from lakehouse.policy.users import ANYONE

ROWS = 10
READ_ROWS = 200
LONGEST_CELL = 120
OWN_COLUMNS = ("dataset_version", "dataset_commit")


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of a part as text, or why they are not shown."""

    part: str
    table: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()
    hidden: tuple[str, ...] = ()
    refusal: str | None = None


def parts_of(version: Version) -> list[str]:
    """Return the tables, collections and logs of a version that SQL can ask for."""
    prefix = f"silver.{version.row['dataset']}_"
    return [load.table.removeprefix(prefix) for load in version.loads if load.layer == "silver"]


def decide(library: Library, holdings: Holdings, dataset: str, part: str) -> Decision:
    """Return the policy's decision on showing a part to whoever has not said who they are."""
    said = library.policy()
    known = said.users.get(ANYONE)
    purpose = known.default_purpose if known else ""
    return Policy(said.users, holdings.terms, rules=said.rules).decide(ANYONE, purpose, dataset, part)


def preview(library: Library, version: Version, part: str) -> Preview | None:
    """Return the first rows of a part, None for an unknown part. The policy is asked before any row is read."""
    if part not in parts_of(version):
        return None
    holdings, dataset = library.holdings, str(version.row["dataset"])
    table = f"silver.{dataset}_{part}"
    if version.removal is not None:
        return Preview(part, table, refusal="its data were removed")
    decision = decide(library, holdings, dataset, part)
    if not decision.permitted:
        return Preview(part, table, refusal=decision.reason)
    limits = decision.limits.get(part, Limits())
    if limits.groups is not None:
        return Preview(
            part, table, refusal=f"its rows are about people; SQL shows groups of {limits.groups.least} or more"
        )
    try:
        rows = _rows(library, holdings, version, table, decision, part)
    except PurposeError as error:
        return Preview(part, table, refusal=str(error))
    masks = limits.among(tuple(rows[0])).masks if rows else limits.masks
    hidden = (*decision.hidden_columns.get(part, ()), *masks)
    columns = tuple(name for name in rows[0] if name not in (*OWN_COLUMNS, *hidden)) if rows else ()
    shown = tuple(tuple(_cell(row[name]) for name in columns) for row in rows)
    return Preview(part, table, columns, shown, tuple(hidden))


def _rows(
    library: Library, holdings: Holdings, version: Version, table: str, decision: Decision, part: str
) -> Sequence[dict[str, Any]]:
    dataset = str(version.row["dataset"])
    tables = library.house.tables
    where = {"dataset_version": version.label}
    rows = tables.head(table, READ_ROWS, where=where, snapshot_id=holdings.pointers[table].snapshot_id)
    consents: list[dict[str, Any]] = []
    if decision.consent is not None and holdings.terms[dataset].parts[part].subject_columns:
        name = f"silver.{dataset}_{decision.consent.part}"
        pin = holdings.pointers.get(name)
        if pin is None:
            raise PurposeError(unstored_answers(name))
        consents = tables.read(name, snapshot_id=pin.snapshot_id).to_pylist()
    kept = consented_rows(rows, decision, holdings.terms[dataset], part=part, consents=consents)
    return kept.slice(0, ROWS).to_pylist()


def _cell(value: object) -> str | None:
    if value is None:
        return None
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"
