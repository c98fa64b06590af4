"""Per-subject consent: who, by the rows of a dataset's consent table, may be used for a purpose."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import PurposeError
from lakehouse.policy.decisions import Decision
from lakehouse.policy.purposes import lineage
from lakehouse.policy.rules import Limits, as_text
from lakehouse.policy.terms import ConsentTable, Part, Terms


def answering_subjects(
    consent: ConsentTable, terms: Terms, purpose: str, rows: Iterable[Mapping[str, Any]]
) -> set[str]:
    """Return the subjects, as text, who agreed to a purpose; or, unless consent is the basis, who objected to it.

    `rows` are those of the consent table with ``dataset_version``. For each subject the narrowest purpose that has an
    answer decides, and for it the newest version; several answers there agree only if all of them do. Of snapshots
    only the newest that is stored counts.

    Raises:
        PurposeError: the rows lack one of the columns that the terms name.
    """
    stored, names = list(rows), terms.parts[consent.part].names
    known = stored[0] if stored else ()
    # The table may have had other names for these columns when this snapshot of it was made, or has got them since.
    who, what, whether = (names.among(name, known)[0] for name in (consent.subject, consent.purpose, consent.given))
    missing = [name for name in (who, what, whether) if stored and name not in known]
    if missing:
        raise PurposeError(f"consent cannot be asked: {consent.part} has no column {', '.join(missing)}")
    order = {version: number for number, version in enumerate(terms.versions)}
    asked = {code: place for place, code in enumerate(lineage(purpose))}
    newest = _newest(terms, order, stored)
    answers: dict[str, tuple[tuple[int, int], bool]] = {}
    for row in stored:
        counts = terms.accumulates == "waves" or row["dataset_version"] == newest
        if row[what] not in asked or row[who] is None or not counts:
            continue
        subject, given = str(row[who]), row[whether] is True
        rank = (-asked[row[what]], order.get(row["dataset_version"], -1))
        before = answers.get(subject)
        if before is None or rank > before[0]:
            answers[subject] = (rank, given)
        elif rank == before[0]:
            answers[subject] = (rank, given and before[1])
    return {subject for subject, (_, given) in answers.items() if given == consent.opt_in}


def unstored_answers(table: str) -> str:
    """Return why nobody can be asked whose answers are to be in a table that is not stored."""
    return f"consent cannot be asked: {table} is not stored yet; store the version whose terms name it, or a newer one"


def _newest(terms: Terms, order: Mapping[str, int], rows: list[Mapping[str, Any]]) -> str | None:
    """Return the newest version that is stored; the newest that answered where nothing tells what is stored.

    Terms alone do not tell: they come before the rows of their version, and stay when it is retracted.
    """
    if terms.stored:
        return terms.stored[-1]
    return max((row["dataset_version"] for row in rows), key=lambda label: order.get(label, -1), default=None)


def consented_rows(
    rows: pa.Table, decision: Decision, terms: Terms, *, part: str, consents: Iterable[Mapping[str, Any]]
) -> pa.Table:
    """Return a part's rows as a decision lets them be seen: subjects without consent and rows of other roles left out.

    Hidden columns are empty, and so are masked ones. Groups of people are not made here; who shows rows asks
    ``decision.limits`` first. `consents` are the rows of the dataset's consent table; they are not read where the
    dataset has none.
    """
    consent = decision.consent
    about = terms.parts[part]
    if consent is not None and about.subject_columns:
        answering = answering_subjects(consent, terms, decision.purpose, consents)
        rows = rows.filter(pa.array(_kept(rows, about, answering, opt_in=consent.opt_in), pa.bool_()))
    limits = decision.limits.get(part, Limits()).among(rows.column_names)
    if limits.rows is not None:
        rows = rows.filter(_given(rows, limits))
    for name in (*decision.hidden_columns.get(part, ()), *limits.masks):
        place = rows.schema.get_field_index(name)
        if place >= 0:
            field = rows.schema.field(place).with_nullable(nullable=True)
            rows = rows.set_column(place, field, pa.nulls(rows.num_rows, field.type))
    return rows


def _given(rows: pa.Table, limits: Limits) -> Any:  # noqa: ANN401 (any array of booleans)
    """Say for each row whether one of the alternatives holds; one that names an absent column never does."""
    found: Any = pa.array([False] * rows.num_rows, pa.bool_())
    for alternative in limits.rows or ():
        if any(name not in rows.column_names for name in alternative):
            continue
        holds: Any = pa.array([True] * rows.num_rows, pa.bool_())
        for name, values in alternative.items():
            wanted = pa.array([as_text(value) for value in values], pa.string())
            holds = pc.and_(holds, pc.is_in(rows.column(name).cast(pa.string()), value_set=wanted))
        found = pc.or_(found, holds)
    return found


def _kept(rows: pa.Table, part: Part, answering: set[str], *, opt_in: bool) -> list[bool]:
    """Say for each row whether all subjects it names may be used; one that names nobody needs no consent."""
    columns = part.subjects_among(rows.column_names)
    missing = [name for name in columns if name not in rows.column_names]
    if missing:
        raise PurposeError(
            f"consent cannot be asked: the rows have no column {', '.join(missing)} to name their subjects"
        )
    nobody = not part.always_names_subjects
    named = zip(*(rows.column(name).to_pylist() for name in columns), strict=True)
    return [
        all(nobody if subject is None else (str(subject) in answering) == opt_in for subject in subjects)
        for subjects in named
    ]
