"""Dremio's SQL as DuckDB's: parsed, checked against the allow-list, names resolved, meanings kept."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from sqlglot import exp
from sqlglot.dialects.dremio import Dremio
from sqlglot.errors import SqlglotError
from sqlglot.parsers.dremio import DremioParser
from sqlglot.tokenizer_core import Token, TokenType

from lakehouse.endpoint import aliases, guard
from lakehouse.endpoint.calls import call, exchange, integer, word_of
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.functions import AGGREGATES, NEEDS_ORDER, function_call, within_group
from lakehouse.endpoint.likes import escaped, without_case
from lakehouse.endpoint.missing_parts import check_parts
from lakehouse.endpoint.moment_functions import PARTS, UNITS, extract, moved
from lakehouse.endpoint.names import split_path
from lakehouse.endpoint.plain_texts import FORMS, cast_of
from lakehouse.endpoint.syntax_messages import syntax_message
from lakehouse.endpoint.text_rules import TEXT_RULES, arithmetic
from lakehouse.endpoint.trees import all_of, walk

MOMENTS = ("SNAPSHOT", "TIMESTAMP", "BRANCH", "TAG", "COMMIT", "REFERENCE", "REF")
HISTORY = "TABLE_SNAPSHOT"
WHOLE = {"dremio_to_integer", "dremio_to_bigint"}  # cast again, what they give needs no choice by kind
SPECIAL_SYNTAX = {"CAST", "EXTRACT", "POSITION", "SUBSTRING", "TRIM"}


class Moment(NamedTuple):
    """What stands after AT: a kind (SNAPSHOT, TIMESTAMP, BRANCH, TAG, COMMIT, REF or REFERENCE) and its value."""

    kind: str
    value: str


Resolve = Callable[[Sequence[str], str, Moment | None], str]
Check = Callable[[exp.Expr], None]


# Words that are functions without parentheses; unquoted, none of them can be a column's name in Dremio.
BARE = frozenset(
    "CURRENT_DATE_UTC CURRENT_SCHEMA LAST_QUERY_ID LOCALTIME LOCALTIMESTAMP SESSION_USER SYSTEM_USER USER".split()  # noqa: SIM905
)


class PlainParser(DremioParser):
    """Leaves function calls as they are written, so that only functions.py says what they mean."""

    VERSION_PHRASES = {("AT", kind): kind for kind in MOMENTS}  # noqa: RUF012
    FUNCTIONS = {}  # noqa: RUF012 (sqlglot's way)
    FUNCTION_PARSERS = {k: v for k, v in DremioParser.FUNCTION_PARSERS.items() if k in SPECIAL_SYNTAX}  # noqa: RUF012
    NO_PAREN_FUNCTION_PARSERS = {  # noqa: RUF012
        k: v for k, v in DremioParser.NO_PAREN_FUNCTION_PARSERS.items() if k in {"CASE", "ANY"}
    }

    def _parse_join(
        self,
        skip_join_token: bool = False,  # noqa: FBT001, FBT002 (sqlglot's way)
        parse_bracket: bool = False,  # noqa: FBT001, FBT002
        alias_tokens: Collection[TokenType] | None = None,
    ) -> exp.Join | None:
        """Refuse a JOIN without a condition, which sqlglot takes for a comma; only a comma is a product in Dremio."""
        comma = self._curr is not None and self._curr.token_type == TokenType.COMMA
        join: exp.Join | None = super()._parse_join(skip_join_token, parse_bracket, alias_tokens)
        if not isinstance(join, exp.Join) or comma or join.args.get("on") or join.args.get("using"):
            return join
        if join.kind.upper() != "CROSS" and join.method.upper() != "NATURAL":
            self.raise_error("a JOIN needs ON or USING after its table; a product is written CROSS JOIN")
        return join


class EndpointDialect(Dremio):
    """Dremio with nulls sorted as the largest value: last going up, first going down, as Calcite does by default."""

    NULL_ORDERING = "nulls_are_large"
    Parser = PlainParser

    class Tokenizer(Dremio.Tokenizer):
        """A comment ends at the first mark of an end, as in Calcite, whatever stands in it; a hint is one, too."""

        NESTED_COMMENTS = False
        KEYWORDS = {k: v for k, v in Dremio.Tokenizer.KEYWORDS.items() if k != Dremio.Tokenizer.HINT_START}  # noqa: RUF012


def parse(sql: str, tokens: Sequence[Token] = ()) -> exp.Expr:
    """Return the tree of a single query that the endpoint allows.

    `tokens` are those of the text where they are known. They may have other values than the text has, which is then
    only told in errors.
    """
    guard.check_text(sql)
    try:
        dialect = EndpointDialect()
        tokens = tokens or dialect.tokenize(sql)
        guard.check_words(len(tokens))
        check_parts(tokens)
        trees = [tree for tree in dialect.parser().parse(list(tokens), sql) if tree is not None]
    except SqlglotError as error:
        raise RefusedStatementError(f"PARSE ERROR: {syntax_message(error, sql)}") from error
    except RecursionError as error:
        raise RefusedStatementError("the statement is nested too deeply") from error
    if len(trees) != 1:
        raise RefusedStatementError(f"send one statement at a time; this text has {len(trees)}")
    guard.check(trees[0])
    return trees[0]


def translate(sql: str, resolve: Resolve, check: Check = lambda _tree: None, tokens: Sequence[Token] = ()) -> exp.Expr:
    """Return DuckDB's tree for a query; `text_of` gives its text. `tokens` are as in `parse`.

    `resolve` turns a path of names, and the name it has in the statement, into a DuckDB relation, or refuses it;
    `check` may refuse the tree once its tables are known.
    """
    try:
        tree = parse(sql, tokens)
        nodes = list(walk(tree))
        for column in nodes:
            if isinstance(column, exp.Column) and _is_bare(column):
                exchange(column, exp.Anonymous(this=column.name))
        tree = aliases.name_rows(tree, nodes)
        _name_outputs(nodes)
        aliases.settle(tree)
        _resolve_tables(tree, resolve)
        check(tree)
        for node in reversed(list(walk(tree))):
            changed = _rewrite(node)
            if changed is not node:
                tree = changed if node is tree else tree
                exchange(node, changed)
        return tree
    except RecursionError as error:
        raise RefusedStatementError("the statement is nested too deeply") from error


def text_of(tree: exp.Expr) -> str:
    """Return the text of a translated tree, which stays as it is."""
    return last_text_of(tree.copy())


def last_text_of(tree: exp.Expr) -> str:
    """Return the text of a translated tree that is not used any more: sqlglot may change it."""
    try:
        return str(tree.sql(dialect="duckdb", identify=True, comments=False, copy=False))
    except RecursionError as error:
        raise RefusedStatementError("the statement is nested too deeply") from error


def _is_bare(column: exp.Column) -> bool:
    """Say whether a column is one of the words that are functions without parentheses."""
    return column.name.upper() in BARE and len(column.parts) == 1 and not column.this.args.get("quoted")


def _name_outputs(nodes: Sequence[exp.Expr]) -> None:
    for select in nodes:
        if not isinstance(select, exp.Select):
            continue
        items = [
            item
            if isinstance(item, exp.Alias | exp.Column | exp.Star)
            else exp.alias_(item, f"EXPR${place}", quoted=True, copy=False)
            for place, item in enumerate(select.expressions)
        ]
        select.set("expressions", items)


def _parts(table: exp.Table) -> list[str]:
    this = table.this
    parts: list[str] = []
    while isinstance(this, exp.Dot):
        parts.insert(0, this.expression.name)
        this = this.this
    if not isinstance(this, exp.Identifier) or any(
        not isinstance(dot.expression, exp.Identifier) for dot in all_of(table, exp.Dot)
    ):
        raise RefusedStatementError(f"table function {this.name.upper()} is not supported by this endpoint")
    return [part for part in (table.catalog, table.db, this.name, *parts) if part]


def _resolve_tables(tree: exp.Expr, resolve: Resolve) -> None:
    paths: list[tuple[str, ...]] = []
    nodes = list(walk(tree))
    for table in nodes:
        if not isinstance(table, exp.Table):
            continue
        listed = _snapshots_of(table)
        parts = listed or _parts(table)
        if not listed and len(parts) == 1 and _names_cte(table, parts[0]):
            if table.args.get("version"):
                raise RefusedStatementError(f"AT is for tables, and {parts[0]} is a WITH query; put it inside")
            continue
        alias = table.args.get("alias") or exp.TableAlias()
        if not alias.this:
            name = HISTORY.lower() if listed else parts[-1].rsplit(".", 1)[-1]
            alias.set("this", exp.to_identifier(name, quoted=True))
        relation = resolve(parts, alias.name, Moment(HISTORY, "") if listed else _moment(table))
        paths.append(tuple(".".join(parts).lower().split(".")))
        schema, name = relation.split(".")
        table.replace(
            exp.Table(
                this=exp.to_identifier(name), db=exp.to_identifier(schema), alias=alias, joins=table.args.get("joins")
            )
        )
    for column in nodes:
        if isinstance(column, exp.Column):
            _shorten(column, paths)


def _snapshots_of(table: exp.Table) -> list[str]:
    """Return the path inside TABLE(TABLE_SNAPSHOT('path')); empty for other tables."""
    match table.this:
        case exp.Anonymous(this=str(outer), expressions=[exp.Anonymous(this=str(inner), expressions=[path])]):
            if (outer.upper(), inner.upper()) == ("TABLE", "TABLE_SNAPSHOT") and isinstance(path, exp.Literal):
                return list(split_path(path.name))
    return []


def _moment(table: exp.Table) -> Moment | None:
    version = table.args.get("version")
    if version is None:
        return None
    kind, value = str(version.this), version.expression
    if isinstance(value, exp.Cast) and value.to.this in {exp.DataType.Type.TIMESTAMP, exp.DataType.Type.DATE}:
        value = value.this
    plain = isinstance(value, exp.Column) and len(value.parts) == 1 and kind not in {"SNAPSHOT", "TIMESTAMP"}
    if not plain and not isinstance(value, exp.Literal):
        raise RefusedStatementError(
            f"AT {kind} takes a literal, such as AT SNAPSHOT '123' or AT TIMESTAMP '2026-01-31'"
        )
    return Moment(kind, value.name)


def _names_cte(table: exp.Table, name: str) -> bool:
    """Say whether a one-part name means a WITH query that is defined before the place it stands in."""
    below: exp.Expr = table
    above = table.parent
    while above is not None:
        clause = above.args.get("with_")
        if clause is not None:
            for cte in clause.expressions:
                if below is clause and _holds(cte, table):
                    break
                if cte.alias.lower() == name.lower():
                    return True
        below, above = above, above.parent
    return False


def _holds(ancestor: exp.Expr, node: exp.Expr) -> bool:
    parent: exp.Expr | None = node
    while parent is not None:
        if parent is ancestor:
            return True
        parent = parent.parent
    return False


def _shorten(column: exp.Column, paths: Sequence[tuple[str, ...]]) -> None:
    """Turn "a"."b"."t".c and "a.b".t.c into "t".c, the name the table has in DuckDB."""
    qualifiers = [part.name for part in column.parts[:-1]]
    if len(qualifiers) < 2 and not (qualifiers and "." in qualifiers[0]):
        return
    wanted = tuple(".".join(qualifiers).lower().split("."))
    if any(path[-len(wanted) :] == wanted for path in paths):
        column.set("table", exp.to_identifier(wanted[-1], quoted=True))
        column.set("db", None)
        column.set("catalog", None)


def _rewrite(node: exp.Expr) -> exp.Expr:
    rule = RULES.get(type(node))
    return node if rule is None else rule(node)


def _function(node: exp.Anonymous) -> exp.Expr:
    name = node.this if isinstance(node.this, str) else node.name
    if name.upper() == "FLATTEN":
        _check_flatten(node)
    if name.upper() in NEEDS_ORDER and not _is_ordered(node.parent):
        raise RefusedStatementError(f"{name.upper()} needs ORDER BY in its window")
    if name.upper() == "ARRAY_AGG":
        if isinstance(node.parent, exp.Window | exp.WithinGroup):
            raise RefusedStatementError("ARRAY_AGG is supported without OVER and WITHIN GROUP")
        # Of no rows Dremio's list is empty.
        return call("coalesce", function_call(name, node.expressions), exp.Array(expressions=[]))
    return function_call(name, node.expressions)


def _is_ordered(window: exp.Expr | None) -> bool:
    """Say whether a window has an ORDER BY, its own or that of the one it names."""
    if not isinstance(window, exp.Window):
        return False
    select, named = window.find_ancestor(exp.Select), window.alias.lower()
    others = (select.args.get("windows") or []) if select is not None and named else []
    return bool(window.args.get("order")) or any(
        other.args.get("order") for other in others if other.name.lower() == named
    )


def _check_flatten(node: exp.Anonymous) -> None:
    """Allow FLATTEN where DuckDB's unnest does the same: once, alone in a column of a SELECT that only reads rows."""
    item = node.parent if isinstance(node.parent, exp.Alias) else node
    select = item.parent
    plain = isinstance(select, exp.Select) and item in select.expressions
    if isinstance(select, exp.Select) and plain:
        clauses = any(select.args.get(part) for part in ("group", "having", "qualify", "windows", "distinct"))
        calls = [str(one.name).upper() for part in select.expressions for one in part.find_all(exp.Anonymous)]
        plain = not clauses and not any(part.find(exp.Window) for part in select.expressions)
        plain = plain and calls.count("FLATTEN") == 1 and not AGGREGATES.keys() & set(calls)
    if not plain:
        raise RefusedStatementError(
            "FLATTEN is supported once in a SELECT, as a column of its own, without groups, aggregates, windows and "
            "DISTINCT; put it in a query of its own: SELECT ... FROM (SELECT FLATTEN(x) AS y FROM t) AS f"
        )


def _add(node: exp.Add) -> exp.Expr:
    if isinstance(node.right, exp.Interval):
        return _move(node.left, node.right, negative=False)
    return arithmetic(node)


def _sub(node: exp.Sub) -> exp.Expr:
    if isinstance(node.right, exp.Interval):
        return _move(node.left, node.right, negative=True)
    arithmetic(node)
    if isinstance(node.left, exp.Literal) or isinstance(node.right, exp.Literal):
        return node
    return call("dremio_minus", node.left, node.right)


def _move(moment: exp.Expr, interval: exp.Interval, *, negative: bool) -> exp.Expr:
    unit = str(interval.args["unit"].name).upper().removesuffix("S")
    amount = interval.this
    if unit not in UNITS or not isinstance(amount, exp.Literal) or not str(amount.this).lstrip("-").isdigit():
        raise RefusedStatementError(f"{interval.sql()} is not supported; write INTERVAL '3' DAY or use TIMESTAMPADD")
    count = exp.Literal.number(int(amount.this) * (-1 if negative else 1))
    return moved(moment, unit, count)


def _interval(node: exp.Interval) -> exp.Expr:
    if isinstance(node.parent, exp.DataType) or guard.moves_dates(node.parent):
        return node
    if not isinstance(node.parent, exp.Add | exp.Sub) or node.parent.right is not node:
        raise RefusedStatementError("INTERVAL is supported only after + or -")
    return node


def _cast(node: exp.Cast) -> exp.Expr:
    kind = exp.DataType.Type
    whole = _is_whole(node.this)
    match node.to.this:
        case kind.INT | kind.BIGINT if whole:
            return node
        case kind.INT:
            return call("dremio_to_integer", node.this)
        case kind.BIGINT:
            return call("dremio_to_bigint", node.this)
        case kind.BOOLEAN:
            return call("dremio_to_boolean", node.this)
        case kind.DECIMAL if not node.to.expressions:
            return cast_of(node.this, exp.DataType.build("DECIMAL(38, 0)"))
        case name if name in FORMS:
            return cast_of(node.this, node.to)
        case kind.VARCHAR | kind.TEXT:
            text = exp.cast(node.this, "VARCHAR") if whole else call("dremio_to_varchar", node.this)
            size = node.to.expressions
            return call("left", text, exp.Literal.number(size[0].name)) if size else text
    return node


def _is_whole(expression: exp.Expr) -> bool:
    if isinstance(expression, exp.Cast):
        return expression.to.this in {exp.DataType.Type.INT, exp.DataType.Type.BIGINT}
    return isinstance(expression, exp.Anonymous) and expression.name in WHOLE


def _extract(node: exp.Extract) -> exp.Expr:
    return extract(word_of(node.this, "EXTRACT part", PARTS), node.expression)


def _trim(node: exp.Trim) -> exp.Expr:
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "trim")
    extra = [node.expression] if node.args.get("expression") else []
    return call(name, node.this, *extra)


def _substring(node: exp.Substring) -> exp.Expr:
    length = node.args.get("length")
    return function_call("SUBSTRING", [node.this, node.args["start"], *([length] if length else [])])


def _window(node: exp.Window) -> exp.Expr:
    """Give NTILE its type; DuckDB's is a BIGINT. What a WINDOW clause names is no call, whatever its name."""
    called = isinstance(node.this, exp.Anonymous)
    return integer(node) if called and node.this.name.upper() == "NTILE" else node


RULES: dict[type[exp.Expr], Callable[..., exp.Expr]] = {
    exp.Anonymous: _function,
    exp.Add: _add,
    exp.Sub: _sub,
    exp.Interval: _interval,
    exp.Cast: _cast,
    exp.Extract: _extract,
    exp.Trim: _trim,
    exp.Substring: _substring,
    exp.WithinGroup: within_group,
    exp.Window: _window,
    exp.ILike: without_case,
    exp.Escape: escaped,
    exp.StrPosition: lambda node: integer(call("strpos", node.this, node.args["substr"])),
    exp.CurrentTimestamp: lambda _node: function_call("CURRENT_TIMESTAMP", []),
    exp.CurrentDate: lambda _node: function_call("CURRENT_DATE", []),
    exp.CurrentTime: lambda _node: function_call("CURRENT_TIME", []),
    **TEXT_RULES,
}
