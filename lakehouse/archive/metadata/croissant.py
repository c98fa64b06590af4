"""A dataset as Croissant in JSON-LD: files with checksums, record sets with typed fields, keys and references."""

from lakehouse.archive.eds import Creator, Description
from lakehouse.archive.metadata.croissant_records import distribution, record_sets
from lakehouse.archive.metadata.source import Record, identifier
from lakehouse.archive.metadata.wording import (
    access_of,
    filled,
    is_person,
    json_bytes,
    licence_url,
    period,
    terms_in_words,
)

FILE_NAME = "croissant.json"
CONFORMS_TO = {
    "1.0": "http://mlcommons.org/croissant/1.0",
    "1.1": "http://mlcommons.org/croissant/1.1",
}
RESPONSIBLE_AI = "http://mlcommons.org/croissant/RAI/1.0"

# The context of the specification, word for word; 1.1 adds three terms.
CONTEXT: dict[str, object] = {
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
ADDED_IN_1_1: dict[str, object] = {
    "arrayShape": "cr:arrayShape",
    "containedIn": "cr:containedIn",
    "description": {"@container": "@language"},
    "isArray": "cr:isArray",
    "name": {"@container": "@language"},
}


def export(record: Record) -> dict[str, bytes]:
    """Return the description as Croissant 1.0."""
    return {FILE_NAME: json_bytes(document(record, "1.0"))}


def export_1_1(record: Record) -> dict[str, bytes]:
    """Return the description as Croissant 1.1."""
    return {FILE_NAME: json_bytes(document(record, "1.1"))}


def document(record: Record, version: str) -> dict[str, object]:
    """Return the JSON-LD document of one version of the specification."""
    description = record.description
    language = description.language or "en"
    context = {"@language": language, **CONTEXT, **(ADDED_IN_1_1 if version == "1.1" else {})}
    return filled(
        {
            "@context": context,
            "@type": "sc:Dataset",
            "name": description.name,
            "alternateName": description.title,
            "description": description.description,
            "conformsTo": [CONFORMS_TO[version], RESPONSIBLE_AI],
            "citeAs": citation(record),
            "license": licence_url(description.licence) or description.licence if description.licence else None,
            "identifier": [each.url or each.value for each in record.identifiers],
            "url": record.url,
            "version": record.version,
            "datePublished": record.created_at.date().isoformat(),
            "creator": [_party(creator) for creator in description.creators],
            "publisher": {"@type": "sc:Organization", "name": description.publisher} if description.publisher else None,
            "keywords": list(description.keywords),
            "inLanguage": description.language,
            "sameAs": description.source_url,
            "isBasedOn": list(description.derived_from),
            "temporalCoverage": period(description),
            "spatialCoverage": list(description.spatial_coverage),
            "funder": [{"@type": "sc:Organization", "name": funding.funder} for funding in description.funding],
            "conditionsOfAccess": access_of(description),
            "usageInfo": " ".join(terms_in_words(description.terms)) if description.terms else None,
            "creditText": description.terms.attribution if description.terms else None,
            **_responsible(description),
            "distribution": distribution(record),
            "recordSet": record_sets(record),
        }
    )


def citation(record: Record) -> str:
    """Return how to cite the version, in BibTeX."""
    description = record.description
    cited = next((each for each in record.identifiers if each.scheme == "DOI"), None)
    fields = {
        "title": description.title,
        "author": " and ".join(f"{{{creator.name}}}" for creator in description.creators),
        "year": str(record.created_at.year),
        "publisher": description.publisher,
        "version": record.version,
        "doi": cited.value if cited else None,
        "url": record.url,
    }
    said = ", ".join(f"{name}={{{value}}}" for name, value in fields.items() if value)
    return f"@misc{{{description.name}_{record.version}, {said}}}"


def _party(creator: Creator) -> dict[str, object]:
    url = identifier(creator.identifier).url if creator.identifier else None
    kind = "sc:Person" if is_person(creator) else "sc:Organization"
    employer = {"@type": "sc:Organization", "name": creator.affiliation} if creator.affiliation else None
    return filled({"@type": kind, "name": creator.name, "url": url, "affiliation": employer})


def _responsible(description: Description) -> dict[str, object | None]:
    """Return what the vocabulary for responsible use asks: how the data were made, for what, and whom they touch."""
    terms, made, covered = description.terms, description.provenance, description.temporal_coverage
    limits = [f"Not for: {', '.join(terms.forbidden)}."] if terms and terms.forbidden else []
    limits += [terms.conditions] if terms and terms.conditions else []
    until = terms.retention_until if terms else None
    return {
        "rai:dataCollection": made.how_made if made else None,
        "rai:dataCollectionRawData": "; ".join(description.derived_from),
        "rai:dataCollectionTimeFrame": [_first_day(covered.start), _first_day(covered.end)] if covered else None,
        "rai:dataUseCases": list(terms.purposes) if terms else None,
        "rai:dataLimitations": limits,
        "rai:dataReleaseMaintenancePlan": f"To be deleted after {until.isoformat()}." if until else None,
        "rai:personalSensitiveInformation": personal_information(description),
    }


def _first_day(text: str) -> str:
    return text + "-01-01"[: 10 - len(text)] if len(text) == 4 else text + "-01"[: 10 - len(text)]


def personal_information(description: Description) -> list[str]:
    """Return which columns speak of persons and how, and on what ground they are held."""
    said = [
        f"{table.name}.{name}: {column.role.replace('_', ' ')}"
        for table in description.tables.values()
        for name, column in table.columns.items()
        if column.role != "none"
    ]
    said += [f"data subjects: {kind.description}" for kind in description.subjects.values()]
    if description.consent:
        said.append(f"ground for holding them: {description.consent.basis.replace('_', ' ')}")
    return said
