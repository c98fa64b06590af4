"""Asks the Croissant reference library for its verdict on a description, without any connection.

The library is only handed what is in memory, and only builds the description from it: it opens files and addresses when
records are read, which is never asked of it here. The one other way to the network, a JSON-LD context that lies
elsewhere, is refused before.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

Node = Mapping[str, Any]
FOLLOWED = "@import"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the library made of a description: its `metadata`, or None and the errors as it words them."""

    metadata: Any | None
    errors: tuple[str, ...]


def looks_like_croissant(document: object) -> bool:
    """Say whether a JSON document is a Croissant description: its context or its conformance names Croissant."""
    if not isinstance(document, Mapping):
        return False
    named = f"{document.get('@context')} {document.get('conformsTo')}".lower()
    return "mlcommons.org" in named


def verdict(document: Node) -> Verdict:
    """Return the library's verdict on a description, version 0.8, 1.0 or 1.1."""
    elsewhere = contexts_elsewhere(document)
    if elsewhere:
        return Verdict(None, tuple(f"the context {place} lies elsewhere and is not fetched" for place in elsewhere))
    from mlcroissant import Dataset

    with _quiet():
        try:
            return Verdict(Dataset(jsonld=dict(document)).metadata, ())
        except Exception as error:  # noqa: BLE001 - the library raises whatever its parsers raise on bad input
            return Verdict(None, _errors(error))


@contextmanager
def _quiet() -> Iterator[None]:
    """The library warns on the terminal of what a description might say besides."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _errors(error: Exception) -> tuple[str, ...]:
    lines = [line.removeprefix("  -  ") for line in str(error).splitlines() if line.startswith("  -  ")]
    return tuple(lines) or (f"{type(error).__name__}: {error}"[:500],)


def contexts_elsewhere(document: object) -> list[str]:
    """Return every context that would have to be fetched: one given by its address, or one that imports another."""
    found: list[str] = []
    pending: list[object] = [document]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, Mapping):
            contexts = node.get("@context")
            listed = contexts if isinstance(contexts, list) else [contexts]
            found += [each[:200] for each in listed if isinstance(each, str)]
            found += [str(node[FOLLOWED])[:200]] if FOLLOWED in node else []
            pending.extend(node.values())
    return found
