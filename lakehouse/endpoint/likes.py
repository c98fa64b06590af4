"""LIKE and ILIKE as Dremio reads them: what may follow an escape character, and letters without their case."""

from sqlglot import exp

from lakehouse.endpoint.calls import call, is_text
from lakehouse.endpoint.faults import RefusedStatementError


def escaped(node: exp.Escape) -> exp.Expr:
    """Return a LIKE with ESCAPE; in Dremio only %, _ and the escape character itself may follow that character.

    dremio-oss 25.2, RegexpUtil.sqlToRegexLike; Gandiva, RegexUtil::SqlLikePatternToPcre.
    """
    like, sign = node.this, node.expression
    pattern = like.expression
    if not is_text(sign) or len(sign.name) != 1 or sign.name in "%_":
        raise RefusedStatementError("ESCAPE takes one character in quotes, neither % nor _")
    if not is_text(pattern):
        raise RefusedStatementError("LIKE with ESCAPE takes a pattern in quotes")
    said, at = pattern.name, 0
    while at < len(said):
        following = said[at + 1 : at + 2]
        if said[at] == sign.name and following not in {"%", "_", sign.name}:
            raise RefusedStatementError(
                f"in the pattern {said!r} only %, _ and {sign.name} may follow {sign.name}, the escape character"
            )
        at += 2 if said[at] == sign.name else 1
    return node


def without_case(node: exp.ILike) -> exp.Expr:
    """Return ILIKE as LIKE of folded letters: DuckDB's keeps the two small sigmas of Greek apart."""
    escape = node.parent.expression if isinstance(node.parent, exp.Escape) else None
    if isinstance(escape, exp.Literal) and escape.name.isalpha():
        raise RefusedStatementError("ILIKE with a letter as ESCAPE is not supported; use a sign such as #")
    pattern = node.expression
    if is_text(pattern) and pattern.name.isascii():
        folded: exp.Expr = exp.Literal.string(pattern.name.lower())
    else:
        folded = call("dremio_folded", pattern)
    return exp.Like(this=call("dremio_folded", node.this), expression=folded, negate=node.args.get("negate"))
