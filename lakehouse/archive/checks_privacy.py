"""Checks for personal data in the values of tables and texts; every declared and undeclared column is looked at."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from posixpath import commonpath

from lakehouse.archive import privacy
from lakehouse.archive.checks import DATASET, FILE, TABLE, TEXT, Hit, listed, named, number, text
from lakehouse.archive.contents import Contents, DataFile, TableContent, TextContent
from lakehouse.archive.other_scan import OtherSeen, OtherSuspicion
from lakehouse.archive.privacy.groups import quasi_identifiers, quasi_kind
from lakehouse.archive.privacy.kinds import identifiers
from lakehouse.archive.rulebook import Parameters

NAMED_FILES = 3


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
    """Columns whose values name nobody alone, and which have no role."""
    yield from _by_column(table, "indirect", lambda column: table.role_of(column) == "none")


@named(TABLE)
def declared_indirect_values(table: TableContent, _parameters: Parameters) -> Iterator[Hit]:
    """Columns whose values name nobody alone, and whose role says whom or what they tell of."""
    yield from _by_column(table, "indirect", lambda column: table.role_of(column) != "none")


def _by_column(table: TableContent, certainty: str, asked: Callable[[str], bool] = lambda _: True) -> Iterator[Hit]:
    kinds = identifiers()
    mild = [(c, s) for c, s in table.suspicions if not s.personal and kinds[s.kind].certainty == certainty and asked(c)]
    for column in dict.fromkeys(name for name, _ in mild):
        found = sorted((s for name, s in mild if name == column), key=lambda s: -s.count)
        yield _column_hit(table, column, found)


def _column_hit(table: TableContent, column: str, found: Sequence[privacy.Suspicion]) -> Hit:
    most = found[0]
    spot = table.spot_of(most.first_row)
    facts: dict[str, str | int | float] = {
        "column": privacy.shown_name(column),
        "role": table.role_of(column),
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


@named(DATASET)
def unread_pictures(submission: Contents, parameters: Parameters) -> Iterator[Hit]:
    """Pictures, which nobody can look into, by folder and ending."""
    yield from _unread(submission, lambda ending: ending in listed(parameters, "endings"))


@named(DATASET)
def unread_files(submission: Contents, parameters: Parameters) -> Iterator[Hit]:
    """Other files that cannot be looked into, by folder and ending."""
    yield from _unread(submission, lambda ending: ending not in listed(parameters, "but"))


def _unread(submission: Contents, asked: Callable[[str], bool]) -> Iterator[Hit]:
    groups: dict[tuple[str, str], list[DataFile]] = {}
    for file in submission.files:
        path = PurePosixPath(file.place)
        if file.other is not None and file.other.unread is not None and asked(path.suffix.lower()):
            groups.setdefault((path.parent.as_posix(), path.suffix), []).append(file)
    for (folder, ending), files in groups.items():
        place = files[0].place if len(files) == 1 else f"{folder}/*{ending}".removeprefix("./")
        names = ", ".join(file.place for file in files[:NAMED_FILES]) + (", ..." if len(files) > NAMED_FILES else "")
        yield Hit(place, len(files), facts={"files": names, "reason": (files[0].other or OtherSeen()).unread or ""})


@named(DATASET)
def personal_names_of_files(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """Files and folders that are called by what belongs to one person, or each by a person's name."""
    yield from _called(submission, certain=True)


@named(DATASET)
def possibly_personal_names_of_files(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """Files and folders that are called by what may be a person's name or number."""
    yield from _called(submission, certain=False)


def _called(submission: Contents, *, certain: bool) -> Iterator[Hit]:
    for one in submission.telling_names:
        if one.certain == certain:
            place = one.places[0] if len(one.places) == 1 else _all_of(one.places)
            kinds = ", ".join(identifiers()[kind].title for kind in one.kinds)
            example = privacy.shape(PurePosixPath(one.places[0]).name)
            yield Hit(place, len(one.places), facts={"kinds": kinds, "example": example})


def _all_of(places: tuple[str, ...]) -> str:
    """Return a place for files and folders of one folder, or with another sign for those below it."""
    folders = {place.rpartition("/")[0] for place in places}
    return f"{commonpath(folders)}/{'*' if len(folders) == 1 else '**'}".removeprefix("/")


@named(FILE)
def personal_file(file: DataFile, _parameters: Parameters) -> Iterator[Hit]:
    """Files that are no data of the standard and hold so many identifiers that they are about persons."""
    yield from _in_file(file, lambda one: one.personal)


@named(FILE)
def possibly_personal_file(file: DataFile, _parameters: Parameters) -> Iterator[Hit]:
    """Files that are no data of the standard, in which some identifiers stand."""
    yield from _in_file(file, lambda one: not one.personal and identifiers()[one.kind].certainty == "direct")


@named(FILE)
def indirectly_personal_file(file: DataFile, _parameters: Parameters) -> Iterator[Hit]:
    """Files that are no data of the standard, with what narrows persons down."""
    yield from _in_file(file, lambda one: identifiers()[one.kind].certainty == "indirect")


def _in_file(file: DataFile, asked: Callable[[OtherSuspicion], bool]) -> Iterator[Hit]:
    by_column: dict[str | None, list[OtherSuspicion]] = {}
    for one in file.other.suspicions if file.other else ():
        if asked(one):
            by_column.setdefault(one.column, []).append(one)
    for column, found in by_column.items():
        name = privacy.shown_name(column) if column else None
        rows = sorted({row for one in found for row in one.rows})
        facts: dict[str, str | int | float] = {
            "where": f"The column '{name}' of {file.place}" if name else file.place,
            "kinds": ", ".join(f"{identifiers()[one.kind].title} ({one.count})" for one in found),
            "unit": "row" if column is not None else "line",
        }
        place = f"{file.place}: {name}" if name else file.place
        yield Hit(place, sum(one.count for one in found), rows[0] if rows else None, facts, rows)


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
