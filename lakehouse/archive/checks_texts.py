"""Checks of text collections: empty, repeated ids, repeated documents."""

from collections.abc import Callable, Iterator

from lakehouse.archive.checks import TEXT, Hit, named
from lakehouse.archive.contents import TextContent
from lakehouse.archive.rulebook import Parameters
from lakehouse.archive.text_files import Document


@named(TEXT)
def empty_collection(collection: TextContent, _parameters: Parameters) -> Iterator[Hit]:
    """A collection without a document."""
    if not collection.documents:
        yield Hit(collection.folder)


@named(TEXT)
def ids_repeat(collection: TextContent, _parameters: Parameters) -> Iterator[Hit]:
    """Documents whose id another document has already."""
    yield from _repeated(collection, lambda document: document.document_id)


@named(TEXT)
def documents_repeat(collection: TextContent, _parameters: Parameters) -> Iterator[Hit]:
    """Documents whose text another document has already, white space apart."""
    yield from _repeated(collection, lambda document: " ".join(document.text.split()))


@named(TEXT)
def blank_documents(collection: TextContent, _parameters: Parameters) -> Iterator[Hit]:
    """Documents of nothing but white space."""
    blank = [(file, document) for file, document in collection.documents if not document.text.strip()]
    if blank:
        yield Hit(blank[0][0].place, len(blank), blank[0][1].row)


def _repeated(collection: TextContent, key: Callable[[Document], str]) -> Iterator[Hit]:
    seen: set[str] = set()
    hits: list[tuple[str, int]] = []
    for file, document in collection.documents:
        value = key(document)
        if value in seen:
            hits.append((file.place, document.row))
        seen.add(value)
    if hits:
        rows = ", ".join(str(row) for _, row in hits[:3])
        yield Hit(hits[0][0], len(hits), hits[0][1], {"rows": rows})
