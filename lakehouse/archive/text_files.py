"""One file of a text collection: documents as JSON lines, or one plain text file per document; read in batches."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lakehouse.archive.encoding import refuse_other_encodings, unfit
from lakehouse.archive.json_rows import TWICE, TwiceError, line_blocks, lines, once
from lakehouse.archive.packed import opened, plain_name
from lakehouse.errors import SchemaError

FIELDS = ("id", "title", "text")
TEXT_ENDINGS = (".jsonl", ".txt")
LARGEST_DOCUMENT_BYTES = 64 << 20


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


@dataclass(frozen=True, slots=True)
class DocumentBatch:
    """Some documents of one file in order, and the lines between them that are none."""

    documents: tuple[Document, ...]
    bad: tuple[BadLine, ...]


def is_text_file(name: str) -> bool:
    """Say whether a file of that name holds documents."""
    return plain_name(name).endswith(TEXT_ENDINGS)


def document_files(folder: Path) -> list[Path]:
    """Return the files with documents in a collection's folder, sorted."""
    return sorted(p for p in folder.iterdir() if p.is_file() and is_text_file(p.name))


def document_batches(path: Path) -> Iterator[DocumentBatch]:
    """Yield the documents of one file; empty lines are skipped.

    Raises:
        EncodingError: the bytes are not UTF-8.
        SchemaError: the file cannot be unpacked, or a document is larger than 64 MB.
    """
    name = plain_name(path.name)
    if name.endswith(".txt"):
        yield DocumentBatch((_whole(path, name.removesuffix(".txt")),), ())
        return
    before = 0
    for offset, block in line_blocks(path):
        found = lines(block, path, offset)
        yield _batch(found, before)
        before += len(found)


def _whole(path: Path, name: str) -> Document:
    with opened(path) as stream:
        body = stream.read(LARGEST_DOCUMENT_BYTES + 1)
    if len(body) > LARGEST_DOCUMENT_BYTES:
        raise SchemaError(f"{path.name} is a document of more than {LARGEST_DOCUMENT_BYTES >> 20} MB; split it")
    refuse_other_encodings(body, path)
    return Document(name, name, body.decode("utf-8-sig"), 1)


def _batch(found: list[str], before: int) -> DocumentBatch:
    documents: list[Document] = []
    bad: list[BadLine] = []
    for row, line in enumerate(found, start=before + 1):
        if not line.strip():
            continue
        parsed = _document(line, row)
        if isinstance(parsed, Document):
            documents.append(parsed)
        else:
            bad.append(parsed)
    return DocumentBatch(tuple(documents), tuple(bad))


def _document(line: str, row: int) -> Document | BadLine:
    try:
        value = json.loads(line, object_pairs_hook=once)
    except TwiceError:
        return BadLine(row, TWICE)
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
    if why := unfit(value[field] for field in FIELDS):
        return BadLine(row, why)
    return Document(value["id"], value["title"], value["text"], row)
