"""Checks for personal data in the values of tables and texts; every declared and undeclared column is looked at."""

from collections.abc import Iterator

from lakehouse.archive import privacy
from lakehouse.archive.checks import TABLE, TEXT, Hit, named, text
from lakehouse.archive.contents import TableContent, TextContent
from lakehouse.archive.rulebook import Parameters, identifiers


@named(TABLE)
def personal_values(table: TableContent, parameters: Parameters) -> Iterator[Hit]:
    """Columns whose values are one kind of identifier, above the kind's threshold."""
    for column, suspicion in table.suspicions:
        if suspicion.personal and suspicion.kind == text(parameters, "identifier"):
            yield _column_hit(table, column, suspicion)


@named(TABLE)
def possibly_personal_values(table: TableContent, _parameters: Parameters) -> Iterator[Hit]:
    """Columns in which some values look like an identifier, below the threshold."""
    for column in dict.fromkeys(name for name, suspicion in table.suspicions if not suspicion.personal):
        found = [s for name, s in table.suspicions if name == column and not s.personal]
        hit = _column_hit(table, column, max(found, key=lambda s: s.count))
        kinds = ", ".join(f"{identifiers()[s.kind].title} ({s.count})" for s in found)
        yield Hit(hit.place, sum(s.count for s in found), hit.first_row, {**hit.facts, "kinds": kinds})


def _column_hit(table: TableContent, column: str, suspicion: privacy.Suspicion) -> Hit:
    spot = table.spot_of(suspicion.first_row)
    facts: dict[str, str | int | float] = {
        "column": privacy.shown_name(column),
        "kind": identifiers()[suspicion.kind].title,
        "example": suspicion.example,
        "share": f"{suspicion.share:.0%}",
        "reason": identifiers()[suspicion.kind].reason,
    }
    return Hit(f"{spot.place}: {facts['column']}", suspicion.count, spot.row, facts)


@named(TEXT)
def personal_texts(collection: TextContent, _parameters: Parameters) -> Iterator[Hit]:
    """Collections so dense with identifiers that they are about persons."""
    dense = [s for s in collection.suspicions if s.personal]
    if dense:
        yield _text_hit(collection, dense)


@named(TEXT)
def possibly_personal_texts(collection: TextContent, _parameters: Parameters) -> Iterator[Hit]:
    """Collections in which some identifiers stand."""
    thin = [s for s in collection.suspicions if not s.personal]
    if thin:
        yield _text_hit(collection, thin)


def _text_hit(collection: TextContent, found: list[privacy.TextSuspicion]) -> Hit:
    file, document = collection.documents[min(s.first_row for s in found)]
    kinds = ", ".join(f"{identifiers()[s.kind].title} ({s.count} in {s.document_count} documents)" for s in found)
    facts: dict[str, str | int | float] = {"kinds": kinds, "documents": len(collection.documents)}
    return Hit(file.place, sum(s.count for s in found), document.row, facts)
