"""What text may stand for a number, a date or a time: what DuckDB and Dremio read alike, and nothing else.

Dremio's forms are those of Gandiva (castDATE_utf8, castTIMESTAMP_utf8, castTIME_utf8 in time.cc, castFLOAT8_utf8 in
gdv_function_stubs.cc) and of StringFunctionHelpers in dremio-oss 25.2. DuckDB takes more (``1_000``, ``epoch``), and
some in another way: ``99-1-2`` is of the year 99, in Dremio of 1999.
"""

import re
from collections.abc import Iterable, Sequence

from sqlglot import exp

from lakehouse.endpoint.calls import call, is_text, text
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.trees import all_of, walk

KIND = exp.DType
_DAY = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_CLOCK = r"([01]?[0-9]|2[0-3]):[0-5]?[0-9](:[0-5]?[0-9]([.][0-9]{1,9})?)?"
_DIGITS = r" *-?([0-9]+[.]?[0-9]*|[.][0-9]+)"
_NUMBER = rf"{_DIGITS}([eE][-+]?[0-9]+)? *"
# What a CAST of text takes, as patterns that Python and RE2 read alike.
FORMS = {
    KIND.DATE: f"{_DAY}( {_CLOCK})?",
    KIND.TIMESTAMP: f"{_DAY}( {_CLOCK})?",
    KIND.TIME: _CLOCK,
    KIND.FLOAT: f"{_NUMBER}|-?Infinity|NaN",
    KIND.DOUBLE: f"{_NUMBER}|-?Infinity|NaN",
    KIND.DECIMAL: f"{_DIGITS} *",  # of 0.00146e3 DuckDB makes the DECIMAL(4, 2) 1.40
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
MORE_THAN_DECIMALS = 39
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
    inside = sum(one.name == CHECK for one in all_of(value, exp.Anonymous))
    if inside > MOST_CHECKS:
        raise RefusedStatementError("too many CASTs to DECIMAL in one another; put the inner ones in a WITH query")
    checked = call(CHECK, value.copy(), text(FORMS[KIND.DECIMAL]), text(refusal(to.this)))
    fits = exp.If(this=checked, true=exp.Cast(this=value, to=to))
    return exp.Cast(this=exp.Case(ifs=[fits]), to=to.copy())


def _is_no_text(value: exp.Expr) -> bool:
    """Say whether an expression is no text whatever its columns are; where that is not certain, it says no."""
    match value:
        case exp.Paren() | exp.Neg() | exp.Window():
            return _is_no_text(value.this)
        case exp.Cast():
            return bool(value.to.this != KIND.VARCHAR)
        case exp.Literal():
            return not value.is_string
        case exp.Case():
            return _no_texts(_results(value))
        case exp.Anonymous(this="coalesce" | "greatest" | "least"):
            return _no_texts(value.expressions)
        case exp.Anonymous(this="nullif"):
            return _is_no_text(value.expressions[0])
        case exp.Anonymous(this=str(name)):
            return name in NUMBERS_ONLY
    return isinstance(value, exp.Null | exp.Add | exp.Sub | exp.Mul)


def _no_texts(results: Sequence[exp.Expr]) -> bool:
    """Say whether what one of these is chosen from is no text: one is enough, since DuckDB refuses to mix them."""
    known = [one for one in results if not isinstance(one, exp.Null)]
    return not known or any(map(_is_no_text, known))


def _results(value: exp.Case) -> list[exp.Expr]:
    results = [*(branch.args["true"] for branch in value.args["ifs"]), value.args.get("default")]
    return [one for one in results if one is not None]


def refusal(kind: exp.DType) -> str:
    """Return what a CAST says of text that it does not take."""
    ways = " (for others give TO_DATE, TO_TIME or TO_TIMESTAMP a format)" if kind in MOMENTS else ""
    return f"CAST of text to {kind.value} takes text such as {SHOWN[kind]}{ways}"


def is_doubtful(value: str) -> bool:
    """Say whether a text may mean something else to DuckDB where it is compared with a number, a date or a truth."""
    return PLAIN.fullmatch(value) is None and DOUBTFUL.fullmatch(value) is not None


def compared(said: exp.Expr, other: exp.Expr) -> exp.Expr:
    """Return a text that is compared: one that is doubtful fails beside anything but texts, and what reads it alike.

    Beside a number with a fraction, a date or an instant it has the type of that; a DECIMAL must have its decimals.
    """
    if not is_text(said) or not is_doubtful(said.name) or isinstance(other, exp.Null) or gives_text(other):
        return said
    # It is written again: a statement may not grow without bounds.
    if sum(1 for _ in zip(walk(other), range(MOST_WRITTEN_AGAIN + 1), strict=False)) > MOST_WRITTEN_AGAIN:
        raise RefusedStatementError(
            f"the text {said.name!r} is compared with a long expression; CAST the text to the type that is meant, "
            "or name the expression in WITH"
        )
    fits = [kind for kind in (KIND.DOUBLE, KIND.DATE) if re.fullmatch(FORMS[kind], said.name)]
    # Of an instant Dremio's text has milliseconds; what is more, it leaves out.
    if not fits or (fits[0] == KIND.DATE and MORE_THAN_MILLISECONDS.search(said.name)):
        return call("dremio_compared", other.copy(), said, exp.Literal.number(0), text(""))
    decimals = _decimals(said.name) if fits[0] == KIND.DOUBLE else 0
    return call("dremio_compared", other.copy(), said, exp.Literal.number(decimals), text(fits[0].value))


def compared_list(listed: Iterable[exp.Expr], other: exp.Expr) -> list[exp.Expr]:
    """Return what a value is looked for in; of each kind of doubtful text the one that most types fail with.

    Where it must, it makes the whole list fail: it stands first, as DuckDB stops at what it finds. Others stay short.
    """
    found = [(one, compared(one.copy(), other)) for one in listed]
    strictest: dict[str, exp.Expr] = {}
    for _, new in found:
        if isinstance(new, exp.Anonymous) and new.name == "dremio_compared":
            decimals, kind = new.expressions[-2:]
            known = strictest.setdefault(kind.name, new)
            if int(decimals.name) > int(known.expressions[-2].name):
                strictest[kind.name] = new
    written = {id(one) for one in strictest.values()}
    return [*strictest.values(), *(one for one, new in found if id(new) not in written)]


def require_no_doubt(said: exp.Expr, others: Iterable[exp.Expr], where: str) -> None:
    """Refuse a doubtful text that several values are compared with, unless they are texts, too."""
    if is_text(said) and is_doubtful(said.name) and not all(map(gives_text, others)):
        raise RefusedStatementError(f"the text {said.name!r} {where} is not supported; write comparisons with =")


def _decimals(number: str) -> int:
    """Return how many decimals a number needs; of what no DECIMAL takes, more than one has."""
    if re.fullmatch(FORMS[KIND.DECIMAL], number) is None:
        return MORE_THAN_DECIMALS
    return len(number.strip().partition(".")[2].rstrip("0"))


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
            return all(isinstance(one, exp.Null) or gives_text(one) for one in _results(value))
        case exp.Anonymous(this=str(name)):
            return name in TEXTS_ONLY
    return isinstance(value, exp.DPipe)


def shown(value: exp.Expr) -> exp.Expr:
    """Return what is joined to a text as CAST to VARCHAR writes it."""
    return value if gives_text(value) else call("dremio_to_varchar", value)


def as_text(value: exp.Expr) -> exp.Expr:
    """Return a literal text as a VARCHAR: DuckDB gives one without a type that of the number or date beside it."""
    return exp.Cast(this=value, to=exp.DataType.build("VARCHAR")) if is_text(value) else value
