"""Dremio's functions of dates, times and moments, in DuckDB's words."""

import re
from collections.abc import Sequence

from sqlglot import exp

from lakehouse.endpoint.calls import (
    Build,
    Function,
    bigint,
    call,
    integer,
    is_text,
    number_of,
    same,
    text,
    text_of,
    word_of,
)
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.formats import strftime_format
from lakehouse.endpoint.number_formats import is_number_format, number_format
from lakehouse.endpoint.plain_texts import cast_of

ELEMENT = re.compile("%.")
BLANKS = re.compile(r"^\s|\s\s|\s$")
MOMENTS = {exp.DataType.Type.DATE, exp.DataType.Type.TIMESTAMP, exp.DataType.Type.TIME}
UNITS = ("SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
DAY_UNITS = UNITS[3:]
INTERVAL_UNITS = ("SECOND", "MINUTE", "HOUR", "DAY", "MONTH", "YEAR")
PARTS = ("SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR", "DOY", "DOW", "EPOCH")
ZONE_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>[01]\d):(?P<minutes>[0-5]\d)")
ZONE_NAME = re.compile(r"[A-Za-z_]+/[A-Za-z_/+-]+[0-9]*")
# Abbreviations that Dremio takes for these hours ahead of UTC all year.
ZONE_HOURS = {
    "UTC": 0, "GMT": 0, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3,
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip
# Counted from Monday = 1; Dremio takes no other spelling.
WEEKDAYS = {
    word: day
    for day, name in enumerate(("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"), start=1)
    for word in (name[:2], name[:3], name)
}


def day_of(argument: exp.Expr) -> exp.Expr:
    """Return an argument of a date; text in quotes is read as one, as Dremio does."""
    return as_day(argument) if is_text(argument) else argument


def moment_of(argument: exp.Expr) -> exp.Expr:
    """Return an argument of a moment; text in quotes is read as one, as Dremio does."""
    return as_moment(argument) if is_text(argument) else argument


def as_day(argument: exp.Expr) -> exp.Expr:
    """Return an argument as a DATE."""
    return cast_of(argument, exp.DataType.build("DATE"))


def as_moment(argument: exp.Expr) -> exp.Expr:
    """Return an argument as a TIMESTAMP."""
    return cast_of(argument, exp.DataType.build("TIMESTAMP"))


def extract(part: str, value: exp.Expr) -> exp.Expr:
    """Return EXTRACT in Dremio's numbering: days of the week count from Sunday = 1."""
    result = call("date_part", text(part.lower()), moment_of(value))
    if part == "DOW":
        result = exp.Add(this=result, expression=exp.Literal.number(1))
    if part == "EPOCH":
        result = call("trunc", result)  # Joda's milliseconds, divided as whole numbers
    return bigint(result)


def _part(name: str) -> Build:
    return lambda arguments: extract(name, arguments[0])


def _date_part(arguments: Sequence[exp.Expr]) -> exp.Expr:
    return extract(word_of(arguments[0], "date part", PARTS), arguments[1])


def _date_trunc(arguments: Sequence[exp.Expr]) -> exp.Expr:
    """Use time_bucket: unlike DuckDB's date_trunc it gives a DATE for a DATE, as Dremio does. Weeks start on Monday."""
    unit = word_of(arguments[0], "DATE_TRUNC unit", UNITS)
    return call("time_bucket", step(unit, exp.Literal.number(1)), day_of(arguments[1]))


def step(unit: str, count: exp.Expr) -> exp.Expr:
    """Return an interval of so many units."""
    return call("to_quarters" if unit == "QUARTER" else f"to_{unit.lower()}s", count)


def moved(moment: exp.Expr, unit: str, count: exp.Expr) -> exp.Expr:
    """Return a moment some units later. Days and longer keep a DATE a DATE; shorter units give a TIMESTAMP.

    Text, which Dremio does not document here, is refused, or fails when the statement runs.
    """
    later = exp.Add(this=moment, expression=step(unit, count))
    if unit not in DAY_UNITS:
        checked = exp.cast(call("dremio_no_text", moment), "TIMESTAMP")
        return exp.Paren(this=exp.Add(this=checked, expression=later.expression))
    if isinstance(moment, exp.Cast) and moment.to.this in {exp.DataType.Type.DATE, exp.DataType.Type.TIMESTAMP}:
        return exp.cast(exp.Paren(this=later), moment.to.copy())
    return call("dremio_add_days", moment, later.expression)


def _last_day(arguments: Sequence[exp.Expr]) -> exp.Expr:
    return call("last_day", moment_of(arguments[0]))


def _epoch(seconds: exp.Expr) -> exp.Expr:
    if is_text(seconds):
        raise RefusedStatementError(
            "TO_DATE, TO_TIME and TO_TIMESTAMP need a format for text, such as TO_DATE(x, 'YYYY-MM-DD')"
        )
    return call("dremio_epoch", seconds)


def _parsed(arguments: Sequence[exp.Expr], function: str) -> exp.Expr:
    """Return text read by a format; a third argument says whether what does not fit it is an error (0) or null (1)."""
    said = text_of(arguments[1], f"the format of {function}")
    lenient = len(arguments) > 2 and number_of(arguments[2], f"the third argument of {function}", range(2)) == 1
    given, layout = arguments[0], strftime_format(said)
    elements = set(ELEMENT.findall(layout))
    if {"%a", "%A", "%j"} & elements:
        raise RefusedStatementError(
            f"the format {said!r} of {function} names a day of the week or the year, which is not read here: Dremio "
            "fails where it does not fit the date, and this endpoint would not"
        )
    if not BLANKS.search(layout):
        # DuckDB passes over blanks, Dremio (Joda) fails.
        given = call("dremio_neat", given, exp.Literal.number(int(lenient)))
    if not {"%Y", "%y"} & elements:
        if {"%m", "%b", "%B", "%d"} & elements:
            raise RefusedStatementError(f"the format {said!r} of {function} names a month or day but no year; add YYYY")
        # Of times alone, the day is the first one of the epoch; DuckDB would take another.
        given, layout = exp.DPipe(this=text("1970 "), expression=exp.Paren(this=given)), f"%Y {layout}"
    read = call("try_strptime" if lenient else "strptime", given, text(layout))
    if "%I" in elements and "%p" not in elements:
        read = call("dremio_before_noon", read)
    return exp.cast(call("dremio_two_digit_year", read) if "%y" in elements else read, "TIMESTAMP")


def _to_timestamp(arguments: Sequence[exp.Expr]) -> exp.Expr:
    return _epoch(arguments[0]) if len(arguments) == 1 else _parsed(arguments, "TO_TIMESTAMP")


def _to_date(arguments: Sequence[exp.Expr]) -> exp.Expr:
    if len(arguments) > 1:
        return exp.cast(_parsed(arguments, "TO_DATE"), "DATE")
    _epoch(arguments[0])
    return call("dremio_to_date", arguments[0])


def _to_time(arguments: Sequence[exp.Expr]) -> exp.Expr:
    moment = _epoch(arguments[0]) if len(arguments) == 1 else _parsed(arguments, "TO_TIME")
    return exp.cast(moment, "TIME")


def _to_char(arguments: Sequence[exp.Expr]) -> exp.Expr:
    value, said = arguments[0], text_of(arguments[1], "the format of TO_CHAR")
    if is_number_format(said):
        return call("dremio_to_char", value, *(exp.Literal.number(part) for part in number_format(said)))
    if isinstance(value, exp.Cast) and value.to.this == exp.DataType.Type.TIME:
        epoch = exp.cast(text("1970-01-01"), "DATE")
        value = exp.Paren(this=exp.Add(this=epoch, expression=value))
    return call("strftime", value, text(strftime_format(said)))


def _timestampadd(arguments: Sequence[exp.Expr]) -> exp.Expr:
    unit = word_of(arguments[0], "TIMESTAMPADD unit", UNITS)
    return moved(arguments[2], unit, _count(arguments[1]))


def _count(amount: exp.Expr) -> exp.Expr:
    """Return how many units something is moved by; of text DuckDB would make a number, 6 of '5.7'."""
    return integer(amount if isinstance(amount, exp.Literal) else call("dremio_number", amount))


def _timestampdiff(arguments: Sequence[exp.Expr]) -> exp.Expr:
    unit = word_of(arguments[0], "TIMESTAMPDIFF unit", UNITS)
    start, end = (as_moment(argument) for argument in arguments[1:])
    if unit in MONTHS:
        return integer(call("dremio_months", start, end, exp.Literal.number(MONTHS[unit])))
    return integer(call("date_sub", exp.Literal.string(unit.lower()), start, end))


def _datediff(arguments: Sequence[exp.Expr]) -> exp.Expr:
    end, start = (as_day(argument) for argument in arguments)
    return integer(call("date_diff", exp.Literal.string("day"), start, end))


def _move_days(sign: int) -> Build:
    """Move by days, or by ``CAST(n AS INTERVAL unit)`` or ``INTERVAL 'n' unit``, which makes a DATE a TIMESTAMP."""

    def build(arguments: Sequence[exp.Expr]) -> exp.Expr:
        moment, amount = day_of(arguments[0]), arguments[1]
        by = interval_of(amount)
        if by is not None:
            unit, count = by
            count = exp.Neg(this=exp.Paren(this=count)) if sign < 0 else count
            return call("dremio_shift", moment, step(unit, _count(count)))
        if is_text(amount) or (isinstance(amount, exp.Cast) and amount.to.this in MOMENTS):
            raise RefusedStatementError(
                "DATE_DIFF of two moments is an INTERVAL, which is not supported; use DATEDIFF or TIMESTAMPDIFF"
            )
        days = _count(exp.Neg(this=exp.Paren(this=amount)) if sign < 0 else amount)
        known = isinstance(moment, exp.Cast | exp.Null)
        return moved(moment, "DAY", days) if known else call("dremio_date_add", moment, step("DAY", days))

    return build


def interval_of(amount: exp.Expr) -> tuple[str, exp.Expr] | None:
    """Return the unit and number of an interval; None for what is none."""
    if isinstance(amount, exp.Interval):
        unit, count = amount.args.get("unit"), amount.this
        if isinstance(count, exp.Literal) and str(count.this).lstrip("-").isdecimal():
            count = exp.Literal.number(str(count.this))
        else:
            count = None
    elif isinstance(amount, exp.Cast) and isinstance(amount.to.this, exp.Interval):
        unit, count = amount.to.this.args.get("unit"), amount.this
    else:
        return None
    word = "" if unit is None else unit.name.upper().removesuffix("S")
    if word not in INTERVAL_UNITS or count is None:
        raise RefusedStatementError(
            f"an interval is written CAST(2 AS INTERVAL DAY); units are {', '.join(INTERVAL_UNITS)}"
        )
    return word, count


def _unix_timestamp(arguments: Sequence[exp.Expr]) -> exp.Expr:
    if not arguments:
        return extract("EPOCH", call("dremio_now"))
    said = arguments[1] if len(arguments) == 2 else text("YYYY-MM-DD HH24:MI:SS")
    return extract("EPOCH", _parsed([arguments[0], said], "UNIX_TIMESTAMP"))


def _months_between(arguments: Sequence[exp.Expr]) -> exp.Expr:
    return call("dremio_months_between", *(as_day(argument) for argument in arguments))


def _next_day(arguments: Sequence[exp.Expr]) -> exp.Expr:
    word = text_of(arguments[1], "the day of NEXT_DAY")
    if word not in WEEKDAYS:
        raise RefusedStatementError(
            f"{word!r} is no day of the week for NEXT_DAY; write MONDAY, MON or MO, in capitals"
        )
    return call("dremio_next_day", as_day(arguments[0]), exp.Literal.number(WEEKDAYS[word]))


def _timestamptype(arguments: Sequence[exp.Expr]) -> exp.Expr:
    *whole, milliseconds = arguments
    moment = exp.Add(this=call("make_timestamp", *whole), expression=call("to_milliseconds", milliseconds))
    return exp.Paren(this=moment)


def _convert_timezone(arguments: Sequence[exp.Expr]) -> exp.Expr:
    *zones, moment = arguments
    moment = as_moment(moment)
    offsets = [_zone(text_of(zone, "a time zone of CONVERT_TIMEZONE")) for zone in zones]
    if len(offsets) == 1:
        offsets.insert(0, 0)
    source, target = offsets
    utc = _shifted(moment, -source) if isinstance(source, int) else call("dremio_from_zone", text(source), moment)
    return _shifted(utc, target) if isinstance(target, int) else call("dremio_to_zone", text(target), utc)


def _zone(name: str) -> str | int:
    """Return a time zone by name, or the minutes that it is ahead of UTC."""
    offset = ZONE_OFFSET.fullmatch(name)
    if offset is not None:
        minutes = int(offset["hours"]) * 60 + int(offset["minutes"])
        return -minutes if offset["sign"] == "-" else minutes
    if name.upper() in ZONE_HOURS:
        return ZONE_HOURS[name.upper()] * 60
    if ZONE_NAME.fullmatch(name) is None:
        raise RefusedStatementError(
            f"time zone {name!r} is not supported; write its full name, such as 'America/New_York', or '+02:00'"
        )
    return name


def _shifted(moment: exp.Expr, minutes: int) -> exp.Expr:
    return exp.Paren(this=exp.Add(this=moment, expression=call("to_minutes", exp.Literal.number(minutes))))


def _current(name: str) -> Build:
    builders: dict[str, exp.Expr] = {
        "timestamp": call("dremio_now"),
        "date": exp.cast(call("dremio_now"), "DATE"),
        "time": exp.cast(call("dremio_now"), "TIME"),
    }
    return lambda _arguments: builders[name].copy()


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
    "TO_TIMESTAMP": Function(1, 3, _to_timestamp),
    "TO_DATE": Function(1, 3, _to_date),
    "TO_TIME": Function(1, 3, _to_time),
    "TO_CHAR": Function(2, 2, _to_char),
    "TIMESTAMPADD": Function(3, 3, _timestampadd),
    "TIMESTAMPDIFF": Function(3, 3, _timestampdiff),
    "DATEDIFF": Function(2, 2, _datediff),
    "DATE_ADD": Function(2, 2, _move_days(1)),
    "DATE_SUB": Function(2, 2, _move_days(-1)),
    "DATE_DIFF": Function(2, 2, _move_days(-1)),
    "DATETYPE": Function(3, 3, same("make_date")),
    "TIMESTAMPTYPE": Function(7, 7, _timestamptype),
    "MONTHS_BETWEEN": Function(2, 2, _months_between),
    "NEXT_DAY": Function(2, 2, _next_day),
    "CONVERT_TIMEZONE": Function(2, 3, _convert_timezone),
    "UNIX_TIMESTAMP": Function(0, 2, _unix_timestamp),
    "NOW": Function(0, 0, _current("timestamp")),
    "CURRENT_TIMESTAMP": Function(0, 0, _current("timestamp")),
    "LOCALTIMESTAMP": Function(0, 0, _current("timestamp")),
    "TRANSACTION_TIMESTAMP": Function(0, 0, _current("timestamp")),
    "CURRENT_DATE_UTC": Function(0, 0, _current("date")),
    "LOCALTIME": Function(0, 0, _current("time")),
    "CURRENT_DATE": Function(0, 0, _current("date")),
    "CURRENT_TIME": Function(0, 0, _current("time")),
}
