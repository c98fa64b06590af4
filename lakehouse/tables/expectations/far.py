"""What other machines do with rows that promises are judged of: they leave some out, and tell which.

Functions here are sent to those machines by name, so they take all that they need.
"""

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.ports import Change
from lakehouse.tables.expectations.judge import codes_of
from lakehouse.tables.expectations.kinds import TableExpectations

PLACE = ("_source_file", "_row_number")
CODE = "_code"


def staying(raw: pa.Table, *, change: Change, promised_of: TableExpectations) -> pa.Table:
    """Return what `change` makes of rows, without those that are set aside."""
    rows = change(raw)
    return rows.filter(pc.is_null(codes_of(rows, promised_of)))


def leaving(raw: pa.Table, *, change: Change, promised_of: TableExpectations) -> pa.Table:
    """Return the rows that are set aside: their columns that promises speak of, their places, and for which promise."""
    rows = change(raw)
    codes = codes_of(rows, promised_of)
    told = rows.select(sorted(promised_of.named_columns))
    for name in PLACE:
        told = told.append_column(name, raw[name])
    return told.append_column(CODE, codes).filter(pc.is_valid(codes))
