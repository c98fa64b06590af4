"""The report as SARIF 2.1.0, which code-scanning pages and editors show beside the files.

A finding about rows points at the line of its first row; that is exact as long as no cell before it holds a line end.
"""

import json
from datetime import UTC
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from lakehouse.archive.levels import Level, down_to
from lakehouse.archive.reports.groups import Group, groups, summary

if TYPE_CHECKING:
    from lakehouse.archive.findings import Finding, Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
BASE = "%SRCROOT%"
HEADED_SUFFIXES = (".csv", ".tsv")
LINED_SUFFIXES = (*HEADED_SUFFIXES, ".jsonl")
TOOL = "lakehouse validate"

Json = dict[str, object]


def sarif(report: "Report", root: str = "", level: Level = "note") -> str:
    """Return the findings down to a level as SARIF; `root` is the submission's folder as seen from its repository."""
    found = groups(report, down_to(level))
    index = {group.code: position for position, group in enumerate(found)}
    run: Json = {
        "tool": {"driver": _driver(report, found)},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {BASE: {"description": {"text": "The folder that the paths start from."}}},
        "automationDetails": {"id": f"{TOOL}/{report.dataset}/"},
        "invocations": [_invocation(report)],
        "results": [
            _result(finding, index[finding.code], root) for finding in report.findings if finding.code in index
        ],
        "properties": {
            "submission": report.submission,
            "verdict": report.verdict,
            "contentSha256": report.content_sha256,
            "fairScore": report.fair_score,
        },
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False)


def _driver(report: "Report", found: list[Group]) -> Json:
    return {
        "name": TOOL,
        "semanticVersion": "1.0.0",
        "version": report.rules_version[:12],
        "rules": [_rule(group) for group in found],
    }


def _rule(group: Group) -> Json:
    words = group.code.replace("_", " ").capitalize()
    return {
        "id": group.code,
        "name": "".join(word.capitalize() for word in group.code.split("_")),
        "shortDescription": {"text": f"{words}."},
        "help": {"text": " ".join(group.ways_to_fix)},
        "defaultConfiguration": {"level": group.level},
        "properties": {"tags": ["data", "EDS"], "problem.severity": _severity(group.level)},
    }


def _severity(level: Level) -> str:
    return "recommendation" if level == "note" else level


def _invocation(report: "Report") -> Json:
    return {
        "executionSuccessful": True,
        "exitCode": 0 if report.accepted else 1,
        "exitCodeDescription": f"{report.verdict}: {summary(report)}",
        "endTimeUtc": report.validated_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }


def _result(finding: "Finding", rule_index: int, root: str) -> Json:
    path, _, part = finding.place.partition(": ")
    logical = {"fullyQualifiedName": finding.place, "kind": "member" if part else "resource"}
    location: Json = {"logicalLocations": [logical]}
    if not path.startswith("("):
        location["physicalLocation"] = _physical(PurePosixPath(root, path), finding.first_row)
    return {
        "ruleId": finding.code,
        "ruleIndex": rule_index,
        "level": finding.level,
        "message": {"text": f"{finding.message} {finding.how_to_fix}"},
        "locations": [location],
        "partialFingerprints": {"codeAndPlace/v1": f"{finding.code}:{finding.place}"},
        "occurrenceCount": max(1, finding.occurrences),
    }


def _physical(path: PurePosixPath, first_row: int | None) -> Json:
    physical: Json = {"artifactLocation": {"uri": quote(path.as_posix()), "uriBaseId": BASE}}
    if first_row is not None and first_row > 0 and path.suffix in LINED_SUFFIXES:
        physical["region"] = {"startLine": first_row + 1 if path.suffix in HEADED_SUFFIXES else first_row}
    return physical
