"""Dremio's functions of numbers, and of what type or truth a value has, in DuckDB's words."""

from collections.abc import Sequence

from sqlglot import exp

from lakehouse.endpoint.calls import Build, Function, bigint, call, is_text, same
from lakehouse.endpoint.plain_texts import as_text, compared


def _log(arguments: Sequence[exp.Expr]) -> exp.Expr:
    return call("ln", *arguments) if len(arguments) == 1 else call("dremio_log", *arguments)


def _bits(kind: type[exp.Binary]) -> Build:
    return lambda arguments: exp.Paren(this=kind(this=arguments[0], expression=arguments[1]))


def _null_if_any(name: str) -> Build:
    """Return a builder of a choice among values that is null when one of them is; DuckDB's leaves nulls out."""

    def build(arguments: Sequence[exp.Expr]) -> exp.Expr:
        nulls = [exp.Is(this=argument.copy(), expression=exp.Null()) for argument in arguments]
        found = call(name, *map(as_text, arguments))
        return exp.Case(ifs=[exp.If(this=exp.or_(*nulls), true=exp.Null())], default=found)

    return build


def _null_if(arguments: Sequence[exp.Expr]) -> exp.Expr:
    """Return a value unless it is another one; a text stays one, though it is compared as a number."""
    value, other = arguments
    if not is_text(value):
        return call("nullif", value, compared(other, value))
    same_values = exp.EQ(this=compared(value, other), expression=other)
    return exp.Case(ifs=[exp.If(this=same_values, true=exp.Null())], default=as_text(value.copy()))


def _first(arguments: Sequence[exp.Expr]) -> exp.Expr:
    return call("coalesce", *map(as_text, arguments))


def _is(value: exp.Expr, *, negative: bool = False) -> Build:
    def build(arguments: Sequence[exp.Expr]) -> exp.Expr:
        found: exp.Expr = exp.Is(this=exp.Paren(this=arguments[0]), expression=value.copy())
        return exp.Paren(this=exp.Not(this=found) if negative else found)

    return build


NUMBERS = {
    name: Function(least, most, same(duck))
    for name, least, most, duck in (
        ("ABS", 1, 1, "abs"),
        ("CEIL", 1, 1, "ceil"),
        ("CEILING", 1, 1, "ceil"),
        ("FLOOR", 1, 1, "floor"),
        ("ROUND", 1, 2, "round"),
        ("TRUNC", 1, 2, "trunc"),
        ("TRUNCATE", 1, 2, "trunc"),
        ("BROUND", 1, 1, "dremio_bround"),
        ("SQRT", 1, 1, "sqrt"),
        ("CBRT", 1, 1, "cbrt"),
        ("EXP", 1, 1, "exp"),
        ("LN", 1, 1, "ln"),
        ("LOG10", 1, 1, "log10"),
        ("POWER", 2, 2, "power"),
        ("POW", 2, 2, "power"),
        ("MOD", 2, 2, "dremio_mod"),
        ("PMOD", 2, 2, "dremio_pmod"),
        ("SIGN", 1, 1, "sign"),
        ("PI", 0, 0, "pi"),
        ("SIN", 1, 1, "sin"),
        ("COS", 1, 1, "cos"),
        ("TAN", 1, 1, "tan"),
        ("COT", 1, 1, "cot"),
        ("ASIN", 1, 1, "asin"),
        ("ACOS", 1, 1, "acos"),
        ("ATAN", 1, 1, "atan"),
        ("ATAN2", 2, 2, "atan2"),
        ("SINH", 1, 1, "sinh"),
        ("COSH", 1, 1, "cosh"),
        ("TANH", 1, 1, "tanh"),
        ("DEGREES", 1, 1, "degrees"),
        ("RADIANS", 1, 1, "radians"),
        ("RANDOM", 0, 0, "random"),
        ("RAND", 0, 0, "random"),
        ("BIN", 1, 1, "dremio_bin"),
        ("LSHIFT", 2, 2, "dremio_lshift"),
        ("RSHIFT", 2, 2, "dremio_rshift"),
        ("BITWISE_XOR", 2, 2, "xor"),
        ("XOR", 2, 2, "xor"),
    )
} | {
    "LOG": Function(1, 2, _log),
    "E": Function(0, 0, lambda _a: call("exp", exp.Literal.number(1))),
    "FACTORIAL": Function(1, 1, lambda a: bigint(call("dremio_factorial", *a))),
    "BITWISE_AND": Function(2, 2, _bits(exp.BitwiseAnd)),
    "BITWISE_OR": Function(2, 2, _bits(exp.BitwiseOr)),
    "BITWISE_NOT": Function(1, 1, lambda a: exp.Paren(this=exp.BitwiseNot(this=exp.Paren(this=a[0])))),
}

CHOICES = {
    "COALESCE": Function(1, None, _first),
    "NVL": Function(2, 2, _first),
    "IFNULL": Function(2, 2, _first),
    "NULLIF": Function(2, 2, _null_if),
    "GREATEST": Function(1, None, _null_if_any("greatest")),
    "LEAST": Function(1, None, _null_if_any("least")),
    "ISNULL": Function(1, 1, _is(exp.Null())),
    "ISNOTNULL": Function(1, 1, _is(exp.Null(), negative=True)),
    "ISTRUE": Function(1, 1, _is(exp.true())),
    "ISNOTTRUE": Function(1, 1, _is(exp.true(), negative=True)),
    "ISFALSE": Function(1, 1, _is(exp.false())),
    "ISNOTFALSE": Function(1, 1, _is(exp.false(), negative=True)),
    "IS_INT": Function(1, 1, same("dremio_is_int")),
    "IS_BIGINT": Function(1, 1, same("dremio_is_bigint")),
    "IS_VARCHAR": Function(1, 1, same("dremio_is_varchar")),
    "TYPEOF": Function(1, 1, same("dremio_typeof")),
}
