"""Answers over HTTP: the form the client asked for, entity tags, and errors as JSON or as a page."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

HTML, JSON = "text/html", "application/json"
REVALIDATE = "no-cache"
FOREVER = "public, max-age=31536000, immutable"
MOST_ACCEPTED = 64


def answer(request: Request, body: bytes, media_type: str, *, status: int = 200, cache: str = REVALIDATE) -> Response:
    """Return the body with its entity tag, or 304 when the client has it already."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": cache, "Vary": "Accept"}
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if status == 200 and (tag in known or "*" in known):
        return Response(status_code=304, headers=headers)
    text = media_type.startswith("text/") or media_type == JSON
    return Response(body, status, headers, media_type=f"{media_type}; charset=utf-8" if text else media_type)


def json_answer(request: Request, value: object, *, status: int = 200) -> Response:
    """Return a value as JSON."""
    return answer(request, json_body(value), JSON, status=status)


def json_body(value: object) -> bytes:
    """Return a value as JSON; dates in ISO 8601."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain).encode()


def _plain(value: Any) -> str:  # noqa: ANN401 - whatever json cannot write itself
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def error_body(status: int, message: str) -> Mapping[str, object]:
    """Return an error as the JSON API tells it."""
    return {"error": {"status": status, "message": message}}


def chosen_form(request: Request, forms: Sequence[str]) -> str:
    """Return the media type of `forms` that the client likes best; the first one when it says nothing.

    Raises:
        HTTPException: 406, it accepts none of them.
    """
    header = request.headers.get("accept", "")
    if not header.strip():
        return forms[0]
    ranges = [_range(part) for part in header.split(",")[:MOST_ACCEPTED]]
    liked = [(max(_quality(form, accepted, quality) for accepted, quality in ranges), form) for form in forms]
    best = max(quality for (_, quality), _ in liked)
    if best <= 0:
        raise HTTPException(406, f"there are {', '.join(forms)}; ask for one of them in Accept")
    return next(form for (_, quality), form in liked if quality == best)


def _range(part: str) -> tuple[str, float]:
    accepted, *parameters = (word.strip() for word in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return accepted.lower(), min(max(float(value), 0.0), 1.0)
            except ValueError:
                return accepted.lower(), 0.0
    return accepted.lower(), 1.0


def _quality(form: str, accepted: str, quality: float) -> tuple[int, float]:
    """Return how exactly a range names a form, and how much it is liked; the most exact range decides."""
    if accepted == form:
        return 3, quality
    if accepted == form.split("/")[0] + "/*":
        return 2, quality
    return (1, quality) if accepted == "*/*" else (0, 0.0)
