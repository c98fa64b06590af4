"""What a name in GROUP BY and ORDER BY stands for, and names that Dremio gives to what has none."""

from collections import Counter
from collections.abc import Sequence

from sqlglot import exp

from lakehouse.endpoint.calls import exchange
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.functions import AGGREGATES
from lakehouse.endpoint.trees import all_of, walk

MOST_WRITTEN_AGAIN = 10_000
GROUPINGS = ("expressions", "rollup", "cube", "grouping_sets")


def settle(tree: exp.Expr) -> None:
    """Have names mean in DuckDB what they mean in Dremio; changes the tree.

    In GROUP BY and within ORDER BY's expressions a name is first that of a column of the result, in DuckDB first that
    of a column of the tables (Calcite 1.21, SqlValidatorImpl.ExtendedExpander and OrderExpressionExpander).
    """
    for select in walk(tree):  # what is written again is looked at as well
        if not isinstance(select, exp.Select):
            continue
        _settle_star(select)
        named = _named(select)
        if named:
            _settle_groups(select, named)
            _settle_order(select, named)


def _settle_star(select: exp.Select) -> None:
    """Put the columns of USING first in *, as Calcite does (SqlValidatorImpl.Permute); DuckDB leaves them in place.

    Done for two tables only: EXCLUDE would leave out a third one's column of that name, too.
    """
    joins = _joins(select)
    common = [join for join in joins if join.args.get("using") or join.method.upper() == "NATURAL"]
    stars = [item for item in select.expressions if isinstance(item, exp.Star)]
    if not common or not stars:
        return
    if len(joins) > 1 or not common[0].args.get("using"):
        raise RefusedStatementError(
            "* with NATURAL JOIN, or with USING beside a third table, is not supported; name the columns"
        )
    items: list[exp.Expr] = []
    for item in select.expressions:
        if isinstance(item, exp.Star):
            items += [exp.column(name.copy()) for name in common[0].args["using"]]
            item.set("except_", [name.copy() for name in common[0].args["using"]])
        items.append(item)
    select.set("expressions", items)


def _joins(select: exp.Select) -> list[exp.Join]:
    """Return the joins and commas of a FROM, those in parentheses too; not those of queries in it."""
    waiting: list[exp.Expr] = [one for one in (select.args.get("from_"), *(select.args.get("joins") or ())) if one]
    found = []
    while waiting:
        one = waiting.pop()
        if isinstance(one, exp.Join):
            found.append(one)
        waiting += one.args.get("joins") or ()
        if isinstance(one.this, exp.Table | exp.Subquery):
            waiting.append(one.this)
    return found


def _named(select: exp.Select) -> dict[str, list[exp.Alias]]:
    """Return what has a name of its own in the result, by it in lower case; a column under its own name has none."""
    found: dict[str, list[exp.Alias]] = {}
    for item in select.expressions:
        if isinstance(item, exp.Alias):
            found.setdefault(item.alias.lower(), []).append(item)
    return found


def _settle_groups(select: exp.Select, named: dict[str, list[exp.Alias]]) -> None:
    group = select.args.get("group")
    if group is None:
        return
    plain = Counter(item.name.lower() for item in select.expressions if isinstance(item, exp.Column))
    known = next((place for place, item in enumerate(select.expressions) if item.is_star), len(select.expressions))
    for column in _keys(group):
        items = named.get(column.name.lower(), []) if isinstance(column, exp.Column) and not column.table else []
        if items and len(items) + plain[column.name.lower()] > 1:
            raise RefusedStatementError(f"{column.name} in GROUP BY is ambiguous: the result has it several times")
        if items and not _is(items[0].this, column.name):
            exchange(column, _key(items[0], known))


def _keys(group: exp.Group) -> list[exp.Expr]:
    """Return what is grouped by, in lists and in sets of lists; not what stands inside of expressions."""
    waiting = [one for part in GROUPINGS for one in group.args.get(part) or () if isinstance(one, exp.Expr)]
    found = []
    while waiting:
        one = waiting.pop()
        if isinstance(one, exp.Tuple | exp.Paren | exp.Rollup | exp.Cube | exp.GroupingSets):
            waiting += [one.this] if isinstance(one, exp.Paren) else one.expressions
        else:
            found.append(one)
    return found


def _key(item: exp.Alias, known: int) -> exp.Expr:
    """Return a place in the result; from a * on, at `known`, places are not known, and an expression is itself."""
    if item.index is not None and item.index < known:
        return exp.Literal.number(item.index + 1)
    if isinstance(item.this, exp.Literal):
        raise RefusedStatementError(f"GROUP BY {item.alias} of a value that is the same in all rows; leave it out")
    key: exp.Expr = item.this.copy()
    return key


def _settle_order(select: exp.Select, named: dict[str, list[exp.Alias]]) -> None:
    order, written = select.args.get("order"), 0
    plain = {item.name.lower() for item in select.expressions if isinstance(item, exp.Column)}
    for ordered in order.expressions if order is not None else ():
        for column in all_of(ordered.this, exp.Column):
            items = named.get(column.name.lower(), []) if column.name.lower() not in plain else []
            # Alone it is the result's column to DuckDB, too.
            if column is ordered.this or column.table or not items or _is(items[0].this, column.name):
                continue
            if len(items) > 1:
                raise RefusedStatementError(f"{column.name} in ORDER BY is ambiguous: the result has it twice")
            if column.find_ancestor(exp.Select) is select and not _aggregated(column, ordered):
                written += sum(1 for _ in walk(items[0].this))
                if written > MOST_WRITTEN_AGAIN:
                    raise RefusedStatementError("ORDER BY has too many names in expressions; order a query around it")
                exchange(column, exp.Paren(this=items[0].this.copy()))


def _aggregated(column: exp.Column, ordered: exp.Expr) -> bool:
    """Say whether a column is inside a call of a function that may be an aggregate, where an alias would be another."""
    above = column.parent
    while above is not None and above is not ordered:
        if isinstance(above, exp.Anonymous) and above.name.upper() in AGGREGATES:
            return True
        above = above.parent
    return False


def _is(expression: exp.Expr, name: str) -> bool:
    return isinstance(expression, exp.Column) and not expression.table and expression.name.lower() == name.lower()


def name_rows(tree: exp.Expr, nodes: Sequence[exp.Expr]) -> exp.Expr:
    """Return the tree with EXPR$0, EXPR$1, ... for columns of VALUES that have no names; DuckDB calls them col0.

    `nodes` are all those of the tree.
    """
    for number, rows in enumerate(node for node in nodes if isinstance(node, exp.Values)):
        first = rows.expressions[0]
        wide = len(first.expressions) if isinstance(first, exp.Tuple) else 1
        names = [exp.to_identifier(f"EXPR${place}", quoted=True) for place in range(wide)]
        alias = rows.args.get("alias")
        if alias is not None and not alias.args.get("columns"):
            alias.set("columns", names)
        elif alias is None and isinstance(rows.parent, exp.From | exp.Join):
            rows.set("alias", exp.TableAlias(this=exp.to_identifier(f"rows{number}", quoted=True), columns=names))
        elif alias is None and isinstance(rows.parent, exp.CTE | exp.SetOperation | None):
            if isinstance(rows.parent, exp.CTE) and rows.parent.args["alias"].args.get("columns"):
                continue
            select = exp.Select(expressions=[exp.Star()])
            if rows is tree:
                tree = select
            else:
                rows.replace(select)
            rows.set("alias", exp.TableAlias(this=exp.to_identifier(f"rows{number}", quoted=True), columns=names))
            select.set("from_", exp.From(this=rows))
    return tree
