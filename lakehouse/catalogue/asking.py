"""Reads a search out of a query string, with bounds on everything, and writes one back into links."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast, get_args
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException

from lakehouse.catalogue.index import FACETS, Asked, Sort

LONGEST_WORDS = 200
LONGEST_VALUE = 200
MOST_VALUES = 20
LARGEST_PAGE = 1_000
LARGEST_SIZE = 100
DEFAULT_SIZE = 20
SORTS: tuple[str, ...] = get_args(Sort)
NAMES = frozenset({"q", "sort", "page", "size", *FACETS})


def asked(query: QueryParams) -> Asked:
    """Return the search a query string asks for; raise HTTPException 400 for what is out of bounds."""
    for name in query:
        if name not in NAMES:
            raise HTTPException(400, f"there is no parameter {name[:40]!r}; there are {', '.join(sorted(NAMES))}")
    words = query.get("q", "")
    if len(words) > LONGEST_WORDS:
        raise HTTPException(400, f"q has {len(words)} characters; at most {LONGEST_WORDS} are searched for")
    sort = query.get("sort") or "relevance"
    if sort not in SORTS:
        raise HTTPException(400, f"sort is {sort[:40]!r}; it is one of {', '.join(SORTS)}")
    return Asked(
        words=words,
        chosen={facet: _values(facet, query.getlist(facet)) for facet in FACETS if query.getlist(facet)},
        sort=cast(Sort, sort),
        page=_number("page", query.get("page"), default=1, largest=LARGEST_PAGE),
        size=_number("size", query.get("size"), default=DEFAULT_SIZE, largest=LARGEST_SIZE),
    )


def _values(facet: str, values: Sequence[str]) -> tuple[str, ...]:
    if len(values) > MOST_VALUES or any(len(value) > LONGEST_VALUE for value in values):
        raise HTTPException(400, f"{facet} has too many or too long values; at most {MOST_VALUES} of {LONGEST_VALUE}")
    return tuple(dict.fromkeys(value for value in values if value))


def _number(name: str, text: str | None, *, default: int, largest: int) -> int:
    if not text:
        return default
    # isdecimal alone would take digits of other scripts, and int() of thousands of them takes long
    if not (text.isascii() and text.isdecimal() and len(text) <= 6 and 1 <= int(text) <= largest):
        raise HTTPException(400, f"{name} is {text[:40]!r}; it is a whole number from 1 to {largest}")
    return int(text)


def link(search: Asked, *, page: int = 1, without: tuple[str, str] | None = None) -> str:
    """Return the query string of a search, at another page or without one chosen value."""
    chosen: Mapping[str, tuple[str, ...]] = search.chosen
    if without is not None:
        facet, value = without
        chosen = {**chosen, facet: tuple(one for one in chosen.get(facet, ()) if one != value)}
    pairs = [("q", search.words)] if search.words else []
    pairs += [(facet, value) for facet, values in chosen.items() for value in values]
    pairs += [("sort", search.sort)] if search.sort != "relevance" else []
    pairs += [("size", str(search.size))] if search.size != DEFAULT_SIZE else []
    pairs += [("page", str(page))] if page > 1 else []
    return "/?" + urlencode(pairs) if pairs else "/"


def cleared(search: Asked) -> Asked:
    """Return the search without any chosen value."""
    return replace(search, chosen={}, page=1)
