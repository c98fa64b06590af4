"""The judge of a submission: runs every rule on every item it selects and reports all findings together."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lakehouse.archive import (
    checks,
    checks_description,
    checks_events,
    checks_files,
    checks_imports,
    checks_privacy,
    checks_tables,
    checks_terms,
    checks_texts,
)
from lakehouse.archive.checks import Check, Hit, Item
from lakehouse.archive.contents import Contents, Progress, read_contents
from lakehouse.archive.fair import judge
from lakehouse.archive.findings import LEVELS, ROWS_NAMED, FairIndicator, Finding, Report
from lakehouse.archive.levels import PERSONAL, Number, numbered_row, printable
from lakehouse.archive.packs_checks import Applied, run
from lakehouse.archive.rule_packs import Packs, load_packs
from lakehouse.archive.rulebook import Rule, rules, rules_version
from lakehouse.errors import UnreadableSubmissionError

# Importing these modules registers their checks.
CHECK_MODULES = (
    checks_description,
    checks_files,
    checks_tables,
    checks_texts,
    checks_events,
    checks_privacy,
    checks_terms,
    checks_imports,
)


def validate(
    folder: Path, *, submission: str, content_sha256: str, packs: Packs | None = None, progress: Progress | None = None
) -> Report:
    """Judge a landed folder; a submission at fault gives a report that refuses it, never an exception.

    `packs` are the rule packs of disciplines; without any those that the archive ships. `progress` is told
    the place of each file before it is read.

    Raises:
        UnreadableSubmissionError: the folder is not there.
    """
    if not folder.is_dir():
        raise UnreadableSubmissionError(f"{folder} is not there; land the submission again")
    packs = packs or load_packs()
    contents = read_contents(folder, progress) if progress else read_contents(folder)
    findings = _findings(contents, packs)
    return Report(
        submission=submission,
        content_sha256=content_sha256,
        description=contents.reading.description(),
        findings=findings,
        fair=judge(contents, findings),
        table_rows=_row_counts(contents),
        document_count=sum(collection.document_count for collection in contents.texts.values()),
        personal_count=sum(f.occurrences for f in findings if _is_of_values(f)),
        size_bytes=sum(file.size_bytes for file in contents.files),
        rules_version=packs.rules_version,
        validated_at=datetime.now(UTC),
    )


def _is_of_values(finding: Finding) -> bool:
    """Say whether a finding counts values that look like personal identifiers; notes are of what only may tell."""
    return finding.level != "note" and finding.code.startswith(PERSONAL) and rules()[finding.code].counts == "values"


def _row_counts(contents: Contents) -> dict[str, int]:
    tables = {name: table.row_count for name, table in contents.tables.items()}
    return tables | {name: log.seen.statements for name, log in contents.events.items()}


def _applied(contents: Contents, packs: Packs) -> list[Applied]:
    named = contents.dataset.disciplines if contents.dataset else {}
    return [Applied(name, packs.by_name.get(name), fields, contents) for name, fields in named.items()]


def _findings(contents: Contents, packs: Packs) -> tuple[Finding, ...]:
    applied = _applied(contents, packs)
    said = contents.said
    selected = [(code, rule, applied) for code, rule in rules().items() if said is None or not said.lacks(rule.needs)]
    selected += [(code, rule, [one]) for one in applied if one.pack for code, rule in one.pack.rules.items()]
    merged: dict[tuple[str, str], Finding] = {}
    for code, rule, its_packs in selected:
        for hit in _hits(rule, contents, its_packs):
            key = (code, printable(hit.place))
            merged[key] = _added(merged[key], hit) if key in merged else _finding(code, rule, hit)
    return tuple(sorted(merged.values(), key=lambda finding: LEVELS.index(finding.level)))


def _hits(rule: Rule, contents: Contents, applied: Iterable[Applied]) -> Iterator[Hit]:
    match rule.selector:
        case "dataset":
            yield from checks.DATASET[rule.check](contents, rule.parameters)
        case "pack":
            for one in applied:
                yield from run(rule, one)
        case _:
            yield from _hits_of_parts(rule, contents)


def _hits_of_parts(rule: Rule, contents: Contents) -> Iterator[Hit]:
    match rule.selector:
        case "file":
            yield from _each(checks.FILE[rule.check], contents.files, rule)
        case "table":
            yield from _each(checks.TABLE[rule.check], contents.tables.values(), rule)
        case "column":
            yield from _each(checks.COLUMN[rule.check], contents.judged_columns(), rule)
        case "text":
            yield from _each(checks.TEXT[rule.check], contents.texts.values(), rule)
        case "event":
            yield from _each(checks.EVENT[rule.check], contents.events.values(), rule)


def _each(check: Check[Item], items: Iterable[Item], rule: Rule) -> Iterator[Hit]:
    for item in items:
        yield from check(item, rule.parameters)


def _finding(code: str, rule: Rule, hit: Hit) -> Finding:
    known: Mapping[str, object] = {"place": hit.place, "count": hit.occurrences, "row": hit.first_row, **hit.facts}
    facts = {name: Number(fact) if isinstance(fact, int) else fact for name, fact in known.items()}
    if isinstance(known["row"], int):
        facts["row"] = numbered_row(hit.place, known["row"])
    return Finding(
        code=code,
        level=rule.level,
        place=printable(hit.place),
        occurrences=hit.occurrences,
        first_row=hit.first_row,
        message=printable(rule.message.format_map(facts)),
        how_to_fix=printable(rule.how_to_fix.format_map(facts)),
        exit_code=rule.exit_code,
        rows=tuple(hit.rows),
    )


def _added(known: Finding, hit: Hit) -> Finding:
    rows = [row for row in (known.first_row, hit.first_row) if row is not None]
    named = tuple(sorted({*known.rows, *hit.rows})[:ROWS_NAMED])
    occurrences = known.occurrences + hit.occurrences
    return replace(known, occurrences=occurrences, first_row=min(rows, default=None), rows=named)


__all__ = ["FairIndicator", "Finding", "Report", "rules_version", "validate"]
