"""What a withdrawal leaves of the rows of an Iceberg table, whichever snapshot or file they come from."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, flat
from lakehouse.archive.eds import TableDescription
from lakehouse.archive.withdraw.matching import (
    actor_values,
    cell_names_actor,
    is_free_text,
    masked,
    rows_to_remove,
)
from lakehouse.archive.withdraw.plan import Plan
from lakehouse.masking import Mask
from lakehouse.ports import Cleaned
from lakehouse.tables.documents import split_of
from lakehouse.tables.gold import DOCUMENTS, LOADS, PREDICTIONS
from lakehouse.tables.register import WITHDRAWALS

LAYERS = ("bronze", "silver")
HOUSE = ("archive", "gold")


@dataclass(frozen=True)
class Cleaning:
    """The person's values and the new hashes (`mask`), what the plan removes, and the models put in quarantine."""

    plan: Plan
    mask: Mask
    quarantined: Collection[str] = ()

    def of(self, table: str) -> Callable[[pa.Table], Cleaned]:
        """Return what cleans the rows of a table, by its name ``namespace.table``."""
        layer, _, rest = table.partition(".")
        for dataset, name, kind in self.plan.parts():
            if layer in LAYERS and rest == f"{dataset}_{name}":
                return lambda rows: self._of_dataset(rows, dataset, name, kind)
        return lambda rows: self._of_house(rows, table)

    def _of_dataset(self, rows: pa.Table, dataset: str, name: str, kind: str) -> Cleaned:
        goes = pa.array(np.zeros(rows.num_rows, dtype=bool))
        label = "_dataset_version" if "_dataset_version" in rows.column_names else "dataset_version"
        for planned in self.plan.of(dataset):
            here = pc.equal(flat(rows.column(label)), pa.scalar(planned.version))
            removal, about = planned.removal, planned.description.tables.get(name)
            if about is not None:
                here = pc.and_(here, rows_to_remove(rows, about, removal.columns.get(name, {})))
            elif kind == "log" and removal.actors:
                here = pc.and_(here, _of_actor(rows, removal.actors))
            else:
                continue
            goes = pc.or_(goes, here)
        kept = rows.filter(pc.invert(goes))
        structured = self._structured(dataset, name)
        free = [column for column in _texts(kept) if column not in structured]
        return self._masked(kept, free, removed=rows.num_rows - kept.num_rows)

    def _structured(self, dataset: str, name: str) -> set[str]:
        """Return the columns that hold no running text: numbers, levels, and those whose rows went."""
        found: set[str] = set()
        for planned in self.plan.of(dataset):
            about: TableDescription | None = planned.description.tables.get(name)
            if about is not None:
                found |= {column for column, each in about.columns.items() if not is_free_text(each)}
                found |= set(planned.removal.columns.get(name, {}))
        return found

    def _of_house(self, rows: pa.Table, table: str) -> Cleaned:
        kept = self._recounted(rows) if table == LOADS.name else rows
        if table == PREDICTIONS.name and self.quarantined:
            of_them = pc.is_in(rows.column("model_version"), value_set=pa.array(sorted(self.quarantined), pa.string()))
            kept = rows.filter(pc.invert(of_them))
        removed = rows.num_rows - kept.num_rows
        if table == WITHDRAWALS.name:
            return Cleaned(rows)  # old tombstones name the commits of their day, and nobody
        cleaned = self._masked(kept, _texts(kept), removed=removed, only=self._ours(kept))
        if table == DOCUMENTS.name and cleaned.masked:
            return Cleaned(_measured(cleaned.rows), cleaned.removed, cleaned.masked, changed=True)
        return cleaned

    def _ours(self, rows: pa.Table) -> Cells:
        """Return which rows of the house's own tables speak of the datasets that held the person."""
        datasets = pa.array(self.plan.datasets, pa.string())
        if "dataset" in rows.column_names:
            return pc.is_in(flat(rows.column("dataset")).cast(pa.string()), value_set=datasets)
        if "submission" in rows.column_names:
            names = pc.list_element(pc.split_pattern(flat(rows.column("submission")).cast(pa.string()), "@"), 0)
            return pc.is_in(names, value_set=datasets)
        return pa.array(np.zeros(rows.num_rows, dtype=bool))

    def _masked(self, rows: pa.Table, columns: list[str], *, removed: int, only: Cells | None = None) -> Cleaned:
        """Mask the person in `columns` (of the rows `only`), and rename hashes in every text."""
        renaming = Mask((), self.mask.renamed)
        new, count, changed = rows, 0, removed > 0
        for name in _texts(rows):
            old = flat(rows.column(name))
            column, named = masked(old, self.mask if name in columns else renaming)
            if only is not None:
                column = pc.if_else(only, column, masked(old, renaming)[0])
                named = masked(old.filter(only), self.mask)[1] if named else 0
            if not column.equals(old):
                new = new.set_column(new.column_names.index(name), new.field(name), column)
                count, changed = count + named, True
        return Cleaned(new, removed, count, changed=changed)

    def _recounted(self, rows: pa.Table) -> pa.Table:
        """Bring the counts of loaded rows down to the rows that are left."""
        gone = {
            (f"{layer}.{one.dataset}_{name}", one.commit): count
            for one in self.plan.versions
            for name, count in one.removal.rows.items()
            for layer in LAYERS
        }
        counts = [
            row["row_count"] - gone.get((row["table_name"], row["dataset_commit"]), 0) for row in rows.to_pylist()
        ]
        place = rows.column_names.index("row_count")
        return rows.set_column(place, rows.field("row_count"), pa.array(counts, pa.int64()))


def _measured(documents: pa.Table) -> pa.Table:
    """Bring size and split of documents, which follow from the text, in line with it."""
    texts = [str(text) for text in documents.column("text").to_pylist()]
    sizes, splits = [len(text.encode()) for text in texts], [split_of(text) for text in texts]
    for name, values in (("byte_count", sizes), ("split", splits)):
        field = documents.field(name)
        documents = documents.set_column(documents.column_names.index(name), field, pa.array(values, field.type))
    return documents


def _of_actor(rows: pa.Table, values: Collection[str]) -> Cells:
    actors = actor_values(values)
    found = np.zeros(rows.num_rows, dtype=bool)
    for name in _texts(rows):
        found |= np.fromiter((cell_names_actor(cell, actors) for cell in rows.column(name).to_pylist()), dtype=bool)
    return pa.array(found)


def _texts(rows: pa.Table) -> list[str]:
    return [
        field.name for field in rows.schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    ]
