"""Turns a local copy of the Open University Learning Analytics Dataset into one submission per presentation.

The data are not part of this project: Kuzilek, Hlosta and Zdrahal (2017), doi 10.1038/sdata.2017.171, CC BY 4.0.
"""

import csv
import gzip
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

WAVES = ("2013B", "2013J", "2014B")
CREATORS = ("Kuzilek, Jakub", "Hlosta, Martin", "Zdrahal, Zdenek")

Row = Mapping[str, str]

# By table: the file, its key, and by column type, meaning and, for whole numbers that name something, the reference.
TABLES: Mapping[str, tuple[str, str, tuple[str, ...], Mapping[str, tuple[str, str]]]] = {
    "courses": (
        "courses.csv.gz",
        "one row per module and presentation",
        ("code_module", "code_presentation"),
        {
            "code_module": ("string", "Code of the module."),
            "code_presentation": ("string", "Year and month (B February, J October) of the presentation."),
            "module_presentation_length": ("integer", "Length of the presentation in days."),
        },
    ),
    "assessments": (
        "assessments.csv.gz",
        "one row per assessment",
        ("id_assessment",),
        {
            "code_module": ("string", "Code of the module."),
            "code_presentation": ("string", "Presentation."),
            "id_assessment": ("integer", "Number of the assessment."),
            "assessment_type": ("string", "TMA (by a tutor), CMA (by a computer) or Exam."),
            "date": ("integer", "Day of submission since the start; empty for the end of the presentation."),
            "weight": ("number", "Weight in percent."),
        },
    ),
    "student_info": (
        "studentInfo.csv.gz",
        "one row per student, module and presentation",
        ("code_module", "code_presentation", "id_student"),
        {
            "code_module": ("string", "Code of the module."),
            "code_presentation": ("string", "Presentation."),
            "id_student": ("integer", "Number of the student."),
            "gender": ("string", "Gender, M or F."),
            "region": ("string", "Region where the student lived."),
            "highest_education": ("string", "Highest education on entry."),
            "imd_band": ("string", "Band of the index of multiple deprivation."),
            "age_band": ("string", "Band of age."),
            "num_of_prev_attempts": ("integer", "How often the student tried the module before."),
            "studied_credits": ("integer", "Credits of all modules the student took."),
            "disability": ("string", "Whether the student declared a disability."),
            "final_result": ("string", "Final result."),
        },
    ),
    "student_registration": (
        "studentRegistration.csv.gz",
        "one row per student, module and presentation",
        ("code_module", "code_presentation", "id_student"),
        {
            "code_module": ("string", "Code of the module."),
            "code_presentation": ("string", "Presentation."),
            "id_student": ("integer", "Number of the student."),
            "date_registration": ("integer", "Day of registration since the start."),
            "date_unregistration": ("integer", "Day of leaving since the start; empty for who stayed."),
        },
    ),
    "student_assessment": (
        "studentAssessment.csv.gz",
        "one row per student and assessment",
        ("id_assessment", "id_student"),
        {
            "id_assessment": ("integer", "Number of the assessment."),
            "id_student": ("integer", "Number of the student."),
            "date_submitted": ("integer", "Day of submission since the start."),
            "is_banked": ("string", "Whether the result came over from an earlier presentation."),
            "score": ("integer", "Score, 0 to 100; below 40 is a fail."),
        },
    ),
    "student_vle": (
        "studentVle_first13905.csv.gz",
        "one row per student, page and day, where a day may have several",
        (),
        {
            "code_module": ("string", "Code of the module."),
            "code_presentation": ("string", "Presentation."),
            "id_student": ("integer", "Number of the student."),
            "id_site": ("integer", "Number of the page."),
            "date": ("integer", "Day since the start."),
            "sum_click": ("integer", "Clicks."),
        },
    ),
}
REFERENCES = {("student_assessment", "id_assessment"): "assessments.id_assessment"}


def write(source: Path, wave: str, into: Path, *, students: Collection[str] | None = None) -> Path:
    """Write the submission of one presentation, of these students only when given; return its folder."""
    folder = into / f"oulad_{wave.lower()}"
    assessments = {row["id_assessment"] for row in _rows(source / TABLES["assessments"][0]) if _of(row, wave)}
    written = []
    for name, (file, grain, key, columns) in TABLES.items():
        rows = [
            row for row in _rows(source / file) if _of(row, wave) and row.get("id_assessment", "") in {"", *assessments}
        ]
        rows = [row for row in rows if students is None or row.get("id_student") in {None, *students}]
        if rows:
            _write_table(folder / "tables" / name, name, grain, key, columns, rows)
            written.append(name)
    (folder / "dataset.yaml").write_text(_description(wave, written), encoding="utf-8")
    return folder


def _rows(path: Path) -> Iterator[Row]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _of(row: Row, wave: str) -> bool:
    return row.get("code_presentation", wave) == wave


def _write_table(
    folder: Path,
    name: str,
    grain: str,
    key: tuple[str, ...],
    columns: Mapping[str, tuple[str, str]],
    rows: list[Row],
) -> None:
    folder.mkdir(parents=True)
    lines = [f"description: {grain.capitalize()}.", f"grain: {grain}", f"primary_key: [{', '.join(key)}]", "columns:"]
    for column, (kind, words) in columns.items():
        lines += [f"  {column}:", f"    type: {kind}", f'    description: "{words}"']
        if reference := REFERENCES.get((name, column)):
            lines.append(f"    references: {reference}")
        if column == "id_student":
            lines.append("    role: direct_identifier")
    (folder / "columns.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(columns), extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _description(wave: str, tables: list[str]) -> str:
    identifiers = [f"{name}.id_student" for name in tables if "id_student" in TABLES[name][3]]
    creators = "\n".join(f'  - name: "{name}"' for name in CREATORS)
    return f"""\
eds_version: "1.0"
name: oulad
version: "{wave.lower()}"
title: Open University Learning Analytics Dataset, presentation {wave}
description: Students, registrations and assessments of one presentation.
licence: CC-BY-4.0
accumulates: waves
source_url: https://analyse.kmi.open.ac.uk/open-dataset
keywords: [learning analytics, distance education]
language: en
creators:
{creators}
subjects:
  student:
    description: A person who took a module.
    identifiers: [{", ".join(identifiers)}]
"""
