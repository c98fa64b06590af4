"""A dataset as schema.org ``Dataset`` in JSON-LD, for the landing page and for search engines of datasets."""

from lakehouse.archive.eds import ColumnDescription, Creator, Description, Funding
from lakehouse.archive.metadata.source import FileEntry, Record, identifier
from lakehouse.archive.metadata.wording import (
    access_of,
    filled,
    is_person,
    json_bytes,
    licence_url,
    period,
    terms_in_words,
)

FILE_NAME = "schema-org.json"
# Search engines of datasets take descriptions of 50 to 5000 characters.
SHORTEST, LONGEST = 50, 5000


def export(record: Record) -> dict[str, bytes]:
    """Return the JSON-LD document as the one file of this form."""
    return {FILE_NAME: json_bytes(document(record))}


def document(record: Record) -> dict[str, object]:
    """Return the JSON-LD document, ready to stand in a page's ``application/ld+json`` script."""
    description = record.description
    return filled(
        {
            "@context": "https://schema.org/",
            "@type": "Dataset",
            "@id": record.url,
            **_what(record),
            "license": licence_url(description.licence) or description.licence if description.licence else None,
            "isAccessibleForFree": description.terms is None or description.terms.access == "open",
            "conditionsOfAccess": access_of(description),
            "usageInfo": " ".join(terms_in_words(description.terms)) if description.terms else None,
            "creditText": description.terms.attribution if description.terms else None,
            **_who(description),
            **_coverage(description),
            "isBasedOn": list(description.derived_from),
            "citation": [related.identifier for related in description.related],
            "measurementTechnique": description.provenance.how_made if description.provenance else None,
            "variableMeasured": variables(description),
            "distribution": [_download(record, file) for file in record.files],
        }
    )


def _what(record: Record) -> dict[str, object | None]:
    description = record.description
    return {
        "name": description.title,
        "alternateName": description.name,
        "description": summary(description),
        "identifier": identifiers(record),
        "url": record.url,
        "sameAs": description.source_url,
        "version": record.version,
        "dateCreated": record.created_at.date().isoformat(),
        "datePublished": record.created_at.date().isoformat(),
        "keywords": list(description.keywords),
        "inLanguage": description.language,
    }


def summary(description: Description) -> str:
    """Return the description in a length that search engines take: a short one is followed by what is inside."""
    text = description.description.strip()
    if len(text) < SHORTEST:
        inside = [table.description for table in description.tables.values()]
        inside += [texts.description for texts in description.texts.values()]
        inside += [log.description for log in description.events.values()]
        text = " ".join([description.title.rstrip(".") + ".", text, *inside])
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def identifiers(record: Record) -> list[object]:
    """Return every identifier of the version, the ones that resolve as addresses."""
    named: list[object] = [each.url or each.value for each in record.identifiers]
    own = [("dataset version", record.key), ("DataLad commit", record.commit), ("SHA-256", record.content_sha256)]
    return named + [property_value(name, value) for name, value in own if value]


def property_value(name: str, value: object) -> dict[str, object]:
    """Return a name and its value as schema.org says them."""
    return {"@type": "PropertyValue", "name": name, "value": value}


def _who(description: Description) -> dict[str, object | None]:
    publisher = description.publisher
    return {
        "creator": [party(creator) for creator in description.creators],
        "publisher": {"@type": "Organization", "name": publisher} if publisher else None,
        "contactPoint": _contact(description),
        "funder": [_funder(funding) for funding in description.funding],
        "funding": [_grant(funding) for funding in description.funding if funding.award],
    }


def party(creator: Creator) -> dict[str, object]:
    """Return a creator as a person or an organisation."""
    url = identifier(creator.identifier).url if creator.identifier else None
    employer = {"@type": "Organization", "name": creator.affiliation} if creator.affiliation else None
    person = is_person(creator)
    return filled(
        {
            "@type": "Person" if person else "Organization",
            "@id": url,
            "name": creator.name,
            "identifier": creator.identifier,
            "url": url,
            "affiliation": employer if person else None,
            "parentOrganization": None if person else employer,
        }
    )


def _contact(description: Description) -> dict[str, object] | None:
    contact = description.contact
    if contact is None:
        return None
    return filled({"@type": "ContactPoint", "name": contact.name, "email": contact.email, "url": contact.url})


def _funder(funding: Funding) -> dict[str, object]:
    url = identifier(funding.identifier).url if funding.identifier else None
    return filled({"@type": "Organization", "name": funding.funder, "identifier": funding.identifier, "url": url})


def _grant(funding: Funding) -> dict[str, object]:
    return {"@type": "MonetaryGrant", "identifier": funding.award, "funder": _funder(funding)}


def _coverage(description: Description) -> dict[str, object | None]:
    return {
        "temporalCoverage": period(description),
        "spatialCoverage": [{"@type": "Place", "name": place} for place in description.spatial_coverage],
    }


def variables(description: Description) -> list[dict[str, object]]:
    """Return every column of every table as a measured variable."""
    return [
        _variable(f"{table.name}.{name}", column)
        for table in description.tables.values()
        for name, column in table.columns.items()
    ]


def _variable(name: str, column: ColumnDescription) -> dict[str, object]:
    return filled(
        {
            "@type": "PropertyValue",
            "name": name,
            "description": column.description,
            "unitText": column.unit,
            "minValue": column.minimum,
            "maxValue": column.maximum,
        }
    )


def _download(record: Record, file: FileEntry) -> dict[str, object]:
    return {
        "@type": "DataDownload",
        "name": file.path,
        "contentUrl": record.file_url(file),
        "encodingFormat": file.media_type,
        "contentSize": f"{file.size_bytes} B",
        "sha256": file.sha256,
    }
