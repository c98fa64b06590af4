"""The rows of ``archive.terms`` for one version: what its description permits, of each table, text and log."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from lakehouse.archive.eds import EVENTS_FOLDER, Description
from lakehouse.ports import DatasetVersion
from lakehouse.tables.register import TERMS

HIDDEN_ROLES = ("direct_identifier", "sensitive")
EVENT_COLUMNS = ("actor", "statement")
"""What of a log's table names its actors."""

TYPES_WITH_PSEUDONYMS = ("string", "integer")
"""Types of which a value has a pseudonym in silver; direct identifiers of other types are empty there."""

NO_PSEUDONYMS: Mapping[str, Sequence[str]] = {}

SUBJECT_NAMES = {"id": "document_id"}
"""How a text collection's files call what its table calls otherwise."""


def terms_rows(
    description: Description,
    version: DatasetVersion,
    pseudonyms: Mapping[str, Sequence[str]] = NO_PSEUDONYMS,
    key: str | None = None,
) -> pa.Table:
    """Return one row per part of the dataset, in the exact schema of ``archive.terms``.

    `pseudonyms` are by part the columns that silver holds as such, made with a key of that fingerprint.
    """
    known = _whole(description, version, version.created_at)
    rows = [{**known, **part, **_pseudonyms(pseudonyms.get(part["part"], ()), key)} for part in _parts(description)]
    names = [column.name for column in TERMS.columns]
    return pa.Table.from_pylist([{name: row[name] for name in names} for row in rows], schema=TERMS.arrow_schema())


def subject_columns(description: Description) -> dict[str, tuple[str, ...]]:
    """Return the columns of each part that name a subject of the consent table; events are ``events/<log>``.

    They are the identifiers of the kind of subject whose place the consent table's own column is, and every column
    that a chain of references joins with one of them.
    """
    consent = description.consent
    if consent is None or consent.table is None:
        return {}
    own = f"{consent.table}.{consent.subject}"
    kinds = (set(kind.identifiers) for kind in description.subjects.values())
    places = {own}.union(*(named for named in kinds if own in named))
    found: dict[str, tuple[str, ...]] = {}
    for place in sorted(joined(places, description)):
        part, _, column = place.rpartition(".")
        found[part] = (*found.get(part, ()), column)
    return found


def person_columns(description: Description) -> dict[str, tuple[str, ...]]:
    """Return the columns of each part that say whom a row is about: those of its kinds of subject, and joined ones.

    Without any, a table's direct identifiers do, but for those that are empty in silver; a text collection names its
    column as SQL does.
    """
    places = {place for kind in description.subjects.values() for place in kind.identifiers}
    if description.consent is not None and description.consent.table is not None:
        places.add(f"{description.consent.table}.{description.consent.subject}")
    found: dict[str, tuple[str, ...]] = {}
    for place in sorted(joined(places, description)):
        part, _, column = place.rpartition(".")
        part = part.removeprefix(f"{EVENTS_FOLDER}/")
        named = SUBJECT_NAMES.get(column, column) if part in description.texts else column
        found[part] = (*found.get(part, ()), named)
    for name, table in description.tables.items():
        named_by_role = tuple(
            column
            for column, about in table.columns.items()
            if about.role == "direct_identifier" and about.type in TYPES_WITH_PSEUDONYMS
        )
        found.setdefault(name, named_by_role)
    return found


def personal_columns(description: Description) -> dict[str, frozenset[str]]:
    """Return the columns of each part that name a subject of any kind, or expose one; of an event log always some."""
    places = {place for kind in description.subjects.values() for place in kind.identifiers}
    for name, table in description.tables.items():
        places.update(f"{name}.{column}" for column, about in table.columns.items() if about.role in HIDDEN_ROLES)
    found: dict[str, set[str]] = {}
    for place in joined(places, description):
        part, _, column = place.rpartition(".")
        found.setdefault(part, set()).add(SUBJECT_NAMES.get(column, column) if part in description.texts else column)
    found |= {name: set(EVENT_COLUMNS) for name in description.events}
    return {part: frozenset(columns) for part, columns in found.items()}


def joined(places: set[str], description: Description) -> set[str]:
    """Return the places and every column that a chain of references joins with one of them."""
    pairs = [
        {f"{name}.{column}", about.references}
        for name, table in description.tables.items()
        for column, about in table.columns.items()
        if about.references is not None
    ]
    size = 0
    while size < len(places):
        size = len(places)
        for pair in pairs:
            places = places | pair if places & pair else places
    return places


def _whole(description: Description, version: DatasetVersion, saved_at: datetime) -> dict[str, object]:
    terms, consent = description.terms, description.consent
    return {
        "dataset": version.dataset,
        "dataset_version": version.version,
        "dataset_commit": version.commit,
        "purposes": " ".join(terms.purposes) if terms else "",
        "forbidden": " ".join(terms.forbidden) if terms else "",
        "access": terms.access if terms else "open",
        "attribution": terms.attribution if terms else None,
        "conditions": terms.conditions if terms else None,
        "retention_until": terms.retention_until if terms else None,
        "consent_basis": consent.basis if consent else None,
        "consent_table": consent.table if consent else None,
        "consent_subject": consent.subject if consent else None,
        "consent_purpose": consent.purpose if consent else None,
        "consent_given": consent.given if consent else None,
        "accumulates": description.accumulates,
        "saved_at": saved_at,
    }


def _pseudonyms(columns: Sequence[str], key: str | None) -> dict[str, object]:
    return {"pseudonym_columns": " ".join(columns), "pseudonym_key": key if columns else None}


def _parts(description: Description) -> Iterator[dict[str, Any]]:
    subjects, persons = subject_columns(description), person_columns(description)
    for name, table in description.tables.items():
        hidden = [column for column, about in table.columns.items() if about.role in HIDDEN_ROLES]
        told = any(about.role != "none" for about in table.columns.values())
        about = _people(persons.get(name, ()), told=told)
        former = [f"{was}:{column}" for column, each in table.columns.items() for was in each.formerly]
        yield about | _part(name, "table", description.licence, hidden, subjects.get(name, ()), former)
    for name, collection in description.texts.items():
        named = [SUBJECT_NAMES.get(column, column) for column in subjects.get(name, ())]
        about = _people(persons.get(name, ()), told=False)
        yield about | _part(name, "text", collection.licence or description.licence, [], named)
    for name, log in description.events.items():
        named = list(subjects.get(f"{EVENTS_FOLDER}/{name}", ()))
        about = _people(persons.get(name, ("actor",)), told=True)
        yield about | _part(name, "events", log.licence or description.licence, [], named)


def _people(persons: tuple[str, ...], *, told: bool) -> dict[str, object]:
    return {"person_columns": " ".join(persons), "is_personal": told or bool(persons)}


def _part(
    name: str,
    kind: str,
    licence: str | None,
    hidden: list[str],
    subjects: list[str] | tuple[str, ...],
    former: Sequence[str] = (),
) -> dict[str, object]:
    return {
        "part": name,
        "part_kind": kind,
        "licence": licence,
        "hidden_columns": " ".join(hidden),
        "subject_columns": " ".join(subjects),
        "former_columns": " ".join(former),
    }
