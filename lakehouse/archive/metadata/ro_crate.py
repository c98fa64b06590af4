"""A dataset as an RO-Crate 1.1: the package's root, its files, the people and the making, as one flat graph."""

from collections.abc import Iterator
from urllib.parse import quote

from lakehouse.archive.eds import Creator, Description
from lakehouse.archive.metadata import schema_org
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

FILE_NAME = "ro-crate-metadata.json"
# The context of the specification leaves out two terms of schema.org that are used here.
CONTEXT: list[object] = [
    "https://w3id.org/ro/crate/1.1/context",
    {"creditText": "http://schema.org/creditText", "sha256": "http://schema.org/sha256"},
]
SPECIFICATION = "https://w3id.org/ro/crate/1.1"

Node = dict[str, object]


def export(record: Record) -> dict[str, bytes]:
    """Return the metadata document; the data files lie beside it under their own paths."""
    return {FILE_NAME: json_bytes(document(record))}


def document(record: Record) -> dict[str, object]:
    """Return the crate's JSON-LD: a flat graph in which every entity is referred to by its id."""
    nodes: dict[str, Node] = {}
    for node in (_descriptor(), _root(record), *_files(record), *_around(record)):
        nodes.setdefault(str(node["@id"]), _single(node))
    return {"@context": CONTEXT, "@graph": list(nodes.values())}


def _single(node: Node) -> Node:
    """Return the entity with lists of one thing replaced by that thing, as the specification asks."""
    lone = {name: value[0] for name, value in node.items() if isinstance(value, list) and len(value) == 1}
    return {**node, **lone}


def _descriptor() -> Node:
    return {
        "@id": FILE_NAME,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": SPECIFICATION},
    }


def _root(record: Record) -> Node:
    description = record.description
    return filled(
        {
            "@id": "./",
            "@type": "Dataset",
            "name": description.title,
            "alternateName": description.name,
            "description": description.description,
            "datePublished": record.created_at.isoformat(timespec="seconds"),
            "license": {"@id": _licence_id(description)},
            "identifier": [each.url or each.value for each in record.identifiers] or [record.key],
            "url": record.url,
            "version": record.version,
            "keywords": ", ".join(description.keywords),
            "inLanguage": description.language,
            "temporalCoverage": period(description),
            "contentLocation": [{"@id": _local("place", place)} for place in description.spatial_coverage],
            "author": [{"@id": _party_id(creator)} for creator in description.creators],
            "publisher": {"@id": _local("publisher", description.publisher)} if description.publisher else None,
            "contactPoint": {"@id": _local("contact", description.contact.name)} if description.contact else None,
            "funder": [{"@id": _funder_id(funding.funder, funding.identifier)} for funding in description.funding],
            "isBasedOn": [{"@id": node["@id"]} for node in _sources(description)],
            "conditionsOfAccess": access_of(description),
            "usageInfo": " ".join(terms_in_words(description.terms)) if description.terms else None,
            "creditText": description.terms.attribution if description.terms else None,
            "variableMeasured": [{"@id": node["@id"]} for node in _variables(description)],
            "hasPart": [{"@id": quote(file.path)} for file in record.files],
        }
    )


def _local(kind: str, name: str) -> str:
    """Return an id within the crate for a thing that has no address of its own."""
    return f"#{kind}-{quote(name, safe='')}"


def _files(record: Record) -> Iterator[Node]:
    for file in record.files:
        yield filled(
            {
                "@id": quote(file.path),
                "@type": "File",
                "name": file.path,
                "description": _what(record.description, file),
                "encodingFormat": file.media_type,
                "contentSize": str(file.size_bytes),
                "sha256": file.sha256,
            }
        )


def _what(description: Description, file: FileEntry) -> str | None:
    """Return what the table, the texts or the log say of themselves that a file belongs to."""
    kind, _, rest = file.path.partition("/")
    name = rest.partition("/")[0]
    if kind == "tables" and name in description.tables:
        return description.tables[name].description
    if kind == "texts" and name in description.texts:
        return description.texts[name].description
    return description.events[name].description if kind == "events" and name in description.events else None


def _around(record: Record) -> Iterator[Node]:
    description = record.description
    yield _licence(description)
    for creator in description.creators:
        yield from _party(creator)
    if description.publisher:
        yield _organisation(_local("publisher", description.publisher), description.publisher)
    if description.contact:
        contact = description.contact
        yield filled(
            {
                "@id": _local("contact", contact.name),
                "@type": "ContactPoint",
                "name": contact.name,
                "contactType": "data",
                "email": contact.email,
                "url": contact.url,
            }
        )
    for funding in description.funding:
        yield _organisation(_funder_id(funding.funder, funding.identifier), funding.funder)
    for place in description.spatial_coverage:
        yield {"@id": _local("place", place), "@type": "Place", "name": place}
    yield from _sources(description)
    yield from _variables(description)
    yield from _making(description)


def _licence_id(description: Description) -> str:
    licence = description.licence or "none-stated"
    return licence_url(licence) or _local("licence", licence)


def _licence(description: Description) -> Node:
    said = description.licence or "No licence is stated"
    return {
        "@id": _licence_id(description),
        "@type": "CreativeWork",
        "name": said,
        "identifier": said,
        "description": f"{said}: {access_of(description)}.",
    }


def _party_id(creator: Creator) -> str:
    url = identifier(creator.identifier).url if creator.identifier else None
    return url or _local("creator", creator.name)


def _party(creator: Creator) -> Iterator[Node]:
    employer = creator.affiliation
    yield filled(
        {
            "@id": _party_id(creator),
            "@type": "Person" if is_person(creator) else "Organization",
            "name": creator.name,
            "url": identifier(creator.identifier).url if creator.identifier else None,
            "affiliation": {"@id": _local("organisation", employer)} if employer else None,
        }
    )
    if employer:
        yield _organisation(_local("organisation", employer), employer)


def _organisation(place: str, name: str) -> Node:
    url = place if not place.startswith("#") else None
    return filled({"@id": place, "@type": "Organization", "name": name, "url": url})


def _funder_id(name: str, text: str | None) -> str:
    return (identifier(text).url if text else None) or _local("funder", name)


def _sources(description: Description) -> list[Node]:
    return [
        {"@id": identifier(text).url or _local("source", text), "@type": "CreativeWork", "name": text}
        for text in description.derived_from
    ]


def _variables(description: Description) -> list[Node]:
    """Return every column as a thing measured, under an id of its own."""
    measured = schema_org.variables(description)
    return [{"@id": _local("variable", str(variable["name"])), **variable} for variable in measured]


def _making(description: Description) -> Iterator[Node]:
    made = description.provenance
    if made is None:
        return
    programs = [(f"{program.name} {program.version}", program) for program in made.software]
    for name, program in programs:
        yield {
            "@id": _local("software", name),
            "@type": "SoftwareApplication",
            "name": program.name,
            "softwareVersion": program.version,
        }
    yield filled(
        {
            "@id": "#making",
            "@type": "CreateAction",
            "name": f"Making of {description.title}",
            "description": made.how_made,
            "instrument": [{"@id": _local("software", name)} for name, _ in programs],
            "result": {"@id": "./"},
        }
    )
