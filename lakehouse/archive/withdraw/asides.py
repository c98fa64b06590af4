"""Which of the rows that were set aside go with a person: those whose place in bronze is empty after the cleaning."""

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import flat
from lakehouse.archive.withdraw.matching import masked
from lakehouse.archive.withdraw.plan import Plan
from lakehouse.masking import Mask
from lakehouse.ports import TableStore
from lakehouse.tables.health import ROWS_ASIDE

PLACE = ("dataset_version", "source_file", "row_number")
IN_BRONZE = ("_dataset_version", "_source_file", "_row_number")
KEY = ("table_name", *PLACE)


def asides_that_go(tables: TableStore, plan: Plan, mask: Mask) -> pa.Table:
    """Return the columns KEY of the rows of ``gold.rows_aside`` that left bronze; bronze must be clean already.

    Every cleaned table is asked anew, so a withdrawal that goes on after a crash finds the same.
    """
    nothing = pa.schema([ROWS_ASIDE.arrow_schema().field(name) for name in KEY]).empty_table()
    if not tables.exists(ROWS_ASIDE.name):
        return nothing
    # What has passed through a file may come with wider offsets than what the definition says.
    aside = tables.read(ROWS_ASIDE.name, columns=KEY).select(list(KEY)).cast(nothing.schema)
    gone = [nothing]
    for dataset, part, _ in plan.parts():
        mine = aside.filter(pc.field("table_name") == f"silver.{dataset}_{part}")
        if mine.num_rows:
            gone.append(_left(mine, tables.read(f"bronze.{dataset}_{part}", columns=IN_BRONZE), mask))
    return pa.concat_tables(gone)


def _left(aside: pa.Table, bronze: pa.Table, mask: Mask) -> pa.Table:
    """Return the rows of `aside` that have no row in `bronze`, where a file's name may have been masked."""
    names = masked(flat(aside.column("source_file")), mask.in_names, mask.in_names.data)[0]
    place = [flat(aside.column("dataset_version")), names, flat(aside.column("row_number"))]
    numbered = pa.table([*place, pa.array(range(aside.num_rows), pa.int64())], names=[*IN_BRONZE, "at"])
    alone = numbered.join(bronze.cast(numbered.select(list(IN_BRONZE)).schema), list(IN_BRONZE), join_type="left anti")
    return aside.take(alone.column("at"))
