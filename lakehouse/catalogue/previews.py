"""The first rows of a table, if the policy lets anyone see them."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lakehouse.catalogue.holdings import Holdings, Load, Version
from lakehouse.catalogue.library import Library
from lakehouse.errors import PurposeError
from lakehouse.policy.consent import consented_rows, unstored_answers
from lakehouse.policy.decisions import Decision, Policy
from lakehouse.policy.rules import Limits
from lakehouse.policy.users import ANYONE

ROWS = 10
READ_ROWS = 200
LONGEST_CELL = 120
MOST_ROWS = 250_000
MOST_BYTES = 100_000_000
ELSEWHERE = "Get it by SQL, DataLad or export"
OWN_COLUMNS = ("dataset_version", "dataset_commit")


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of a part as text, or why they are not shown; and why it is too large for a download, if so."""

    part: str
    table: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()
    hidden: tuple[str, ...] = ()
    refusal: str | None = None
    too_large: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A part of a version that anyone may see, of these holdings, as `decision` lets it be seen."""

    holdings: Holdings
    dataset: str
    label: str
    part: str
    table: str
    row_count: int
    decision: Decision


def load_of(version: Version, part: str) -> Load | None:
    """Return the load of a table, collection or log of a version that SQL can ask for; None for an unknown one."""
    name = f"silver.{version.row['dataset']}_{part}"
    return next((load for load in version.loads if load.layer == "silver" and load.table == name), None)


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


def permitted(library: Library, version: Version, load: Load) -> Shown | str:
    """Return what may be shown to anyone, or why nothing may. The policy is asked, and no row is read."""
    dataset = str(version.row["dataset"])
    part = load.table.removeprefix(f"silver.{dataset}_")
    if version.removal is not None:
        return "its data were removed"
    holdings = library.holdings
    decision = decide(library, holdings, dataset, part)
    if not decision.permitted:
        return decision.reason
    groups = decision.limits.get(part, Limits()).groups
    if groups is not None:
        return f"its rows are about people; SQL shows groups of {groups.least} or more"
    return Shown(holdings, dataset, version.label, part, load.table, load.row_count, decision)


def too_large(version: Version, load: Load) -> str | None:
    """Return why a table is too large to be sent as one file; None when it is not."""
    size = int(version.row["size_bytes"] or 0)
    if load.row_count <= MOST_ROWS and size <= MOST_BYTES:
        return None
    return (
        f"it has {load.row_count:,} rows and its version {size:,} bytes; tables of up to {MOST_ROWS:,} rows, of "
        f"versions of up to {MOST_BYTES:,} bytes, are given out as CSV. {ELSEWHERE}"
    )


def preview(library: Library, version: Version, part: str) -> Preview | None:
    """Return the first rows of a part, None for an unknown part. The policy is asked before any row is read."""
    load = load_of(version, part)
    if load is None:
        return None
    shown = permitted(library, version, load)
    if isinstance(shown, str):
        return Preview(part, load.table, refusal=shown)
    try:
        rows, hidden = rows_of(library, shown, READ_ROWS)
    except PurposeError as error:
        return Preview(part, load.table, refusal=str(error))
    cells = tuple(tuple(_cell(value) for value in row.values()) for row in rows.slice(0, ROWS).to_pylist())
    columns = tuple(rows.column_names) if cells else ()
    return Preview(part, load.table, columns, cells, hidden, too_large=too_large(version, load))


def rows_of(
    library: Library, shown: Shown, limit: int, *, most_bytes: int | None = None
) -> tuple[pa.Table, tuple[str, ...]]:
    """Return what anyone may see of the first `limit` rows, and the columns that are left out because nobody may.

    The archive's own columns are left out, too.

    Raises:
        PurposeError: nobody can tell whose rows may be shown.
        TooLargeError: the rows take more than `most_bytes` in memory, with the columns that are left out.
    """
    holdings, part, decision = shown.holdings, shown.part, shown.decision
    tables, terms = library.house.tables, holdings.terms[shown.dataset]
    where = {"dataset_version": shown.label}
    pinned = holdings.pointers[shown.table].snapshot_id
    rows = tables.head(shown.table, limit, where=where, snapshot_id=pinned, most_bytes=most_bytes)
    consents: list[dict[str, Any]] = []
    if decision.consent is not None and terms.parts[part].subject_columns:
        name = f"silver.{shown.dataset}_{decision.consent.part}"
        pin = holdings.pointers.get(name)
        if pin is None:
            raise PurposeError(unstored_answers(name))
        consents = tables.read(name, snapshot_id=pin.snapshot_id).to_pylist()
    kept = consented_rows(rows, decision, terms, part=part, consents=consents)
    masks = decision.limits.get(part, Limits()).among(kept.column_names).masks
    hidden = (*decision.hidden_columns.get(part, ()), *masks)
    return kept.select([name for name in kept.column_names if name not in (*OWN_COLUMNS, *hidden)]), hidden


def _cell(value: object) -> str | None:
    if value is None:
        return None
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"
