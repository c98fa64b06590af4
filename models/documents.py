"""The documents table: its columns, its checks, its splits and the hashes that name it."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from models.errors import DocumentsError, NoDocumentsError

COLUMNS = ("document_id", "dataset", "text", "split")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Document:
    """One text with its split; the split comes with the document and is never drawn here."""

    document_id: str
    dataset: str
    text: str
    split: str
    dataset_commit: str = ""

    @property
    def byte_count(self) -> int:
        """Bytes of the text in UTF-8."""
        return len(self.text.encode("utf-8"))

    @cached_property
    def sha256(self) -> str:
        """Hash of the text's UTF-8 bytes, taken once: the names of several things rest on it."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()


def read_documents(path: Path) -> list[Document]:
    """Read a Parquet file of documents.

    Raises:
        DocumentsError: the file is unreadable, lacks a column, repeats an id or leaks a text across splits.
    """
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise DocumentsError(f"cannot read documents from {path}: {error}; write a Parquet file there") from error
    return documents_from(table)


def documents_from(table: pa.Table) -> list[Document]:
    """Check a documents table and return its rows sorted by id; an empty table gives an empty list."""
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise DocumentsError(f"documents lack the columns {missing}; they need {list(COLUMNS)}")
    names = [*COLUMNS, *(["dataset_commit"] if "dataset_commit" in table.column_names else [])]
    try:
        rows = table.select(names).to_pylist()
    except UnicodeDecodeError as error:
        raise DocumentsError(f"a document is not UTF-8: {error}; correct its encoding and load it again") from error
    documents = sorted((Document(**row) for row in rows), key=lambda document: str(document.document_id))
    _check(documents)
    return documents


def _check(documents: list[Document]) -> None:
    seen: set[str] = set()
    split_of: dict[str, Document] = {}
    for document in documents:
        if not all(isinstance(getattr(document, name), str) for name in COLUMNS):
            raise DocumentsError(f"document {document.document_id!r} has an empty column; fill {list(COLUMNS)}")
        if document.document_id in seen:
            raise DocumentsError(f"document {document.document_id!r} comes twice; document_id must be unique")
        seen.add(document.document_id)
        if document.split not in SPLITS:
            raise DocumentsError(f"document {document.document_id!r} has split {document.split!r}; use {SPLITS}")
        _check_text(document, split_of)


def _check_text(document: Document, split_of: dict[str, Document]) -> None:
    try:
        digest = document.sha256
    except UnicodeEncodeError as error:
        raise DocumentsError(
            f"document {document.document_id!r} has no UTF-8 form: {error}; remove the lone surrogate"
        ) from error
    twin = split_of.setdefault(digest, document)
    if twin.split != document.split:
        raise DocumentsError(
            f"documents {twin.document_id!r} ({twin.split}) and {document.document_id!r} ({document.split}) have the "
            "same text in different splits; choose the split by a hash of the text"
        )


def of_split(documents: list[Document], split: str) -> list[Document]:
    """Documents of one split that have any text.

    Raises:
        NoDocumentsError: there are none.
    """
    chosen = [document for document in documents if document.split == split and document.text]
    if not chosen:
        raise NoDocumentsError(f"no document with text in split {split!r} of {len(documents)}; load more documents")
    return chosen


def snapshot_hash(documents: list[Document], *, splits: tuple[str, ...] = SPLITS) -> str:
    """SHA-256 over the sorted ids, datasets, splits and text hashes of the documents in some splits."""
    digest = hashlib.sha256()
    for document in documents:
        if document.split in splits:
            parts = (document.document_id, document.dataset, document.split, document.sha256)
            digest.update("\0".join(parts).encode() + b"\n")
    return digest.hexdigest()


def evaluation_snapshot(documents: list[Document]) -> str:
    """Name of the held-out documents: SHA-256 over their sorted (document_id, text hash) pairs."""
    digest = hashlib.sha256()
    for document in sorted(documents, key=lambda each: each.document_id):
        digest.update(f"{document.document_id}\0{document.sha256}\n".encode())
    return digest.hexdigest()
