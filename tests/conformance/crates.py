"""The RO-Crate validator without a network: the one context it asks for lies in its cache before it starts.

The context is the one of the specification (CC0 1.0), version 1.1.3.
"""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONTEXT_FILE = Path(__file__).parent / "schemas" / "ro-crate-1.1-context.jsonld"
CONTEXT_URL = "https://w3id.org/ro/crate/1.1/context"


def warm_cache(cache: Path) -> Path:
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
    with CachedSession(str(cache), backend="sqlite") as session:
        session.cache.save_response(answer)
    known = Path(rocrate_validator.__file__).parent / "profiles" / "ro-crate" / "1.1"
    shutil.copytree(known, cache.with_name("profiles") / "ro-crate" / "1.1")
    return cache


@contextmanager
def quiet() -> Iterator[None]:
    """The validator's loggers write to the terminal whatever a test wants."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def validate(crate: Path, cache: Path, *, severity: str = "REQUIRED", profile: str = "ro-crate-1.1", **options):
    """Return the validator's result on a crate, without any connection."""
    from rocrate_validator import models, services

    with quiet():
        settings = services.ValidationSettings(
            rocrate_uri=str(crate),
            profile_identifier=profile,
            requirement_severity=models.Severity[severity],
            offline=True,
            cache_path=cache,
            profiles_path=cache.with_name("profiles"),
            **options,
        )
        return services.validate(settings)
