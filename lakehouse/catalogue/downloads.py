"""A whole table of a version as CSV, if the policy lets anyone see it: bounded, and sent some rows at a time."""

import asyncio
import csv
import io
import json
import re
from collections.abc import Iterator
from threading import BoundedSemaphore

import pyarrow as pa
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from lakehouse.catalogue.pages import library_of, version_of
from lakehouse.catalogue.previews import Shown, load_of, permitted, rows_of, too_large
from lakehouse.errors import PurposeError
from lakehouse.spreadsheet import neutral

ROWS_AT_A_TIME = 2_000
LONGEST_SECONDS = 600.0
AT_ONCE = 2
MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
BYTE_ORDER_MARK = "\ufeff"
"""Without it spreadsheets take UTF-8 for another encoding and spoil every letter beyond ASCII."""
QUOTED = re.compile(r'[",\r\n]')
TURNS = BoundedSemaphore(AT_ONCE)


def rows_as_csv(request: Request) -> Response:
    """A table as CSV: safe to open in a spreadsheet, or with ``?exact=yes`` letter by letter as it is stored."""
    exact = _exact(request)
    shown = _shown(request)
    headers = {
        # names and labels are made of letters, digits and ._-
        "Content-Disposition": f'attachment; filename="{shown.dataset}-{shown.label}-{shown.part}.csv"',
        "Cache-Control": "no-cache",
        "X-Formula-Guard": "none" if exact else "apostrophe",
    }
    if request.method == "HEAD":
        return Response(headers=headers, media_type=MEDIA_TYPE)
    if not TURNS.acquire(blocking=False):
        raise HTTPException(503, f"{AT_ONCE} tables are being sent already; try again soon", {"Retry-After": "10"})
    try:
        rows, _ = rows_of(library_of(request), shown, shown.row_count)
    except PurposeError as error:
        TURNS.release()
        raise HTTPException(403, f"the rows of {shown.part} are not given out here: {error}") from error
    except BaseException:
        TURNS.release()
        raise
    return _InTurn(_lines(rows, exact=exact), headers=headers, media_type=MEDIA_TYPE)


def _exact(request: Request) -> bool:
    asked = request.query_params
    if set(asked) - {"exact"} or asked.get("exact", "no") not in ("yes", "no"):
        raise HTTPException(400, "the only parameter is exact, which is yes or no")
    return asked.get("exact") == "yes"


def _shown(request: Request) -> Shown:
    """Return what is asked for, if it is there and anyone may have it."""
    one, part = version_of(request), request.path_params["part"]
    if one.removal is not None:
        raise HTTPException(410, f"the data of this version were removed: {one.removal.reason}")
    load = load_of(one, part)
    if load is None:
        raise HTTPException(404, f"there is no table {part[:80]!r} in this version")
    shown = permitted(library_of(request), one, load)
    if isinstance(shown, str):
        raise HTTPException(403, f"the rows of {part} are not given out here: {shown}")
    if refusal := too_large(one, load):
        raise HTTPException(413, refusal)
    return shown


class _InTurn(StreamingResponse):
    """An answer that gives its turn back when it is sent, when it takes too long, or when nobody reads it any more."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            # Whoever stops reading would else keep the rows in memory; a cut answer lacks its end, which clients see.
            async with asyncio.timeout(LONGEST_SECONDS):
                await super().__call__(scope, receive, send)
        finally:
            TURNS.release()


def _lines(rows: pa.Table, *, exact: bool) -> Iterator[str]:
    written, lines = (_stored, _exact_csv) if exact else (_harmless, _csv)
    yield ("" if exact else BYTE_ORDER_MARK) + lines([[written(name) for name in rows.column_names]])
    for batch in rows.to_batches(max_chunksize=ROWS_AT_A_TIME):
        values = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        yield lines([[written(value) for value in row] for row in values])


def _csv(rows: list[list[object]]) -> str:
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue()


def _exact_csv(rows: list[list[object]]) -> str:
    """Return rows as CSV in which an empty text stands in quotes, and what is unknown as nothing."""
    return "".join(f"{','.join(map(_quoted, row))}\r\n" for row in rows)


def _quoted(value: object) -> str:
    text = "" if value is None else str(value)
    if value == "" or QUOTED.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def _harmless(value: object) -> object:
    return neutral(_stored(value))


def _stored(value: object) -> object:
    """Return a value as CSV can say it: lists as JSON, bytes in hexadecimal digits."""
    match value:
        case bytes():
            return value.hex()
        case list() | dict():
            return json.dumps(value, ensure_ascii=False, default=_plain)
    return value


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
