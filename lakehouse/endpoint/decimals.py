"""Gives arithmetic of DECIMALs the type and the value that it has in Dremio.

What a column's type is only DuckDB knows, so it is asked: each place of arithmetic is written as a call that no
function takes, and DuckDB's refusal names the types that stand there. The innermost place is refused first.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import duckdb
from sqlglot import exp

from lakehouse.endpoint.calls import call, exchange, text
from lakehouse.endpoint.decimal_types import MOST_DIGITS, Digits, digits_of, result, rounded, truncated
from lakehouse.endpoint.dialect import text_of
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.trees import all_of, walk

Describe = Callable[[str], object]
"""Has DuckDB bind a text; raises duckdb.Error where it cannot."""

PROBE = "sha256"  # takes one argument, so never two or three
TAG = "place"
REFUSAL = re.compile(rf"'{PROBE}\((.*), STRUCT\({TAG}(\d+) [^)]*\)\)'")
SEPARATOR = re.compile(r", (?![^(]*\))")  # between types, not inside of one
MOST_PLACES = 60  # planning takes a second for each 40 or so
MOST_DIGITS_OF_64_BITS = 18
ROUNDED = ("round", "trunc")
WHOLE_ALREADY = ("floor", "ceil")
WHOLE_KINDS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "INTEGER_LITERAL"}
OPERATIONS: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
CALLS = {"dremio_minus": "-", "dremio_div": "/", "dremio_mod": "%"} | {
    name: name for name in (*ROUNDED, *WHOLE_ALREADY)
}
APPROXIMATE = {"FLOAT", "DOUBLE"}


@dataclass(slots=True)
class _Place:
    """Arithmetic that stands once or several times in a SELECT: what it was, and the calls that stand for it."""

    operation: str
    plain: exp.Expr
    probes: list[exp.Expr] = field(default_factory=list)


def settled(tree: exp.Expr, types: Iterable[object], describe: Describe) -> exp.Expr:
    """Return a translated tree whose arithmetic of DECIMALs is Dremio's.

    `types` are those of the columns it reads; without a DECIMAL among them or in the text nothing is asked.
    Raises RefusedStatementError for what cannot be the same here.
    """
    if not any("decimal" in str(one) for one in types) and not any(map(_asks, walk(tree))):
        return tree
    root = exp.Paren(this=tree)  # so that every node has a parent
    waiting = _places(root)
    _bound_sums(root)
    while waiting:
        found = _refused(describe, text_of(root.this))
        if found is None:  # what else is wrong is better said about the plain text
            break
        number, kinds = found
        _replace(waiting.pop(number), kinds)
    for place in waiting.values():
        _replace(place, ())
    settled_tree: exp.Expr = root.this
    settled_tree.pop()
    return settled_tree


def _asks(node: exp.Expr) -> bool:
    """Say whether a node is a DECIMAL, or calls what DuckDB gives another type, or cuts off a DOUBLE in another way."""
    if isinstance(node, exp.Literal):
        return not node.is_string and "." in node.name and "e" not in node.name.lower()
    if isinstance(node, exp.Anonymous):
        return node.name in WHOLE_ALREADY or (node.name == "trunc" and len(node.expressions) == 2)
    return isinstance(node, exp.DataType) and node.this == exp.DataType.Type.DECIMAL


def _places(root: exp.Expr) -> dict[int, _Place]:
    """Put calls for the arithmetic of a statement. The same text in the same SELECT is one place, as GROUP BY needs."""
    found: dict[tuple[int, str], _Place] = {}
    nodes = list(walk(root))
    keys = _keys(nodes)
    for node in nodes:
        operation = _operation(node)
        if operation is not None:
            place = found.setdefault(keys[id(node)], _Place(operation, node))
            place.probes.append(probe := call(PROBE))
            exchange(node, probe)
            probe.set("expressions", _operands(node))
    for number, place in enumerate(found.values()):
        for probe in place.probes:
            probe.append("expressions", _tag(number))
    return dict(enumerate(found.values()))


def _keys(nodes: Sequence[exp.Expr]) -> dict[int, tuple[int, str]]:
    """Return what tells places apart: their SELECT and their text. Raises RefusedStatementError for too many places.

    The innermost come first, which have the shortest texts: in a long sum each text has all that stands before it.
    """
    keys: dict[int, tuple[int, str]] = {}
    known: set[tuple[int, str]] = set()
    for node in reversed(nodes):
        if _operation(node) is not None:
            keys[id(node)] = id(node.find_ancestor(exp.Select, exp.SetOperation)), node.sql("duckdb")
            known.add(keys[id(node)])
            if len(known) > MOST_PLACES:
                raise RefusedStatementError(
                    f"the statement has more than {MOST_PLACES} places of arithmetic beside DECIMALs; "
                    "cast them to DOUBLE"
                )
    return keys


def _tag(number: int) -> exp.Expr:
    pair = exp.PropertyEQ(this=exp.to_identifier(f"{TAG}{number}"), expression=exp.Literal.number(0))
    return exp.Struct(expressions=[pair])


def _operation(node: exp.Expr) -> str | None:
    operation = OPERATIONS.get(type(node))
    if operation is None and isinstance(node, exp.Anonymous):
        operation = CALLS.get(node.name)
    return None if operation is None or any(map(_is_apart, _operands(node))) else operation


def _operands(node: exp.Expr) -> list[exp.Expr]:
    return list(node.expressions) if isinstance(node, exp.Anonymous) else [node.args["this"], node.args["expression"]]


def _is_apart(side: exp.Expr) -> bool:
    """Say whether a side makes sure that the arithmetic is not of DECIMALs: a DOUBLE, a date, an interval, a text."""
    if isinstance(side, exp.Cast):
        return side.to.this in {exp.DataType.Type.DOUBLE, exp.DataType.Type.DATE, exp.DataType.Type.TIMESTAMP}
    return isinstance(side, exp.Interval) or (isinstance(side, exp.Literal) and bool(side.is_string))


def _refused(describe: Describe, statement: str) -> tuple[int, list[str]] | None:
    """Return the place that DuckDB refuses first, and the types that stand there; None where it refuses none."""
    try:
        describe(statement)
    except duckdb.BinderException as error:
        found = REFUSAL.search(str(error))
        return None if found is None else (int(found[2]), SEPARATOR.split(found[1]))
    except duckdb.Error:
        return None
    return None


def _bound_sums(root: exp.Expr) -> None:
    """Have sums of DECIMALs fail that do not fit 38 digits; DuckDB would hand out more."""
    for total in all_of(root, exp.Anonymous):
        if total.name == "sum":
            whole: exp.Expr = total.parent if isinstance(total.parent, exp.Window) else total
            whole.replace(bound := call("dremio_fits"))
            bound.append("expressions", whole)


def _replace(place: _Place, kinds: Sequence[str]) -> None:
    for probe in place.probes:
        exchange(probe, _built(place, probe.expressions[:-1], kinds))


def _built(place: _Place, operands: list[exp.Expr], kinds: Sequence[str]) -> exp.Expr:
    """Return arithmetic of these types; as it was where no DECIMAL is in it."""
    if place.operation in WHOLE_ALREADY:
        return operands[0] if kinds and kinds[0] in WHOLE_KINDS else _plain(place.plain, operands)
    if place.operation == "trunc" and len(operands) == 2 and kinds and kinds[0] in APPROXIMATE:
        return _cut_off(operands[0], operands[1], kinds[0])
    decimals = [digits_of(kind) for kind in kinds if kind.startswith("DECIMAL")]
    if place.operation in ROUNDED:
        places = _whole_number(operands[1]) if len(operands) > 1 else 0
        if not kinds or not kinds[0].startswith("DECIMAL") or decimals[0] is None or places is None:
            return _plain(place.plain, operands)
        rule = rounded if place.operation == "round" else truncated
        return _as(rule(decimals[0], places), _plain(place.plain, operands))
    if not decimals:
        return _plain(place.plain, operands)
    if APPROXIMATE & set(kinds):  # DuckDB gives a FLOAT for a FLOAT and a DECIMAL
        return _plain(place.plain, [exp.cast(one, "DOUBLE") for one in operands])
    exact = [_exact(one, kind) for one, kind in zip(operands, kinds, strict=True)]
    numbers, digits = [number for number, _ in exact], [kind for _, kind in exact]
    if digits[0] is None or digits[1] is None:
        return _plain(place.plain, numbers)
    return _calculated(place, numbers, digits[0], digits[1])


def _cut_off(number: exp.Expr, places: exp.Expr, kind: str) -> exp.Expr:
    """Cut off the decimals that a DOUBLE is written with, as Java's BigDecimal does; DuckDB cuts 1.15 to 1.14."""
    if _whole_number(places) is None:
        raise RefusedStatementError(f"TRUNCATE of a {kind} takes a number of places that is written out")
    return exp.cast(call("dremio_cut_off", exp.cast(number, "DOUBLE"), places), kind)


def _calculated(place: _Place, numbers: list[exp.Expr], a: Digits, b: Digits) -> exp.Expr:
    kind = result(place.operation, a, b)
    scale, whole = max(a.scale, b.scale), max(a.whole, b.whole)
    if place.operation == "/":
        return _divided(numbers, a, b, kind)
    if place.operation == "*" and a.scale + b.scale > MOST_DIGITS:
        raise RefusedStatementError(
            f"* of a {_word(a)} and a {_word(b)} is not supported: together they have more than "
            f"{MOST_DIGITS} decimals; cast one to fewer"
        )
    if place.operation == "%" and scale + whole > MOST_DIGITS:
        raise RefusedStatementError(
            f"MOD of a {_word(a)} and a {_word(b)} is not supported: they do not fit {MOST_DIGITS} digits "
            "on one scale; cast one to fewer"
        )
    if place.operation == "%":
        common = Digits(scale + whole, scale)
        return _as(kind, _plain(place.plain, [_as(common, number) for number in numbers]))
    # Of two that fit 64 bits each DuckDB gives one that does, too, and fails where the numbers do not.
    if max(a.precision, b.precision) <= MOST_DIGITS_OF_64_BITS < kind.precision:
        numbers = [_as(Digits(MOST_DIGITS_OF_64_BITS + 1, a.scale), numbers[0]), numbers[1]]
    return _as(kind, _plain(place.plain, numbers))


def _divided(numbers: list[exp.Expr], a: Digits, b: Digits, kind: Digits) -> exp.Expr:
    """Divide as whole numbers: `a` in units that are as much smaller as the quotient has decimals."""
    power = kind.scale - a.scale + b.scale  # 0 or more by the rules of `result`
    if power > MOST_DIGITS:
        raise RefusedStatementError(
            f"/ of a {_word(a)} and a {_word(b)} is not supported: the second has too many decimals; cast it to fewer"
        )
    above = exp.Mul(this=_units(numbers[0], a), expression=exp.cast(exp.Literal.number(10**power), "HUGEINT"))
    quotient = _as(Digits(MOST_DIGITS, 0), call("dremio_quotient", above, _units(numbers[1], b)))
    unit = _as(Digits(kind.scale, kind.scale), text("0." + "1".zfill(kind.scale)))
    return _as(kind, exp.Mul(this=quotient, expression=unit))


def _units(number: exp.Expr, kind: Digits) -> exp.Expr:
    """Return a DECIMAL without its point, as a whole number."""
    if kind.scale == 0:
        return exp.cast(number, "HUGEINT")
    if kind.precision + kind.scale <= MOST_DIGITS:
        power = _as(Digits(MOST_DIGITS, 0), exp.Literal.number(10**kind.scale))
        return exp.cast(exp.Mul(this=exp.Paren(this=number), expression=power), "HUGEINT")
    return exp.cast(call("replace", exp.cast(number, "VARCHAR"), text("."), text("")), "HUGEINT")


def _exact(number: exp.Expr, kind: str) -> tuple[exp.Expr, Digits | None]:
    """Return a number as Dremio has it beside a DECIMAL: whole numbers are an INTEGER or a BIGINT."""
    if kind == "INTEGER_LITERAL":
        value = _whole_number(number)
        kind = "INTEGER" if value is not None and -(2**31) <= value < 2**31 else "BIGINT"
        return exp.cast(number, kind), digits_of(kind)
    if kind in {"TINYINT", "SMALLINT", "HUGEINT"}:
        return exp.cast(number, "BIGINT" if kind == "HUGEINT" else "INTEGER"), digits_of(kind)
    return number, digits_of(kind)


def _whole_number(number: exp.Expr) -> int | None:
    if isinstance(number, exp.Neg):
        value = _whole_number(number.this)
        return None if value is None else -value
    if isinstance(number, exp.Paren):
        return _whole_number(number.this)
    plain = isinstance(number, exp.Literal) and not number.is_string and number.name.isdecimal()
    return int(number.name) if plain else None


def _plain(was: exp.Expr, operands: list[exp.Expr]) -> exp.Expr:
    if isinstance(was, exp.Anonymous):
        return call(was.name, *operands)
    return type(was)(this=operands[0], expression=operands[1])


def _as(kind: Digits, number: exp.Expr) -> exp.Expr:
    # Not exp.cast, which takes one DECIMAL for another and leaves out the cast.
    return exp.Cast(this=number, to=exp.DataType.build(_word(kind)))


def _word(kind: Digits) -> str:
    return f"DECIMAL({kind.precision}, {kind.scale})"
