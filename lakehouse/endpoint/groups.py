"""Tables about people as groups of them: each row says what its group has on average, and no group is small.

What is made here is one table, the same for every statement of a release: whatever SQL asks of it, the answer follows
from groups of at least `least` people alone. docs/decisions/0153 says why, and what it does not protect from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from sqlglot import exp

from lakehouse.endpoint.duck import Duck
from lakehouse.endpoint.engine_settings import SCHEMA
from lakehouse.endpoint.masks import call, duck_type, named
from lakehouse.endpoint.relations import Relation
from lakehouse.policy.rules import Groups

VERSION_COLUMNS = ("dataset_version", "dataset_commit", "_dataset_version", "_dataset_commit")
"""Rows of different versions never share a group, so that a new version leaves the groups of older ones as they are."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What each column of a table about people is: it tells groups apart, is averaged, or shows nothing."""

    least: int
    dimensions: tuple[str, ...]
    figures: tuple[str, ...]
    blank: tuple[str, ...]


def shape_of(duck: Duck, relation: Relation, groups: Groups, hidden: Sequence[str]) -> Shape:
    """Return the shape of a table. A number with fewer than `least` values is a code, and is not averaged."""
    names = relation.schema.names
    closed = {*hidden, *groups.persons}
    dimensions = tuple(name for name in names if name in (*groups.dimensions, *VERSION_COLUMNS) and name not in closed)
    numbers = [f.name for f in relation.schema if f.name not in {*closed, *dimensions} and _is_number(f.type)]
    figures: tuple[str, ...] = ()
    if numbers:
        counts = exp.select(*(_alias(_distinct(named(name)), name) for name in numbers)).from_(_table(relation))
        (found,) = duck.read(counts).to_pylist()
        figures = tuple(name for name in numbers if found[name] >= groups.least)
    return Shape(groups.least, dimensions, figures, tuple(n for n in names if n not in (*dimensions, *figures)))


def grouped(duck: Duck, relation: Relation, shape: Shape, persons: Sequence[str], secret: str) -> Relation:
    """Return the relation that shows a table's groups, a row for each row of the people who are counted.

    Raises duckdb.Error when it cannot be made now.
    """
    cells = duck.stored(_cells(relation, shape, persons, secret))
    place = call("unnest", call("range", named("$rows")))
    repeated = exp.select(exp.Star(), _alias(place, "$place")).from_(_table(cells))
    columns = (_shown(field, shape) for field in relation.schema)
    return duck.restricted(exp.select(*columns).from_(repeated.subquery("repeated")), (cells,))


def _cells(relation: Relation, shape: Shape, persons: Sequence[str], secret: str) -> exp.Select:
    """Return one row for each group: its rows, and the sum and number of each figure, or none where that would tell.

    Of each group 1 to `least` people are left out, drawn anew by `secret` when anything in the group changes, so that
    the rest are a multiple of `least`: the difference of two releases, purposes or roles is never one person's.
    """
    own = _of_persons(relation, shape, persons)
    content = _window(call("sum", named("$digest")), shape)
    seen = exp.select(
        exp.Star(), _alias(content, "$content"), _alias(_window(call("count", exp.Star()), shape), "$people")
    )
    drawn = call("md5", call("concat", exp.Literal.string(secret), named("$content"), named("$person")))
    order = exp.Order(expressions=[exp.Ordered(this=drawn), exp.Ordered(this=named("$person"))])
    place = _window(call("row_number"), shape, order)
    ranked = exp.select(exp.Star(), _alias(place, "$place")).from_(seen.from_(own.subquery("own")).subquery("seen"))
    least = exp.Literal.number(shape.least)
    others = exp.Paren(this=exp.Sub(this=named("$people"), expression=exp.Literal.number(1)))
    kept = exp.Mul(this=exp.Paren(this=exp.IntDiv(this=others, expression=least)), expression=least.copy())
    chosen = (
        exp.select(exp.Star()).from_(ranked.subquery("ranked")).where(exp.LTE(this=named("$place"), expression=kept))
    )
    keys = [named(name) for name in shape.dimensions]
    columns = [*keys, _alias(exp.cast(call("sum", named("$rows")), "BIGINT"), "$rows")]
    columns += [column for number, _ in enumerate(shape.figures) for column in _figure(number, shape.least)]
    conditions = [_not_one_persons("$rows")]
    conditions += [_several(f"$others_{number}", shape.least) for number, _ in enumerate(persons[1:])]
    # Without dimensions everybody is one group, and without anybody there must be none.
    conditions.append(exp.GT(this=call("count", exp.Star()), expression=exp.Literal.number(0)))
    return exp.select(*columns).from_(chosen.subquery("chosen")).group_by(*keys).having(*conditions).order_by(*keys)


def _of_persons(relation: Relation, shape: Shape, persons: Sequence[str]) -> exp.Select:
    """Return what each person has in each group; rows that name nobody are left out."""
    keys = [named(name) for name in shape.dimensions]
    person = exp.cast(named(persons[0]), "VARCHAR")
    digest = call("hash", person, *(named(name) for name in shape.figures))
    columns: list[exp.Expr] = [
        *keys,
        _alias(person, "$person"),
        _alias(call("count", exp.Star()), "$rows"),
        _alias(call("sum", digest), "$digest"),
    ]
    for number, name in enumerate(shape.figures):
        for word in ("sum", "count", "min", "max"):
            columns.append(_alias(call(word, named(name)), f"${word}_{number}"))
    for number, name in enumerate(persons[1:]):
        columns.append(_alias(call("list", exp.Distinct(expressions=[named(name)])), f"$others_{number}"))
    known = exp.not_(exp.Is(this=named(persons[0]), expression=exp.null()))
    return exp.select(*columns).from_(_table(relation)).where(known).group_by(*keys, person.copy())


def _figure(number: int, least: int) -> tuple[exp.Expr, exp.Expr]:
    """Return a figure's sum and count in a group.

    Nothing where few people have it or lack it, where one has most of it, and where all have the same.
    """
    total, count = f"$sum_{number}", f"$count_{number}"
    have = exp.GT(this=named(count), expression=exp.Literal.number(0))
    lack = exp.LT(this=named(count), expression=named("$rows"))
    low, high = call("min", named(f"$min_{number}")), call("max", named(f"$max_{number}"))
    told = exp.and_(
        _none_or_many(have, least),
        _none_or_many(lack, least),
        _not_one_persons(total),
        exp.LT(this=low, expression=high),
    )
    sums = exp.Case(ifs=[exp.If(this=told, true=call("sum", named(total)))])
    counts = exp.Case(ifs=[exp.If(this=told.copy(), true=call("sum", named(count)))])
    return _alias(sums, total), _alias(counts, count)


def _none_or_many(condition: exp.Expr, least: int) -> exp.Expr:
    people = call("count_if", condition)
    many = exp.GTE(this=people, expression=exp.Literal.number(least))
    return exp.Paren(this=exp.or_(exp.EQ(this=people.copy(), expression=exp.Literal.number(0)), many))


def _not_one_persons(column: str) -> exp.Expr:
    """Say that nobody has more than half of a group's total: others could subtract the rest of it (dominance rule)."""
    size = call("abs", exp.cast(named(column), "DOUBLE"))
    most = exp.Mul(this=call("max", size), expression=exp.Literal.number(2))
    return exp.LTE(this=most, expression=call("sum", size.copy()))


def _several(column: str, least: int) -> exp.Expr:
    """Say that a further column of people names nobody, or as many as the first."""
    people = call("len", call("list_distinct", call("flatten", call("list", named(column)))))
    return _none_or_some(people, least)


def _none_or_some(number: exp.Expr, least: int) -> exp.Expr:
    many = exp.GTE(this=number, expression=exp.Literal.number(least))
    return exp.Paren(this=exp.or_(exp.EQ(this=number.copy(), expression=exp.Literal.number(0)), many))


def _shown(field: "pa.Field[Any]", shape: Shape) -> exp.Expr:
    """Return a column of the repeated rows. A whole number is spread so that its sum stays exact."""
    word = duck_type(field.type)
    if field.name in shape.dimensions:
        return _alias(named(field.name), field.name)
    if field.name not in shape.figures:
        return _alias(exp.cast(exp.null(), word), field.name)
    number = shape.figures.index(field.name)
    total, count, place = named(f"$sum_{number}"), named(f"$count_{number}"), named("$place")
    if pa.types.is_integer(field.type):
        once = exp.Mod(this=total, expression=count)
        rest = exp.Mod(this=exp.Paren(this=exp.Add(this=once, expression=count)), expression=count)
        even = exp.IntDiv(this=exp.Paren(this=exp.Sub(this=total, expression=rest)), expression=count)
        more = exp.Case(ifs=[exp.If(this=exp.LT(this=place, expression=rest.copy()), true=exp.Literal.number(1))])
        more.set("default", exp.Literal.number(0))
        value: exp.Expr = exp.cast(exp.Paren(this=exp.Add(this=even, expression=more)), word)
    else:
        value = exp.cast(exp.Div(this=exp.cast(total, "DOUBLE"), expression=count), "DOUBLE")
    within = exp.LT(this=place.copy(), expression=count.copy())
    return _alias(exp.Case(ifs=[exp.If(this=within, true=value)]), field.name)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _window(function: exp.Expr, shape: Shape, order: exp.Order | None = None) -> exp.Window:
    return exp.Window(this=function, partition_by=[named(name) for name in shape.dimensions], order=order)


def _distinct(column: exp.Expr) -> exp.Expr:
    return call("count", exp.Distinct(expressions=[column]))


def _alias(value: exp.Expr, name: str) -> exp.Expr:
    return exp.alias_(value, name, quoted=True)


def _table(relation: Relation) -> exp.Table:
    return exp.Table(this=exp.to_identifier(relation.name, quoted=True), db=exp.to_identifier(SCHEMA))
