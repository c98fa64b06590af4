"""What text may stand for a number, a date or a time: what DuckDB and Dremio read alike, and nothing else.

Dremio's forms are those of Gandiva (castDATE_utf8, castTIMESTAMP_utf8, castTIME_utf8 in time.cc, castFLOAT8_utf8 in
gdv_function_stubs.cc) and of StringFunctionHelpers in dremio-oss 25.2. DuckDB takes more (``1_000``, ``epoch``), and
some in another way: ``99-1-2`` is of the year 99, in Dremio of 1999.
"""

import re

from sqlglot import exp

from lakehouse.endpoint.calls import call, is_text, text
from lakehouse.endpoint.faults import RefusedStatementError

KIND = exp.DType
_DAY = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_CLOCK = r"([01]?[0-9]|2[0-3]):[0-5]?[0-9](:[0-5]?[0-9]([.][0-9]{1,9})?)?"
_NUMBER = r" *-?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)? *"
# What a CAST of text takes, as patterns that Python and RE2 read alike.
FORMS = {
    KIND.DATE: f"{_DAY}( {_CLOCK})?",
    KIND.TIMESTAMP: f"{_DAY}( {_CLOCK})?",
    KIND.TIME: _CLOCK,
    KIND.FLOAT: f"{_NUMBER}|-?Infinity|NaN",
    KIND.DOUBLE: f"{_NUMBER}|-?Infinity|NaN",
    KIND.DECIMAL: _NUMBER,
}
SHOWN = {
    KIND.DATE: "2024-01-31",
    KIND.TIMESTAMP: "2024-01-31 13:45:06.789",
    KIND.TIME: "13:45:06.789",
    KIND.FLOAT: "-1.5e3",
    KIND.DOUBLE: "-1.5e3",
    KIND.DECIMAL: "-1.5",
}
MOMENTS = {KIND.DATE, KIND.TIMESTAMP, KIND.TIME}
MORE_THAN_MILLISECONDS = re.compile(r"([.][0-9]{3})[0-9]+$")
CHECK = "dremio_has_form"
MOST_CHECKS = 1  # each one around others writes them twice
MOST_WRITTEN_AGAIN = 16
NUMBERS_ONLY = {"sum", "avg", "count", "dremio_div", "dremio_mod", "dremio_minus"}
TEXTS_ONLY = {"dremio_to_varchar", "lower", "upper", "trim", "ltrim", "rtrim", "concat", "concat_ws", "replace"} | {
    "left", "right", "dremio_substring", "string_agg", "lpad", "rpad", "regexp_replace", "regexp_extract"
}  # fmt: skip
# Texts that mean the same to both wherever they are compared with a number, a date or a truth.
PLAIN = re.compile(
    rf"-?[0-9]+|{_DAY}( [0-9]{{1,2}}:[0-9]{{2}}:[0-9]{{2}}([.][0-9]{{1,3}})?)?|true|false", re.IGNORECASE
)
# Texts that DuckDB takes for a number, a date, a time or a truth in one of its ways.
DOUBTFUL = re.compile(
    r"\s*([-+]?[.0-9][0-9._]*(e[-+]?[0-9_]*)?|0[xb][0-9a-f_]+|[-+]?[0-9]+[-/ ][0-9]+[-/ ].*|[0-9]+:.*"
    r"|[-+]?(inf|infinity|nan)|t|f|y|n|yes|no|on|off|true|false|epoch)\s*",
    re.IGNORECASE | re.DOTALL,
)


def cast_of(value: exp.Expr, to: exp.DataType) -> exp.Expr:
    """Return a CAST to a date, a time or a number with a fraction, for text of the forms that both read alike only."""
    form = FORMS[to.this]
    if is_text(value):
        if re.fullmatch(form, value.name) is None:
            raise RefusedStatementError(f"{refusal(to.this)}, not {value.name!r}")
        if to.this in {KIND.TIMESTAMP, KIND.TIME}:
            value = text(MORE_THAN_MILLISECONDS.sub(r"\1", value.name))
        return exp.Cast(this=value, to=to)
    if _is_no_text(value):
        return exp.Cast(this=value, to=to)
    if to.this == KIND.DECIMAL:
        return _decimal(value, to)
    # The CAST around it says to the rest of the translation what it is.
    macro = f"dremio_text_to_{to.this.value.lower()}"
    return exp.Cast(this=call(macro, value, text(form), text(refusal(to.this))), to=to)


def _decimal(value: exp.Expr, to: exp.DataType) -> exp.Expr:
    """Return a checked CAST to DECIMAL, written out: a macro does not know which DECIMAL is meant."""
    inside = sum(one.name == CHECK for one in value.find_all(exp.Anonymous))
    if inside > MOST_CHECKS:
        raise RefusedStatementError("too many CASTs to DECIMAL in one another; put the inner ones in a WITH query")
    checked = call(CHECK, value.copy(), text(FORMS[KIND.DECIMAL]), text(refusal(to.this)))
    fits = exp.If(this=checked, true=exp.Cast(this=value, to=to))
    return exp.Cast(this=exp.Case(ifs=[fits]), to=to.copy())


def _is_no_text(value: exp.Expr) -> bool:
    if isinstance(value, exp.Paren | exp.Neg):
        return _is_no_text(value.this)
    if isinstance(value, exp.Cast):
        return bool(value.to.this != KIND.VARCHAR)
    return isinstance(value, exp.Null | exp.Literal | exp.Add | exp.Sub | exp.Mul) or value.name in NUMBERS_ONLY


def refusal(kind: exp.DType) -> str:
    """Return what a CAST says of text that it does not take."""
    ways = " (for others give TO_DATE, TO_TIME or TO_TIMESTAMP a format)" if kind in MOMENTS else ""
    return f"CAST of text to {kind.value} takes text such as {SHOWN[kind]}{ways}"


def is_doubtful(value: str) -> bool:
    """Say whether a text may mean something else to DuckDB where it is compared with a number, a date or a truth."""
    return PLAIN.fullmatch(value) is None and DOUBTFUL.fullmatch(value) is not None


def compared(said: exp.Expr, other: exp.Expr) -> exp.Expr:
    """Return a text that is compared: one that is doubtful fails beside anything but texts, and what reads it alike."""
    if not is_text(said) or not is_doubtful(said.name) or gives_text(other):
        return said
    # It is written again: a statement may not grow without bounds.
    if sum(1 for _ in zip(other.walk(), range(MOST_WRITTEN_AGAIN + 1), strict=False)) > MOST_WRITTEN_AGAIN:
        raise RefusedStatementError(
            f"the text {said.name!r} is compared with a long expression; CAST that to VARCHAR, or name it in WITH"
        )
    fits = [kind for kind in (KIND.DOUBLE, KIND.DATE) if re.fullmatch(FORMS[kind], said.name)]
    return call("dremio_compared", other.copy(), said, text(fits[0].value if fits else ""))


def gives_text(value: exp.Expr) -> bool:
    """Say whether an expression is text whatever its columns are; where that is not certain, it says no."""
    match value:
        case exp.Literal():
            return bool(value.is_string)
        case exp.Cast():
            return bool(value.to.this == KIND.VARCHAR)
        case exp.Paren():
            return gives_text(value.this)
        case exp.Case():
            results = [*(branch.args["true"] for branch in value.args["ifs"]), value.args.get("default")]
            return all(one is None or isinstance(one, exp.Null) or gives_text(one) for one in results)
        case exp.Anonymous(this=str(name)):
            return name in TEXTS_ONLY
    return isinstance(value, exp.DPipe)


def shown(value: exp.Expr) -> exp.Expr:
    """Return what is joined to a text as CAST to VARCHAR writes it."""
    return value if gives_text(value) else call("dremio_to_varchar", value)


def as_text(value: exp.Expr) -> exp.Expr:
    """Return a literal text as a VARCHAR: DuckDB gives one without a type that of the number or date beside it."""
    return exp.Cast(this=value, to=exp.DataType.build("VARCHAR")) if is_text(value) else value
