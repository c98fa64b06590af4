"""What a client is told when DuckDB fails: the kind of fault and its first line, without paths or inner names."""

import logging
import re
from collections.abc import Collection
from typing import TypeAlias

import duckdb
import pyarrow as pa

from lakehouse.endpoint.faults import BrokenEngineError, BusyError, FailedStatementError, RefusedStatementError
from lakehouse.errors import LakehouseError

log = logging.getLogger(__name__)
# A reader of a stream raises OSError with DuckDB's text in it; casts to wire types raise Arrow's errors.
EngineError: TypeAlias = duckdb.Error | OSError | MemoryError | pa.ArrowInvalid | pa.ArrowNotImplementedError
ENGINE_ERRORS = (duckdb.Error, OSError, MemoryError, pa.ArrowInvalid, pa.ArrowNotImplementedError)

REFUSED = ("Binder", "Catalog", "Parser", "Syntax", "Not implemented")
FAILED = ("Conversion", "Invalid Input", "Out of Range", "Mismatch Type", "Constraint", "Invalid type", "Integer")
UNREADABLE = ("IO", "HTTP", "Permission", "Missing Extension", "Invalid Configuration", "Serialization")
PLACE = re.compile(r"(?:file|s3|s3a|https?)://\S+|(?<![\w.])/(?:[\w.+-]+/)+[\w.+-]*")
TYPED = re.compile(r"Macro \"?dremio_(add_days|date_add|shift)\"?\(\)")
MOVERS = {"add_days": "TIMESTAMPADD and + INTERVAL", "date_add": "DATE_ADD, DATE_SUB and DATE_DIFF"}
INNER = re.compile(r"\b(?:pins\.)?[tvmrg]_[0-9a-f]{24}\b|\bdremio_|\bpins\.")
UNKNOWN_COLUMN = re.compile(r"Binder Error: (?:Referenced column|Table \"[^\"]*\" does not have a column named) \"")
CANDIDATES = re.compile(r"Candidate bindings:[ :]*(.*)")


def translated_error(error: EngineError, columns: Collection[str] = ()) -> LakehouseError:
    """Return the error a client may see; what it may not see is logged.

    `columns` are names that may be told, in lower case: the nearest of them stands beside one that is unknown.
    """
    text = str(error).strip()
    kind = text.split(" Error", 1)[0]
    if kind == "Out of Memory" or isinstance(error, MemoryError):
        return BusyError("the statement needs more memory than this endpoint has; ask for fewer rows or columns")
    if kind in UNREADABLE:
        log.warning("table files not readable error=%s", text)
        return BusyError("the table's files cannot be read now; try again later")
    if kind in REFUSED and (typed := TYPED.search(text)) is not None:
        movers = MOVERS.get(typed[1], MOVERS["date_add"])
        return RefusedStatementError(
            f"VALIDATION ERROR: {movers} need to know the kind of what they add to, such as a DATE or TIMESTAMP; "
            "write CAST(x AS DATE) or CAST(x AS TIMESTAMP) for it, and have an aggregate in a query of its own"
        )
    if kind in REFUSED:
        return RefusedStatementError(f"VALIDATION ERROR: {clean(text)}{_nearest(text, columns)}")
    if kind in FAILED or isinstance(error, pa.ArrowInvalid):
        return FailedStatementError(clean(text))
    log.error("engine failed error=%s", text)
    return BrokenEngineError("the SQL engine failed on this statement; its log says why")


def _nearest(text: str, columns: Collection[str]) -> str:
    """Return a hint where the nearest column to an unknown one may be told; DuckDB has it first."""
    found = CANDIDATES.search(text) if UNKNOWN_COLUMN.match(text) else None
    near = re.match(r'"([^"]+)"', found[1]) if found else None
    return f" Did you mean {near[1]}?" if near and near[1].lower() in columns else ""


def clean(text: str) -> str:
    """Return the first line without addresses of files and without names that exist only inside."""
    first = text.strip().split("\n", 1)[0].split(" Error: ", 1)[-1]
    return INNER.sub("", PLACE.sub("<file>", first)).strip()
