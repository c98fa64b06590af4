"""Reads a Croissant description as an EDS dataset."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakehouse.archive.eds import SLUG
from lakehouse.archive.metadata.croissant_reader import verdict
from lakehouse.archive.metadata.croissant_tables import read_record_sets
from lakehouse.archive.metadata.incoming import (
    Incoming,
    complete,
    http_address,
    identify,
    mappings_of,
    text_of,
    texts_of,
)
from lakehouse.archive.metadata.licence_names import spdx_of
from lakehouse.archive.metadata.wording import ACCESS

Node = Mapping[str, Any]
# What our own form says in words for which Croissant has no field of its own; see croissant.py.
FORBIDDEN = re.compile(r"Not for: ([a-z0-9_, ]+)\.")
RETENTION = re.compile(r"To be deleted after (\d{4}-\d{2}-\d{2})\.")
ROLE = re.compile(r"([a-z0-9_]+)\.([a-z0-9_]+): (direct identifier|quasi identifier|sensitive)")
SUBJECTS, CONSENT = "data subjects: ", "ground for holding them: consent"


def read_croissant(folder: Path, document: Node) -> Incoming:
    """Return what a description says; its faults are remarks."""
    package = Incoming()
    _dataset(package, document)
    judged = verdict(document)
    package.say_all("descriptor_invalid", "(whole description)", list(judged.errors))
    if judged.metadata is not None:
        read_record_sets(package, folder, judged.metadata, _units(document))
        _people(package, _listed(document.get("rai:personalSensitiveInformation")))
    complete(package)
    return package


def _dataset(package: Incoming, document: Node) -> None:
    identify(package, text_of(document.get("name")), document.get("version"))
    stated = {
        "title": text_of(document.get("alternateName")) or text_of(document.get("name")),
        "description": text_of(document.get("description")),
        "licence": _licence(document.get("license")),
        "creators": [made for each in mappings_of(document.get("creator")) if (made := _creator(each))],
        "publisher": next((text_of(each.get("name")) for each in mappings_of(document.get("publisher"))), None),
        "keywords": texts_of(document.get("keywords")),
        "language": next(iter(texts_of(document.get("inLanguage"))), None),
        "source_url": http_address(document.get("sameAs")) or http_address(document.get("url")),
        "derived_from": _listed(document.get("isBasedOn")),
        "temporal_coverage": _period(document.get("temporalCoverage")),
        "spatial_coverage": _places(document.get("spatialCoverage")),
        "funding": [
            {"funder": name} for each in mappings_of(document.get("funder")) if (name := text_of(each.get("name")))
        ],
        "provenance": _making(document.get("rai:dataCollection")),
        "terms": _terms(document),
    }
    package.fields.update({name: value for name, value in stated.items() if value})


def _units(document: Node) -> dict[str, str]:
    """Return the units of fields by id, of which the reference library keeps nothing."""
    sets = mappings_of(document.get("recordSet"))
    fields = [field for each in sets for field in mappings_of(each.get("field"))]
    return {str(field.get("@id")): unit for field in fields if (unit := text_of(field.get("unitText")))}


def _licence(stated: object) -> str | None:
    listed = stated if isinstance(stated, list) else [stated]
    ways = [_licence_ways(each) for each in listed]
    return spdx_of(ways)


def _licence_ways(each: object) -> list[str]:
    if isinstance(each, Mapping):
        return [text for key in ("url", "@id", "name") if (text := text_of(each.get(key)))]
    text = text_of(each)
    return [text] if text else []


def _creator(node: Node) -> dict[str, str] | None:
    name = text_of(node.get("name"))
    if name is None:
        return None
    employer = next((text_of(each.get("name")) for each in mappings_of(node.get("affiliation"))), None)
    told = {"identifier": http_address(node.get("url")), "affiliation": employer}
    return {"name": name, **{key: value for key, value in told.items() if value}}


def _listed(stated: object) -> list[str]:
    """Return the texts of a list or a lone one, commas and all."""
    listed = stated if isinstance(stated, list) else [stated]
    return [text for each in listed if (text := text_of(each))]


def _people(package: Incoming, said: list[str]) -> None:
    """Take over which columns speak of people; say what is lost of who they are and what they agreed to."""
    tables = {table.name: table for table in package.tables}
    for table, column, role in (found.groups() for text in said if (found := ROLE.fullmatch(text))):
        if table in tables and column in tables[table].columns:
            tables[table].columns[column]["role"] = role.replace(" ", "_")
    subjects = [text.removeprefix(SUBJECTS) for text in said if text.startswith(SUBJECTS)]
    for who in subjects:
        package.say("part_left_out", f"'{who}'", "no column is said to name these people, so none could be withdrawn")
    if CONSENT in said:
        package.say("consent_untold", ", ".join(subjects) or "(whole dataset)", "no table of their answers is named")


def _places(stated: object) -> list[str]:
    listed = stated if isinstance(stated, list) else [stated]
    said = [text_of(each.get("name")) if isinstance(each, Mapping) else text_of(each) for each in listed]
    return [text for text in said if text]


def _period(stated: object) -> dict[str, str] | None:
    day = r"\d{4}(?:-\d{2}(?:-\d{2})?)?"
    found = re.fullmatch(rf"({day})(?:/({day}))?", text_of(stated) or "")
    return {"start": found.group(1), "end": found.group(2) or found.group(1)} if found else None


def _making(stated: object) -> dict[str, str] | None:
    text = text_of(stated)
    return {"how_made": text} if text else None


def _terms(document: Node) -> dict[str, Any]:
    """Purposes count only as the codes they are here; sentences about use count where our own form would say them."""
    purposes = document.get("rai:dataUseCases")
    listed = purposes if isinstance(purposes, list) else [purposes]
    codes = [each for each in listed if isinstance(each, str) and re.fullmatch(SLUG, each)]
    said = text_of(document.get("conditionsOfAccess"))
    access = next((code for code, words in ACCESS.items() if words == said), None)
    limits, usage = _listed(document.get("rai:dataLimitations")), text_of(document.get("usageInfo")) or ""
    refusals = [found[1] for text in limits if (found := FORBIDDEN.fullmatch(text))]
    until = RETENTION.fullmatch(text_of(document.get("rai:dataReleaseMaintenancePlan")) or "")
    terms = {
        "purposes": codes,
        "forbidden": [code.strip() for text in refusals for code in text.split(",")],
        "access": access,
        "attribution": text_of(document.get("creditText")),
        "conditions": next((text for text in limits if not FORBIDDEN.fullmatch(text) and text in usage), None),
        "retention_until": until[1] if until else None,
    }
    return {name: value for name, value in terms.items() if value}
