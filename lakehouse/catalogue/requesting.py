"""Whom to ask for data that are not open to everybody, as the description of the dataset's newest version says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from lakehouse.catalogue.holdings import Version
from lakehouse.catalogue.library import Library

WHO_MAY = {
    "registered": "The data are for registered users of this archive.",
    "restricted": "The data are for users who were granted them.",
}
NO_CONTACT = "The description names no contact; ask {others}."
NO_ADDRESS = "The description gives no address of the contact; {others} may know one."
RUNNERS = "whoever runs this archive"


@dataclass(frozen=True, slots=True)
class Request:
    """Who may read closed data, the contact that the description names, whom else to ask, and what to say."""

    access: str
    who_may: str
    contact: Mapping[str, str | None] | None
    mail: str | None
    otherwise: str | None
    say: str


def request_for(library: Library, version: Version) -> Request | None:
    """Return how to ask for a version's data; None where they are open to everybody, or gone.

    The newest version speaks for all, as its terms do.
    """
    dataset = str(version.row["dataset"])
    newest = library.holdings.newest(dataset) or version
    about: Mapping[str, Any] = library.record(newest)["description"]
    terms = about.get("terms") or {}
    access = str(terms.get("access", "open"))
    if version.removal is not None or access not in WHO_MAY:
        return None
    contact = about.get("contact")
    return Request(
        access=access,
        who_may=WHO_MAY[access],
        contact=contact,
        mail=_mail(contact, dataset) if contact else None,
        otherwise=_otherwise(about, contact),
        say=_say(terms),
    )


def _mail(contact: Mapping[str, str | None], dataset: str) -> str | None:
    email = contact.get("email")
    return f"mailto:{quote(email, safe='@')}?subject={quote(f'Access to {dataset}')}" if email else None


def _otherwise(about: Mapping[str, Any], contact: Mapping[str, str | None] | None) -> str | None:
    """Return whom else to ask where no contact, or none that can be reached, is named."""
    if contact and (contact.get("email") or contact.get("url")):
        return None
    makers = [str(creator["name"]) for creator in about.get("creators") or ()]
    named = [str(about["publisher"])] if about.get("publisher") else makers
    others = f"{'; '.join(named)}, or {RUNNERS}" if named else RUNNERS
    return (NO_ADDRESS if contact else NO_CONTACT).format(others=others)


def _say(terms: Mapping[str, Any]) -> str:
    """Return what whoever decides will want to know."""
    purposes = ", ".join("any use" if code == "any" else code for code in terms.get("purposes") or ())
    for_what = f"and for which purpose; its terms permit {purposes}" if purposes else "and for which purpose"
    agreed = ", and that you agree to its conditions" if terms.get("conditions") else ""
    return f"Say who you are {for_what}{agreed}."
