"""The RO-Crate validator without a network: the one context it asks for lies in its cache before it starts.

The context is the one of the specification (CC0 1.0), version 1.1.3.
"""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

CONTEXT_FILE = Path(__file__).parent / "schemas" / "ro-crate-1.1-context.jsonld"
CONTEXT_URL = "https://w3id.org/ro/crate/1.1/context"


def warm_cache(known: Path) -> Path:
    """Write the context into an HTTP cache as if it had been asked for, and return the cache.

    The one profile that is judged by is put beside it: the validator reads all that it is given, each time.
    """
    import requests
    import rocrate_validator
    from requests_cache import CachedRequest, CachedResponse, CachedSession

    asked = requests.Request("GET", CONTEXT_URL).prepare()
    answer = CachedResponse(
        content=CONTEXT_FILE.read_bytes(),
        status_code=200,
        url=CONTEXT_URL,
        headers=requests.structures.CaseInsensitiveDict({"Content-Type": "application/ld+json"}),
        request=CachedRequest.from_request(asked),
    )
    with CachedSession(str(known), backend="sqlite") as session:
        session.cache.save_response(answer)
    shipped = Path(rocrate_validator.__file__).parent / "profiles" / "ro-crate" / "1.1"
    shutil.copytree(shipped, known.with_name("profiles") / "ro-crate" / "1.1")
    return known


@contextmanager
def quiet() -> Iterator[None]:
    """The validator's loggers write to the terminal whatever a test wants."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def remembering() -> Iterator[None]:
    """Parse each SPARQL query once: parsing the profile's 22 again for each crate took three quarters of the time."""
    from rdflib import Graph

    whole = Graph.query

    def query(graph, asked, processor="sparql", result="sparql", names=None, *given, initNs=None, **more):
        known = names or initNs or dict(graph.namespaces())
        if isinstance(asked, str):
            asked = _prepared(asked, tuple(sorted((prefix, str(name)) for prefix, name in dict(known).items())))
        return whole(graph, asked, processor, result, known, *given, **more)

    Graph.query = query
    try:
        yield
    finally:
        Graph.query = whole


@cache
def _prepared(query: str, names: tuple[tuple[str, str], ...]):
    from rdflib.plugins.sparql import prepareQuery

    return prepareQuery(query, initNs=dict(names))


@cache
def _validator(known: Path, severity: str, profile: str, options: tuple[tuple[str, Any], ...]):
    """Return a validator that keeps the profile it has read; it is asked about one crate after another."""
    from rocrate_validator import models

    settings = models.ValidationSettings(
        profile_identifier=profile,
        requirement_severity=models.Severity[severity],
        offline=True,
        cache_path=known,
        profiles_path=known.with_name("profiles"),
        **{name: list(value) if isinstance(value, tuple) else value for name, value in options},
    )
    return models.Validator(settings)


def validate(crate: Path, known: Path, *, severity: str = "REQUIRED", profile: str = "ro-crate-1.1", **options):
    """Return the validator's result on a crate, without any connection."""
    frozen = ((name, tuple(value) if isinstance(value, list) else value) for name, value in sorted(options.items()))
    with quiet(), remembering():
        return _validator(known, severity, profile, tuple(frozen)).validate(rocrate_uri=crate)
