"""Refuses texts that lack a part where sqlglot reads on as if nothing were amiss, and Calcite does not."""

from collections.abc import Sequence

from sqlglot.tokenizer_core import Token, TokenType

from lakehouse.endpoint.faults import RefusedStatementError

OPENINGS = {TokenType.L_PAREN, TokenType.L_BRACKET}
CLOSINGS = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.SEMICOLON}
CLAUSES = {
    *(TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING, TokenType.QUALIFY, TokenType.ORDER_BY),
    *(TokenType.LIMIT, TokenType.FETCH, TokenType.UNION, TokenType.INTERSECT, TokenType.EXCEPT, TokenType.ON),
    *(TokenType.JOIN, TokenType.SELECT, TokenType.WITH, TokenType.PARTITION_BY, TokenType.VALUES, TokenType.DISTINCT),
}
BEFORE = CLOSINGS | CLAUSES - {TokenType.SELECT, TokenType.WITH, TokenType.VALUES, TokenType.DISTINCT}
"""What nothing that is asked for ends with."""

AFTER = OPENINGS | CLAUSES
"""What nothing that is asked for begins with a comma after."""

WORDS = {TokenType.VAR, TokenType.OFFSET}
UNFINISHED = {
    "GROUP": "GROUP BY",
    "ORDER": "ORDER BY",
    "PARTITION": "PARTITION BY",
    "OFFSET": "OFFSET and a number",
}


NEEDING = {TokenType.ALIAS: "AS", TokenType.PARTITION_BY: "PARTITION BY"}


def check_parts(tokens: Sequence[Token]) -> None:
    """Refuse commas without something on both sides, AS and PARTITION BY with nothing after them, and half words."""
    end = len(tokens) - 1
    for at, token in enumerate(tokens):
        following = tokens[at + 1].token_type if at < end else TokenType.SEMICOLON
        ends = following in BEFORE or following == TokenType.COMMA
        if token.token_type == TokenType.COMMA:
            before = tokens[at - 1].token_type if at else TokenType.SELECT
            if ends or before in AFTER or before == TokenType.COMMA:
                raise _lacking("after the comma" if ends else "before the comma", token)
        elif token.token_type in NEEDING and ends:
            raise _lacking(f"after {NEEDING[token.token_type]}", token)
        elif token.token_type in WORDS and following in BEFORE:
            _check_word(token, qualified=at > 0 and tokens[at - 1].token_type == TokenType.DOT)


def _check_word(token: Token, *, qualified: bool) -> None:
    """After a dot only a name can be meant, so the quotes alone are told."""
    word = token.text.upper()
    if word in UNFINISHED:
        meant = "write it in quotes" if qualified else f"write {UNFINISHED[word]}, or the name in quotes"
        raise RefusedStatementError(
            f'PARSE ERROR: {word} at line {token.line}, column {token.col} is no name; {meant}, "{token.text}"'
        )


def _lacking(where: str, token: Token) -> RefusedStatementError:
    return RefusedStatementError(
        f"PARSE ERROR: something is missing {where} at line {token.line}, column {token.col}, near {token.text!r}"
    )
