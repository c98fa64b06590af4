"""Every function a statement may call, by its Dremio name, and what it means in DuckDB.

A name that is not in this table is refused: that is both the safety list and the promise that nothing is silently
different. The macros it calls are in macros.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.formats import strftime_format

UNITS = ("SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
DAY_UNITS = UNITS[3:]
PARTS = ("SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR", "DOY", "DOW", "EPOCH")
Build = Callable[[Sequence[exp.Expr]], exp.Expr]


@dataclass(frozen=True, slots=True)
class Function:
    """How many arguments a function takes, and how DuckDB says it."""

    least: int
    most: int | None
    build: Build


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Return a DuckDB function call."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def integer(expression: exp.Expr) -> exp.Expr:
    """Return the expression as a 32-bit integer, the type Dremio gives to lengths and positions."""
    return exp.cast(expression, "INT")


def bigint(expression: exp.Expr) -> exp.Expr:
    """Return the expression as a 64-bit integer."""
    return exp.cast(expression, "BIGINT")


def text_of(argument: exp.Expr, what: str) -> str:
    """Return a literal string; refuse anything else."""
    if not (isinstance(argument, exp.Literal) and argument.is_string):
        raise RefusedStatementError(f"{what} must be a literal in quotes")
    return str(argument.this)


def word_of(argument: exp.Expr, what: str, allowed: Sequence[str]) -> str:
    """Return a unit word, written bare or in quotes, in capitals."""
    word = argument.name.upper().removeprefix("SQL_TSI_")
    if not isinstance(argument, exp.Column | exp.Literal | exp.Var) or word not in allowed:
        raise RefusedStatementError(f"{what} {argument.name!r} is not supported; known are {', '.join(allowed)}")
    return word


def same(name: str) -> Build:
    """Return a builder for a function that DuckDB knows under that name with the same meaning."""
    return lambda arguments: call(name, *arguments)


def extract(part: str, value: exp.Expr) -> exp.Expr:
    """Return EXTRACT in Dremio's numbering: days of the week count from Sunday = 1."""
    result = call("date_part", exp.Literal.string(part.lower()), value)
    if part == "DOW":
        result = exp.Add(this=result, expression=exp.Literal.number(1))
    if part == "EPOCH":
        result = call("floor", result)
    return bigint(result)


def _part(name: str) -> Build:
    return lambda arguments: extract(name, arguments[0])


def _date_part(arguments: Sequence[exp.Expr]) -> exp.Expr:
    return extract(word_of(arguments[0], "date part", PARTS), arguments[1])


def _date_trunc(arguments: Sequence[exp.Expr]) -> exp.Expr:
    """Use time_bucket: unlike DuckDB's date_trunc it gives a DATE for a DATE, as Dremio does. Weeks start on Monday."""
    unit = word_of(arguments[0], "DATE_TRUNC unit", UNITS)
    return call("time_bucket", step(unit, exp.Literal.number(1)), arguments[1])


def step(unit: str, count: exp.Expr) -> exp.Expr:
    """Return an interval of so many units."""
    return call("to_quarters" if unit == "QUARTER" else f"to_{unit.lower()}s", count)


def moved(moment: exp.Expr, unit: str, count: exp.Expr) -> exp.Expr:
    """Return a moment some units later. Days and longer keep a DATE a DATE; shorter units give a TIMESTAMP."""
    later = exp.Add(this=moment, expression=step(unit, count))
    if unit not in DAY_UNITS:
        return exp.Paren(this=exp.Add(this=exp.cast(moment, "TIMESTAMP"), expression=later.expression))
    if isinstance(moment, exp.Cast) and moment.to.this in {exp.DataType.Type.DATE, exp.DataType.Type.TIMESTAMP}:
        return exp.cast(exp.Paren(this=later), moment.to.copy())
    return call("dremio_add_days", moment, later.expression)


def _last_day(arguments: Sequence[exp.Expr]) -> exp.Expr:
    return call("last_day", *arguments)


def _format(argument: exp.Expr, function: str) -> exp.Expr:
    return exp.Literal.string(strftime_format(text_of(argument, f"the format of {function}")))


def _epoch(seconds: exp.Expr) -> exp.Expr:
    if isinstance(seconds, exp.Literal) and seconds.is_string:
        raise RefusedStatementError("TO_DATE and TO_TIMESTAMP need a format for text, such as 'YYYY-MM-DD'")
    return call("dremio_epoch", seconds)


def _to_timestamp(arguments: Sequence[exp.Expr]) -> exp.Expr:
    if len(arguments) == 1:
        return _epoch(arguments[0])
    return exp.cast(call("strptime", arguments[0], _format(arguments[1], "TO_TIMESTAMP")), "TIMESTAMP")


def _to_date(arguments: Sequence[exp.Expr]) -> exp.Expr:
    if len(arguments) == 1:
        return exp.cast(_epoch(arguments[0]), "DATE")
    return exp.cast(call("strptime", arguments[0], _format(arguments[1], "TO_DATE")), "DATE")


def _to_char(arguments: Sequence[exp.Expr]) -> exp.Expr:
    return call("strftime", arguments[0], _format(arguments[1], "TO_CHAR"))


def _timestampadd(arguments: Sequence[exp.Expr]) -> exp.Expr:
    unit = word_of(arguments[0], "TIMESTAMPADD unit", UNITS)
    return moved(arguments[2], unit, integer(arguments[1]))


def _timestampdiff(arguments: Sequence[exp.Expr]) -> exp.Expr:
    unit = word_of(arguments[0], "TIMESTAMPDIFF unit", UNITS).lower()
    start, end = (exp.cast(argument, "TIMESTAMP") for argument in arguments[1:])
    return integer(call("date_sub", exp.Literal.string(unit), start, end))


def _datediff(arguments: Sequence[exp.Expr]) -> exp.Expr:
    end, start = (exp.cast(argument, "DATE") for argument in arguments)
    return integer(call("date_diff", exp.Literal.string("day"), start, end))


def _move_days(sign: int) -> Build:
    def build(arguments: Sequence[exp.Expr]) -> exp.Expr:
        days = arguments[1]
        if days.find(exp.Interval):
            raise RefusedStatementError("DATE_ADD and DATE_SUB take a number of days; use TIMESTAMPADD for other units")
        amount = exp.Neg(this=exp.Paren(this=days)) if sign < 0 else days
        return moved(arguments[0], "DAY", integer(amount))

    return build


def _unix_timestamp(arguments: Sequence[exp.Expr]) -> exp.Expr:
    value = call("dremio_now") if not arguments else _to_timestamp(arguments)
    return extract("EPOCH", value)


def _substring(arguments: Sequence[exp.Expr]) -> exp.Expr:
    start = arguments[1]
    if isinstance(start, exp.Literal) and start.this == "0":
        raise RefusedStatementError("SUBSTRING counts from 1; a start of 0 is not supported")
    return call("substring", *arguments)


def _side(name: str) -> Build:
    def build(arguments: Sequence[exp.Expr]) -> exp.Expr:
        if isinstance(arguments[1], exp.Neg):
            raise RefusedStatementError(f"{name.upper()} with a negative length is not supported")
        return call(name, *arguments)

    return build


def _locate(arguments: Sequence[exp.Expr]) -> exp.Expr:
    return integer(call("strpos", arguments[1], arguments[0]))


def _regexp_replace(arguments: Sequence[exp.Expr]) -> exp.Expr:
    if any(sign in text_of(arguments[2], "the replacement of REGEXP_REPLACE") for sign in "$\\"):
        raise RefusedStatementError("group references in REGEXP_REPLACE are not supported")
    return call("regexp_replace", *arguments, exp.Literal.string("g"))


def _concat(arguments: Sequence[exp.Expr]) -> exp.Expr:
    return call("concat", *arguments)


def _log(arguments: Sequence[exp.Expr]) -> exp.Expr:
    return call("ln", *arguments) if len(arguments) == 1 else call("dremio_log", *arguments)


def _round(arguments: Sequence[exp.Expr]) -> exp.Expr:
    return call("round", *arguments)


def _listagg(arguments: Sequence[exp.Expr]) -> exp.Expr:
    given = list(arguments)
    if isinstance(given[0], exp.Distinct):
        inner = list(given[0].expressions)
        separator = inner.pop() if len(inner) > 1 else exp.Literal.string("")
        return call("string_agg", exp.Distinct(expressions=inner), separator)
    return call("string_agg", given[0], given[1] if len(given) > 1 else exp.Literal.string(""))


def _no_current(name: str) -> Build:
    builders: dict[str, exp.Expr] = {
        "timestamp": call("dremio_now"),
        "date": exp.cast(call("dremio_now"), "DATE"),
        "time": exp.cast(call("dremio_now"), "TIME"),
    }
    return lambda _arguments: builders[name].copy()


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
    "MEDIAN": Function(1, 1, same("median")),
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

TEXTS = {
    "LOWER": Function(1, 1, same("lower")),
    "UPPER": Function(1, 1, same("upper")),
    "LENGTH": Function(1, 1, lambda a: integer(call("length", *a))),
    "CHAR_LENGTH": Function(1, 1, lambda a: integer(call("length", *a))),
    "CHARACTER_LENGTH": Function(1, 1, lambda a: integer(call("length", *a))),
    "SUBSTR": Function(2, 3, _substring),
    "SUBSTRING": Function(2, 3, _substring),
    "LEFT": Function(2, 2, _side("left")),
    "RIGHT": Function(2, 2, _side("right")),
    "LTRIM": Function(1, 2, same("ltrim")),
    "RTRIM": Function(1, 2, same("rtrim")),
    "BTRIM": Function(1, 2, same("trim")),
    "LPAD": Function(2, 3, lambda a: call("lpad", *a, *([exp.Literal.string(" ")] if len(a) == 2 else []))),
    "RPAD": Function(2, 3, lambda a: call("rpad", *a, *([exp.Literal.string(" ")] if len(a) == 2 else []))),
    "REPLACE": Function(3, 3, same("replace")),
    "REVERSE": Function(1, 1, same("reverse")),
    "REPEAT": Function(2, 2, same("repeat")),
    "REPEATSTR": Function(2, 2, same("repeat")),
    "LOCATE": Function(2, 2, _locate),
    "STRPOS": Function(2, 2, lambda a: integer(call("strpos", *a))),
    "CONCAT": Function(1, None, _concat),
    "STARTS_WITH": Function(2, 2, same("starts_with")),
    "ENDS_WITH": Function(2, 2, same("ends_with")),
    "ILIKE": Function(2, 2, lambda a: exp.Paren(this=exp.ILike(this=a[0], expression=a[1]))),
    "REGEXP_REPLACE": Function(3, 3, _regexp_replace),
    "MD5": Function(1, 1, same("md5")),
}

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
        ("SQRT", 1, 1, "sqrt"),
        ("CBRT", 1, 1, "cbrt"),
        ("EXP", 1, 1, "exp"),
        ("LN", 1, 1, "ln"),
        ("LOG10", 1, 1, "log10"),
        ("POWER", 2, 2, "power"),
        ("POW", 2, 2, "power"),
        ("MOD", 2, 2, "dremio_mod"),
        ("SIGN", 1, 1, "sign"),
        ("PI", 0, 0, "pi"),
        ("SIN", 1, 1, "sin"),
        ("COS", 1, 1, "cos"),
        ("TAN", 1, 1, "tan"),
        ("ATAN", 1, 1, "atan"),
        ("DEGREES", 1, 1, "degrees"),
        ("RADIANS", 1, 1, "radians"),
        ("RANDOM", 0, 0, "random"),
        ("RAND", 0, 0, "random"),
    )
} | {"LOG": Function(1, 2, _log)}

CHOICES = {
    "COALESCE": Function(1, None, same("coalesce")),
    "NVL": Function(2, 2, same("coalesce")),
    "IFNULL": Function(2, 2, same("coalesce")),
    "NULLIF": Function(2, 2, same("nullif")),
}

DATES = {
    "DATE_TRUNC": Function(2, 2, _date_trunc),
    "DATE_PART": Function(2, 2, _date_part),
    "YEAR": Function(1, 1, _part("YEAR")),
    "QUARTER": Function(1, 1, _part("QUARTER")),
    "MONTH": Function(1, 1, _part("MONTH")),
    "WEEK": Function(1, 1, _part("WEEK")),
    "WEEKOFYEAR": Function(1, 1, _part("WEEK")),
    "DAY": Function(1, 1, _part("DAY")),
    "DAYOFMONTH": Function(1, 1, _part("DAY")),
    "DAYOFWEEK": Function(1, 1, _part("DOW")),
    "DAYOFYEAR": Function(1, 1, _part("DOY")),
    "HOUR": Function(1, 1, _part("HOUR")),
    "MINUTE": Function(1, 1, _part("MINUTE")),
    "SECOND": Function(1, 1, _part("SECOND")),
    "LAST_DAY": Function(1, 1, _last_day),
    "TO_TIMESTAMP": Function(1, 2, _to_timestamp),
    "TO_DATE": Function(1, 2, _to_date),
    "TO_CHAR": Function(2, 2, _to_char),
    "TIMESTAMPADD": Function(3, 3, _timestampadd),
    "TIMESTAMPDIFF": Function(3, 3, _timestampdiff),
    "DATEDIFF": Function(2, 2, _datediff),
    "DATE_ADD": Function(2, 2, _move_days(1)),
    "DATE_SUB": Function(2, 2, _move_days(-1)),
    "UNIX_TIMESTAMP": Function(0, 2, _unix_timestamp),
    "NOW": Function(0, 0, _no_current("timestamp")),
    "CURRENT_TIMESTAMP": Function(0, 0, _no_current("timestamp")),
    "LOCALTIMESTAMP": Function(0, 0, _no_current("timestamp")),
    "CURRENT_DATE": Function(0, 0, _no_current("date")),
    "CURRENT_TIME": Function(0, 0, _no_current("time")),
}

FUNCTIONS: dict[str, Function] = {**AGGREGATES, **WINDOWS, **TEXTS, **NUMBERS, **CHOICES, **DATES}
NEEDS_ORDER = {"LAG", "LEAD", "NTILE"}


def function_call(name: str, arguments: Sequence[exp.Expr]) -> exp.Expr:
    """Return a call in DuckDB's words; refuse unknown names and wrong numbers of arguments."""
    found = FUNCTIONS.get(name.upper())
    if found is None:
        raise RefusedStatementError(f"function {name.upper()} is not supported by this endpoint; see docs/flow/sql.md")
    if len(arguments) < found.least or (found.most is not None and len(arguments) > found.most):
        raise RefusedStatementError(f"function {name.upper()} does not take {len(arguments)} arguments")
    return found.build(arguments)
