"""One file of a text collection: documents as JSON lines, or one plain text file per document."""

import json
from dataclasses import dataclass
from pathlib import Path

from lakehouse.archive.encoding import refuse_other_encodings

FIELDS = ("id", "title", "text")


@dataclass(frozen=True, slots=True)
class Document:
    """One text with its id and the data row it stands in, counted from 1."""

    document_id: str
    title: str
    text: str
    row: int


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of a JSON lines file that is no document, and why."""

    row: int
    reason: str


def document_files(folder: Path) -> list[Path]:
    """Return the ``.jsonl`` and ``.txt`` files of a collection's folder, sorted."""
    return sorted(p for p in folder.iterdir() if p.is_file() and p.suffix in (".jsonl", ".txt"))


def read_documents(path: Path) -> tuple[list[Document], list[BadLine]]:
    """Return the documents of one file and its lines that are none; empty lines are skipped.

    Raises:
        EncodingError: the bytes are not UTF-8.
    """
    body = path.read_bytes()
    refuse_other_encodings(body, path.name)
    text = body.decode("utf-8-sig")
    if path.suffix == ".txt":
        return [Document(path.stem, path.stem, text, 1)], []
    documents: list[Document] = []
    bad: list[BadLine] = []
    for row, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        parsed = _document(line, row)
        if isinstance(parsed, Document):
            documents.append(parsed)
        else:
            bad.append(parsed)
    return documents, bad


def _document(line: str, row: int) -> Document | BadLine:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return BadLine(row, "not JSON")
    if not isinstance(value, dict):
        return BadLine(row, "not a JSON object")
    for field in FIELDS:
        found = value.get(field)
        if not isinstance(found, str) or (field != "title" and not found.strip()):
            return BadLine(row, f"the field '{field}' is missing or not text")
    unknown = sorted(set(value) - set(FIELDS))
    if unknown:
        return BadLine(row, f"unknown fields: {', '.join(unknown)[:100]}")
    try:
        value["text"].encode()
        value["id"].encode()
        value["title"].encode()
    except UnicodeEncodeError:
        return BadLine(row, "half of a surrogate pair, which no UTF-8 text can hold")
    return Document(value["id"], value["title"], value["text"], row)
