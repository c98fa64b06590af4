"""Checks of what a submission permits: purposes, licences, retention, consent, and the columns that name subjects."""

from collections.abc import Iterator
from datetime import UTC, datetime

from lakehouse.archive import eds
from lakehouse.archive.checks import DATASET, Hit, named
from lakehouse.archive.contents import Contents
from lakehouse.archive.deidentified import without_pseudonyms
from lakehouse.archive.rulebook import Parameters
from lakehouse.archive.terms import HIDDEN_ROLES, SUBJECT_NAMES, subject_columns
from lakehouse.policy.licences import licence_allows
from lakehouse.policy.purposes import includes, purposes
from lakehouse.policy.terms import UNASKED

TERMS = f"{eds.DESCRIPTION_FILE}: terms"
CONSENT = f"{eds.DESCRIPTION_FILE}: consent"
TEXT_COLUMNS = frozenset({"document_id", "title", "text"})
EVENT_COLUMNS = frozenset({"actor"})


@named(DATASET)
def purpose_unknown(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """Codes of purposes that ``purposes.yaml`` does not have."""
    for name, codes in _stated(submission).items():
        for code in codes:
            if code not in purposes():
                yield Hit(f"{TERMS}.{name}", facts={"purpose": code, "known": ", ".join(purposes())})


@named(DATASET)
def purpose_contradicted(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """Purposes that are permitted and, by themselves or in one that includes them, forbidden."""
    stated = {name: [code for code in codes if code in purposes()] for name, codes in _stated(submission).items()}
    for permitted in stated["purposes"]:
        for forbidden in stated["forbidden"]:
            if includes(forbidden, permitted):
                yield Hit(f"{TERMS}.purposes", facts={"purpose": permitted, "forbidden": forbidden})


@named(DATASET)
def purpose_beyond_licence(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """Purposes that the terms permit and the licence, for everybody, does not."""
    dataset = submission.dataset
    if dataset is None or not dataset.licence or not licence_allows(dataset.licence, ("share",)):
        return
    for code in _stated(submission)["purposes"]:
        if code in purposes() and not licence_allows(dataset.licence, purposes()[code].needs):
            yield Hit(f"{TERMS}.purposes", facts={"purpose": code, "licence": dataset.licence})


@named(DATASET)
def purposes_unstated(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """A licence that says nothing the archive can read, and no purposes in its place."""
    dataset = submission.dataset
    if dataset is None or not dataset.licence or licence_allows(dataset.licence, ("share",)):
        return
    if not _stated(submission)["purposes"]:
        yield Hit(f"{TERMS}.purposes", facts={"licence": dataset.licence, "unasked": UNASKED})


@named(DATASET)
def access_unstated(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """Parts about people, by what is said or what was found, and no word on who may read them."""
    dataset = submission.dataset
    if dataset is None or (dataset.terms is not None and "access" in dataset.terms.model_fields_set):
        return
    said, tables, texts = submission.about_people, submission.tables.items(), submission.texts.items()
    parts = {table.folder for name, table in tables if name in said or any(s.personal for _, s in table.suspicions)}
    parts |= {text.folder for name, text in texts if name in said or any(s.personal for s in text.suspicions)}
    parts |= {f"{eds.EVENTS_FOLDER}/{name}" for name in submission.events}
    if parts:
        yield Hit(f"{TERMS}.access", len(parts), facts={"first": min(parts)})


@named(DATASET)
def retention_passed(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """Data that should be gone already."""
    dataset = submission.dataset
    until = dataset.terms.retention_until if dataset and dataset.terms else None
    if until is not None and until < datetime.now(UTC).date():
        yield Hit(f"{TERMS}.retention_until", facts={"until": until.isoformat()})


@named(DATASET)
def consent_answers_untold(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """Consent as the basis without a table of answers: nobody could be asked, so nothing may be used."""
    consent = submission.dataset.consent if submission.dataset else None
    if consent is not None and consent.basis == "consent" and consent.table is None:
        yield Hit(f"{CONSENT}.table")


@named(DATASET)
def consent_place_absent(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """A consent table, or one of its columns, that the dataset does not have."""
    consent = submission.dataset.consent if submission.dataset else None
    if consent is None or consent.table is None:
        return
    table = submission.reading.tables.get(consent.table)
    if table is None:
        yield Hit(f"{CONSENT}.table", facts={"place": consent.table})
        return
    for field, column in (("subject", consent.subject), ("purpose", consent.purpose), ("given", consent.given)):
        if column is not None and column not in table.columns:
            yield Hit(f"{CONSENT}.{field}", facts={"place": f"{consent.table}.{column}"})


@named(DATASET)
def consent_given_unclear(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """A column of answers that is not of type boolean, so that no answer would ever count as yes."""
    consent = submission.dataset.consent if submission.dataset else None
    table = submission.reading.tables.get(consent.table or "") if consent else None
    column = table.columns.get(consent.given or "") if table and consent else None
    if column is not None and column.type != "boolean":
        yield Hit(f"{CONSENT}.given", facts={"type": column.type})


@named(DATASET)
def consent_joins_nothing(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """A consent table whose subjects no other table, text collection or log names: it would restrict nothing."""
    description = submission.known
    if description is None or description.consent is None or description.consent.table not in description.tables:
        return
    if not set(subject_columns(description)) - {description.consent.table}:
        yield Hit(f"{CONSENT}.subject", facts={"place": f"{description.consent.table}.{description.consent.subject}"})


@named(DATASET)
def subject_place_absent(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """Columns said to name a subject that the dataset does not have."""
    if submission.dataset is None:
        return
    for kind, subject in submission.dataset.subjects.items():
        for place in subject.identifiers:
            part, _, column = place.rpartition(".")
            if column not in _columns_of(submission, part):
                yield Hit(f"{eds.DESCRIPTION_FILE}: subjects.{kind}", facts={"place": place})


@named(DATASET)
def consent_basis_absent(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """Columns that name or expose people, and no word on why they may be held."""
    dataset = submission.dataset
    if dataset is None or dataset.consent is not None:
        return
    columns = [
        f"{name}.{column}"
        for name, table in submission.reading.tables.items()
        for column, about in table.columns.items()
        if about.role in HIDDEN_ROLES
    ]
    if columns:
        yield Hit(f"{CONSENT}.basis", len(columns), facts={"first": columns[0]})


@named(DATASET)
def identifier_without_pseudonym(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """Columns that name somebody and join or key tables, of a type that can hold no pseudonym."""
    description = submission.known
    if description is None:
        return
    for place in without_pseudonyms(description):
        table, _, column = place.partition(".")
        facts = {"place": place, "type": description.tables[table].columns[column].type, "column": column}
        yield Hit(f"{eds.TABLES_FOLDER}/{table}/{eds.DICTIONARY_FILE}: {column}", facts=facts)


def _stated(submission: Contents) -> dict[str, tuple[str, ...]]:
    terms = submission.dataset.terms if submission.dataset else None
    return {"purposes": terms.purposes if terms else (), "forbidden": terms.forbidden if terms else ()}


def _columns_of(submission: Contents, part: str) -> frozenset[str]:
    """Return the columns of a part as `subjects` calls them; none for a part that is not there."""
    reading = submission.reading
    if part in reading.tables:
        return frozenset(reading.tables[part].columns)
    if part in reading.texts:
        return TEXT_COLUMNS | frozenset(SUBJECT_NAMES)
    return (
        EVENT_COLUMNS if part.removeprefix(f"{eds.EVENTS_FOLDER}/") in reading.events and "/" in part else frozenset()
    )
