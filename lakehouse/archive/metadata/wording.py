"""What several forms say alike: licences as addresses, people and organisations, terms in sentences, JSON as bytes."""

import json
import re
from collections.abc import Mapping

from lakehouse.archive.eds import Creator, Description, Terms
from lakehouse.archive.licences import unknown_licences

SPDX_LIST = "https://spdx.org/licenses/"
ORCID, ROR = "https://orcid.org/", "https://ror.org/"
ACCESS = {
    "open": "Open access",
    "registered": "Access for registered users",
    "restricted": "Access on request, to users who are granted it",
}


def json_bytes(document: Mapping[str, object]) -> bytes:
    """Return a document as JSON for people and programs, in the order it was built."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def filled(document: Mapping[str, object | None]) -> dict[str, object]:
    """Return the entries that say something: neither None nor an empty text, list or mapping."""
    return {name: value for name, value in document.items() if value is not None and value not in ("", [], {}, ())}


def licence_url(licence: str) -> str | None:
    """Return the SPDX address of a single licence; None for a compound expression or one that SPDX does not list."""
    single = re.fullmatch(r"[A-Za-z0-9.-]+", licence) is not None and not licence.startswith("LicenseRef-")
    return f"{SPDX_LIST}{licence}" if single and not unknown_licences(licence) else None


def is_person(creator: Creator) -> bool:
    """Say whether a creator is a person: one with an ORCID, or with an affiliation and no ROR."""
    named = (creator.identifier or "").lower()
    return "orcid.org/" in named or (creator.affiliation is not None and "ror.org/" not in named)


def access_of(description: Description) -> str:
    """Return how the data may be reached, in words."""
    return ACCESS[description.terms.access if description.terms else "open"]


def terms_in_words(terms: Terms) -> list[str]:
    """Return the terms as sentences, for forms that have one field of text for them."""
    said = [
        f"Permitted purposes: {', '.join(terms.purposes)}." if terms.purposes else "",
        f"Forbidden purposes: {', '.join(terms.forbidden)}." if terms.forbidden else "",
        terms.conditions or "",
        f"To be deleted after {terms.retention_until.isoformat()}." if terms.retention_until else "",
    ]
    return [sentence for sentence in said if sentence]


def period(description: Description) -> str | None:
    """Return the time the data speak of as an ISO 8601 interval."""
    covered = description.temporal_coverage
    return f"{covered.start}/{covered.end}" if covered else None
