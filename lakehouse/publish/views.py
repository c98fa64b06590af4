"""The published views: one SQL statement a file in Dremio's dialect, and which of them can be shown now."""

from collections.abc import Collection, Mapping
from functools import cache
from importlib import resources

import sqlglot
from sqlglot import exp

from lakehouse.errors import QueryError
from lakehouse.tables.release import View

SOURCE = "lakehouse"
SPACE = "kpi"
DIALECT = "dremio"


@cache
def load_views() -> dict[str, View]:
    """Return every view by its published name ``kpi.<file name>``, sorted."""
    folder = resources.files("lakehouse.publish") / "sql"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    names = [f"{SPACE}.{file.name.removesuffix('.sql')}" for file in files]
    return {name: View(name, file.read_text(encoding="utf-8")) for name, file in zip(names, files, strict=True)}


@cache
def parse_view(view_sql: str) -> exp.Query:
    """Parse a view's text; raise QueryError unless it is exactly one query."""
    try:
        statements = [statement for statement in sqlglot.parse(view_sql, read=DIALECT) if statement is not None]
    except sqlglot.ParseError as error:
        raise QueryError(f"a view does not parse: {error}; correct its file in lakehouse/publish/sql") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise QueryError(f"a view holds {len(statements)} statements; write exactly one select in each file")
    return statements[0]


def required_tables(view_sql: str) -> set[str]:
    """Return the tables a view reads, as ``namespace.table``. Views it reads are not among them."""
    paths = [path for path in _sources(view_sql) if path[0] != SPACE]
    for path in paths:
        if len(path) != 3 or path[0] != SOURCE:
            raise QueryError(f"a view reads {'.'.join(path)}; name tables {SOURCE}.<namespace>.<table>")
    return {".".join(path[1:]) for path in paths}


def required_views(view_sql: str) -> set[str]:
    """Return the other views that a view reads, as ``kpi.<view>``."""
    return {".".join(path) for path in _sources(view_sql) if path[0] == SPACE}


def at_snapshots(view_sql: str, snapshots: Mapping[str, int]) -> str:
    """Return a view's text with every table of the source read at its snapshot, by ``namespace.table``.

    Dremio knows no release; a view that names its snapshots shows exactly the tables of one.
    """
    query = parse_view(view_sql).copy()
    for table in query.find_all(exp.Table):
        path = [part.name for part in table.parts]
        if len(path) == 3 and path[0] == SOURCE:
            snapshot = exp.Literal.string(str(snapshots[".".join(path[1:])]))
            table.set("version", exp.Version(this="VERSION", expression=snapshot, kind="AS OF"))
    for found in list(query.find_all(exp.StrPosition)):
        # sqlglot would print STR_POSITION, which Dremio does not have.
        found.replace(exp.Anonymous(this="STRPOS", expressions=[found.this, found.args["substr"]]))
    return query.sql(DIALECT, pretty=True)


def in_reading_order(views: Mapping[str, View]) -> list[View]:
    """Return views so that each stands after every one that it reads."""
    ordered: dict[str, View] = {}

    def add(name: str) -> None:
        for read in sorted(required_views(views[name].sql)):
            if read not in ordered:
                add(read)
        ordered[name] = views[name]

    for name in sorted(views):
        if name not in ordered:
            add(name)
    return list(ordered.values())


def publishable_views(pinned: Collection[str]) -> dict[str, View]:
    """Return the views whose tables are all in `pinned` (``namespace.table``), through any views they read."""
    views = load_views()
    return {name: view for name, view in views.items() if all_required_tables(view.sql) <= set(pinned)}


def all_required_tables(view_sql: str) -> set[str]:
    """Return the tables a view reads, itself or through other views; raise QueryError for a view that is not there."""
    views = load_views()
    tables, seen, todo = set[str](), set[str](), [view_sql]
    while todo:
        text = todo.pop()
        tables |= required_tables(text)
        for name in required_views(text) - seen:
            if name not in views:
                raise QueryError(f"a view reads {name}, which has no file; views are {', '.join(views)}")
            seen.add(name)
            todo.append(views[name].sql)
    return tables


@cache
def _sources(view_sql: str) -> tuple[tuple[str, ...], ...]:
    query = parse_view(view_sql)
    named = {cte.alias_or_name for cte in query.find_all(exp.CTE)}
    paths = [tuple(part.name for part in table.parts) for table in query.find_all(exp.Table)]
    return tuple(path for path in paths if not (len(path) == 1 and path[0] in named))
