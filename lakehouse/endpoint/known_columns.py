"""Says which columns plain statements give, so that no engine has to be asked before it runs them.

Plain is what reads one relation: its columns, values that are written out, and counts, sums and the like of columns;
with comparisons of columns with values. Of all else nothing is said, nor of what DuckDB might refuse.
"""

from collections.abc import Iterator, Mapping

import pyarrow as pa
from sqlglot import exp

from lakehouse.endpoint.trees import walk

Columns = list[tuple[str, pa.DataType]]
PARTS = frozenset({"expressions", "from_", "where", "group", "order", "limit", "offset"})
TRUTHS = (exp.And, exp.Or, exp.Not, exp.Paren)
COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
WHOLE = frozenset({pa.int32(), pa.int64()})
NUMBERS = WHOLE | {pa.float32(), pa.float64()}
ORDERED = NUMBERS | {pa.string(), pa.date64(), pa.timestamp("ms")}
LONGEST_NUMBER = 9  # digits; so it is an INTEGER


def known_columns(tree: exp.Expr, relations: Mapping[str, pa.Schema]) -> Columns | None:
    """Return the names and types that a translated statement gives; None where only DuckDB knows.

    `relations` are those that it may name, by their names in DuckDB.
    """
    table = _table(tree)
    schema = None if table is None else relations.get(table.name)
    if table is None or schema is None or len({name.lower() for name in schema.names}) < len(schema):
        return None
    statement = _Plain(tree, table.alias_or_name.lower(), dict(zip(schema.names, schema.types, strict=True)))
    columns = list(statement.outputs())
    return [(name, kind) for name, kind in columns if kind is not None] if statement.is_plain(columns) else None


def _table(tree: exp.Expr) -> exp.Table | None:
    source = tree.args.get("from_") if isinstance(tree, exp.Select) and not _has_more(tree, PARTS) else None
    table = source.this if isinstance(source, exp.From) else None
    if not isinstance(table, exp.Table) or _has_more(table, {"this", "db", "alias"}):
        return None
    alias = table.args.get("alias")
    return None if alias is not None and _has_more(alias, {"this"}) else table


def _has_more(node: exp.Expr, parts: frozenset[str] | set[str]) -> bool:
    return any(value and name not in parts for name, value in node.args.items())


def _value(node: exp.Expr | None) -> pa.DataType | None:
    """Return the type of a value that is written out: a short whole number or a text."""
    if not isinstance(node, exp.Literal):
        return None
    if node.is_string:
        return pa.string()
    return pa.int32() if node.name.isascii() and node.name.isdigit() and len(node.name) <= LONGEST_NUMBER else None


class _Plain:
    """A SELECT of one relation, whose columns have these types."""

    def __init__(self, tree: exp.Expr, table: str, types: Mapping[str, pa.DataType]) -> None:
        self._tree = tree
        self._table = table
        self._types = types
        group = tree.args.get("group")
        self._keys = [self._placed(key) for key in group.expressions] if group is not None else []
        self._simple_keys = group is None or not _has_more(group, {"expressions"})
        self._grouped = group is not None or any(isinstance(node, exp.Anonymous) for node in walk(tree))

    def outputs(self) -> Iterator[tuple[str, pa.DataType | None]]:
        """Yield the names and types of the outputs; the type is None where it is not known."""
        for item in self._tree.expressions:
            inner = item.this if isinstance(item, exp.Alias) else item
            if isinstance(item, exp.Star) and not _has_more(item, set()) and not self._grouped:
                yield from self._types.items()
            else:
                yield item.alias_or_name, self._kind(inner)

    def is_plain(self, outputs: list[tuple[str, pa.DataType | None]]) -> bool:
        """Say whether all is known of the outputs, and DuckDB can have nothing against the rest."""
        names = {name for name, _ in outputs}
        where, order = self._tree.args.get("where"), self._tree.args.get("order")
        return (
            all(kind is not None for _, kind in outputs)
            and self._simple_keys
            and len(names) == len(outputs)
            and all(self._column(key) is not None for key in self._keys)
            and (where is None or self._is_truth(where.this))
            and all(self._is_order(one, names, len(outputs)) for one in (order.expressions if order else ()))
            and self._is_bounded("limit")
            and self._is_bounded("offset")
        )

    def _placed(self, key: exp.Expr) -> exp.Expr:
        """Return what a key of a group stands for that is the place of an output."""
        items = self._tree.expressions
        item = items[int(key.name) - 1] if self._is_place(key, len(items)) else key
        return item.this if isinstance(item, exp.Alias) else item

    def _is_bounded(self, part: str) -> bool:
        bound = self._tree.args.get(part)
        return bound is None or _value(bound.args.get("expression")) == pa.int32()

    def _column(self, node: exp.Expr | None) -> pa.DataType | None:
        """Return the type of a column that is written as the relation has it; None for anything else."""
        if not isinstance(node, exp.Column) or _has_more(node, {"this", "table"}):
            return None
        own = not node.table or node.table.lower() == self._table
        return self._types.get(node.name) if own and isinstance(node.this, exp.Identifier) else None

    def _kind(self, node: exp.Expr) -> pa.DataType | None:
        """Return the type of an output; of a column among groups only when it is grouped by."""
        if isinstance(node, exp.Anonymous):
            return self._aggregate(node)
        kind = self._column(node)
        if kind is not None and self._grouped and not self._is_key(node):
            return None
        return _value(node) if kind is None else kind

    def _is_key(self, column: exp.Expr) -> bool:
        return any(self._column(key) is not None and key.name == column.name for key in self._keys)

    def _aggregate(self, node: exp.Anonymous) -> pa.DataType | None:
        only = node.expressions[0] if len(node.expressions) == 1 else None
        kind = self._column(only)
        match node.this:
            case "count" if isinstance(only, exp.Star) or kind is not None:
                return pa.int64()
            case "min" | "max" if kind in ORDERED:
                return kind
            case "sum" if kind in WHOLE:
                return pa.int64()
            case "avg" | "sum" if kind in NUMBERS:
                return pa.float64()
        return None

    def _is_truth(self, node: exp.Expr) -> bool:
        if isinstance(node, TRUTHS):
            return all(self._is_truth(one) for one in node.iter_expressions())
        if isinstance(node, exp.Is):
            return self._column(node.this) is not None and isinstance(node.expression, exp.Null)
        if isinstance(node, COMPARISONS):
            column, value = self._column(node.this), _value(node.expression)
            return value is not None and (column in NUMBERS if value == pa.int32() else column == value)
        return self._column(node) == pa.bool_()

    def _is_order(self, ordered: exp.Expr, names: set[str], count: int) -> bool:
        key = ordered.this
        if isinstance(key, exp.Column) and not key.table and key.name in names:
            return True
        grouped = self._grouped and not self._is_key(key)
        return self._is_place(key, count) or (self._column(key) is not None and not grouped)

    def _is_place(self, key: exp.Expr, count: int) -> bool:
        return _value(key) == pa.int32() and 1 <= int(key.name) <= count
