"""What each column of a view means: said in the view's file, or taken over from the column that it shows unchanged."""

import re

from sqlglot import exp

from lakehouse.errors import QueryError
from lakehouse.publish.views import SPACE, load_views, parse_view
from lakehouse.tables.gold import GOLD
from lakehouse.tables.register import REGISTER
from lakehouse.tables.release import View

SAID = re.compile(r"^-- column (\w+): (.+)$", re.MULTILINE)


def columns_of(view: View) -> dict[str, str]:
    """Return the meaning of every column of a view, in its order.

    Raises QueryError for a column that says nothing and shows no described one unchanged, and for a said one that the
    view does not have.
    """
    query = parse_view(view.sql)
    said = dict(SAID.findall(view.sql))
    strange = set(said) - set(query.named_selects)
    if strange:
        raise QueryError(f"view {view.name} describes {', '.join(sorted(strange))}, which it does not have")
    meanings = {name: said.get(name) or _inherited(query, name) for name in query.named_selects}
    silent = [name for name, meaning in meanings.items() if not meaning]
    if silent:
        raise QueryError(f"view {view.name} does not say what {', '.join(silent)} is; add `-- column <name>: ...`")
    return meanings


def _inherited(query: exp.Query, name: str) -> str:
    """Return the meaning of the column that a query shows under a name; empty where it is computed or not described."""
    if not isinstance(query, exp.Select):
        return ""
    shown = next((one for one in query.expressions if one.alias_or_name == name), None)
    while isinstance(shown, exp.Alias | exp.Cast):
        shown = shown.this
    if not isinstance(shown, exp.Column):
        return ""
    sources = {source.alias_or_name: source for source in _sources(query)}
    if shown.table:
        return _meaning(sources[shown.table], shown.name) if shown.table in sources else ""
    found = {_meaning(source, shown.name) for source in sources.values()} - {""}
    return found.pop() if len(found) == 1 else ""


def _sources(query: exp.Select) -> list[exp.Expr]:
    clauses = [query.args.get("from_"), *(query.args.get("joins") or ())]
    return [clause.this for clause in clauses if clause is not None]


def _meaning(source: exp.Expr, name: str) -> str:
    if isinstance(source, exp.Subquery):
        return _inherited(source.this, name)
    path = [part.name for part in source.parts] if isinstance(source, exp.Table) else []
    if path and path[0] == SPACE:
        return columns_of(load_views()[".".join(path)]).get(name, "")
    return _documented().get((".".join(path[1:]), name), "")


def _documented() -> dict[tuple[str, str], str]:
    return {(table.name, column.name): column.doc for table in (*REGISTER, *GOLD) for column in table.columns}
