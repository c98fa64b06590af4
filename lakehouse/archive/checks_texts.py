"""Checks of text collections: empty, repeated ids, repeated documents."""

from collections.abc import Iterator

from lakehouse.archive.checks import TEXT, Hit, in_rows, named
from lakehouse.archive.contents import TextContent
from lakehouse.archive.rulebook import Parameters


@named(TEXT)
def empty_collection(collection: TextContent, _parameters: Parameters) -> Iterator[Hit]:
    """A collection without a document."""
    if not collection.document_count:
        yield Hit(collection.folder)


@named(TEXT)
def ids_repeat(collection: TextContent, _parameters: Parameters) -> Iterator[Hit]:
    """Documents whose id another document has already."""
    yield from (in_rows(tally, tally.place) for tally in collection.seen.tally("id_repeats"))


@named(TEXT)
def documents_repeat(collection: TextContent, _parameters: Parameters) -> Iterator[Hit]:
    """Documents whose text another document has already, white space apart."""
    yield from (in_rows(tally, tally.place) for tally in collection.seen.tally("text_repeats"))


@named(TEXT)
def blank_documents(collection: TextContent, _parameters: Parameters) -> Iterator[Hit]:
    """Documents of nothing but white space."""
    yield from (in_rows(tally, tally.place) for tally in collection.seen.tally("blank"))
