"""What the language model may learn from: texts, and outcomes put into words, each split for good by its text."""

import hashlib
import json
import statistics
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import pyarrow as pa

from lakehouse.errors import SchemaError
from lakehouse.tables.gold import DOCUMENTS
from lakehouse.tables.us_states import UNNAMED, state_name

Split = Literal["train", "validation", "test"]

TRAIN_PERCENT, VALIDATION_PERCENT = 90, 5

DEGREES = {
    "Four-year+ degree": "four-year degrees",
    "Two-year degree": "two-year degrees",
    "Less than two-year": "shorter programmes",
}


def split_of(text: str) -> Split:
    """Return the side of a text, for ever: 90 % train, 5 % validation, 5 % test by its SHA-256.

    Case, Unicode form and white space do not count, so that a text and its reprint stand on the same side.
    """
    plain = " ".join(unicodedata.normalize("NFC", text).casefold().split())
    place = int.from_bytes(hashlib.sha256(plain.encode()).digest()[:8], "big") % 100
    if place < TRAIN_PERCENT:
        return "train"
    return "validation" if place < TRAIN_PERCENT + VALIDATION_PERCENT else "test"


def from_texts(silver: pa.Table, *, dataset: str, collection: str, licence: str | None) -> pa.Table:
    """Return one document per row of a silver text collection; rows with nothing but white space are left out.

    A row's own ``licence`` goes before `licence`, which is the dataset's.
    """
    return _documents(
        _document(
            f"{dataset}/{collection}/{row['document_id']}@{row['dataset_version']}",
            row,
            dataset=dataset,
            title=row["title"],
            text=row["text"],
            licence=row.get("licence") or licence,
        )
        for row in silver.to_pylist()
        if row["text"] and row["text"].strip()
    )


def from_outcomes(silver_outcomes: pa.Table, *, dataset: str, licence: str | None) -> pa.Table:
    """Return one short plain-English document per dataset version and state, made of nothing but the rows' numbers."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in silver_outcomes.to_pylist():
        groups.setdefault((row["dataset_version"], row["state_abbr"] or UNNAMED), []).append(row)
    return _documents(
        _document(
            f"{dataset}/outcomes/{state}@{version}",
            rows[0],
            dataset=dataset,
            title=f"College outcomes in {state_name(state)}, {_years(rows)}",
            text=_in_words(state, rows),
            licence=licence,
        )
        for (version, state), rows in sorted(groups.items())
    )


def assemble(parts: Sequence[pa.Table]) -> pa.Table:
    """Return all documents once, sorted by id; of several with the same text the smallest id stays.

    Raises SchemaError when one id names two texts. No parts give an empty table.
    """
    rows = sorted((row for part in parts for row in part.to_pylist()), key=lambda row: str(row["document_id"]))
    by_text: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        by_text.setdefault(row["text"], row)
    kept = list(by_text.values())
    for before, after in pairwise(kept):
        if before["document_id"] == after["document_id"]:
            raise SchemaError(f"document {after['document_id']} has two texts; give each document its own id")
    return _documents(kept)


def documents_sha256(table: pa.Table) -> str:
    """Return a hash of the ids, splits and texts; the order and chunks of the rows do not matter."""
    digest = hashlib.sha256()
    columns = (table[name].to_pylist() for name in ("document_id", "split", "text"))
    for row in sorted(zip(*columns, strict=True)):
        digest.update(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


def _documents(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows], schema=DOCUMENTS.arrow_schema())


def _document(
    document_id: str, row: Mapping[str, Any], *, dataset: str, title: str | None, text: str, licence: str | None
) -> dict[str, Any]:
    kept = text.rstrip()
    return {
        "document_id": document_id,
        "dataset": dataset,
        "dataset_version": row["dataset_version"],
        "dataset_commit": row["dataset_commit"],
        "title": title,
        "text": kept,
        "byte_count": len(kept.encode()),
        "licence": licence or None,
        "split": split_of(kept),
    }


def _years(rows: Sequence[Mapping[str, Any]]) -> str:
    years = sorted({int(row["year"]) for row in rows if row["year"] is not None})
    if not years:
        return str(rows[0]["dataset_version"])
    return str(years[0]) if len(years) == 1 else f"{years[0]} to {years[-1]}"


def _in_words(state: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Put a state's outcomes into words; which of the wordings is fixed by the state and its years."""
    where, when = state_name(state), _years(rows)
    choice = hashlib.sha256(f"{state} {when}".encode()).digest()
    sentences = (
        _size(where, when, rows, wording=choice[0] % 3),
        _degrees(rows, wording=choice[1] % 2),
        _earnings(rows, wording=choice[2] % 2),
        _work(rows, wording=choice[3] % 2),
    )
    return " ".join(sentences)


def _size(where: str, when: str, rows: Sequence[Mapping[str, Any]], *, wording: int) -> str:
    count = _counted(len(rows), "institution", "institutions")
    verb = "reports" if len(rows) == 1 else "report"
    return (
        f"In {when}, {count} in {where} {verb} to the College Scorecard.",
        f"The College Scorecard lists {count} in {where} for {when}.",
        f"{where[0].upper()}{where[1:]} has {count} in the College Scorecard of {when}.",
    )[wording]


def _degrees(rows: Sequence[Mapping[str, Any]], *, wording: int) -> str:
    counts: dict[str, int] = {}
    for row in rows:
        degree = row["pred_degree_awarded_ipeds"]
        words = DEGREES.get(str(degree), str(degree)) if degree else "degrees that are not stated"
        counts[words] = counts.get(words, 0) + 1
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    listed = _listed([f"{count:,} mostly {'awards' if count == 1 else 'award'} {words}" for words, count in ranked])
    share = 100 * ranked[0][1] / len(rows)
    if wording == 0 or len(ranked) == 1:
        return f"Of these, {listed}."
    return f"Of these, {listed}; the first kind makes up {share:.0f} percent."


def _earnings(rows: Sequence[Mapping[str, Any]], *, wording: int) -> str:
    earned = sorted(float(row["earnings_med"]) for row in rows if row["earnings_med"] is not None)
    if not earned:
        return (
            "Median earnings are not reported for any of them.",
            "None of them has median earnings on record: they are not reported.",
        )[wording]
    middle = statistics.median(earned)
    missing = len(rows) - len(earned)
    rest = f" {_counted(missing, 'institution does', 'institutions do')} not report earnings." if missing else ""
    if len(earned) == 1:
        return f"One of them reports median earnings, {_dollars(middle)} a year.{rest}"
    return (
        f"Median earnings lie between {_dollars(earned[0])} and {_dollars(earned[-1])} a year, "
        f"and half of the reporting institutions are at {_dollars(middle)} or more.{rest}",
        f"The middle institution reports median earnings of {_dollars(middle)} a year, "
        f"the lowest {_dollars(earned[0])} and the highest {_dollars(earned[-1])}.{rest}",
    )[wording]


def _work(rows: Sequence[Mapping[str, Any]], *, wording: int) -> str:
    both = [
        (int(row["count_working"]), int(row["count_not_working"]))
        for row in rows
        if row["count_working"] is not None and row["count_not_working"] is not None
    ]
    working, idle = sum(pair[0] for pair in both), sum(pair[1] for pair in both)
    if working + idle == 0:
        return "How many former students work is not reported."
    share = 100 * working / (working + idle)
    where = f"At the {_counted(len(both), 'institution', 'institutions')} that count both"
    return (
        f"{where}, {working:,} former students work and {idle:,} do not, which is {share:.1f} percent at work.",
        f"{where}, {share:.1f} percent of {working + idle:,} former students work: {working:,} do and {idle:,} do not.",
    )[wording]


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _dollars(amount: float) -> str:
    return f"${amount:,.0f}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
