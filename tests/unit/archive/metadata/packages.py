"""Packages of other standards to adopt, and what is told of one that was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lakehouse.archive.eds import load_description
from lakehouse.archive.reading import raw_tables, typed
from lakehouse.archive.validate import Report

PACKAGE: dict[str, Any] = {
    "name": "lessons",
    "title": "Lessons",
    "description": "Which lessons were held.",
    "version": "1.0",
    "licenses": [{"name": "CC-BY-4.0"}],
    "resources": [
        {
            "name": "lessons",
            "path": "data/lessons.csv",
            "description": "Lessons held.",
            "schema": {
                "fields": [
                    {"name": "lesson", "type": "integer", "description": "Number"},
                    {"name": "subject", "type": "string", "description": "Subject"},
                ],
                "primaryKey": "lesson",
            },
        }
    ],
}
ROWS = "lesson,subject\n1,maths\n2,art\n"

Build = Callable[..., Path]
Judge = Callable[[Path], Report]


def resource(**changes: Any) -> dict[str, Any]:
    merged = {**PACKAGE["resources"][0], **changes}
    return {"resources": [{name: value for name, value in merged.items() if value is not None}]}


def schema(*fields: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return resource(schema={"fields": list(fields), **rest})


def said(report: Report, code: str) -> list[str]:
    return [finding.message for finding in report.findings if finding.code == code]


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    description = load_description(folder)
    raw = dict(raw_tables(folder, description))[table]
    return typed(raw, description.tables[table]).to_pylist()
