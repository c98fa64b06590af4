"""The terms of a published dataset, as its newest version states them, read from the rows of ``archive.terms``."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from lakehouse.definition import NEVER_RENAMED, FormerNames
from lakehouse.policy.licences import licence_allows
from lakehouse.policy.purposes import includes, meets, outermost, purposes

Access = Literal["open", "registered", "restricted"]
UNASKED = "operations"


@dataclass(frozen=True, slots=True)
class ConsentTable:
    """Where a dataset says who agreed to what: a part of it, and three of its columns.

    With `opt_in` only subjects who agreed are used; without, all but those who objected.
    """

    part: str
    subject: str
    purpose: str
    given: str
    opt_in: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A table, text collection or event log of a dataset: its licence and the columns that name or expose people.

    A personal one has rows about people; its `person_columns` say who. `names` are what its columns were called.
    `pseudonym_columns` have pseudonyms in silver, and in bronze what was submitted.
    """

    name: str
    kind: str
    licence: str | None = None
    hidden_columns: tuple[str, ...] = ()
    subject_columns: tuple[str, ...] = ()
    person_columns: tuple[str, ...] = ()
    is_personal: bool = False
    names: FormerNames = NEVER_RENAMED
    pseudonym_columns: tuple[str, ...] = ()

    def subjects_among(self, columns: Iterable[str]) -> tuple[str, ...]:
        """Return the subject columns by the names that a table with these columns has; one it lacks by its own."""
        known = tuple(columns)
        return tuple(dict.fromkeys(one for name in self.subject_columns for one in self.names.among(name, known)))

    @property
    def always_names_subjects(self) -> bool:
        """Say whether a row whose subject columns are empty is about people all the same: the statement of a group."""
        return self.kind == "events"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a dataset may be used for and by whom. `versions` are its published version labels, oldest first.

    `stored` are those of them whose rows are in silver: terms can be there before the rows, and stay after them.
    `unanswered` are the parts whose people are to be asked and of whom nothing says who agreed to what.
    """

    dataset: str
    parts: Mapping[str, Part]
    purposes: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    access: Access = "open"
    attribution: str | None = None
    conditions: str | None = None
    retention_until: date | None = None
    consent: ConsentTable | None = None
    unanswered: frozenset[str] = frozenset()
    accumulates: str = "waves"
    versions: tuple[str, ...] = field(default=())
    stored: tuple[str, ...] = field(default=())

    def permits(self, purpose: str, part: str) -> bool:
        """Say whether a part may be used for a purpose: as the terms name it, else as the licence allows it.

        What is forbidden goes before what is permitted, and forbids every wider purpose too. Where nobody's answer is
        known nothing is permitted, as where nobody has agreed yet.
        """
        if part in self.unanswered or any(meets(forbidden, purpose) for forbidden in self.forbidden):
            return False
        if includes(UNASKED, purpose) or any(includes(permitted, purpose) for permitted in self.purposes):
            return True
        return not self.purposes and licence_allows(self.parts[part].licence, purposes()[purpose].needs)

    def permitted(self, part: str) -> tuple[str, ...]:
        """Return the widest purposes a part may be used for."""
        return outermost([code for code in purposes() if self.permits(code, part)])


def read_terms(
    rows: Iterable[Mapping[str, Any]],
    loads: Callable[[], Iterable[Mapping[str, Any]]] = tuple,
    tombstones: Callable[[], Iterable[Mapping[str, Any]]] = tuple,
) -> dict[str, Terms]:
    """Return the terms by dataset: those of the version that was saved last speak for all its versions.

    `loads` gives the rows of ``gold.loads``. They are asked for only where a dataset has a consent table: which answers
    count depends on what is stored. `tombstones` gives those of ``archive.tombstones``, asked for only where a dataset
    has several versions: what a retracted one hid is hidden until a newer one was saved. Without them, for ever.
    """
    by_dataset: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_dataset.setdefault(row["dataset"], []).append(row)
    several = any(len({row["dataset_version"] for row in found}) > 1 for found in by_dataset.values())
    retracted = {(row["dataset"], row["dataset_version"]) for row in (tombstones() if several else ())}
    asked = any(row["consent_table"] is not None for found in by_dataset.values() for row in found)
    stored: dict[str, set[str]] = {}
    for load in loads() if asked else ():
        if load["layer"] == "silver":
            stored.setdefault(load["dataset"], set()).add(load["dataset_version"])
    return {
        name: _terms(name, found, stored.get(name, set()), {label for dataset, label in retracted if dataset == name})
        for name, found in sorted(by_dataset.items())
    }


def _terms(dataset: str, rows: list[Mapping[str, Any]], in_silver: set[str], retracted: set[str]) -> Terms:
    saved = {row["dataset_version"]: row["saved_at"] for row in rows}
    versions = tuple(sorted(saved, key=lambda version: (saved[version], version)))
    newest = [row for row in rows if row["dataset_version"] == versions[-1]]
    first = newest[0]
    stored = tuple(version for version in versions if version in in_silver)
    # The answers that count are those of the newest version that is stored, so where they are is for it to say.
    answers = next((row for row in rows if row["dataset_version"] in stored[-1:]), first)
    # A part that only an older version has is still published, so it keeps what that version said of it.
    in_order = [row for version in versions for row in rows if row["dataset_version"] == version]
    return Terms(
        dataset=dataset,
        parts={row["part"]: _part(row, in_order, retracted - {versions[-1]}) for row in in_order},
        purposes=_words(first["purposes"]),
        forbidden=_words(first["forbidden"]),
        access=first["access"],
        attribution=first["attribution"],
        conditions=first["conditions"],
        retention_until=first["retention_until"],
        consent=_consent(answers) or _consent(first),
        unanswered=_unanswered(in_order, answers, first),
        accumulates=first["accumulates"],
        versions=versions,
        stored=stored,
    )


def _renamed(rows: Iterable[Mapping[str, Any]]) -> FormerNames:
    """Return the names of a part's columns; rows that were written before columns could be renamed tell of none."""
    pairs = (pair.partition(":") for one in rows for pair in _words(one.get("former_columns")))
    return FormerNames(tuple((was, now) for was, _, now in pairs))


def _part(row: Mapping[str, Any], all_rows: Sequence[Mapping[str, Any]], gone: Collection[str]) -> Part:
    """Return what a row says of its part; what any version hid, or took a subject from, counts for all of them.

    One table holds the rows of every version, so a column that the newest has dropped still shows the older ones. Of
    those that are `gone` no snapshot has a row left; their names and pseudonyms are still those of columns in use.
    """
    same = [one for one in all_rows if one["part"] == row["part"]]
    names = _renamed(same)
    there = [one for one in same if one["dataset_version"] not in gone] or same
    # Snapshots of before have a column by its former name.
    told = (name for one in there for name in _words(one["hidden_columns"]))
    hidden = dict.fromkeys(known for name in told for known in sorted(names.all(name)))
    subjects = dict.fromkeys(names.of(name) for one in there for name in _words(one["subject_columns"]))
    persons = dict.fromkeys(names.of(name) for one in there for name in _words(one["person_columns"]))
    pseudonyms = dict.fromkeys(names.of(name) for one in same for name in _words(one.get("pseudonym_columns")))
    return Part(
        row["part"],
        row["part_kind"],
        row["licence"],
        hidden_columns=tuple(hidden),
        subject_columns=tuple(subjects),
        person_columns=tuple(persons),
        is_personal=any(one["is_personal"] for one in there),
        names=names,
        pseudonym_columns=tuple(pseudonyms),
    )


def _consent(row: Mapping[str, Any]) -> ConsentTable | None:
    if row["consent_table"] is None:
        return None
    return ConsentTable(
        part=row["consent_table"],
        subject=row["consent_subject"],
        purpose=row["consent_purpose"],
        given=row["consent_given"],
        opt_in=row["consent_basis"] == "consent",
    )


def _unanswered(
    in_order: Sequence[Mapping[str, Any]], answers: Mapping[str, Any], newest: Mapping[str, Any]
) -> frozenset[str]:
    """Return the parts whose people agreed, as is said, while no table tells who to what.

    All of them where the versions that speak for the dataset name no table. Where one does, those that it does not have
    and that came with no table of their own.
    """
    speaks = next((row for row in (answers, newest) if _consent(row) is not None), None)
    if speaks is None:
        return frozenset(row["part"] for row in in_order) if _untold(answers) or _untold(newest) else frozenset()
    if speaks["consent_basis"] != "consent":
        return frozenset()
    asked = {row["part"] for row in in_order if row["dataset_version"] == speaks["dataset_version"]}
    last = {row["part"]: row for row in in_order}
    return frozenset(part for part, row in last.items() if part not in asked and _untold(row))


def _untold(row: Mapping[str, Any]) -> bool:
    return row["consent_basis"] == "consent" and row["consent_table"] is None


def _words(text: str | None) -> tuple[str, ...]:
    return tuple((text or "").split())
