"""The JSON API under ``/api/v1``, described in ``/openapi.json``."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from lakehouse.ark import normal_ark
from lakehouse.catalogue import views
from lakehouse.catalogue.answers import json_answer
from lakehouse.catalogue.asking import asked
from lakehouse.catalogue.openapi import document
from lakehouse.catalogue.pages import library_of, version_of
from lakehouse.catalogue.previews import preview


async def search(request: Request) -> Response:
    """One page of datasets that match, with facets."""
    wanted = asked(request.query_params)
    results = library_of(request).index.search(wanted)
    return json_answer(request, views.found(results, page=wanted.page, size=wanted.size))


async def dataset(request: Request) -> Response:
    """A dataset and its versions."""
    holdings = library_of(request).holdings
    name = request.path_params["dataset"]
    if name not in holdings.versions:
        raise HTTPException(404, f"there is no dataset {name[:80]!r}")
    return json_answer(request, views.dataset(holdings, name))


def version(request: Request) -> Response:
    """A version: its record, where its rows are, and how to get it."""
    return json_answer(request, views.version(library_of(request), version_of(request)))


def rows(request: Request) -> Response:
    """The first rows of a part of a version."""
    one, part = version_of(request), request.path_params["part"]
    if one.removal is not None:
        raise HTTPException(410, f"the data of this version were removed: {one.removal.reason}")
    shown = preview(library_of(request), one, part)
    if shown is None:
        raise HTTPException(404, f"there is no table {part[:80]!r} in this version")
    if shown.refusal is not None:
        raise HTTPException(403, f"the rows of {part} are not shown: {shown.refusal}")
    body = {"table": shown.table, "columns": shown.columns, "rows": shown.rows, "hidden": shown.hidden}
    return json_answer(request, body)


async def identifier(request: Request) -> Response:
    """What an identifier names."""
    text = request.path_params["identifier"]
    named = library_of(request).holdings.identifiers.get(normal_ark(text) or text)
    if named is None:
        raise HTTPException(404, f"this archive has no identifier {text[:80]!r}")
    dataset_name, label = named
    return json_answer(request, {"dataset": dataset_name, "version": label, "url": views.page(dataset_name, label)})


async def openapi(request: Request) -> Response:
    """The description of this API."""
    return json_answer(request, document(library_of(request).address.base_url))


async def health(request: Request) -> Response:
    """Whether the catalogue shows the newest release."""
    library = library_of(request)
    body = {
        "status": "stale" if library.fault else "ok",
        "release": library.holdings.release,
        "datasets": len(library.index),
    }
    return json_answer(request, body, status=503 if library.fault else 200)
