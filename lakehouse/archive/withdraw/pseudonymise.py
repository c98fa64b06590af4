"""Rewrites silver tables that were stored with identifiers as submitted, so that no snapshot or file has any."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import count_true, flat
from lakehouse.archive.deidentified import Columns, identifying_columns, without_pseudonyms
from lakehouse.archive.eds import Description
from lakehouse.archive.pseudonym_terms import columns_of, held_key, known_columns, right_key
from lakehouse.archive.pseudonyms import Pseudonyms
from lakehouse.archive.withdraw.archive import Archive
from lakehouse.archive.withdraw.exports import Exports
from lakehouse.archive.withdraw.journal import Result
from lakehouse.archive.withdraw.plan import Plan, Values
from lakehouse.archive.withdraw.pseudonymous import terms_of
from lakehouse.archive.withdraw.steps import Steps
from lakehouse.definition import FormerNames
from lakehouse.errors import NoVersionError, PseudonymError
from lakehouse.ports import Cleaned
from lakehouse.tables.register import TERMS

NO_TEXT = "{}"
"""What a statement's text becomes in tables that have it from before, where it may not be absent."""


def pseudonymisation(archive: Archive, dataset: str) -> Plan:
    """Return the plan of giving a dataset's silver tables pseudonyms; one that has nothing `as_submitted` has no work.

    Raises:
        NoVersionError: no such dataset is stored.
        PseudonymError: a version has no terms, or columns of types without pseudonyms; or the key is another one.
    """
    known = archive.versions.versions(dataset) if dataset in archive.versions.datasets() else []
    if not known:
        raise NoVersionError(f"no dataset {dataset!r} is stored; it has {archive.versions.datasets()}")
    with Exports.below(archive.versions, archive.scratch) as exports:
        descriptions = []
        for version in known:
            with exports.content(version) as content:
                descriptions.append(content.about)
    known_terms = terms_of(archive.house)
    held_key(known_terms, archive.silver_key)
    terms = [row for row in known_terms if row["dataset"] == dataset]
    _require_possible(dataset, descriptions, {row["dataset_version"] for row in terms})
    columns = _columns(descriptions, known_columns(terms))
    now = datetime.now(UTC)
    return Plan(
        receipt=f"p{now:%Y%m%d}-{secrets.token_hex(4)}",
        subject=dataset,
        kind="dataset",
        reason="silver names nobody",
        by="",
        started_at=now.isoformat(timespec="seconds"),
        values=(),
        versions=(),
        act="pseudonymisation",
        pseudonyms=columns,
        as_submitted=_as_submitted(terms, columns, descriptions),
    )


@dataclass(frozen=True)
class Pseudonymising(Steps):
    """One such rewriting being carried out; killed, it is carried on as a withdrawal is."""

    def run(self) -> bytes:
        """Carry out whatever is left to do; return the signed receipt."""
        self._recovered()
        # Terms of before have no columns that say it.
        self.archive.house.tables.ensure(TERMS)
        for table in (*self.plan.as_submitted, TERMS.name):
            self.journal.once(f"table {table}", lambda table=table: self._clean(table))  # type: ignore[misc]
        steps: Sequence[tuple[str, Callable[[], Result]]] = (
            ("release", self._publish),
            ("old releases", self._forget),
            ("files", self._sweep),
            ("object versions", self._purge),
        )
        for name, action in steps:
            self.journal.once(name, action)
        return self._finished()

    @cached_property
    def _key(self) -> Pseudonyms:
        return right_key(terms_of(self.archive.house), self.archive.silver_key)

    @property
    def _quarantined(self) -> list[str]:
        return []

    def _clean(self, table: str) -> Result:
        clean = self._told if table == TERMS.name else self._hidden(self.plan.as_submitted[table])
        tables = self.archive.house.tables
        done = tables.rewrite(table, clean, self.plan.receipt, str) if tables.exists(table) else None
        if done is None:
            return {}
        facts = {"snapshot": done.snapshot_id, "forgot": list(done.forgot)}
        return {**facts, "rows": done.removed, "cells": done.masked}

    def _hidden(self, columns: Values) -> Callable[[pa.Table], Cleaned]:
        """Return what gives cells of some versions their pseudonyms."""

        def clean(rows: pa.Table) -> Cleaned:
            changed, new = 0, rows
            for name, labels in columns.items():
                if name not in rows.column_names:
                    continue
                old = flat(rows.column(name))
                of_them = pc.is_in(flat(rows.column("dataset_version")).cast(pa.string()), value_set=pa.array(labels))
                mine = pc.and_(of_them, pc.is_valid(old))
                count = count_true(mine)
                if count:
                    hidden = pc.if_else(mine, self._in_place(name, old), old)
                    new = new.set_column(rows.column_names.index(name), rows.field(name), hidden)
                    changed += count
            return Cleaned(new, 0, changed, changed=changed > 0)

        return clean

    def _in_place(self, name: str, old: Any) -> Any:  # noqa: ANN401 - any array
        return pa.array(np.full(len(old), NO_TEXT), old.type) if name == "statement" else self._key.cells(old)

    def _told(self, rows: pa.Table) -> Cleaned:
        """Have the terms say of every version what its silver rows have; files of before have no columns for it."""
        found, changed = rows.to_pylist(), False
        for row in found:
            if row["dataset"] == self.plan.subject:
                names = self.plan.pseudonyms.get(row["part"], ())
                told = {
                    "pseudonym_columns": " ".join(names),
                    "pseudonym_key": self._key.fingerprint if names else None,
                }
                changed |= any(row.get(name) != value for name, value in told.items())
                row |= told
        return Cleaned(pa.Table.from_pylist(found, schema=rows.schema), 0, 0, changed=changed)

    def _purge(self) -> Result:
        retained = self.archive.storage.purge(self._places(), lambda _key, _body: False)
        return {"retained": [each.__dict__ for each in retained]}

    def _receipt(self) -> Result:
        steps = self.journal.steps()
        return {
            "format": "pseudonymisation receipt 1",
            "receipt": self.plan.receipt,
            "dataset": self.plan.subject,
            "key": self._key.fingerprint,
            "started_at": self.plan.started_at,
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "code_commit": self.archive.code_commit,
            "places": [
                {
                    "place": f"table {name}",
                    "cells_changed": step["cells"],
                    "snapshot_after": str(step["snapshot"]),
                    "files_deleted": steps["files"]["deleted"][name],
                }
                for name, step in sorted(self._cleaned().items())
            ],
            "not_removed": list(steps["object versions"]["retained"]),
        }


def _require_possible(dataset: str, descriptions: Sequence[Description], told: set[str]) -> None:
    untold = [one.version for one in descriptions if one.version not in told]
    if untold:
        raise PseudonymError(
            f"no terms of {dataset} {', '.join(untold)} are published, which would say that its rows have pseudonyms; "
            "run its submission again, or take it back with `lakehouse retract`"
        )
    typed = sorted({place for one in descriptions for place in without_pseudonyms(one)})
    if typed:
        raise PseudonymError(
            f"{dataset} joins or keys rows by {', '.join(typed)}, whose type can hold no pseudonym; take those "
            "versions back with `lakehouse retract` and hand in ones with an integer or string of another name instead"
        )


def _columns(descriptions: Sequence[Description], known: set[str]) -> Columns:
    """Return every column, by every name, that silver holds as pseudonyms once any version says so."""
    found: dict[str, dict[str, None]] = {}
    size = -1
    while size < len(known):
        size = len(known)
        for about in descriptions:
            for part, columns in identifying_columns(about, known).items():
                names = _former(descriptions, part)
                for column in columns:
                    found.setdefault(part, {}).update(dict.fromkeys(sorted(names.all(column))))
        known = known | {f"{part}.{name}" for part, names in found.items() for name in names}
    return {part: tuple(sorted(names)) for part, names in sorted(found.items())}


def _former(descriptions: Sequence[Description], part: str) -> FormerNames:
    tables = [one.tables[part] for one in descriptions if part in one.tables]
    return FormerNames(
        tuple((was, now) for each in tables for now, told in each.columns.items() for was in told.formerly)
    )


def _as_submitted(
    terms: Sequence[Mapping[str, Any]], columns: Columns, descriptions: Sequence[Description]
) -> Mapping[str, Values]:
    """Return by silver table and column the versions whose terms do not say that it has pseudonyms."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for part, named in columns.items():
        table = f"silver.{descriptions[0].name}_{part}"
        told = {row["dataset_version"]: set(columns_of(row)) for row in terms if row["part"] == part}
        names = _former(descriptions, part)
        for name in named:
            labels = tuple(sorted(label for label, marked in told.items() if not names.all(name) & marked))
            if labels:
                found.setdefault(table, {})[name] = labels
        raw = found.get(table, {})
        if "actor" in raw and any(part in one.events for one in descriptions):
            raw["statement"] = raw["actor"]
    return found
