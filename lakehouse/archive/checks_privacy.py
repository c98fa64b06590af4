"""Checks for personal data in the values of tables and texts; every declared and undeclared column is looked at."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from lakehouse.archive import privacy
from lakehouse.archive.checks import FILE, TABLE, TEXT, Hit, listed, named, number, text
from lakehouse.archive.contents import DataFile, TableContent, TextContent
from lakehouse.archive.privacy.groups import quasi_identifiers, quasi_kind
from lakehouse.archive.privacy.kinds import identifiers
from lakehouse.archive.rulebook import Parameters


@named(TABLE)
def personal_values(table: TableContent, parameters: Parameters) -> Iterator[Hit]:
    """Columns whose values are one kind of identifier, above the kind's threshold."""
    for column, suspicion in table.suspicions:
        if suspicion.personal and suspicion.kind == text(parameters, "identifier"):
            yield _column_hit(table, column, [suspicion])


@named(TABLE)
def possibly_personal_values(table: TableContent, _parameters: Parameters) -> Iterator[Hit]:
    """Columns in which some values look like an identifier, below the threshold."""
    yield from _by_column(table, "direct")


@named(TABLE)
def indirectly_personal_values(table: TableContent, _parameters: Parameters) -> Iterator[Hit]:
    """Columns whose values name nobody alone."""
    yield from _by_column(table, "indirect")


def _by_column(table: TableContent, certainty: str) -> Iterator[Hit]:
    mild = [(c, s) for c, s in table.suspicions if not s.personal and identifiers()[s.kind].certainty == certainty]
    for column in dict.fromkeys(name for name, _ in mild):
        found = sorted((s for name, s in mild if name == column), key=lambda s: -s.count)
        yield _column_hit(table, column, found)


def _column_hit(table: TableContent, column: str, found: Sequence[privacy.Suspicion]) -> Hit:
    most = found[0]
    spot = table.spot_of(most.first_row)
    facts: dict[str, str | int | float] = {
        "column": privacy.shown_name(column),
        "kind": identifiers()[most.kind].title,
        "kinds": ", ".join(f"{identifiers()[s.kind].title} ({s.count})" for s in found),
        "example": most.example,
        "share": f"{most.share:.0%}",
        "reason": identifiers()[most.kind].reason,
    }
    spots = (table.spot_of(address) for suspicion in found for address in suspicion.rows)
    rows = sorted({other.row for other in spots if other.place == spot.place})
    return Hit(f"{spot.place}: {facts['column']}", sum(s.count for s in found), spot.row, facts, rows)


@named(TABLE)
def small_groups(table: TableContent, parameters: Parameters) -> Iterator[Hit]:
    """Tables about persons in which few rows share their quasi-identifiers."""
    columns, scan = table.groups
    least = int(number(parameters, "least"))
    small = scan.small(least)
    if small.first_row is None:
        return
    spot = table.spot_of(small.first_row)
    kinds = [kind for kind in (quasi_kind(name) for name in columns) if kind is not None]
    facts: dict[str, str | int | float] = {
        "columns": ", ".join(privacy.shown_name(name) for name in columns),
        "share": f"{min(1.0, small.rows / table.row_count):.1%}",
        "least": least,
        "smallest": small.smallest,
        "advice": "; ".join(dict.fromkeys(quasi_identifiers()[kind].advice for kind in kinds)) or "use wider bands",
        "unvaried": f"Another {small.unvaried} rows stand in groups that all have the same sensitive value."
        if small.unvaried
        else "",
    }
    yield Hit(table.folder, small.rows, spot.row, facts)


@named(FILE)
def picture_file(file: DataFile, parameters: Parameters) -> Iterator[Hit]:
    """Pictures among the files."""
    if PurePosixPath(file.place).suffix.lower() in listed(parameters, "endings"):
        yield Hit(file.place)


@named(TEXT)
def personal_texts(collection: TextContent, _parameters: Parameters) -> Iterator[Hit]:
    """Collections so dense with identifiers that they are about persons."""
    dense = [s for s in collection.suspicions if s.personal]
    if dense:
        yield _text_hit(collection, dense)


@named(TEXT)
def possibly_personal_texts(collection: TextContent, _parameters: Parameters) -> Iterator[Hit]:
    """Collections in which some identifiers stand."""
    yield from _mild_texts(collection, "direct")


@named(TEXT)
def indirectly_personal_texts(collection: TextContent, _parameters: Parameters) -> Iterator[Hit]:
    """Collections with what narrows persons down."""
    yield from _mild_texts(collection, "indirect")


def _mild_texts(collection: TextContent, certainty: str) -> Iterator[Hit]:
    thin = [s for s in collection.suspicions if not s.personal and identifiers()[s.kind].certainty == certainty]
    if thin:
        yield _text_hit(collection, thin)


def _text_hit(collection: TextContent, found: list[privacy.TextSuspicion]) -> Hit:
    spot = collection.spot_of(min(s.first_row for s in found))
    kinds = ", ".join(f"{identifiers()[s.kind].title} ({s.count} in {s.document_count} documents)" for s in found)
    facts: dict[str, str | int | float] = {"kinds": kinds, "documents": collection.document_count}
    return Hit(spot.place, sum(s.count for s in found), spot.row, facts)
