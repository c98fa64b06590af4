"""The pages for people: search, dataset, version, and where an identifier leads."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from lakehouse.ark import is_whole, normal_ark
from lakehouse.catalogue import views
from lakehouse.catalogue.answers import FOREVER, HTML, JSON, answer, chosen_form, json_answer
from lakehouse.catalogue.asking import SORTS, asked, cleared, link
from lakehouse.catalogue.holdings import Version
from lakehouse.catalogue.library import Library
from lakehouse.catalogue.previews import parts_of, preview
from lakehouse.errors import NoObjectError
from lakehouse.percent import percent

FACET_TITLES = {
    "access": "Access",
    "licence": "Licence",
    "keyword": "Keyword",
    "year": "Year covered",
    "fair": "FAIR score",
    "personal": "Personal data",
}
# The files of a record by the media type a client may ask for.
FORMS = {
    "application/ld+json": "schema-org/schema-org.json",
    "application/vnd.datacite.datacite+json": "datacite/datacite.json",
    "application/vnd.datacite.datacite+xml": "datacite/datacite.xml",
    "application/vnd.citationstyles.csl+json": "citation.csl.json",
    "application/x-bibtex": "citation.bib",
    "application/x-research-info-systems": "citation.ris",
    "text/x-bibliography": "citation.txt",
}
FILE_TYPES = {
    ".json": JSON,
    ".jsonld": "application/ld+json",
    ".xml": "application/xml",
    ".bib": "application/x-bibtex",
    ".ris": "application/x-research-info-systems",
    ".txt": "text/plain",
}
STATIC_TYPES = {"catalogue.css": "text/css", "catalogue.js": "text/javascript", "icon.svg": "image/svg+xml"}
CITATIONS = {"Text": "citation.txt", "BibTeX": "citation.bib", "RIS": "citation.ris", "CSL-JSON": "citation.csl.json"}
CHANGE_WORDS = {
    "part_added": "added",
    "part_removed": "removed",
    "column_added": "column added",
    "column_removed": "column removed",
    "column_renamed": "column renamed",
    "column_retyped": "column retyped",
    "column_changed": "column changed",
    "table_changed": "table changed",
    "part_changed": "collection changed",
    "rows_changed": "rows",
    "field_changed": "metadata changed",
    "files_changed": "values changed",
}


async def search(request: Request) -> Response:
    """The page of search results; without words, all datasets."""
    library = library_of(request)
    wanted = asked(request.query_params)
    results = library.index.search(wanted)
    context = {
        "asked": wanted,
        "results": views.found(results, page=wanted.page, size=wanted.size),
        "total_datasets": len(library.index),
        "facet_titles": FACET_TITLES,
        "sorts": SORTS,
        "link": link,
        "clear": link(cleared(wanted)),
        "last_page": max(1, -(-results.total // wanted.size)),
    }
    return page(request, "search.html.j2", context)


def dataset(request: Request) -> Response:
    """The page of a dataset: its newest version, and all versions."""
    library = library_of(request)
    name = request.path_params["dataset"]
    newest = library.holdings.newest(name)
    if newest is None:
        raise HTTPException(404, f"there is no dataset {name[:80]!r}; search for it by a word of its title")
    return _landing(request, library, newest, whole=True)


def version(request: Request) -> Response:
    """The page of a version."""
    library = library_of(request)
    return _landing(request, library, version_of(request), whole=False)


def metadata(request: Request) -> Response:
    """A file of a version's record."""
    library, one, name = library_of(request), version_of(request), request.path_params["name"]
    try:
        if name not in library.record(one)["forms"]:
            raise HTTPException(404, f"there is no form {name[:80]!r} of this version; its page lists them")
        return answer(request, library.file(one, name), _type_of(name))
    except NoObjectError as error:
        raise HTTPException(404, f"the form {name[:80]!r} of this version is missing in the archive") from error


def file(request: Request) -> Response:
    """Where a data file can be had: gone with the version's data, else not served here but by the ways on the page."""
    library, one, name = library_of(request), version_of(request), request.path_params["path"]
    if one.removal is not None:
        raise HTTPException(410, f"the data of this version were removed: {one.removal.reason}")
    known = {entry["path"] for entry in library.record(one)["files"]}
    if name not in known:
        raise HTTPException(404, f"there is no file {name[:80]!r} in this version; its page lists them")
    return RedirectResponse(f"{views.page(str(one.row['dataset']), one.label)}#get", status_code=303)


def identifier(request: Request) -> Response:
    """The page that an identifier names."""
    text = request.path_params["identifier"]
    holdings = library_of(request).holdings
    normal = normal_ark(text)
    named = holdings.identifiers.get(normal or text)
    if named is not None:
        return RedirectResponse(views.page(*named), status_code=302)
    if normal is not None and not is_whole(normal):
        raise HTTPException(400, f"{text[:80]!r} is mistyped: its last letter does not fit the others")
    raise HTTPException(404, f"this archive has no identifier {text[:80]!r}")


async def static(request: Request) -> Response:
    """A style sheet, script or picture of the pages."""
    name = request.path_params["name"]
    if name not in STATIC_TYPES:
        raise HTTPException(404, "there is no such file")
    cache = FOREVER if request.query_params.get("v") == asset_version() else "no-cache"
    return answer(request, static_files()[name], STATIC_TYPES[name], cache=cache)


def page(request: Request, template: str, context: Mapping[str, Any], *, status: int = 200) -> Response:
    """Return a page made from a template."""
    library = library_of(request)
    body = (
        templates()
        .get_template(template)
        .render(release=library.holdings.release, assets=asset_version(), stale=library.fault, **context)
    )
    return answer(request, body.encode(), HTML, status=status)


def library_of(request: Request) -> Library:
    """Return the library that the application answers from."""
    library = request.app.state.library
    assert isinstance(library, Library), "set where the application is made"
    return library


def version_of(request: Request) -> Version:
    """Return the version that a path names; raise HTTPException 404 when there is none."""
    name, label = request.path_params["dataset"], request.path_params["version"]
    one = library_of(request).holdings.find(name, label)
    if one is None:
        raise HTTPException(404, f"there is no version {label[:80]!r} of a dataset {name[:80]!r}")
    return one


def _landing(request: Request, library: Library, one: Version, *, whole: bool) -> Response:
    form = chosen_form(request, (HTML, JSON, *FORMS))
    name = str(one.row["dataset"])
    if form == JSON:
        return json_answer(request, views.dataset(library.holdings, name) if whole else views.version(library, one))
    if form in FORMS:
        return answer(request, library.file(one, FORMS[form]), form)
    linked = json.loads(library.file(one, FORMS["application/ld+json"]))
    context = {
        "version": views.version(library, one),
        "dataset": views.dataset(library.holdings, name),
        "whole": whole,
        "linked": script_json(linked),
        "citations": {title: library.file(one, place).decode().strip() for title, place in CITATIONS.items()},
        "previews": [preview(library, one, part) for part in parts_of(one)],
        "change_words": CHANGE_WORDS,
    }
    return page(request, "version.html.j2", context)


def script_json(value: object) -> str:
    """Return JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def static_files() -> Mapping[str, bytes]:
    """Return the style sheet, script and picture of the pages by name."""
    folder = resources.files("lakehouse.catalogue") / "static"
    return {name: (folder / name).read_bytes() for name in STATIC_TYPES}


@cache
def asset_version() -> str:
    """Return a hash that changes whenever one of the static files does."""
    return sha256(b"".join(static_files().values())).hexdigest()[:12]


@cache
def templates() -> Environment:
    """Return the templates as they were at the first call; a name that a page forgets to give is an error.

    A newer checkout changes the files below a running server, whose code gives other names.
    """
    folder = resources.files("lakehouse.catalogue") / "templates"
    environment = Environment(
        loader=DictLoader({file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {"bytes": _bytes, "count": _count, "day": _day, "share": _share}
    filters |= {"of": _of, "plain": _plain, "sentence": _sentence}
    environment.filters.update(filters)
    return environment


def _type_of(name: str) -> str:
    return next((kind for ending, kind in FILE_TYPES.items() if name.endswith(ending)), "application/octet-stream")


def _bytes(size: int) -> str:
    amount, units = float(size), ("bytes", "kB", "MB", "GB", "TB")
    place = 0
    while amount >= 1000 and place < len(units) - 1:
        amount, place = amount / 1000, place + 1
    return f"{amount:.0f} {units[place]}" if place == 0 or amount >= 100 else f"{amount:.1f} {units[place]}"


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}".replace(",", "\u202f")


def _sentence(text: str) -> str:
    """End a description, so that another sentence can follow it."""
    text = text.rstrip()
    return f"{text}." if text[-1:].isalnum() or text[-1:] in ")]\"'%" else text


def _of(number: int | None, noun: str) -> str:
    return f"{_count(number)} {noun if number == 1 else f'{noun}s'}"


def _plain(text: str) -> str:
    """Return a changed value for people: a list or mapping without the signs of JSON."""
    if text[:1] not in ("[", "{"):
        return text
    try:
        return _words(json.loads(text))
    except ValueError:
        return text  # a long value was cut short


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_words(one)}" for name, one in value.items() if one is not None)
    return "; ".join(_words(one) for one in value) if isinstance(value, list) else str(value)


def _day(moment: Any) -> str:  # noqa: ANN401 - a date or its ISO text
    return str(moment)[:10]


def _share(score: float | None) -> str:
    return "not scored" if score is None else percent(score)
