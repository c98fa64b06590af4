"""DataCite's JSON attributes written as the XML of the same schema."""

from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree as Xml

DECLARATION = b"<?xml version='1.0' encoding='utf-8'?>\n"
NAMESPACE = "http://datacite.org/schema/kernel-4"
LOCATION = f"{NAMESPACE} https://schema.datacite.org/meta/kernel-4.6/metadata.xsd"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
# DataCite's own word for an identifier that is yet to be assigned.
TO_BE_ASSIGNED = "(:tba)"

# Lists of plain entries: list, element, the key with the text, and the keys that become attributes.
LISTS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("titles", "title", "title", ("lang",)),
    ("subjects", "subject", "subject", ()),
    ("dates", "date", "date", ("dateType", "dateInformation")),
    ("alternateIdentifiers", "alternateIdentifier", "alternateIdentifier", ("alternateIdentifierType",)),
    ("relatedIdentifiers", "relatedIdentifier", "relatedIdentifier", ("relatedIdentifierType", "relationType")),
    (
        "rightsList",
        "rights",
        "rights",
        ("rightsUri", "rightsIdentifier", "rightsIdentifierScheme", "schemeUri"),
    ),
    ("descriptions", "description", "description", ("descriptionType", "lang")),
)
# The XML writes these in other letters than the JSON.
ATTRIBUTES = {"rightsUri": "rightsURI", "schemeUri": "schemeURI", "lang": LANGUAGE}

Entry = Mapping[str, Any]


def xml_bytes(attributes: Entry) -> bytes:
    """Return the XML document of a dataset's DataCite attributes."""
    root = Xml.Element("resource", {"xmlns": NAMESPACE, f"{{{INSTANCE}}}schemaLocation": LOCATION})
    _add(root, "identifier", attributes.get("doi", TO_BE_ASSIGNED), {"identifierType": "DOI"})
    _add_people(root, "creators", "creator", attributes["creators"])
    _add(root, "publisher", attributes["publisher"]["name"])
    _add(root, "publicationYear", attributes["publicationYear"])
    types = attributes["types"]
    _add(root, "resourceType", types["resourceType"], {"resourceTypeGeneral": types["resourceTypeGeneral"]})
    if attributes.get("contributors"):
        _add_people(root, "contributors", "contributor", attributes["contributors"])
    for group, element, key, names in LISTS:
        _add_list(root, group, element, ((entry[key], _chosen(entry, names)) for entry in attributes.get(group, ())))
    for name in ("language", "version"):
        if attributes.get(name):
            _add(root, name, attributes[name])
    _add_list(root, "sizes", "size", ((size, {}) for size in attributes.get("sizes", ())))
    _add_list(root, "formats", "format", ((form, {}) for form in attributes.get("formats", ())))
    _add_places(root, attributes.get("geoLocations", ()))
    _add_funding(root, attributes.get("fundingReferences", ()))
    _add_items(root, attributes.get("relatedItems", ()))
    Xml.indent(root)
    return DECLARATION + Xml.tostring(root, encoding="unicode").encode() + b"\n"


def _add(parent: Xml.Element, name: str, text: str | None, attributes: Mapping[str, str] | None = None) -> Xml.Element:
    element = Xml.SubElement(parent, name, dict(attributes or {}))
    element.text = _allowed(text) if text is not None else None
    return element


def _allowed(text: str) -> str:
    """Leave out the control characters that no XML document may hold."""
    return "".join(letter for letter in text if letter >= " " or letter in "\t\n\r")


def _chosen(entry: Entry, names: Iterable[str]) -> dict[str, str]:
    return {ATTRIBUTES.get(name, name): _allowed(entry[name]) for name in names if entry.get(name)}


def _add_list(root: Xml.Element, group: str, element: str, entries: Iterable[tuple[str, Mapping[str, str]]]) -> None:
    listed = list(entries)
    if listed:
        parent = Xml.SubElement(root, group)
        for text, attributes in listed:
            _add(parent, element, text, attributes)


def _add_people(root: Xml.Element, group: str, element: str, people: Iterable[Entry]) -> None:
    parent = Xml.SubElement(root, group)
    for person in people:
        one = Xml.SubElement(parent, element, _chosen(person, ("contributorType",)))
        _add(one, f"{element}Name", person["name"], _chosen(person, ("nameType",)))
        for named in person.get("nameIdentifiers", ()):
            attributes = _chosen(named, ("nameIdentifierScheme", "schemeUri"))
            _add(one, "nameIdentifier", named["nameIdentifier"], attributes)
        for place in person.get("affiliation", ()):
            _add(one, "affiliation", place["name"])


def _add_places(root: Xml.Element, places: Iterable[Entry]) -> None:
    listed = list(places)
    if listed:
        parent = Xml.SubElement(root, "geoLocations")
        for place in listed:
            _add(Xml.SubElement(parent, "geoLocation"), "geoLocationPlace", place["geoLocationPlace"])


def _add_funding(root: Xml.Element, funders: Iterable[Entry]) -> None:
    listed = list(funders)
    if not listed:
        return
    parent = Xml.SubElement(root, "fundingReferences")
    for funder in listed:
        one = Xml.SubElement(parent, "fundingReference")
        _add(one, "funderName", funder["funderName"])
        if funder.get("funderIdentifier"):
            attributes = _chosen(funder, ("funderIdentifierType",))
            _add(one, "funderIdentifier", funder["funderIdentifier"], attributes)
        if funder.get("awardNumber"):
            _add(one, "awardNumber", funder["awardNumber"])


def _add_items(root: Xml.Element, items: Iterable[Entry]) -> None:
    listed = list(items)
    if not listed:
        return
    parent = Xml.SubElement(root, "relatedItems")
    for item in listed:
        one = Xml.SubElement(parent, "relatedItem", _chosen(item, ("relatedItemType", "relationType")))
        titles = Xml.SubElement(one, "titles")
        for title in item["titles"]:
            _add(titles, "title", title["title"])
