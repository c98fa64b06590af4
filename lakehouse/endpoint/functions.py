"""Every function a statement may call, by its Dremio name, and what it means in DuckDB.

A name that is not in this table is refused: that is both the safety list and the promise that nothing is silently
different. The macros it calls are in macros.py.
"""

from collections.abc import Sequence
from decimal import Decimal

from sqlglot import exp

from lakehouse.endpoint import documented
from lakehouse.endpoint.calls import Function, call, is_text, same, text
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.list_functions import LISTS
from lakehouse.endpoint.moment_functions import DATES
from lakehouse.endpoint.number_functions import CHOICES, NUMBERS
from lakehouse.endpoint.text_functions import TEXTS


def _text_only(argument: exp.Expr) -> exp.Expr:
    """Return an argument as it is, and a call that no other type has; DuckDB finds no macro again in an ORDER BY."""
    return call("substring", argument, exp.Literal.number(1))


def _listagg(arguments: Sequence[exp.Expr]) -> exp.Expr:
    given = list(arguments)
    if isinstance(given[0], exp.Distinct):
        inner = list(given[0].expressions)
        separator = inner.pop() if len(inner) > 1 else text("")
        return call("string_agg", exp.Distinct(expressions=[_text_only(inner[0])]), separator)
    return call("string_agg", call("dremio_text", given[0]), given[1] if len(given) > 1 else text(""))


def _as_double(argument: exp.Expr) -> exp.Expr:
    """Return an aggregate's argument as DOUBLE: DuckDB would round what lies between two DECIMALs to their scale."""
    if isinstance(argument, exp.Distinct):
        return exp.Distinct(expressions=[_as_double(one) for one in argument.expressions])
    return exp.cast(call("dremio_number", argument), "DOUBLE")


def _fraction_of(argument: exp.Expr, function: str) -> exp.Expr:
    """Return a literal number from 0 to 1; refuse anything else."""
    if not isinstance(argument, exp.Literal) or is_text(argument) or not 0 <= float(argument.this) <= 1:
        raise RefusedStatementError(f"{function} takes a number from 0 to 1")
    return argument


def _approx_percentile(arguments: Sequence[exp.Expr]) -> exp.Expr:
    """Be exact, which is near enough."""
    return call("quantile_cont", _as_double(arguments[0]), _fraction_of(arguments[1], "APPROX_PERCENTILE"))


def _approximate(arguments: Sequence[exp.Expr]) -> exp.Expr:
    return call("approx_count_distinct", *arguments)


AGGREGATES = {
    "COUNT": Function(1, None, same("count")),
    "SUM": Function(1, 1, same("sum")),
    "AVG": Function(1, 1, same("avg")),
    "MIN": Function(1, 1, same("min")),
    "MAX": Function(1, 1, same("max")),
    "NDV": Function(1, 1, _approximate),
    "APPROX_COUNT_DISTINCT": Function(1, 1, _approximate),
    "STDDEV": Function(1, 1, same("stddev_samp")),
    "STDDEV_SAMP": Function(1, 1, same("stddev_samp")),
    "STDDEV_POP": Function(1, 1, same("stddev_pop")),
    "VARIANCE": Function(1, 1, same("var_samp")),
    "VAR_SAMP": Function(1, 1, same("var_samp")),
    "VAR_POP": Function(1, 1, same("var_pop")),
    "CORR": Function(2, 2, same("corr")),
    "COVAR_SAMP": Function(2, 2, same("covar_samp")),
    "COVAR_POP": Function(2, 2, same("covar_pop")),
    "MEDIAN": Function(1, 1, lambda a: call("median", _as_double(a[0]))),
    "APPROX_PERCENTILE": Function(2, 2, _approx_percentile),
    "PERCENTILE_CONT": Function(1, 1, same("percentile_cont")),
    "PERCENTILE_DISC": Function(1, 1, same("percentile_disc")),
    "BOOL_AND": Function(1, 1, same("bool_and")),
    "BOOL_OR": Function(1, 1, same("bool_or")),
    "LISTAGG": Function(1, 2, _listagg),
    "ARRAY_AGG": Function(1, 1, same("array_agg")),
}

WINDOWS = {
    name: Function(least, most, same(name.lower()))
    for name, least, most in (
        ("ROW_NUMBER", 0, 0),
        ("RANK", 0, 0),
        ("DENSE_RANK", 0, 0),
        ("PERCENT_RANK", 0, 0),
        ("CUME_DIST", 0, 0),
        ("NTILE", 1, 1),
        ("LAG", 1, 3),
        ("LEAD", 1, 3),
        ("FIRST_VALUE", 1, 1),
        ("LAST_VALUE", 1, 1),
    )
}

FUNCTIONS: dict[str, Function] = {**AGGREGATES, **WINDOWS, **TEXTS, **NUMBERS, **CHOICES, **DATES, **LISTS}
NEEDS_ORDER = {"LAG", "LEAD", "NTILE", "RANK", "DENSE_RANK", "PERCENT_RANK", "CUME_DIST"}


ALL_PLACES = slice(None)
# Where functions take a number; DuckDB would take a text for one, and '5.7' for 6.
NUMBER_PLACES: dict[str, slice] = {
    **dict.fromkeys(NUMBERS, ALL_PLACES),
    **dict.fromkeys(["SUM", "AVG", "CORR", "COVAR_SAMP", "COVAR_POP", "MEDIAN", "APPROX_PERCENTILE"], ALL_PLACES),
    **dict.fromkeys(["STDDEV", "STDDEV_SAMP", "STDDEV_POP", "VARIANCE", "VAR_SAMP", "VAR_POP"], ALL_PLACES),
    **dict.fromkeys(["NTILE", "CHR", "DATETYPE", "TIMESTAMPTYPE"], ALL_PLACES),
    **dict.fromkeys(["LEFT", "RIGHT", "LPAD", "RPAD", "REPEAT", "REPEATSTR", "LAG", "LEAD"], slice(1, 2)),
    **dict.fromkeys(["SUBSTR", "SUBSTRING", "SUBSTRING_INDEX", "SPLIT_PART", "LOCATE"], slice(2, 3)),
    "TIMESTAMPADD": slice(1, 2),
}


def _check_numbers(name: str, arguments: Sequence[exp.Expr]) -> None:
    for argument in arguments[NUMBER_PLACES.get(name, slice(0))]:
        for one in argument.expressions if isinstance(argument, exp.Distinct) else [argument]:
            if is_text(one):
                raise RefusedStatementError(
                    f"{name} takes a number, not the text {one.name!r}; write it without quotes, or CAST it to a number"
                )


def function_call(name: str, arguments: Sequence[exp.Expr]) -> exp.Expr:
    """Return a call in DuckDB's words; refuse unknown names and wrong numbers of arguments."""
    found = FUNCTIONS.get(name.upper())
    if found is None:
        raise RefusedStatementError(documented.refusal(name.upper(), FUNCTIONS))
    if len(arguments) < found.least or (found.most is not None and len(arguments) > found.most):
        raise RefusedStatementError(
            f"function {name.upper()} does not take {len(arguments)} arguments here; see docs/sql-functions.md"
        )
    _check_numbers(name.upper(), arguments)
    return found.build(arguments)


def _ordered(node: exp.WithinGroup) -> exp.Expr:
    """Order a LISTAGG of DISTINCT texts by what it lists, as DuckDB wants it, where it is ordered by them."""
    listed = node.this.expressions[0]
    if isinstance(listed, exp.Distinct):
        for ordered in node.expression.expressions:
            if _text_only(ordered.this.copy()) == listed.expressions[0]:
                ordered.set("this", listed.expressions[0].copy())
    return node


def within_group(node: exp.WithinGroup) -> exp.Expr:
    """Give percentiles in DuckDB's order of arguments; other aggregates keep their ORDER BY."""
    name = str(node.this.name).lower()
    if not name.startswith("percentile"):
        return _ordered(node)
    fraction, (ordered,) = _fraction_of(node.this.expressions[0], name.upper()), node.expression.expressions
    if ordered.args.get("desc"):
        if name != "percentile_cont":
            raise RefusedStatementError(f"{name.upper()} with ORDER BY ... DESC is not supported")
        fraction = exp.Literal.number(str(1 - Decimal(fraction.this)))
    return call(name.replace("percentile", "quantile"), _as_double(ordered.this), fraction)
