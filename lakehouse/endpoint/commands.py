"""The statements that are not queries: SHOW, DESCRIBE and USE, answered from the catalogue."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from lakehouse.endpoint.auth import Session
from lakehouse.endpoint.catalogue import SOURCE, Catalogue
from lakehouse.endpoint.dialect import EndpointDialect
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.guard import check_text
from lakehouse.endpoint.information import precision, schema_names
from lakehouse.endpoint.names import Path, folded, like, unknown_schema
from lakehouse.endpoint.wire import type_word

WORDS = {"SHOW", "DESCRIBE", "DESC", "USE"}
DESCRIBED_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("COLUMN_NAME", pa.string()),
    ("DATA_TYPE", pa.string()),
    ("IS_NULLABLE", pa.string()),
    ("NUMERIC_PRECISION", pa.int32()),
    ("NUMERIC_SCALE", pa.int32()),
    ("EXTENDED_PROPERTIES", pa.string()),
    ("MASKING_POLICY", pa.string()),
    ("SORT_ORDER_PRIORITY", pa.int32()),
]
DESCRIBED = pa.schema(DESCRIBED_COLUMNS)


@dataclass(slots=True)
class _Reader:
    """Reads tokens one after another."""

    tokens: Sequence[Token]
    at: int = 0

    def word(self) -> str:
        """Return the next token in capitals without taking it; empty at the end."""
        return "" if self.at >= len(self.tokens) else self.tokens[self.at].text.upper()

    def take(self, *words: str) -> bool:
        """Take the next token when it is one of the words."""
        found = self.word() in words and self.tokens[self.at].token_type != TokenType.IDENTIFIER
        self.at += found
        return found

    def path(self) -> tuple[str, ...]:
        """Take a dotted path."""
        parts = []
        while self.at < len(self.tokens) and self.tokens[self.at].token_type != TokenType.DOT:
            parts.append(self.tokens[self.at].text)
            self.at += 1
            if self.at < len(self.tokens) and self.tokens[self.at].token_type == TokenType.DOT:
                self.at += 1
            else:
                break
        if not parts:
            raise RefusedStatementError("PARSE ERROR: a name is missing at the end of the statement")
        return tuple(parts)

    def end(self) -> None:
        """Refuse anything that is left over."""
        if self.at < len(self.tokens):
            raise RefusedStatementError(f"PARSE ERROR: unexpected {self.tokens[self.at].text!r}")


def answer(sql: str, catalogue: Catalogue, session: Session) -> pa.Table | None:
    """Return the rows of a SHOW, DESCRIBE or USE statement; None when the text is something else."""
    head = re.match(r"\s*([A-Za-z]+)", sql)
    commented = sql.lstrip().startswith(("--", "/*", "//"))
    if not commented and (head is None or head[1].upper() not in WORDS):
        return None
    check_text(sql)
    try:
        tokens = _tokens(sql)
    except SqlglotError as error:
        raise RefusedStatementError("PARSE ERROR: the text does not split into words; is a quote open?") from error
    reader = _Reader(tokens)
    if reader.word() not in WORDS:
        return None
    if reader.take("USE"):
        return _use(reader, catalogue, session)
    if reader.take("DESCRIBE", "DESC"):
        return _describe(reader, catalogue, session)
    reader.take("SHOW")
    return _show(reader, catalogue, session)


def _tokens(sql: str) -> list[Token]:
    """Return the words of a text. sqlglot leaves what follows SHOW in one piece, so that piece is split again."""
    tokens = EndpointDialect().tokenize(sql)
    if tokens and tokens[0].text.upper() == "SHOW":
        tokens = [tokens[0], *EndpointDialect().tokenize(tokens[1].text if len(tokens) > 1 else ""), *tokens[2:]]
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    return list(tokens)


def _use(reader: _Reader, catalogue: Catalogue, session: Session) -> pa.Table:
    path = reader.path()
    reader.end()
    _known_schema(path, catalogue)
    session.schema = path
    return pa.table({"ok": [True], "summary": [f"Default schema changed to [{'.'.join(path)}]"]})


def _known_schema(path: Path, catalogue: Catalogue) -> None:
    if not _is_schema(path, catalogue):
        raise unknown_schema(path, schemas_of(catalogue))


def _is_schema(path: Path, catalogue: Catalogue) -> bool:
    return folded(path) in {folded((name,)) for name in schemas_of(catalogue)}


def _describe(reader: _Reader, catalogue: Catalogue, session: Session) -> pa.Table:
    reader.take("TABLE")
    path = reader.path()
    reader.end()
    relation = catalogue.find(path, session.schema if len(path) == 1 else ()).relation
    rows = []
    for column in relation.schema if relation else ():
        digits, scale = precision(column.type)
        rows.append((column.name, type_word(column.type), "YES", digits, scale, "[]", "[]", None))
    return pa.Table.from_pylist([dict(zip(DESCRIBED.names, row, strict=True)) for row in rows], schema=DESCRIBED)


def _show(reader: _Reader, catalogue: Catalogue, session: Session) -> pa.Table:
    if reader.take("SCHEMAS", "DATABASES"):
        fits = _like(reader)
        return pa.table({"SCHEMA_NAME": pa.array([name for name in schemas_of(catalogue) if fits(name)], pa.string())})
    if not reader.take("TABLES"):
        raise RefusedStatementError(f"SHOW {reader.word()} is not supported; SHOW SCHEMAS and SHOW TABLES are")
    below = None
    if reader.take("FROM", "IN"):
        path = reader.path()
        _known_schema(path, catalogue)
        below = folded(path)
    elif _is_schema(session.schema, catalogue):  # clients may come with one that is not there
        below = folded(session.schema)
    fits = _like(reader)
    entries = [
        e for e in catalogue.entries.values() if e.relation and fits(e.name) and below in (None, folded((e.schema,)))
    ]
    return pa.table(
        {
            "TABLE_SCHEMA": pa.array([entry.schema for entry in entries], pa.string()),
            "TABLE_NAME": pa.array([entry.name for entry in entries], pa.string()),
        }
    )


def schemas_of(catalogue: Catalogue) -> list[str]:
    """Return every schema path that can be named, sorted."""
    return schema_names((entry.schema for entry in catalogue.entries.values()), SOURCE)


def _like(reader: _Reader) -> Callable[[str], bool]:
    """Read the LIKE part; without one every name fits."""
    if not reader.take("LIKE"):
        reader.end()
        return lambda _name: True
    pattern = reader.tokens[reader.at].text if reader.at < len(reader.tokens) else ""
    reader.at += 1
    reader.end()
    return lambda name: like(name, pattern)
