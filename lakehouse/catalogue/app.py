"""The application: routes, headers that keep pages harmless, errors, and the task that follows the releases."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lakehouse.catalogue import api, downloads, pages
from lakehouse.catalogue.answers import HTML, JSON, answer, error_body, json_body
from lakehouse.catalogue.library import Library
from lakehouse.errors import LakehouseError

REFRESH_SECONDS = 2.0
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
ERROR_TITLES = {
    400: "Not understood",
    403: "Not shown",
    404: "Not found",
    406: "No such form",
    410: "Gone",
    413: "Too large",
}
ROUTES = (
    Route("/", pages.search),
    Route("/datasets/{dataset}", pages.dataset),
    Route("/datasets/{dataset}/{version}", pages.version),
    Route("/datasets/{dataset}/{version}/metadata/{name:path}", pages.metadata),
    Route("/datasets/{dataset}/{version}/files/{path:path}", pages.file),
    Route("/datasets/{dataset}/{version}/rows/{part}.csv", downloads.rows_as_csv),
    Route("/id/{identifier:path}", pages.identifier),
    Route("/static/{name}", pages.static),
    Route("/api/v1/datasets", api.search),
    Route("/api/v1/datasets/{dataset}", api.dataset),
    Route("/api/v1/datasets/{dataset}/versions/{version}", api.version),
    Route("/api/v1/datasets/{dataset}/versions/{version}/rows/{part}", api.rows),
    Route("/api/v1/identifiers/{identifier:path}", api.identifier),
    Route("/openapi.json", api.openapi),
    Route("/health", api.health),
)


def application(library: Library, *, follow: bool = True) -> Starlette:
    """Return the application; with `follow` it looks for a newer release every few seconds."""
    for read in (pages.templates, pages.static_files, pages.asset_version):
        read()  # now, so that they are of the checkout that the code is of

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(_following(library)) if follow else None
        yield
        if task is not None:
            task.cancel()

    app = Starlette(
        routes=ROUTES,
        lifespan=lifespan,
        exception_handlers={HTTPException: _refused, LakehouseError: _unavailable, 500: _broken},
    )
    app.state.library = library
    app.add_middleware(SecurityHeaders)
    return app


async def _following(library: Library) -> None:
    while True:
        await run_in_threadpool(library.refresh)
        await asyncio.sleep(REFRESH_SECONDS)


class SecurityHeaders:
    """Adds to every answer the headers that keep a page from loading, embedding or telling anything elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "registered for it"
    response = _error(request, error.status_code, error.detail)
    response.headers.update(error.headers or {})
    return response


async def _unavailable(request: Request, error: Exception) -> Response:
    return _error(request, 503, f"the archive cannot be read now: {error}")


async def _broken(request: Request, _error_raised: Exception) -> Response:
    return _error(request, 500, "the catalogue failed; its log says why")


def _error(request: Request, status: int, message: str) -> Response:
    accepted = request.headers.get("accept", "")
    wants_page = HTML in accepted or "*/*" in accepted or not accepted
    if request.url.path.startswith("/api/") or not wants_page:
        return answer(request, json_body(error_body(status, message)), JSON, status=status)
    title = ERROR_TITLES.get(status, "Failed")
    return pages.page(request, "error.html.j2", {"title": title, "message": message}, status=status)
