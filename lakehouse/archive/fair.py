"""The FAIR score: indicators of the RDA FAIR Data Maturity Model, answered from the folder without a network."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from lakehouse.archive.contents import Contents
from lakehouse.archive.eds import DatasetFile
from lakehouse.archive.findings import FairIndicator, Finding
from lakehouse.archive.levels import FairVerdict, counted
from lakehouse.archive.licences import unknown_licences
from lakehouse.archive.rulebook import FairRule, fair_rules
from lakehouse.archive.salvage import Said

# Identifiers that somebody keeps: DOI, Handle, ARK, URN, PURL, w3id, ROR and ORCID do not name data.
PERSISTENT = re.compile(
    r"(https?://)?((dx\.)?doi\.org/10\.|hdl\.handle\.net/|n2t\.net/ark:|purl\.|w3id\.org/)|(doi:)?10\.\d{4,9}/|ark:|urn:[a-z0-9]"
)
NAMES_THE_DATA = frozenset({"IsIdenticalTo", "IsVariantFormOf", "IsDerivedFrom", "IsNewVersionOf", "IsPartOf"})
DESCRIPTION_FAULTS = ("DESCRIPTION_", "FIELD_", "DICTIONARY_", "COLLECTION_", "LOG_")
DESCRIBE_FIRST = "Correct dataset.yaml as the errors say; without it nothing can be counted."


@dataclass(frozen=True, slots=True)
class Answer:
    """How far an indicator is met, 0 to 1, and what was seen; None where the folder holds nothing to judge."""

    share: float | None
    evidence: str


@dataclass(frozen=True, slots=True)
class Case:
    """What an indicator is judged on: the description's fields, the contents, and what validation found."""

    said: Said
    contents: Contents
    findings: tuple[Finding, ...]
    rule: FairRule

    @property
    def dataset(self) -> DatasetFile:
        """The fields of the description that say something rightly."""
        return self.said.dataset

    def absent(self, names: Iterable[str]) -> list[str]:
        """Return which fields hold nothing, or nothing that could be read as the standard says."""
        return [name for name in names if self.said.lacks([name]) or not getattr(self.dataset, name)]


def judge(contents: Contents, findings: tuple[Finding, ...]) -> tuple[FairIndicator, ...]:
    """Return every indicator with its verdict; without a readable description none that is counted has a point."""
    return tuple(_judged(name, rule, contents, findings) for name, rule in fair_rules().items())


def _judged(name: str, rule: FairRule, contents: Contents, findings: tuple[Finding, ...]) -> FairIndicator:
    said = contents.said
    if rule.check is None:
        return _indicator(name, rule, None, "after publication", rule.after_publication)
    if said is None:
        unknown = _indicator(name, rule, 0.0, "not met", "no readable description")
        return replace(unknown, next_action=DESCRIBE_FIRST)
    answer = CHECKS[rule.check](Case(said, contents, findings, rule))
    return _indicator(name, rule, answer.share, _verdict(answer.share), answer.evidence)


def _verdict(share: float | None) -> FairVerdict:
    if share is None:
        return "does not apply"
    if share <= 0:
        return "not met"
    return "met" if share >= 1 else "partly met"


def _indicator(name: str, rule: FairRule, share: float | None, verdict: FairVerdict, evidence: str) -> FairIndicator:
    possible = 0.0 if share is None else rule.points
    points = round(possible * (share or 0.0), 2)
    return FairIndicator(
        indicator=name,
        principle=rule.principle,
        question=rule.question,
        points=points,
        max_points=possible,
        evidence=evidence,
        next_action=rule.next_action if points < possible else "",
        priority=rule.priority,
        verdict=verdict,
        fuji_metric=rule.fuji,
    )


def fields_filled(case: Case) -> Answer:
    """The share of the named description fields that hold something."""
    names = case.rule.parameters["fields"]
    assert isinstance(names, tuple)
    absent = case.absent(names)
    said = f"missing: {', '.join(absent)}" if absent else f"filled: {', '.join(names)}"
    return Answer(1 - len(absent) / len(names), said)


def identifies_itself(case: Case) -> Answer:
    """Name, version and content hash identify every submitted dataset."""
    if absent := case.absent(("name", "version")):
        return Answer(0.0, f"missing: {', '.join(absent)}")
    return Answer(1.0, f"{case.dataset.name}@{case.dataset.version}, and a content hash given by the archive")


def creators_identified(case: Case) -> Answer:
    """The share of creators with an ORCID, ROR or other URL."""
    creators = case.dataset.creators
    known = sum(1 for creator in creators if creator.identifier)
    return Answer(known / len(creators) if creators else 0.0, f"{known} of {len(creators)} creators have an identifier")


def licence_known(case: Case) -> Answer:
    """The licence is an SPDX expression."""
    licence = case.dataset.licence
    if not licence:
        return Answer(0.0, "no licence")
    unknown = unknown_licences(licence)
    return Answer(0.0 if unknown else 1.0, f"not in the SPDX list: {', '.join(unknown)}" if unknown else licence)


def reuse_readable(case: Case) -> Answer:
    """A licence of the SPDX list, which machines can look up, or purposes by their codes."""
    terms, licence = case.dataset.terms, case.dataset.licence or ""
    if terms is not None and (terms.purposes or terms.forbidden):
        return Answer(1.0, f"purposes by code: {', '.join((*terms.purposes, *terms.forbidden))}")
    listed = bool(licence) and not unknown_licences(licence) and "licenseref-" not in licence.lower()
    return Answer(1.0 if listed else 0.0, f"{licence or 'no licence'}, and no purposes in terms")


def access_told(case: Case) -> Answer:
    """Half for the access that the terms name, half for whom or where to ask."""
    dataset = case.dataset
    stated = None if case.said.lacks(["terms.access"]) else dataset.terms
    said = [f"access is {stated.access}"] if stated else []
    said += ["a contact or source_url is given"] if dataset.contact or dataset.source_url else []
    return Answer(len(said) / 2, ", ".join(said) or "neither terms nor a contact")


def persistent_identifier(case: Case) -> Answer:
    """A persistent identifier of the data or their source; half for any other address."""
    dataset = case.dataset
    named = [entry.identifier for entry in dataset.related if entry.relation in NAMES_THE_DATA]
    known = [name for name in (dataset.source_url or "", *named) if PERSISTENT.match(name)]
    if known:
        return Answer(1.0, known[0])
    if dataset.source_url:
        return Answer(0.5, f"{dataset.source_url} is an address, but no persistent identifier")
    return Answer(0.0, "neither source_url nor an identifier in related")


def vocabularies_used(case: Case) -> Answer:
    """The share of three shared vocabularies that are used: SPDX, language tags, identifiers of creators."""
    dataset = case.dataset
    used = {
        "SPDX licence": bool(dataset.licence) and not unknown_licences(dataset.licence or ""),
        "language tag": bool(dataset.language),
        "identifiers of creators": any(creator.identifier for creator in dataset.creators),
    }
    absent = [name for name, there in used.items() if not there]
    return Answer(1 - len(absent) / len(used), f"missing: {', '.join(absent)}" if absent else ", ".join(used))


def parts_described(case: Case) -> Answer:
    """The share of tables, collections and event logs that have a usable description of their own."""
    contents, reading = case.contents, case.contents.reading
    total = len(contents.tables) + len(contents.texts) + _logs(contents)
    described = len(reading.tables) + len(reading.texts) + len(reading.events)
    said = f"{described} of {total} tables, collections and event logs are described"
    return Answer(min(1.0, described / total) if total else 0.0, said)


def _logs(contents: Contents) -> int:
    return len({file.place.split("/")[1] for file in contents.files if file.place.startswith("events/")})


def description_sound(case: Case) -> Answer:
    """The description files hold no fault."""
    faults = [f for f in case.findings if f.level == "error" and f.code.startswith(DESCRIPTION_FAULTS)]
    return Answer(0.0 if faults else 1.0, f"{counted(len(faults), 'fault')} in the description files")


def columns_hold(case: Case) -> Answer:
    """The share of declared columns without a finding of level error."""
    columns = {f"{c.table.folder}/: {c.name}" for c in case.contents.columns()}
    places = [f.place.rpartition(": ") for f in case.findings if f.level == "error"]
    bad = {f"{path.rpartition('/')[0]}/: {name}" for path, _, names in places for name in names.split(", ")} & columns
    if not columns:
        return Answer(None, "there are no columns")
    return Answer(1 - len(bad) / len(columns), f"{len(columns) - len(bad)} of {counted(len(columns), 'column')} hold")


def any_field_filled(case: Case) -> Answer:
    """At least one of the named description fields holds something."""
    names = case.rule.parameters["fields"]
    assert isinstance(names, tuple)
    absent = case.absent(names)
    there = [name for name in names if name not in absent]
    return Answer(1.0 if there else 0.0, f"filled: {', '.join(there)}" if there else f"missing: {', '.join(names)}")


def open_formats(case: Case) -> Answer:
    """The share of files in open formats that could be read."""
    files = case.contents.files
    readable = sum(1 for f in files if f.role != "unknown" and f.encoding is None and f.fault is None)
    return Answer(
        readable / len(files) if files else 0.0, f"{readable} of {counted(len(files), 'file')} in open formats"
    )


def units_given(case: Case) -> Answer:
    """The share of numeric columns with a unit."""
    columns = [c.description for c in case.contents.columns() if c.description.type in ("integer", "number")]
    keys = {name for t in case.contents.reading.tables.values() for name in t.primary_key}
    asked = [c for c in case.contents.columns() if c.description in columns and c.name not in keys]
    given = sum(1 for c in asked if c.description.unit)
    if not asked:
        return Answer(None, "there are no numeric columns")
    return Answer(given / len(asked), f"{given} of {counted(len(asked), 'numeric column')} with a unit")


def levels_described(case: Case) -> Answer:
    """The share of coded columns whose levels are explained one by one."""
    coded = [c.description for c in case.contents.columns() if c.description.levels is not None]
    explained = sum(1 for c in coded if not isinstance(c.levels, tuple))
    if not coded:
        return Answer(None, "there are no coded columns")
    return Answer(explained / len(coded), f"{explained} of {counted(len(coded), 'coded column')} with explained levels")


def keys_declared(case: Case) -> Answer:
    """The share of tables with a primary key."""
    tables = case.contents.reading.tables.values()
    keyed = sum(1 for t in tables if t.primary_key)
    if not tables:
        return Answer(None, "there are no tables")
    return Answer(keyed / len(tables), f"{keyed} of {counted(len(tables), 'table')} with a primary key")


def references_declared(case: Case) -> Answer:
    """Whether a dataset of several tables says how they belong together."""
    declared = sum(1 for c in case.contents.columns() if c.description.references)
    if len(case.contents.tables) < 2:
        return Answer(None, "there are no two tables to link")
    return Answer(1.0 if declared else 0.0, f"{counted(declared, 'reference')} declared")


def references_hold(case: Case) -> Answer:
    """Foreign keys, where there are any, find what they refer to."""
    broken = sum(1 for f in case.findings if f.code.startswith("REFERENCE_"))
    declared = sum(1 for c in case.contents.columns() if c.description.references)
    if not declared:
        return Answer(None, "no references are declared")
    return Answer(0.0 if broken else 1.0, f"{counted(declared, 'reference')} declared, {broken} with faults")


def standard_followed(case: Case) -> Answer:
    """No finding of level error."""
    errors = sum(1 for f in case.findings if f.level == "error")
    said = f"{counted(errors, 'finding')} of level error against EDS {case.dataset.eds_version}"
    return Answer(0.0 if errors else 1.0, said)


def software_versions(case: Case) -> Answer:
    """The making names its software with versions."""
    made = case.dataset.provenance
    software = made.software if made else ()
    return Answer(1.0 if software else 0.0, ", ".join(f"{s.name} {s.version}" for s in software) or "no software named")


CHECKS: dict[str, Callable[[Case], Answer]] = {
    check.__name__: check
    for check in (
        fields_filled,
        any_field_filled,
        identifies_itself,
        persistent_identifier,
        creators_identified,
        access_told,
        licence_known,
        reuse_readable,
        vocabularies_used,
        parts_described,
        description_sound,
        columns_hold,
        open_formats,
        units_given,
        levels_described,
        keys_declared,
        references_declared,
        references_hold,
        standard_followed,
        software_versions,
    )
}
