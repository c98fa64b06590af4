"""Checks of what a submission says about itself: description files, licence, names."""

from collections.abc import Iterator

from lakehouse.archive import eds
from lakehouse.archive.checks import DATASET, Hit, hints, listed, named, text
from lakehouse.archive.contents import Contents
from lakehouse.archive.licences import licence_fault
from lakehouse.archive.rulebook import Parameters, rules
from lakehouse.archive.salvage import touches

# The names that a field of each description file may have, at whatever depth.
FIELDS = {
    file: sorted({name for part in parts for name in part.model_fields} - {"name"})
    for file, parts in {
        eds.DESCRIPTION_FILE: (eds.DatasetFile, eds.Creator, eds.Contact, eds.Making, eds.Terms, eds.Consent),
        eds.DICTIONARY_FILE: (eds.TableFile, eds.ColumnDescription),
        eds.COLLECTION_FILE: (eds.CollectionFile,),
        eds.LOG_FILE: (eds.LogFile,),
    }.items()
}


@named(DATASET)
def description_fault(submission: Contents, parameters: Parameters) -> Iterator[Hit]:
    """Faults of one kind in one sort of description file: dataset.yaml, columns.yaml or collection.yaml."""
    for fault in submission.reading.faults:
        if fault.kind == text(parameters, "kind") and fault.file.rsplit("/", 1)[-1] == text(parameters, "file"):
            place = f"{fault.file}: {fault.field}" if fault.field else fault.file
            facts = {"file": fault.file, "field": fault.field, "reason": fault.reason, "hint": _hint(fault)}
            facts["unjudged"] = _unjudged(fault.field) if fault.file == eds.DESCRIPTION_FILE else ""
            yield Hit(place, facts=facts)


def _hint(fault: eds.Fault) -> str:
    name = fault.field.rsplit(".", 1)[-1]
    return hints([name], FIELDS.get(fault.file.rsplit("/", 1)[-1], ()))[name] if fault.kind == "field_unknown" else ""


def _unjudged(field: str) -> str:
    """Return which rules a field at fault keeps from being judged, wholly or in part, as a sentence; empty for none."""
    without = [code for code, rule in rules().items() if any(touches(field, need) for need in rule.needs)]
    in_part = [
        code
        for code, rule in rules().items()
        if code not in without and any(touches(field, use) for use in rule.judged_in_part_without)
    ]
    told = [f"not judged because of it: {', '.join(without)}"] if without else []
    told += [f"judged only in part: {', '.join(in_part)}"] if in_part else []
    words = "; ".join(told)
    return f" {words[0].upper()}{words[1:]}." if words else ""


@named(DATASET)
def field_absent(submission: Contents, parameters: Parameters) -> Iterator[Hit]:
    """Fields that a description may lack but should have; one that is wrong is there."""
    if submission.said is None:
        return
    for name in listed(parameters, "fields"):
        if not getattr(submission.said.dataset, name) and not submission.said.lacks([name]):
            yield Hit(f"{eds.DESCRIPTION_FILE}: {name}", facts={"field": name})


@named(DATASET)
def licence_unknown(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """Licence expressions that are malformed, or have a name that the SPDX list does not have."""
    dataset = submission.dataset
    stated = {f"{eds.DESCRIPTION_FILE}: licence": dataset.licence if dataset else None}
    for name, collection in submission.reading.texts.items():
        stated[f"{eds.TEXTS_FOLDER}/{name}/{eds.COLLECTION_FILE}: licence"] = collection.licence
    for name, log in submission.reading.events.items():
        stated[f"{eds.EVENTS_FOLDER}/{name}/{eds.LOG_FILE}: licence"] = log.licence
    for place, licence in stated.items():
        fault = licence_fault(licence) if licence else None
        if licence and fault is not None:
            yield Hit(place, facts={"licence": licence, "fault": fault})


@named(DATASET)
def nothing_inside(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """A dataset with no table, no text collection and no event log."""
    if not submission.tables and not submission.texts and not submission.events:
        yield Hit("(whole dataset)")


@named(DATASET)
def name_taken_twice(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """Two parts of one name, tables, text collections or event logs, would be one table in SQL."""
    taken = set(submission.tables)
    for folder, names in ((eds.TEXTS_FOLDER, set(submission.texts)), (eds.EVENTS_FOLDER, set(submission.events))):
        for name in sorted(taken & names):
            yield Hit(f"{folder}/{name}", facts={"name": name})
        taken |= names
