"""What a withdrawal leaves of the rows of an Iceberg table, whichever snapshot or file they come from."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, flat, sure
from lakehouse.archive.eds import TableDescription
from lakehouse.archive.pseudonyms import Pseudonyms
from lakehouse.archive.withdraw.asides import KEY
from lakehouse.archive.withdraw.matching import Change, is_free_text, mask_of, masked
from lakehouse.archive.withdraw.plan import PartKind, Plan, PlannedVersion, Removal
from lakehouse.archive.withdraw.pseudonymous import in_silver, with_pseudonyms
from lakehouse.archive.withdraw.statements import actor_values, data_without, statement_masked
from lakehouse.archive.withdraw.whose import Rule
from lakehouse.definition import LAYERS, FormerNames
from lakehouse.masking import Mask
from lakehouse.ports import Cleaned
from lakehouse.tables.documents import split_of
from lakehouse.tables.gold import DOCUMENTS, LOADS, PREDICTIONS
from lakehouse.tables.health import ROWS_ASIDE
from lakehouse.tables.register import WITHDRAWALS

OF_TEXTS = (DOCUMENTS.name, PREDICTIONS.name)
LABELS = {"dataset", "dataset_version", "_dataset_version"}
HOUSE_CODES = LABELS | {
    "access", "cause", "code", "decision", "layer", "level", "part", "part_kind", "principle", "priority", "promise",
    "scheme", "severity", "split", "stage", "step", "submission", "table_name", "verdict",
}  # fmt: skip
"""Columns of the house's tables that name datasets, parts and verdicts, by which their rows are found."""
PLACES = {"place", "message", "source_file"}
"""Columns of the house's tables that quote names of files."""
QUOTING = PLACES | {"how_to_fix"}
OF_DATA = (LOADS.name, *OF_TEXTS, ROWS_ASIDE.name)
"""Tables of the house whose rows are made of the data of one version; those `OF_TEXTS` of one document of it."""


@dataclass(frozen=True)
class Cleaning:
    """The person's values and the new hashes (`mask`), what the plan removes, and the models put in quarantine.

    `asides` are the rows of ``gold.rows_aside`` that go: silver never had them. `pseudonyms` are those of silver's
    identifiers; None where the lake has none. `statements` are the ids of statements that go from the log that is
    cleaned, by version, also of those that the archive gave one.
    """

    plan: Plan
    mask: Mask
    quarantined: Collection[str] = ()
    asides: pa.Table | None = None
    pseudonyms: Pseudonyms | None = None
    statements: Mapping[str, Collection[str]] = field(default_factory=dict)

    def of(self, table: str) -> Callable[[pa.Table], Cleaned]:
        """Return what cleans the rows of a table, by its name ``namespace.table``."""
        layer, _, rest = table.partition(".")
        for dataset, name, kind in self.plan.parts():
            if layer in LAYERS and rest == f"{dataset}_{name}":
                return lambda rows: self._of_dataset(rows, dataset, name, kind, silver=layer == "silver")
        return lambda rows: self._of_house(rows, table)

    def _of_dataset(self, rows: pa.Table, dataset: str, name: str, kind: PartKind, *, silver: bool) -> Cleaned:
        """Clean the rows of each version by what leaves it; rows of other versions come last and stay."""
        label = "_dataset_version" if "_dataset_version" in rows.column_names else "dataset_version"
        removed = emptied = 0
        for planned in self.plan.of(dataset):
            here = pc.equal(flat(rows.column(label)), pa.scalar(planned.version))
            if not pc.any(here).as_py():
                continue
            mine, others = rows.filter(here), rows.filter(pc.invert(here))
            now = mine.column_names
            then = self._names_then(now, planned, name)
            there = self._in_silver[planned.dataset, planned.version] if silver else planned
            kept, count = self._of_version(mine.rename_columns(then), there, name, kind)
            kept = kept.rename_columns(now)
            removed, emptied = removed + mine.num_rows - kept.num_rows, emptied + count
            if count or kept.num_rows != mine.num_rows:
                rows = pa.concat_tables([kept, others])
        structured = self._structured(dataset, name) | LABELS
        masks = {
            column: self._mask_of(dataset, name, column, kind) for column in _texts(rows) if column not in structured
        }
        cleaned = self._masked(rows, masks, removed=removed, data=True)
        return replace(cleaned, masked=cleaned.masked + emptied, changed=cleaned.changed or emptied > 0)

    def _of_version(self, rows: pa.Table, planned: PlannedVersion, name: str, kind: PartKind) -> tuple[pa.Table, int]:
        """Return what stays of one version's rows, and how many cells were emptied or lost the person."""
        removal, about = planned.removal, planned.description.tables.get(name)
        if removal.whole:
            return rows.slice(0, 0), 0
        if about is not None:
            rule = Rule.of(about, removal)
            if rule.idle:
                return rows, 0
            blank = "" if "_dataset_version" in rows.column_names else None
            return rule.emptied_rows(rows.filter(pc.invert(rule.rows_that_go(rows))), blank)
        if kind == "text":
            return _without_documents(rows, removal.documents.get(name, {})), 0
        if not removal.actors:
            return rows, 0
        made = self.statements.get(planned.version, ())
        return _without_actor(rows, self._actors(rows, removal), {*removal.statements.get(name, ()), *made})

    def _actors(self, rows: pa.Table, removal: Removal) -> Collection[str]:
        forms = actor_values(removal.actors)
        return with_pseudonyms(forms, self.pseudonyms if "actor" in rows.column_names else None)

    @cached_property
    def _in_silver(self) -> Mapping[tuple[str, str], PlannedVersion]:
        """What leaves silver of each version, whose pseudonyms are made once for all pieces of a table."""
        made = self.pseudonyms
        return {
            (one.dataset, one.version): one if made is None else replace(one, removal=in_silver(one.removal, made))
            for one in self.plan.versions
        }

    def _names_then(self, columns: list[str], planned: PlannedVersion, name: str) -> list[str]:
        """Return what a version called the columns of a table, in which a later one may have renamed some."""
        about = planned.description.tables.get(name)
        if about is None:
            return columns
        tables = [one.description.tables.get(name) for one in self.plan.of(planned.dataset)]
        pairs = [(was, now) for each in tables if each for now, told in each.columns.items() for was in told.formerly]
        names = FormerNames(tuple(pairs))
        then = {names.of(column): column for column in about.columns if column not in columns}
        return [then.get(column, column) for column in columns]

    def _structured(self, dataset: str, name: str) -> set[str]:
        """Return the columns that hold no running text: numbers, levels, and those whose rows went."""
        found: set[str] = set()
        for planned in self.plan.of(dataset):
            about: TableDescription | None = planned.description.tables.get(name)
            if about is not None:
                found |= {column for column, each in about.columns.items() if not is_free_text(each)}
                found |= Rule.of(about, planned.removal).named
        return found

    def _mask_of(self, dataset: str, name: str, column: str, kind: PartKind) -> Mask:
        """Return the mask for a column of text, a strict one where any version has identifiers in it."""
        if kind == "log" and column == "actor":
            return self.mask.strictly
        if column == "_source_file":
            return self.mask.in_names
        masks = [mask_of(self.mask, one.description, name, column) for one in self.plan.of(dataset)]
        return next((mask for mask in masks if mask.bounds == "strict"), self.mask)

    def _of_house(self, rows: pa.Table, table: str) -> Cleaned:
        kept = self._recounted(rows) if table == LOADS.name else self._without_whole(rows, table)
        if table in OF_TEXTS:
            kept = self._without_documents(kept)
        if table == ROWS_ASIDE.name:
            kept = self._without_asides(kept)
        if table == PREDICTIONS.name and self.quarantined:
            of_them = pc.is_in(kept.column("model_version"), value_set=pa.array(sorted(self.quarantined), pa.string()))
            kept = kept.filter(pc.invert(of_them))
        removed = rows.num_rows - kept.num_rows
        if table == WITHDRAWALS.name:
            return Cleaned(rows)  # old tombstones name the commits of their day, and nobody
        texts = {
            column: self.mask.in_names if column in PLACES else self.mask
            for column in _texts(kept)
            if column not in HOUSE_CODES
        }
        cleaned = self._masked(kept, texts, removed=removed, only=True)
        if table == LOADS.name and not kept.equals(rows):
            cleaned = replace(cleaned, changed=True)
        if table == DOCUMENTS.name and cleaned.masked:
            return Cleaned(_measured(cleaned.rows), cleaned.removed, cleaned.masked, changed=True)
        return cleaned

    def _ours(self, rows: pa.Table, column: str) -> Cells:
        """Return which rows of the house's own tables speak of the datasets that held the person.

        Of one that only a report quotes, the findings do, and not what it says of itself.
        """
        datasets = pa.array(self.plan.told_of if column in QUOTING else self.plan.held_by, pa.string())
        if "dataset" in rows.column_names:
            return pc.is_in(flat(rows.column("dataset")).cast(pa.string()), value_set=datasets)
        if "submission" in rows.column_names:
            names = pc.list_element(pc.split_pattern(flat(rows.column("submission")).cast(pa.string()), "@"), 0)
            return pc.is_in(names, value_set=datasets)
        return pa.array(np.zeros(rows.num_rows, dtype=bool))

    def _masked(
        self,
        rows: pa.Table,
        masks: Mapping[str, Mask],
        *,
        removed: int,
        only: bool = False,
        data: bool = False,
    ) -> Cleaned:
        """Mask the person by column (`only` in rows of ours), as in data or not, and rename hashes in every text."""
        renaming = Mask((), self.mask.renamed)
        new, count, changed = rows, 0, removed > 0
        for name in _texts(rows):
            old = flat(rows.column(name))
            mask = masks.get(name, renaming)
            column, named = masked(old, mask, _change_of(name, mask) if data and name in masks else None)
            if only:
                ours = self._ours(rows, name)
                column = pc.if_else(ours, column, masked(old, renaming)[0])
                named = masked(old.filter(ours), mask)[1] if named else 0
            if not column.equals(old):
                new = new.set_column(new.column_names.index(name), new.field(name), column)
                count, changed = count + named, True
        return Cleaned(new, removed, count, changed=changed)

    def _recounted(self, rows: pa.Table) -> pa.Table:
        """Bring the counts of loaded rows down to the rows that are left; what was loaded of a removed version goes."""
        gone = {
            (f"{layer}.{one.dataset}_{name}", one.commit): count
            for one in self.plan.versions
            for name, count in one.removal.rows.items()
            for layer in LAYERS
            if not one.removal.whole
        }
        rows = self._without_whole(rows, LOADS.name)
        never = Counter((row["table_name"], row["dataset_version"]) for row in self._asides)
        counts = [
            row["row_count"]
            - gone.get((row["table_name"], row["dataset_commit"]), 0)
            + never[row["table_name"], row["dataset_version"]]
            for row in rows.to_pylist()
        ]
        place = rows.column_names.index("row_count")
        return rows.set_column(place, rows.field("row_count"), pa.array(counts, pa.int64()))

    @cached_property
    def _asides(self) -> list[dict[str, object]]:
        return [] if self.asides is None else self.asides.to_pylist()

    def _without_asides(self, rows: pa.Table) -> pa.Table:
        """Leave out the places of rows that are no longer in bronze."""
        gone = {tuple(row[name] for name in KEY) for row in self._asides}
        stays = [tuple(row[name] for name in KEY) not in gone for row in rows.select(list(KEY)).to_pylist()]
        return rows.filter(pa.array(stays, pa.bool_()))

    def _without_whole(self, rows: pa.Table, table: str) -> pa.Table:
        """Leave out what was made of the data of versions that go as a whole."""
        if table in OF_DATA:
            for one in self.plan.versions:
                if one.removal.whole:
                    rows = rows.filter(pc.invert(_of_version(rows, one)))
        return rows

    def _without_documents(self, rows: pa.Table) -> pa.Table:
        """Leave out the documents that go, ids ``dataset/collection/id@version``, or what a model was asked of them.

        A model that never learned from a document may have been measured on it. What it was asked tells no titles, so
        that of a collection whose documents go by title nothing stays.
        """
        for one in self._in_silver.values():
            for name, fields in one.removal.documents.items():
                here = _of_version(rows, one)
                prefix = f"{one.dataset}/{name}/"
                ids = pa.array([f"{prefix}{value}@{one.version}" for value in fields.get("id", ())], pa.string())
                goes = pc.is_in(flat(rows.column("document_id")), value_set=ids)
                if titles := fields.get("title"):
                    of_collection = pc.starts_with(flat(rows.column("document_id")), prefix)
                    goes = pc.or_(goes, pc.and_(of_collection, _titled(rows, titles)))
                rows = rows.filter(pc.invert(pc.and_(here, goes)))
        return rows


def _change_of(column: str, mask: Mask) -> Change:
    """Return what masks one text of a dataset's table; statements have agents, which may be other people."""
    return (lambda text: statement_masked(text, mask)) if column == "statement" else mask.data


def _titled(rows: pa.Table, titles: Collection[str]) -> Cells:
    """Return which documents have one of the titles; all, where they have none."""
    if "title" not in rows.column_names:
        return pa.array(np.ones(rows.num_rows, dtype=bool))
    return pc.is_in(flat(rows.column("title")), value_set=pa.array(list(titles), pa.string()))


def _of_version(rows: pa.Table, planned: PlannedVersion) -> Cells:
    mine = pc.equal(flat(rows.column("dataset")).cast(pa.string()), pa.scalar(planned.dataset))
    if "dataset_version" not in rows.column_names:  # of predictions, which name their document
        return sure(pc.and_(mine, pc.ends_with(flat(rows.column("document_id")), f"@{planned.version}")))
    label = flat(rows.column("dataset_version")).cast(pa.string())
    return sure(pc.and_(mine, pc.equal(label, pa.scalar(planned.version))))


def _measured(documents: pa.Table) -> pa.Table:
    """Bring size and split of documents, which follow from the text, in line with it."""
    texts = [str(text) for text in documents.column("text").to_pylist()]
    sizes, splits = [len(text.encode()) for text in texts], [split_of(text) for text in texts]
    for name, values in (("byte_count", sizes), ("split", splits)):
        field = documents.field(name)
        documents = documents.set_column(documents.column_names.index(name), field, pa.array(values, field.type))
    return documents


def _without_documents(rows: pa.Table, fields: Mapping[str, Collection[str]]) -> pa.Table:
    for name, column in (("id", "document_id"), ("title", "title")):
        goes = pc.is_in(flat(rows.column(column)), value_set=pa.array(list(fields.get(name, ())), pa.string()))
        rows = rows.filter(pc.invert(goes))
    return rows


def _without_actor(rows: pa.Table, actors: Collection[str], ids: Collection[str]) -> tuple[pa.Table, int]:
    """Leave out the person's statements, and take the person out of those of others; return how many those were.

    Silver has no text of a statement, but for rows of before it had pseudonyms.
    """
    for name, values in (("actor", actors), ("statement_id", ids)):
        if name in rows.column_names:
            column = flat(rows.column(name))
            goes = pc.is_in(column, value_set=pa.array(list(values), column.type))
            rows = rows.filter(pc.invert(goes))
    if "statement" not in rows.column_names:
        return rows, 0
    old = rows.column("statement").to_pylist()
    new = [text and data_without(str(text), actors) for text in old]
    stays = [text is not None or was is None for text, was in zip(new, old, strict=True)]
    changed = sum(1 for text, was, stay in zip(new, old, stays, strict=True) if stay and text != was)
    place = rows.column_names.index("statement")
    left = rows.set_column(place, rows.field("statement"), pa.array(new, rows.field("statement").type))
    return left.filter(pa.array(stays, pa.bool_())), changed


def _texts(rows: pa.Table) -> list[str]:
    return [
        field.name for field in rows.schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    ]
