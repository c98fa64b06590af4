"""Recognises statements that hand a table's columns on as they are, so that rows read once can be handed out again."""

from dataclasses import dataclass

from sqlglot import exp

from lakehouse.endpoint.engine_settings import SCHEMA

PARTS = frozenset({"expressions", "from_", "limit"})
EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class PlainRead:
    """The relation that a statement reads, its columns (``*`` for all, in their places), and how many rows at most."""

    relation: str
    columns: tuple[str, ...]
    most: int | None = None

    @property
    def whole(self) -> bool:
        """Say whether it reads all of the relation."""
        return self.columns == (EVERYTHING,) and self.most is None

    def places(self, names: list[str]) -> list[int] | None:
        """Return where the columns stand in a relation of these columns; None when one is not there."""
        known = {name.lower(): place for place, name in enumerate(names)}
        found: list[int] = []
        for column in self.columns:
            if column == EVERYTHING:
                found += range(len(names))
            elif column.lower() in known:
                found.append(known[column.lower()])
            else:
                return None
        return found


def plain_read(tree: exp.Expr) -> PlainRead | None:
    """Return what a translated statement reads; None when it does anything but hand on columns of one relation.

    The tree is DuckDB's, so the relation in it is what may be seen: nothing is decided here about who sees what.
    """
    if not isinstance(tree, exp.Select) or _has_more(tree, PARTS):
        return None
    source = tree.args.get("from_")
    table = source.this if isinstance(source, exp.From) else None
    if not isinstance(table, exp.Table) or _has_more(table, {"this", "db", "alias"}) or table.db != SCHEMA:
        return None
    alias = table.args.get("alias")
    if alias is not None and _has_more(alias, {"this"}):
        return None
    columns = [_column(item, table.alias_or_name) for item in tree.expressions]
    most, limited = _most(tree), tree.args.get("limit") is not None
    if (limited and most is None) or not all(columns):
        return None
    return PlainRead(table.name, tuple(str(column) for column in columns), most)


def _has_more(node: exp.Expr, parts: frozenset[str] | set[str]) -> bool:
    return any(value and name not in parts for name, value in node.args.items())


def _column(item: exp.Expr, table: str) -> str | None:
    """Return the column that an output is; None when it is computed, renamed, or of another table."""
    if isinstance(item, exp.Star) and not _has_more(item, set()):
        return EVERYTHING
    if not isinstance(item, exp.Column) or _has_more(item, {"this", "table"}):
        return None
    if item.table and item.table.lower() != table.lower():
        return None
    if isinstance(item.this, exp.Star):
        return None if _has_more(item.this, set()) else EVERYTHING
    return item.name if isinstance(item.this, exp.Identifier) and item.name != EVERYTHING else None


def _most(tree: exp.Select) -> int | None:
    limit = tree.args.get("limit")
    if not isinstance(limit, exp.Limit) or _has_more(limit, {"expression"}):
        return None
    value = limit.expression
    plain = isinstance(value, exp.Literal) and not value.is_string and value.name.isascii() and value.name.isdecimal()
    return int(value.name) if plain and len(value.name) < 16 else None
