"""Made-up submissions that are valid by construction, and faults that can be planted in them at a known place."""

import csv
import io
import json
import string
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import yaml
from hypothesis import strategies as st

TYPES = ("string", "integer", "number", "boolean", "date", "datetime")
LETTERS = string.ascii_lowercase
# No words: a made-up name of a person would be found, and rightly.
CELLS = st.text(alphabet="qxz,;|\"'\n=+@ #é漢\t", min_size=1, max_size=8).filter(
    lambda cell: cell.strip() == cell and cell != "n/a"
)


@dataclass
class Table:
    """One table: its dictionary, and its rows as text cells by column."""

    name: str
    columns: dict[str, dict]
    rows: list[dict[str, str]]
    key: str
    file: str
    extra: list[str] = field(default_factory=list)

    @property
    def folder(self):
        return f"tables/{self.name}"

    @property
    def place(self):
        return f"{self.folder}/{self.file}"

    def columns_with(self, **wanted):
        return [n for n, c in self.columns.items() if all(c.get(k) == v for k, v in wanted.items()) and n != self.key]


@dataclass
class Submission:
    """A dataset: its description, tables and documents."""

    fields: dict
    tables: dict[str, Table]
    documents: list[dict]
    blobs: dict[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        files = {"dataset.yaml": _yaml(self.fields)}
        for table in self.tables.values():
            dictionary = {"description": "Made up.", "grain": "one row per row", "primary_key": [table.key]}
            files[f"{table.folder}/columns.yaml"] = _yaml({**dictionary, "columns": table.columns})
            files[table.place] = _csv([*table.columns, *table.extra], table.rows)
        if self.documents:
            files["texts/notes/collection.yaml"] = _yaml({"title": "Notes", "description": "Made up."})
            lines = (json.dumps(document, ensure_ascii=False) for document in self.documents)
            files["texts/notes/documents.jsonl"] = "".join(f"{line}\n" for line in lines).encode()
        for name, body in (files | self.blobs).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        return folder


def _yaml(fields):
    return yaml.safe_dump(fields, allow_unicode=True, sort_keys=False).encode()


def _csv(names, rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([row.get(name, "") for name in names] for row in rows)
    return text.getvalue().encode()


@st.composite
def columns(draw):
    """Draw one column's description and the strategy of its cells."""
    kind = draw(st.sampled_from(TYPES))
    described = {"type": kind, "description": "Made up"}
    cells = _cells(draw, kind, described)
    if draw(st.booleans()):
        described["required"] = True
    elif draw(st.booleans()):
        described["missing_codes"] = ["n/a"]
        cells = cells | st.sampled_from(["", "n/a"])
    return described, cells


def _cells(draw, kind, described):
    if kind == "string":
        levels = draw(st.none() | st.lists(st.sampled_from(["qa", "qb", "qc", "qd"]), min_size=1, unique=True))
        if levels is None:
            return CELLS
        described["levels"] = {level: f"Level {level}" for level in levels}
        return st.sampled_from(levels)
    if kind in ("integer", "number"):
        described["unit"] = "1"
        low, high = sorted(draw(st.tuples(st.integers(-999, 999), st.integers(-999, 999))))
        if draw(st.booleans()):
            described |= {"minimum": low, "maximum": high}
        if kind == "integer":
            return st.integers(low, high).map(str)
        return st.floats(low, high, allow_nan=False).map(repr)
    return {
        "boolean": st.sampled_from(["true", "false"]),
        "date": st.dates(date(1900, 1, 1)).map(date.isoformat),
        "datetime": st.dates(date(1900, 1, 1)).map(lambda day: f"{day.isoformat()}T08:30:00Z"),
    }[kind]


@st.composite
def tables(draw, name, earlier):
    """Draw a table with a key of its own and, where there is an earlier table, perhaps a reference to its key."""
    count = draw(st.integers(1, 12))
    drawn = {f"c{n}": draw(columns()) for n in range(draw(st.integers(1, 4)))}
    described = {"k": {"type": "integer", "description": "Row", "required": True, "unit": "1"}}
    described |= {column: about for column, (about, _) in drawn.items()}
    rows = [{"k": str(n + 1), **{c: draw(cells) for c, (_, cells) in drawn.items()}} for n in range(count)]
    if earlier and draw(st.booleans()):
        target = draw(st.sampled_from(earlier))
        described["r"] = {"type": "integer", "description": "Refers", "references": f"{target.name}.k", "unit": "1"}
        for row in rows:
            row["r"] = draw(st.sampled_from([known["k"] for known in target.rows]))
    return Table(name, described, rows, "k", f"{name}.csv")


@st.composite
def submissions(draw):
    """Draw a whole submission that is fit for the archive."""
    made: list[Table] = []
    for number in range(draw(st.integers(1, 3))):
        made.append(draw(tables(f"t{number}", tuple(made))))
    fields = {
        "eds_version": "1.0",
        "name": draw(st.text(alphabet=LETTERS, min_size=1, max_size=20)),
        "version": draw(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,9}", fullmatch=True)),
        "title": "Made up",
        "description": "Made up.",
        "accumulates": draw(st.sampled_from(["waves", "snapshots"])),
        "licence": draw(st.sampled_from(["CC0-1.0", "CC-BY-4.0", "MIT OR Apache-2.0"])),
    }
    ids = draw(st.lists(st.text(alphabet="qxz", min_size=1, max_size=4), unique=True, max_size=3))
    documents = [{"id": one, "title": one, "text": f"{one} {draw(CELLS)} {number}"} for number, one in enumerate(ids)]
    return Submission(fields, {table.name: table for table in made}, documents)


@dataclass(frozen=True)
class Planted:
    """A fault that was put into a submission, and what must be found."""

    code: str
    place: str
    first_row: int | None = None


def _any_row(draw, table):
    return draw(st.integers(0, len(table.rows) - 1))


def _in_column(draw, submission, wanted, value, code):
    """Put a value into some row of some column of a kind; None where there is no such column."""
    fitting = [(t, c) for t in submission.tables.values() for c in t.columns if wanted(t, c, t.columns[c])]
    if not fitting:
        return None
    table, column = draw(st.sampled_from(fitting))
    row = _any_row(draw, table)
    table.rows[row][column] = value(table, column)
    return Planted(code, f"{table.place}: {column}", row + 1)


def wrong_type(draw, submission):
    def typed(table, column, about):
        return about["type"] != "string" and column != "k" and "references" not in about

    return _in_column(draw, submission, typed, lambda *_: "qxq", "TYPE_WRONG")


def out_of_range(draw, submission):
    def ranged(_table, _column, about):
        return "maximum" in about

    def beyond(table, column):
        return str(table.columns[column]["maximum"] + 1)

    return _in_column(draw, submission, ranged, beyond, "VALUE_OUT_OF_RANGE")


def not_a_level(draw, submission):
    return _in_column(draw, submission, lambda _t, _c, about: "levels" in about, lambda *_: "qz", "VALUE_NOT_A_LEVEL")


def required_missing(draw, submission):
    def required(_table, column, about):
        return about.get("required") and column != "k"

    return _in_column(draw, submission, required, lambda *_: "", "VALUE_REQUIRED")


def broken_reference(draw, submission):
    return _in_column(
        draw, submission, lambda _t, _c, about: "references" in about, lambda *_: "777", "REFERENCE_BROKEN"
    )


def key_missing(draw, submission):
    table = draw(st.sampled_from(list(submission.tables.values())))
    row = _any_row(draw, table)
    table.rows[row] = {**table.rows[row], "k": ""}
    return Planted("KEY_MISSING", f"{table.place}: k", row + 1)


def key_repeats(draw, submission):
    table = draw(st.sampled_from(list(submission.tables.values())))
    table.rows.append(dict(draw(st.sampled_from(table.rows))))
    return Planted("KEY_REPEATS", f"{table.place}: k", len(table.rows))


def column_undeclared(draw, submission):
    table = draw(st.sampled_from(list(submission.tables.values())))
    table.extra.append("more")
    return Planted("COLUMN_UNDECLARED", f"{table.place}: more")


def column_absent(draw, submission):
    table = draw(st.sampled_from(list(submission.tables.values())))
    (dictionary,) = [f"{table.folder}/columns.yaml"]
    body = {"description": "Made up.", "grain": "one row per row", "primary_key": ["k"]}
    more = {**table.columns, "gone": {"type": "string", "description": "Made up"}}
    submission.blobs[dictionary] = _yaml({**body, "columns": more})
    return Planted("COLUMN_ABSENT", f"{table.place}: gone")


def ragged_row(draw, submission):
    table = draw(st.sampled_from(list(submission.tables.values())))
    body = _csv([*table.columns], table.rows)
    submission.blobs[table.place] = body + b"1,2,3,4,5,6,7,8,9\n"
    return Planted("ROW_RAGGED", table.place, len(table.rows) + 1)


def wrong_encoding(draw, submission):
    table = draw(st.sampled_from(list(submission.tables.values())))
    submission.blobs[table.place] = _csv([*table.columns], table.rows) + b"\xff"
    return Planted("FILE_NOT_UTF8", table.place, len(table.rows) + 1)


def empty_file(draw, submission):
    table = draw(st.sampled_from(list(submission.tables.values())))
    submission.blobs[table.place] = b""
    return Planted("FILE_EMPTY", table.place)


def field_gone(draw, submission):
    gone = draw(st.sampled_from(["title", "description", "accumulates"]))
    del submission.fields[gone]
    return Planted("FIELD_MISSING", f"dataset.yaml: {gone}")


def licence_gone(_draw, submission):
    del submission.fields["licence"]
    return Planted("LICENCE_MISSING", "dataset.yaml: licence")


def field_unknown(_draw, submission):
    submission.fields["licens"] = "MIT"
    return Planted("FIELD_UNKNOWN", "dataset.yaml: licens")


def document_broken(_draw, submission):
    if not submission.documents:
        return None
    lines = b"".join(json.dumps(document).encode() + b"\n" for document in submission.documents)
    submission.blobs["texts/notes/documents.jsonl"] = lines + b'{"id": "w", "title": "w"}\n'
    return Planted("DOCUMENT_INVALID", "texts/notes/documents.jsonl", len(submission.documents) + 1)


def document_twice(_draw, submission):
    if not submission.documents:
        return None
    submission.documents.append({**submission.documents[0], "text": "another"})
    return Planted("DOCUMENT_ID_REPEATS", "texts/notes/documents.jsonl", len(submission.documents))


def personal_data(draw, submission):
    table = draw(st.sampled_from(list(submission.tables.values())))
    table.columns["mail"] = {"type": "string", "description": "Made up"}
    for number, row in enumerate(table.rows):
        row["mail"] = f"q{number}x@school-of-{number}.org"
    return Planted("PERSONAL_EMAIL", f"{table.place}: mail", 1)


FAULTS = (
    wrong_type,
    out_of_range,
    not_a_level,
    required_missing,
    broken_reference,
    key_missing,
    key_repeats,
    column_undeclared,
    column_absent,
    ragged_row,
    wrong_encoding,
    empty_file,
    field_gone,
    licence_gone,
    field_unknown,
    document_broken,
    document_twice,
    personal_data,
)
