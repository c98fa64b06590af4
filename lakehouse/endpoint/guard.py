"""What a statement may consist of: a list of allowed syntax, so that anything unforeseen is refused by name."""

import re
from collections.abc import Sequence
from itertools import islice

from sqlglot import exp

from lakehouse.endpoint import documented
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.trees import walk

MAX_BYTES = 1_000_000
MAX_DEPTH = 150
MAX_NODES = 50_000
MAX_WORDS = 2 * MAX_NODES  # a list of values has a comma for each
WORD = re.compile(
    r"""(?P<comment>--[^\r\n]*+|//[^\r\n]*+|/\*(?:[^*]++|\*(?!/))*+(?:\*/)?)"""
    r"""|'(?:[^']++|'')*+'?|"(?:[^"]++|"")*+"?|\d++(?:\.\d*+)?+(?:[eE][+-]?\d++)?+|\w++|[^\w\s]"""
)
TEMPLATE = "{#"
MAX_REPEATS = 10_000
MAX_MOVES = 30  # each is written again with all that it is added to
REPEATING = ("REPEAT", "REPEATSTR")
PADDING = ("LPAD", "RPAD")

QUERIES = (exp.Select, exp.Union, exp.Intersect, exp.Except, exp.Subquery, exp.Values)

SELECT_PARTS = frozenset(
    "with_ expressions from_ joins where group having qualify windows order limit offset distinct".split()  # noqa: SIM905
)
# Node type -> the parts it may have; a part that is not named must be empty.
ALLOWED: dict[type[exp.Expr], frozenset[str] | None] = {
    exp.Select: SELECT_PARTS,
    exp.Union: frozenset(["this", "expression", "distinct", "with_", "order", "limit", "offset"]),
    exp.Intersect: frozenset(["this", "expression", "distinct", "with_", "order", "limit", "offset"]),
    exp.Except: frozenset(["this", "expression", "distinct", "with_", "order", "limit", "offset"]),
    exp.Subquery: frozenset(["this", "alias", "with_", "order", "limit", "offset", "joins"]),
    exp.Values: frozenset(["expressions", "alias"]),
    exp.With: frozenset(["expressions"]),
    exp.CTE: frozenset(["this", "alias"]),
    exp.TableAlias: frozenset(["this", "columns"]),
    exp.Table: frozenset(["this", "db", "catalog", "alias", "joins", "version"]),
    exp.Version: frozenset(["this", "kind", "expression"]),
    exp.Star: frozenset(),
    exp.Join: frozenset(["this", "on", "using", "side", "kind", "method"]),
    exp.Group: frozenset(["expressions", "rollup", "cube", "grouping_sets"]),
    exp.Order: frozenset(["expressions"]),
    exp.Ordered: frozenset(["this", "desc", "nulls_first"]),
    exp.Limit: frozenset(["expression"]),
    exp.Fetch: frozenset(["direction", "count"]),
    exp.Offset: frozenset(["expression"]),
    exp.Distinct: frozenset(["expressions"]),
    exp.In: frozenset(["this", "expressions", "query", "field"]),
    exp.Cast: frozenset(["this", "to"]),
    exp.DataType: frozenset(["this", "expressions", "nested"]),
    exp.Window: frozenset(["this", "partition_by", "order", "spec", "alias", "over"]),
    exp.WindowSpec: frozenset(["kind", "start", "start_side", "end", "end_side"]),
    exp.Between: frozenset(["this", "low", "high"]),
    exp.Trim: frozenset(["this", "expression", "position"]),
    exp.Substring: frozenset(["this", "start", "length"]),
    exp.StrPosition: frozenset(["this", "substr"]),
    exp.Array: frozenset(["expressions"]),
} | dict.fromkeys(
    (
        exp.From, exp.Where, exp.Having, exp.Qualify, exp.Rollup, exp.Cube, exp.GroupingSets, exp.Identifier,
        exp.Column, exp.Alias, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Tuple, exp.And, exp.Or, exp.Not,
        exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Like,
        exp.ILike, exp.Escape, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.DPipe, exp.Case, exp.If,
        exp.DataTypeParam, exp.Interval, exp.Var, exp.Extract, exp.Anonymous, exp.Exists, exp.WithinGroup, exp.Any,
        exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.Dot,
    )
)  # fmt: skip

NAMES: dict[type[exp.Expr], str] = {
    exp.Placeholder: "a bound parameter (?)",
    exp.Parameter: "a bound parameter (@)",
    exp.Filter: "FILTER (WHERE ...) on an aggregate",
    exp.Lateral: "LATERAL",
    exp.Bracket: "an index in [ ]",
    exp.Insert: "INSERT",
    exp.SimilarTo: "SIMILAR_TO",
    exp.Overlaps: "OVERLAPS",
    exp.All: "ALL",
    exp.Concat: "a text right after another one (|| joins them)",
}
CAST_TYPES = {
    exp.DataType.Type[name]
    for name in (
        "BOOLEAN",
        "INT",
        "BIGINT",
        "FLOAT",
        "DOUBLE",
        "DECIMAL",
        "VARCHAR",
        "TEXT",
        "DATE",
        "TIME",
        "TIMESTAMP",
        "VARBINARY",
    )
}
TRUTHS = (exp.And, exp.Or, exp.Not, exp.Where, exp.Having, exp.Qualify)
SUMS, PRODUCTS = (exp.Add, exp.Sub), (exp.Mul, exp.Div, exp.Mod)
WITH_WORDS = (exp.Cast, exp.Join, exp.Any, exp.Literal, exp.Limit, exp.Offset)
"""Of what `_check_words` looks at."""
SHAPED = (exp.Select, exp.Group, exp.DPipe, exp.Add, exp.Sub, exp.Alias)
"""Of what `_check_shape` looks at."""
JOIN_WORDS = {"", "INNER", "OUTER", "CROSS", "LEFT", "RIGHT", "FULL", "NATURAL"}


def check(tree: exp.Expr) -> None:
    """Refuse everything that is not on the list, deepest surprises included."""
    if not isinstance(tree, QUERIES):
        what = tree.name.upper() if isinstance(tree, exp.Command) else tree.key.upper()
        raise RefusedStatementError(f"{what} is not allowed: this endpoint answers SELECT, SHOW, DESCRIBE and USE")
    nodes = list(walk(tree))
    if any(isinstance(node, exp.Fetch) for node in nodes):
        _settle_fetches(nodes)
        nodes = list(walk(tree))
    if len(nodes) > MAX_NODES:
        raise RefusedStatementError("the statement is too large; ask for less at a time")
    for node in nodes:
        _check_node(node)
    _check_growth(nodes)


def _settle_fetches(nodes: Sequence[exp.Expr]) -> None:
    """Take FETCH FIRST n ROWS ONLY for LIMIT n; a PERCENT and WITH TIES stay, and are refused."""
    for fetch in nodes:
        if not isinstance(fetch, exp.Fetch):
            continue
        options = fetch.args.get("limit_options")
        if options is not None and (options.args.get("percent") or options.args.get("with_ties")):
            raise RefusedStatementError("FETCH with PERCENT or TIES is not supported; write FETCH FIRST n ROWS ONLY")
        fetch.replace(exp.Limit(expression=fetch.args.get("count") or exp.Literal.number(1)))


def _check_growth(nodes: Sequence[exp.Expr]) -> None:
    """Bound what text functions may build: the memory of a single text is not counted by DuckDB's own limit."""
    repeats = 0
    for node in nodes:
        name = node.name.upper() if isinstance(node, exp.Anonymous) else ""
        if name not in REPEATING + PADDING:
            continue
        count = node.expressions[1] if len(node.expressions) > 1 else None
        plain = isinstance(count, exp.Literal) and not count.is_string and count.name.isdecimal()
        if count is None or not plain or len(count.name) > len(str(MAX_REPEATS)) or int(count.name) > MAX_REPEATS:
            raise RefusedStatementError(f"{name} takes a literal count of at most {MAX_REPEATS}")
        repeats += name in REPEATING
        # One inside another, a WITH query's included, would multiply.
        if repeats > 1:
            raise RefusedStatementError(f"{name} can be used once in a statement")


def _check_node(node: exp.Expr) -> None:
    if type(node) not in ALLOWED:
        what = NAMES.get(type(node), node.key.upper())
        if what in documented.functions():
            raise RefusedStatementError(documented.refusal(what, ()))
        raise RefusedStatementError(f"{what} is not supported by this endpoint; see docs/flow/sql.md")
    parts = ALLOWED[type(node)]
    if parts is not None:
        extra = [name for name, value in node.args.items() if value and name not in parts]
        if extra:
            what = f"{node.key.upper()} with {extra[0].strip('_').upper()}"
            raise RefusedStatementError(f"{what} is not supported by this endpoint; see docs/flow/sql.md")
    if isinstance(node, WITH_WORDS):
        _check_words(node)
    if isinstance(node, SHAPED):
        _check_shape(node)


def _check_shape(node: exp.Expr) -> None:
    """Refuse what sqlglot reads although something is missing."""
    if isinstance(node, exp.Select) and not node.expressions:
        raise RefusedStatementError("PARSE ERROR: SELECT names no columns; write * for all")
    if isinstance(node, exp.Group) and not any(node.args.values()):
        raise RefusedStatementError("PARSE ERROR: GROUP BY names nothing to group by")
    if isinstance(node, exp.DPipe) and (isinstance(node.left, SUMS) or isinstance(node.right, (*SUMS, *PRODUCTS))):
        # Calcite takes || for as strong as *, sqlglot and DuckDB for weaker than +.
        raise RefusedStatementError(f"{node.sql()} means something else in Dremio; put what is calculated in ( )")
    if _moves(node) > MAX_MOVES:
        raise RefusedStatementError(f"more than {MAX_MOVES} INTERVALs one after the other; add their numbers up")
    if isinstance(node, exp.Alias) and node.this.is_star:
        raise RefusedStatementError(
            f"PARSE ERROR: {node.this.sql()} cannot have the name {node.alias}; is a comma missing?"
        )


def _moves(node: exp.Expr) -> int:
    """Return how many intervals are added one after the other, counted until there are too many."""
    count = 0
    while isinstance(node, exp.Add | exp.Sub) and isinstance(node.right, exp.Interval) and count <= MAX_MOVES:
        count, node = count + 1, node.left
    return count


def _check_words(node: exp.Expr) -> None:
    interval = isinstance(node, exp.Cast) and isinstance(node.to.this, exp.Interval) and moves_dates(node.parent)
    if isinstance(node, exp.Cast) and not interval and node.to.this not in CAST_TYPES:
        instead = "; write VARCHAR" if node.to.this == exp.DataType.Type.CHAR else ""
        raise RefusedStatementError(f"CAST to {node.to.sql()} is not supported by this endpoint{instead}")
    if isinstance(node, exp.Join) and {node.side.upper(), node.kind.upper(), node.method.upper()} - JOIN_WORDS:
        raise RefusedStatementError(f"{node.method or node.kind} JOIN is not supported by this endpoint")
    if isinstance(node, exp.Any) and isinstance(node.parent, exp.Like | exp.ILike):
        raise RefusedStatementError("LIKE ANY, SOME and ALL are not supported; write one LIKE for each, with OR or AND")
    if isinstance(node, exp.Literal) and _is_condition(node):
        raise RefusedStatementError(f"{node.sql()} is no condition; write a comparison, TRUE or FALSE")
    if isinstance(node, exp.Literal) and node.is_string and isinstance(node.parent, exp.WindowSpec):
        raise RefusedStatementError(f"a frame of {node.sql()} rows is not supported; write a number without quotes")
    if isinstance(node, exp.Limit | exp.Offset) and not _is_number(node.expression):
        raise RefusedStatementError("LIMIT and OFFSET take a number")


def _is_number(value: exp.Expr) -> bool:
    return isinstance(value, exp.Literal) and not value.is_string


def _is_condition(node: exp.Expr) -> bool:
    """Say whether something stands where only a truth may: in AND, WHERE, ON and their kin, and after CASE WHEN."""
    while isinstance(node.parent, exp.Paren):
        node = node.parent
    match node.parent:
        case exp.Join():
            return node.arg_key == "on"
        case exp.If(parent=exp.Case(this=None)):
            return node.arg_key == "this"
    return isinstance(node.parent, TRUTHS)


def moves_dates(node: exp.Expr | None) -> bool:
    """Say whether this is a call of a function that an interval may be given to."""
    return isinstance(node, exp.Anonymous) and str(node.name).upper() in {"DATE_ADD", "DATE_SUB", "DATE_DIFF"}


def check_text(sql: str) -> None:
    """Refuse statements that are too long or nested too deeply to parse.

    Words are counted before anything is split: a tree of half a million takes ten seconds and 600 MB of this process.
    Splitting finds no more of them, which `check_words` looks at once more.
    """
    if len(sql.encode()) > MAX_BYTES:
        raise RefusedStatementError("the statement is longer than 1,000,000 bytes")
    if len(sql) > MAX_WORDS or TEMPLATE in sql:  # a word has a sign at least
        _check_splitting(sql)
    if sql.count("(") + sql.count("[") > MAX_DEPTH and _depth(sql) > MAX_DEPTH:
        raise RefusedStatementError(f"the statement is nested more than {MAX_DEPTH} deep")


def _check_splitting(sql: str) -> None:
    words = (found for found in WORD.finditer(sql) if found.lastgroup is None)
    count = 0
    for found in islice(words, MAX_WORDS + 1):
        count += 1
        if sql.startswith(TEMPLATE, found.start()):  # a comment to sqlglot
            line = sql.count("\n", 0, found.start()) + 1
            raise RefusedStatementError(f"PARSE ERROR: {TEMPLATE} at line {line} is no SQL; comments are /* */ and --")
    check_words(count)


def _depth(sql: str) -> int:
    depth = deepest = 0
    for sign in sql:
        depth += (sign in "([") - (sign in ")]")
        deepest = max(deepest, depth)
    return deepest


def check_words(count: int) -> None:
    """Refuse statements of more words than are made a tree of."""
    if count > MAX_WORDS:
        raise RefusedStatementError(
            f"the statement has more than {MAX_WORDS:,} words and signs; ask for less at a time"
        )
