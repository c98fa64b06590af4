"""How the columns of a pinned table are shown: instants in UTC, without a zone, cut to milliseconds, as in Dremio."""

from sqlglot import exp

FIRST_COUNTED, LAST_COUNTED = "1970-01-01", "9999-01-01"


def pinned_column(name: str, kind: str) -> exp.Expr:
    """Return a column of a table's files as it is shown; `kind` is DuckDB's name of its type, in lower case."""
    column = exp.column(exp.to_identifier(name, quoted=True))
    if not kind.startswith("timestamp"):
        return column
    moment = exp.cast(column, "TIMESTAMP")
    # Counting milliseconds takes a third of date_trunc's time, but cuts towards 1970 and knows no infinity.
    counted = _call("make_timestamp_ms", _call("epoch_ms", moment))
    cut = _call("date_trunc", exp.Literal.string("millisecond"), moment.copy())
    plain = exp.and_(
        exp.GTE(this=moment.copy(), expression=exp.cast(exp.Literal.string(FIRST_COUNTED), "TIMESTAMP")),
        exp.LT(this=moment.copy(), expression=exp.cast(exp.Literal.string(LAST_COUNTED), "TIMESTAMP")),
    )
    chosen = exp.Case(ifs=[exp.If(this=plain, true=counted)], default=cut)
    return exp.alias_(exp.cast(chosen, "TIMESTAMP"), name, quoted=True)


def _call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))
