"""Reads a statement for the record of what was asked: its text without values, and the tables it names."""

from functools import lru_cache
from hashlib import sha256

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from lakehouse.endpoint.calls import exchange
from lakehouse.endpoint.dialect import EndpointDialect, parse
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.policy.statements import Read

LONGEST = 20_000
LONGEST_REMEMBERED = 4000  # dashboards ask the same short texts again and again


def read(sql: str) -> Read:
    """Return a statement without its values and comments, cut to 20,000 characters, and the tables it names."""
    return _remembered(sql) if len(sql) <= LONGEST_REMEMBERED else _read(sql)


def _read(sql: str) -> Read:
    try:
        tree = parse(sql)
    except RefusedStatementError:
        text, tables = _tokens(sql), ""
    else:
        named = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
        paths = {".".join(part.name for part in table.parts) for table in tree.find_all(exp.Table)}
        tables = " ".join(sorted(path for path in paths if path.lower() not in named))
        for literal in list(tree.find_all(exp.Literal)):
            exchange(literal, exp.Placeholder())
        text = str(tree.sql(dialect=EndpointDialect, comments=False))
    text = text[:LONGEST]
    return Read(text, sha256(text.encode()).hexdigest()[:16], tables)


_remembered = lru_cache(maxsize=256)(_read)


def _tokens(sql: str) -> str:
    """Return the words of what does not parse as a query, values left out."""
    try:
        tokens = EndpointDialect().tokenize(sql[:LONGEST])
    except SqlglotError:
        return "(a text that does not split into words)"
    return " ".join("?" if _is_value(token.token_type) else token.text for token in tokens)


def _is_value(kind: TokenType) -> bool:
    return kind == TokenType.NUMBER or kind.name.endswith("STRING")
