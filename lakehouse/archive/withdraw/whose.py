"""Says whose a row is: which rows go with the person, and in which rows of other people a cell becomes empty."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, flat
from lakehouse.archive.eds import TableDescription
from lakehouse.archive.withdraw.matching import canonical, matches, rows_to_remove
from lakehouse.archive.withdraw.plan import NOBODY, Others, Removal

Row = Mapping[str, str | None]


@dataclass(frozen=True)
class Rule:
    """What leaves one table: see `Removal` for `goes`, and `Others`."""

    table: TableDescription
    goes: Mapping[str, Collection[str]] = field(default_factory=dict)
    others: Others = NOBODY

    @classmethod
    def of(cls, table: TableDescription, removal: Removal) -> "Rule":
        """Return the rule of a removal for a table."""
        return cls(table, removal.columns.get(table.name, {}), removal.others.get(table.name, NOBODY))

    @property
    def idle(self) -> bool:
        """Whether no value of the person stands in the table."""
        return not (self.goes or self.others.yields or self.others.keeps)

    @property
    def named(self) -> set[str]:
        """The columns that hold values of the person."""
        return {*self.goes, *self.others.yields, *self.others.keeps}

    @property
    def emptied(self) -> dict[str, frozenset[str]]:
        """The values that become empty in rows that stay, by column."""
        both = (self.others.yields, self.others.keeps)
        names = {name for each in both for name in each}
        return {name: frozenset().union(*(each.get(name, ()) for each in both)) for name in sorted(names)}

    def rows_that_go(self, rows: pa.Table) -> Cells:
        """Return for each row whether it goes."""
        goes = rows_to_remove(rows, self.table, self.goes)
        if not self.others.yields:
            return goes
        yields = rows_to_remove(rows, self.table, self.others.yields)
        if not pc.any(yields).as_py():
            return goes
        return pc.or_(goes, pc.and_(yields, pc.invert(self._names_others(rows))))

    def cells_to_empty(self, rows: pa.Table) -> dict[str, Cells]:
        """Return by column which cells become empty in rows that stay; columns without such cells are left out."""
        masks = {
            name: matches(flat(rows.column(name)), self.table.columns[name].type, values)
            for name, values in self.emptied.items()
            if name in rows.column_names
        }
        return {name: mask for name, mask in masks.items() if pc.any(mask).as_py()}

    def emptied_rows(self, rows: pa.Table, blank: str | None) -> tuple[pa.Table, int]:
        """Return rows that stay with their cells emptied, and how many cells that were."""
        count = 0
        for name, mask in self.cells_to_empty(rows).items():
            column = flat(rows.column(name))
            nothing = pa.scalar(blank if blank is not None and pa.types.is_string(column.type) else None, column.type)
            place = rows.column_names.index(name)
            rows = rows.set_column(place, rows.field(name), pc.if_else(mask, nothing, column))
            count += int(pc.sum(mask).as_py() or 0)
        return rows, count

    def row_goes(self, cells: Row) -> bool:
        """Say the same of one row of texts."""
        if self._holds(cells, self.goes):
            return True
        return self._holds(cells, self.others.yields) and not any(
            self._is_other(cells.get(name), name, values) for name, values in self.others.people.items()
        )

    def emptied_row(self, cells: Row) -> list[str]:
        """Return the columns whose cells become empty in a row that stays."""
        return [name for name, values in self.emptied.items() if self._holds(cells, {name: values})]

    def _holds(self, cells: Row, columns: Mapping[str, Collection[str]]) -> bool:
        for name, values in columns.items():
            cell = cells.get(name)
            if cell is not None and canonical(cell, self.table.columns[name].type) in values:
                return True
        return False

    def _names_others(self, rows: pa.Table) -> Cells:
        found = pa.array(np.zeros(rows.num_rows, dtype=bool))
        for name, values in self.others.people.items():
            if name in rows.column_names:
                column = flat(rows.column(name))
                others = [one for one in column.unique().to_pylist() if self._is_other(one, name, values)]
                found = pc.or_(found, pc.is_in(column, value_set=pa.array(others, column.type)))
        return found

    def _is_other(self, cell: object, name: str, values: Collection[str]) -> bool:
        about = self.table.columns[name]
        text = "" if cell is None else str(cell).strip()
        return text not in ("", *about.missing_codes) and canonical(cell, about.type) not in values
