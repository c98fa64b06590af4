"""A whole table of a version as CSV, if the policy lets anyone see it: bounded, and sent some rows at a time."""

import asyncio
import csv
import io
import json
import logging
import re
from collections.abc import Iterable, Iterator
from threading import BoundedSemaphore

import pyarrow as pa
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from lakehouse.catalogue.pages import library_of, version_of
from lakehouse.catalogue.previews import ELSEWHERE, Shown, load_of, permitted, rows_of, too_large
from lakehouse.errors import PurposeError, TooLargeError
from lakehouse.spreadsheet import neutral

log = logging.getLogger(__name__)

ROWS_AT_A_TIME = 2_000
BYTES_AT_A_TIME = 256 * 1024
LETTERS_AT_A_TIME = BYTES_AT_A_TIME // 4
"""A letter has at most four bytes in UTF-8."""
MOST_UNPACKED = 250_000_000
"""Bytes of a table's rows in memory: what the version has on disk may be packed."""
LONGEST_SECONDS = 600.0
STALLED_SECONDS = 20.0
"""In which a reader must take what was sent last, at most 256 kB: 13 kB a second."""
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
        answer = Response(headers=headers, media_type=MEDIA_TYPE)
        del answer.headers["content-length"]  # how long the rows will be, nobody knows before they are sent
        return answer
    if not TURNS.acquire(blocking=False):
        raise HTTPException(503, f"{AT_ONCE} tables are being sent already; try again soon", {"Retry-After": "10"})
    try:
        rows = _rows(request, shown)
    except BaseException:
        TURNS.release()
        raise
    return _InTurn(_pieces(_lines(rows, exact=exact)), headers=headers, media_type=MEDIA_TYPE)


def _rows(request: Request, shown: Shown) -> pa.Table:
    try:
        rows, _ = rows_of(library_of(request), shown, shown.row_count, most_bytes=MOST_UNPACKED)
    except PurposeError as error:
        raise HTTPException(403, f"the rows of {shown.part} are not given out here: {error}") from error
    except TooLargeError as error:
        raise HTTPException(413, f"{error}, too much for one CSV. {ELSEWHERE}") from error
    return rows


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
    """An answer that gives its turn back when it is sent, when its reader stops or is too slow, or is gone.

    Whoever stops reading would else keep rows in memory and others waiting. A cut answer lacks its end, which clients
    see.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def moving(message: Message) -> None:
            async with asyncio.timeout(STALLED_SECONDS):
                await send(message)

        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await super().__call__(scope, receive, moving)
        except TimeoutError:
            log.warning("csv cut path=%s: its reader was too slow", scope["path"])
        finally:
            TURNS.release()


def _pieces(texts: Iterable[str]) -> Iterator[str]:
    """Cut texts into pieces of at most `BYTES_AT_A_TIME`, whatever a single cell holds."""
    for text in texts:
        for start in range(0, len(text), LETTERS_AT_A_TIME):
            yield text[start : start + LETTERS_AT_A_TIME]


def _lines(rows: pa.Table, *, exact: bool) -> Iterator[str]:
    written, lines = (_stored, _exact_csv) if exact else (_harmless, _csv)
    yield ("" if exact else BYTE_ORDER_MARK) + lines([[written(name) for name in rows.column_names]])
    for batch in rows.to_batches(max_chunksize=_rows_at_a_time(rows)):
        values = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        yield lines([[written(value) for value in row] for row in values])


def _rows_at_a_time(rows: pa.Table) -> int:
    """Return so many rows that they take some `BYTES_AT_A_TIME` on average, but at most `ROWS_AT_A_TIME`."""
    return min(ROWS_AT_A_TIME, max(1, rows.num_rows * BYTES_AT_A_TIME // max(1, rows.nbytes)))


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
