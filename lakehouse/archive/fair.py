"""The FAIR score: indicators of the RDA FAIR Data Maturity Model that a folder can answer without a network."""

from collections.abc import Callable
from dataclasses import dataclass

from lakehouse.archive.contents import Contents
from lakehouse.archive.eds import DatasetFile
from lakehouse.archive.findings import FairIndicator, Finding
from lakehouse.archive.licences import is_open, unknown_licences
from lakehouse.archive.rulebook import FairRule, fair_rules


@dataclass(frozen=True, slots=True)
class Answer:
    """How far an indicator is met, 0 to 1, and what was seen."""

    share: float
    evidence: str


@dataclass(frozen=True, slots=True)
class Case:
    """What an indicator is judged on: the description's fields, the contents, and what validation found."""

    dataset: DatasetFile
    contents: Contents
    findings: tuple[Finding, ...]
    rule: FairRule


def judge(contents: Contents, findings: tuple[Finding, ...]) -> tuple[FairIndicator, ...]:
    """Return every indicator with its points; without a usable description each has none."""
    indicators: list[FairIndicator] = []
    for name, rule in fair_rules().items():
        dataset = contents.reading.dataset
        if dataset is None:
            answer = Answer(0.0, "no usable dataset.yaml")
        else:
            answer = CHECKS[rule.check](Case(dataset, contents, findings, rule))
        points = round(rule.points * answer.share, 2)
        action = "" if points >= rule.points else rule.next_action
        indicators.append(
            FairIndicator(name, rule.principle, rule.question, points, rule.points, answer.evidence, action)
        )
    return tuple(indicators)


def fields_filled(case: Case) -> Answer:
    """The share of the named description fields that hold something."""
    names = case.rule.parameters["fields"]
    assert isinstance(names, tuple)
    absent = [name for name in names if not getattr(case.dataset, name)]
    said = f"missing: {', '.join(absent)}" if absent else f"filled: {', '.join(names)}"
    return Answer(1 - len(absent) / len(names), said)


def identifies_itself(case: Case) -> Answer:
    """Name, version and content hash identify every submitted dataset."""
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


def licence_open(case: Case) -> Answer:
    """The licence lets everybody use, change and share."""
    licence = case.dataset.licence
    return Answer(1.0 if licence and is_open(licence) else 0.0, licence or "no licence")


def dictionaries_complete(case: Case) -> Answer:
    """The share of tables and collections that have a usable description of their own."""
    contents = case.contents
    total = len(contents.tables) + len(contents.texts)
    described = len(contents.reading.tables) + len(contents.reading.texts)
    return Answer(described / total if total else 0.0, f"{described} of {total} tables and collections are described")


def open_formats(case: Case) -> Answer:
    """The share of files in open, readable text formats."""
    files = case.contents.files
    readable = sum(1 for f in files if f.role != "unknown" and f.encoding is None and f.fault is None)
    return Answer(
        readable / len(files) if files else 0.0, f"{readable} of {len(files)} files are UTF-8 CSV, JSON, YAML or text"
    )


def units_given(case: Case) -> Answer:
    """The share of numeric columns with a unit."""
    columns = [c.description for c in case.contents.columns() if c.description.type in ("integer", "number")]
    keys = {name for t in case.contents.reading.tables.values() for name in t.primary_key}
    asked = [c for c in case.contents.columns() if c.description in columns and c.name not in keys]
    given = sum(1 for c in asked if c.description.unit)
    return Answer(given / len(asked) if asked else 1.0, f"{given} of {len(asked)} numeric columns have a unit")


def levels_described(case: Case) -> Answer:
    """The share of coded columns whose levels are explained one by one."""
    coded = [c.description for c in case.contents.columns() if c.description.levels is not None]
    explained = sum(1 for c in coded if not isinstance(c.levels, tuple))
    return Answer(
        explained / len(coded) if coded else 1.0, f"{explained} of {len(coded)} coded columns explain their levels"
    )


def keys_declared(case: Case) -> Answer:
    """The share of tables with a primary key."""
    tables = case.contents.reading.tables.values()
    keyed = sum(1 for t in tables if t.primary_key)
    return Answer(keyed / len(tables) if tables else 1.0, f"{keyed} of {len(tables)} tables have a primary key")


def references_hold(case: Case) -> Answer:
    """Foreign keys, where there are any, find what they refer to."""
    broken = sum(1 for f in case.findings if f.code.startswith("REFERENCE_"))
    declared = sum(1 for c in case.contents.columns() if c.description.references)
    return Answer(0.0 if broken else 1.0, f"{declared} references declared, {broken} with faults")


def standard_followed(case: Case) -> Answer:
    """No finding of level error."""
    errors = sum(1 for f in case.findings if f.level == "error")
    return Answer(0.0 if errors else 1.0, f"{errors} findings of level error against EDS {case.dataset.eds_version}")


def no_personal_data(case: Case) -> Answer:
    """No column or collection that is personal data."""
    found = sum(1 for f in case.findings if f.code.startswith("PERSONAL_") and f.level == "error")
    return Answer(0.0 if found else 1.0, f"{found} places hold personal data")


def software_versions(case: Case) -> Answer:
    """The making names its software with versions."""
    made = case.dataset.provenance
    software = made.software if made else ()
    return Answer(1.0 if software else 0.0, ", ".join(f"{s.name} {s.version}" for s in software) or "no software named")


CHECKS: dict[str, Callable[[Case], Answer]] = {
    check.__name__: check
    for check in (
        fields_filled,
        identifies_itself,
        creators_identified,
        licence_known,
        licence_open,
        dictionaries_complete,
        open_formats,
        units_given,
        levels_described,
        keys_declared,
        references_hold,
        standard_followed,
        no_personal_data,
        software_versions,
    )
}
