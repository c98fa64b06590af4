"""Takes a storage's notifications of uploads over HTTP; what is acknowledged is on the disk."""

import asyncio
import hmac
import json
import logging
from urllib.parse import unquote_plus

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lakehouse.archive.upload_queue import UploadQueue, upload_name
from lakehouse.errors import QueueFullError
from lakehouse.storage_ports import REPORTS

MOST_BYTES = 1 << 20
"""An event of one object has about 1 KB; a storage may send some hundred together."""
READ_SECONDS = 20.0
CREATED = "s3:ObjectCreated:"

_log = logging.getLogger(__name__)


def application(queue: UploadQueue, *, bucket: str, token: str) -> Starlette:
    """Return the application: ``POST /uploads`` with ``Authorization: Bearer <token>``, and ``GET /health``.

    It answers 200 once every upload that an S3 event names is in the queue, 400 for a body that is no S3 event, 401
    without the token, 408 and 413 for a body that is too slow or larger than 1 MB, and 503 when the queue is full.
    Events of other buckets, and of anything but created objects, are acknowledged and left alone.
    """

    async def take(request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {token}".encode()):
            return PlainTextResponse("the token is missing or wrong\n", 401)
        return await _taken(request, queue, bucket)

    async def health(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    return Starlette(routes=[Route("/uploads", take, methods=["POST"]), Route("/health", health)])


async def _taken(request: Request, queue: UploadQueue, bucket: str) -> Response:
    try:
        body = await asyncio.wait_for(_body(request), READ_SECONDS)
        names = uploads_of(body, bucket)
        for name in names:
            await run_in_threadpool(queue.add, name)
    except TimeoutError:
        return PlainTextResponse(f"the body did not come within {READ_SECONDS:g} s\n", 408)
    except OverflowError:
        return PlainTextResponse(f"the body has more than {MOST_BYTES} bytes\n", 413)
    except ValueError as error:
        return PlainTextResponse(f"this is no S3 event: {error}\n", 400)
    except (QueueFullError, OSError) as error:
        _log.error("upload not queued error=%s", error)
        return PlainTextResponse("no room; send it again later\n", 503)
    return PlainTextResponse("")


async def _body(request: Request) -> bytes:
    """Return the body; raise OverflowError as soon as it is too large."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                raise OverflowError
    except ClientDisconnect:
        return b""  # nobody reads the answer
    return bytes(body)


def uploads_of(body: bytes, bucket: str) -> list[str]:
    """Return the names of uploads into this bucket that an S3 event tells of, each once; raise ValueError for none."""
    try:
        records = json.loads(body)["Records"]
        told = [(one["eventName"], one["s3"]["bucket"]["name"], one["s3"]["object"]["key"]) for one in records]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise ValueError(f"{type(error).__name__} {error}") from error
    if not all(isinstance(part, str) for one in told for part in one):
        raise ValueError("a name in it is no text")
    mine = [unquote_plus(key) for event, place, key in told if event.startswith(CREATED) and place == bucket]
    if len(mine) < len(told):
        _log.info("events left alone count=%d", len(told) - len(mine))
    return sorted({upload_name(key) for key in mine if not key.startswith(REPORTS)})
