"""Refuses what a table of groups would answer differently from the table of people it stands for.

Nothing here keeps a secret: groups.py does. This keeps figures honest: a column of averages may be summed, averaged
and counted, which gives what the people have; its maximum, or a condition on it, would silently mean something else.
"""

from collections.abc import Mapping

from sqlglot import exp

from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.groups import VERSION_COLUMNS, Shape

LINEAR = ("SUM", "AVG", "COUNT")
Shapes = Mapping[str, Shape | None]


def check(tree: exp.Expr, shapes: Shapes) -> None:
    """Refuse columns that are empty, and uses of figures other than SUM, AVG and COUNT.

    `shapes` gives each table its shape by its name in the statement, in lower case; None to a table that is no table
    of groups. A column without such a name before it may be of any of them.
    """
    if not any(shapes.values()):
        return
    for join in tree.find_all(exp.Join):
        if join.args.get("using") or join.method.upper() == "NATURAL":
            raise RefusedStatementError("USING and NATURAL are not supported on tables about people; write ON")
    for star in tree.find_all(exp.Star):
        _check_star(star, shapes)
    for column in tree.find_all(exp.Column):
        if not isinstance(column.this, exp.Star):
            _check_column(column, shapes)


def _check_star(star: exp.Star, shapes: Shapes) -> None:
    if isinstance(star.parent, exp.Anonymous):
        return
    above = star.find_ancestor(exp.Select)
    direct = [table for table in _tables_of(above) if shapes.get(table)] if above is not None else []
    if direct:
        offer = _offer(shapes[direct[0]])
        raise RefusedStatementError(f"{direct[0]} is a table about people: name columns instead of *. {offer}")


def _tables_of(select: exp.Select) -> list[str]:
    sources = [select.args.get("from_"), *(select.args.get("joins") or ())]
    tables = [source.this for source in sources if source is not None and isinstance(source.this, exp.Table)]
    return [table.alias_or_name.lower() for table in tables]


def _check_column(column: exp.Column, shapes: Shapes) -> None:
    if column.table and column.table.lower() not in shapes:
        asked = [shape for shape in shapes.values() if shape is not None]
    else:
        names = [column.table.lower()] if column.table else list(shapes)
        asked = [shape for name in names if (shape := shapes[name]) is not None]
    name = column.name.lower()
    for shape in asked:
        if name in _folded(shape.blank):
            raise RefusedStatementError(
                f"column {column.name} of a table about people is not shown; only groups of at least {shape.least} "
                f"people are. {_offer(shape)}"
            )
        if name in _folded(shape.figures) and not _is_linear(column):
            raise RefusedStatementError(
                f"column {column.name} of a table about people can be used in SUM, AVG and COUNT only. {_offer(shape)}"
            )


def _is_linear(column: exp.Column) -> bool:
    """Say whether a column is summed, averaged or counted: as it is, cast, or as a result of CASE."""
    below: exp.Expr = column
    above = column.parent
    while isinstance(above, exp.Paren | exp.Cast | exp.Case | exp.If):
        condition = isinstance(above, exp.Case | exp.If) and above.this is below
        if condition:
            return False
        below, above = above, above.parent
    return isinstance(above, exp.Anonymous) and str(above.this).upper() in LINEAR


def _offer(shape: Shape | None) -> str:
    assert shape is not None, "asked of tables of groups only"
    own = tuple(name for name in shape.figures if name.startswith("_"))  # the number of a row of bronze is no figure
    figures = ", ".join(name for name in shape.figures if name not in own) or "none"
    dimensions = ", ".join(shape.dimensions) or "none"
    said = f"Group and filter by: {dimensions}. Sum, average or count: {figures}, and COUNT(*)"
    if not set(shape.dimensions) <= set(VERSION_COLUMNS):
        return said
    return f"{said}. To group by more, the table's owner names `dimensions` in policy.yaml (docs/flow/policy.md)"


def _folded(names: tuple[str, ...]) -> set[str]:
    return {name.lower() for name in names}
