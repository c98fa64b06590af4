"""Columns and rows as the owner's rules let them be seen, in DuckDB's words."""

from collections.abc import Sequence

import pyarrow as pa
from sqlglot import exp

from lakehouse.policy.rules import Mask, RowFilter, as_text

TYPES: tuple[tuple[pa.DataType, str], ...] = (
    (pa.bool_(), "BOOLEAN"),
    (pa.int32(), "INTEGER"),
    (pa.int64(), "BIGINT"),
    (pa.float32(), "FLOAT"),
    (pa.float64(), "DOUBLE"),
    (pa.date64(), "DATE"),
    (pa.timestamp("ms"), "TIMESTAMP"),
)


def duck_type(kind: pa.DataType) -> str:
    """Return DuckDB's word for a wire type; text for what has no simple one."""
    return next((word for plain, word in TYPES if kind == plain), "VARCHAR")


def named(name: str) -> exp.Column:
    """Return a column by its name."""
    return exp.column(exp.to_identifier(name, quoted=True))


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Return a DuckDB function call."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def empty(name: str) -> exp.Expr:
    """Return nothing, in the type of a column."""
    return exp.Case(ifs=[exp.If(this=exp.false(), true=named(name))])


def told_of_others(name: str, withheld: exp.Expr) -> exp.Expr:
    """Return a column that is nothing where a condition holds."""
    return exp.Case(ifs=[exp.If(this=exp.not_(withheld.copy()), true=named(name))])


def masked(name: str, kind: pa.DataType, mask: Mask, secret: str) -> exp.Expr:
    """Return a column of a wire type as a mask shows it, in the same type; empty where the mask does not fit it."""
    value, word = named(name), duck_type(kind)
    if pa.types.is_string(kind) and mask.first is not None:
        return call("left", value, exp.Literal.number(mask.first))
    if pa.types.is_string(kind) and mask.pseudonym:
        told = call("md5", exp.DPipe(this=exp.Literal.string(f"{secret}/{name}/"), expression=value))
        return call("left", told, exp.Literal.number(16))
    if word in {"INTEGER", "BIGINT", "FLOAT", "DOUBLE"} and mask.round_to is not None:
        steps = exp.Div(this=exp.cast(value, "DOUBLE"), expression=exp.Literal.number(mask.round_to))
        near = exp.Mul(this=call("round", steps), expression=exp.Literal.number(mask.round_to))
        return exp.TryCast(this=near, to=exp.DataType.build(word))
    if word in {"DATE", "TIMESTAMP"} and mask.cut_to is not None:
        return exp.cast(call("date_trunc", exp.Literal.string(mask.cut_to), value), word)
    return empty(name)


def among_roles(filters: Sequence[RowFilter], columns: Sequence[str]) -> exp.Expr:
    """Say that one of the alternatives holds; one that names a column that is not there never does."""
    held = [_alternative(one) for one in filters if all(name in columns for name in one)]
    return exp.Paren(this=exp.or_(*held)) if held else exp.false()


def _alternative(one: RowFilter) -> exp.Expr:
    conditions = [
        exp.In(this=exp.cast(named(name), "VARCHAR"), expressions=[exp.Literal.string(as_text(v)) for v in values])
        for name, values in one.items()
    ]
    return exp.and_(*conditions) if conditions else exp.true()
