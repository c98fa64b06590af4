"""A dataset as DataCite metadata 4.6, in the JSON of their interface and in XML."""

import re
from collections.abc import Iterator

from lakehouse.archive.eds import Creator, Description, Funding
from lakehouse.archive.metadata.datacite_xml import xml_bytes
from lakehouse.archive.metadata.source import Identifier, Record, identifier
from lakehouse.archive.metadata.wording import (
    ROR,
    SPDX_LIST,
    access_of,
    filled,
    is_person,
    json_bytes,
    licence_url,
    period,
    terms_in_words,
)

JSON_FILE, XML_FILE = "datacite.json", "datacite.xml"
SCHEMA = "http://datacite.org/schema/kernel-4"
# DataCite's own word for a mandatory value that nobody has given.
UNAVAILABLE = "(:unav)"
COAR = "http://purl.org/coar/access_right/"
ACCESS_RIGHTS = {"open": "c_abf2", "registered": "c_16ec", "restricted": "c_16ec"}


def export(record: Record) -> dict[str, bytes]:
    """Return the metadata as JSON and as XML."""
    attributes = document(record)
    return {JSON_FILE: json_bytes(attributes), XML_FILE: xml_bytes(attributes)}


def document(record: Record) -> dict[str, object]:
    """Return the attributes of a DOI as DataCite's interface takes them."""
    description = record.description
    return filled(
        {
            "doi": next((each.value for each in record.identifiers if each.scheme == "DOI"), None),
            "url": record.landing_url,
            "creators": [_creator(creator) for creator in description.creators] or [{"name": UNAVAILABLE}],
            "titles": [filled({"title": description.title, "lang": description.language})],
            "publisher": {"name": description.publisher or UNAVAILABLE},
            "publicationYear": str(record.created_at.year),
            "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Dataset"},
            "subjects": [{"subject": keyword} for keyword in dict.fromkeys(description.keywords)],
            "contributors": _contributors(description),
            "dates": list(_dates(record)),
            "language": description.language,
            "alternateIdentifiers": list(_alternates(record)),
            "relatedIdentifiers": _related_identifiers(description),
            "relatedItems": _related_items(description),
            "sizes": [f"{record.size_bytes} bytes", f"{len(record.files)} files"],
            "formats": sorted({file.media_type for file in record.files}),
            "version": record.version,
            "rightsList": list(_rights(description)),
            "descriptions": list(_descriptions(description)),
            "geoLocations": [{"geoLocationPlace": place} for place in dict.fromkeys(description.spatial_coverage)],
            "fundingReferences": [_funding(funding) for funding in dict.fromkeys(description.funding)],
            "schemaVersion": SCHEMA,
        }
    )


def _creator(creator: Creator) -> dict[str, object]:
    return filled(
        {
            "name": creator.name,
            "nameType": "Personal" if is_person(creator) else "Organizational",
            "nameIdentifiers": _name_identifiers(creator.identifier),
            "affiliation": [{"name": creator.affiliation}] if creator.affiliation else None,
        }
    )


def _name_identifiers(text: str | None) -> list[dict[str, object]]:
    if not text:
        return []
    for host, scheme in (("orcid.org", "ORCID"), ("ror.org", "ROR"), ("isni.org", "ISNI")):
        if f"{host}/" in text:
            return [{"nameIdentifier": text, "nameIdentifierScheme": scheme, "schemeUri": f"https://{host}/"}]
    return [{"nameIdentifier": text, "nameIdentifierScheme": identifier(text).scheme}]


def _contributors(description: Description) -> list[dict[str, object]]:
    return [{"name": description.contact.name, "contributorType": "ContactPerson"}] if description.contact else []


def _dates(record: Record) -> Iterator[dict[str, object]]:
    yield {"date": record.created_at.date().isoformat(), "dateType": "Issued"}
    covered = period(record.description)
    if covered:
        yield {"date": covered, "dateType": "Coverage"}
    terms = record.description.terms
    if terms and terms.retention_until:
        until = terms.retention_until.isoformat()
        yield {"date": until, "dateType": "Valid", "dateInformation": "to be deleted after this day"}


def _alternates(record: Record) -> Iterator[dict[str, object]]:
    first_doi = next((each for each in record.identifiers if each.scheme == "DOI"), None)
    for each in record.identifiers:
        if each != first_doi:
            yield {"alternateIdentifier": each.value, "alternateIdentifierType": each.scheme}
    for kind, value in (("dataset version", record.key), ("git commit", record.commit)):
        if value:
            yield {"alternateIdentifier": value, "alternateIdentifierType": kind}


def _relations(description: Description) -> list[tuple[Identifier, str]]:
    derived = [(identifier(text), "IsDerivedFrom") for text in description.derived_from]
    source = [(identifier(description.source_url), "IsDerivedFrom")] if description.source_url else []
    stated = [(identifier(related.identifier), related.relation) for related in description.related]
    return list(dict.fromkeys([*stated, *derived, *source]))


def _related_identifiers(description: Description) -> list[dict[str, object]]:
    return [
        {"relatedIdentifier": each.value, "relatedIdentifierType": each.scheme, "relationType": relation}
        for each, relation in _relations(description)
        if each.scheme != "Other"
    ]


def _related_items(description: Description) -> list[dict[str, object]]:
    """What has no identifier of a kind that DataCite knows is related by its title."""
    return [
        {"relatedItemType": "Other", "relationType": relation, "titles": [{"title": each.value}]}
        for each, relation in _relations(description)
        if each.scheme == "Other"
    ]


def _rights(description: Description) -> Iterator[dict[str, object]]:
    licence = description.licence
    url = licence_url(licence) if licence else None
    if licence and url:
        yield {
            "rights": licence,
            "rightsUri": url,
            "rightsIdentifier": licence.lower(),
            "rightsIdentifierScheme": "SPDX",
            "schemeUri": SPDX_LIST,
        }
    elif licence:
        yield {"rights": licence}
    terms = description.terms
    yield {
        "rights": access_of(description),
        "rightsUri": COAR + ACCESS_RIGHTS[terms.access if terms else "open"],
    }
    if terms:
        for sentence in terms_in_words(terms):
            yield {"rights": sentence}
        if terms.attribution:
            yield {"rights": f"Attribution: {terms.attribution}"}


def _descriptions(description: Description) -> Iterator[dict[str, object]]:
    yield filled({"description": description.description, "descriptionType": "Abstract", "lang": description.language})
    if description.provenance:
        yield {"description": description.provenance.how_made, "descriptionType": "Methods"}
    software = description.provenance.software if description.provenance else ()
    inside = [f"Made with {program.name} {program.version}." for program in software]
    inside += [f"Table {table.name}: {table.description}" for table in description.tables.values()]
    inside += [f"Texts {texts.name}: {texts.description}" for texts in description.texts.values()]
    inside += [f"Event log {log.name}: {log.description}" for log in description.events.values()]
    if inside:
        yield {"description": "\n".join(inside), "descriptionType": "TechnicalInfo"}


def _funding(funding: Funding) -> dict[str, object]:
    return filled(
        {
            "funderName": funding.funder,
            "funderIdentifier": funding.identifier,
            "funderIdentifierType": _funder_scheme(funding.identifier) if funding.identifier else None,
            "awardNumber": funding.award,
        }
    )


def _funder_scheme(text: str) -> str:
    if text.lower().startswith(ROR):
        return "ROR"
    if re.search(r"\b10\.13039/", text):
        return "Crossref Funder ID"
    return "ISNI" if "isni.org/" in text else "Other"
