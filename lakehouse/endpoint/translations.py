"""Remembers how statements were translated: the same text, and the same text with other values to compare with."""

import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from lakehouse.endpoint.dialect import EndpointDialect, last_text_of
from lakehouse.endpoint.known_columns import Columns
from lakehouse.endpoint.plain_reads import PlainRead, plain_read
from lakehouse.endpoint.plain_texts import is_doubtful
from lakehouse.endpoint.trees import all_of
from lakehouse.errors import LakehouseError

MOST = 256
LONGEST = 4000
MOST_VALUES = 20
LONGEST_NUMBER = 9  # digits; so every number that is replaced is an INTEGER, as the one it is replaced by
COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
BEFORE = {TokenType.EQ, TokenType.NEQ, TokenType.GT, TokenType.GTE, TokenType.LT, TokenType.LTE}
# What may follow a value that is alone on its side of a comparison; after anything else it is left where it is.
AFTER = {
    *(TokenType.AND, TokenType.OR, TokenType.R_PAREN, TokenType.THEN, TokenType.WHERE, TokenType.HAVING),
    *(TokenType.GROUP_BY, TokenType.ORDER_BY, TokenType.LIMIT, TokenType.SEMICOLON),
}
Value = TypeVar("Value")
Key = tuple[str, tuple[str, ...]]
Held = tuple[object, ...]
"""What a statement names that nothing else keeps in life; with some, the text may mean something else later."""


class Tree(NamedTuple):
    """DuckDB's tree of a statement, what must be held for it, and the columns it gives where they are known.

    `groups_of` is the least number of people in the groups that it reads; 0 where it reads none.
    """

    root: exp.Expr
    held: Held = ()
    columns: Columns | None = None
    groups_of: int = 0


Translate = Callable[[Sequence[Token]], Tree]
"""Translates a text, with the values of these tokens; of none, when they are not known yet."""


class Translated(NamedTuple):
    """DuckDB's text of a statement, and one with the same columns and stand-ins for what it compares with.

    `read` is what it reads, where handing on columns of one relation is all that it does; `columns` are those that it
    gives, where no engine has to be asked for them; `groups_of` is as in `Tree`.
    """

    text: str
    pattern: str
    held: Held = ()
    read: PlainRead | None = None
    columns: Columns | None = None
    groups_of: int = 0


class Recent(Generic[Value]):
    """The values that were used last, by key; any thread may use it."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        """Return a value that is still known."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def keep(self, key: Key, value: Value) -> Value:
        """Remember a value, and forget the one that was not used for longest when there are too many."""
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value


class Pattern:
    """A translated statement, cut where the values stand that it compares with."""

    def __init__(
        self, text: str, stand_ins: Collection[exp.Literal], columns: Columns | None, groups_of: int = 0
    ) -> None:
        self.text = text
        self._columns = columns
        self._groups_of = groups_of
        names = {said(one): one.name for one in stand_ins}
        places = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in names))
        self._rest = places.split(text)
        self.places = [names[word] for word in places.findall(text)]
        """The stand-ins in the text, from its beginning to its end."""

    def with_values(self, values: Mapping[str, exp.Literal]) -> Translated:
        """Return the statement that has these values for its stand-ins."""
        texts = {name: said(value) for name, value in values.items()}
        parts = [self._rest[0]]
        for name, rest in zip(self.places, self._rest[1:], strict=True):
            parts += [texts[name], rest]
        return Translated("".join(parts), self.text, columns=self._columns, groups_of=self._groups_of)


class Translations:
    """What was translated for one catalogue, where a text always means the same."""

    def __init__(self) -> None:
        self._texts: Recent[Translated] = Recent()
        self._patterns: Recent[Pattern] = Recent()

    def find(self, sql: str, schema: tuple[str, ...], translate: Translate) -> Translated:
        """Return a statement's translation, remembered or new. Raises what `translate` raises."""
        if len(sql) > LONGEST:
            return plainly(translate(()))
        known = self._texts.get((sql, schema))
        if known is not None:
            return known
        try:
            tokens = EndpointDialect().tokenize(sql)
        except SqlglotError:  # translating says what is wrong with it
            return plainly(translate(()))
        patterned = self._patterned(sql, tokens, schema, translate)
        if patterned is not None:
            return self._texts.keep((sql, schema), patterned)
        translated = plainly(translate(tokens))
        return translated if translated.held else self._texts.keep((sql, schema), translated)

    def _patterned(
        self, sql: str, tokens: list[Token], schema: tuple[str, ...], translate: Translate
    ) -> Translated | None:
        """Return a statement's translation by its pattern; None where there is none."""
        values = [token for place, token in enumerate(tokens) if _is_compared(tokens, place)]
        if not 0 < len(values) <= MOST_VALUES:
            return None
        stand_ins = _stand_ins(values)
        if any(one.this in sql for one in stand_ins):
            return None
        key = _replaced(sql, values, stand_ins), schema
        pattern = self._patterns.get(key)
        if pattern is None:
            pattern = self._new(_with_values(tokens, values, stand_ins), stand_ins, translate)
            if pattern is None:
                return None
            self._patterns.keep(key, pattern)
        pairs = zip(stand_ins, values, strict=True)
        return pattern.with_values(
            {one.this: exp.Literal(this=token.text, is_string=one.is_string) for one, token in pairs}
        )

    def _new(self, tokens: list[Token], stand_ins: list[exp.Literal], translate: Translate) -> Pattern | None:
        try:
            tree, held, columns, groups_of = translate(tokens)
        except LakehouseError:  # translating the statement itself says what is wrong with it
            return None
        wanted = Counter((one.this, one.is_string) for one in stand_ins)
        names = {name for name, _ in wanted}
        places = [literal for literal in all_of(tree, exp.Literal) if literal.this in names]
        compared = all(isinstance(place.parent, COMPARISONS) for place in places)
        if held or not compared or Counter((place.this, place.is_string) for place in places) != wanted:
            return None
        pattern = Pattern(last_text_of(tree), stand_ins, columns, groups_of)
        # A text that has a stand-in somewhere else, too, cannot be cut there.
        return pattern if Counter(pattern.places) == Counter(one.name for one in stand_ins) else None


def plainly(tree: Tree) -> Translated:
    """Return the translation of a statement whose values are part of it."""
    read = plain_read(tree.root)
    text = last_text_of(tree.root)
    return Translated(text, text, tree.held, read, tree.columns, tree.groups_of)


def said(value: exp.Literal) -> str:
    """Return a value as `text_of` writes it, which takes many times as long."""
    text = str(value.this)
    return "'" + text.replace("'", "''") + "'" if value.is_string else text


def _is_compared(tokens: list[Token], place: int) -> bool:
    """Say whether a token is a value that stands alone on the right side of a comparison."""
    token = tokens[place]
    number = token.token_type == TokenType.NUMBER and token.text.isascii() and token.text.isdigit()
    text = token.token_type == TokenType.STRING and not is_doubtful(token.text)
    if not (number and len(token.text) <= LONGEST_NUMBER) and not text:
        return False
    last = place + 1 == len(tokens)
    return place > 0 and tokens[place - 1].token_type in BEFORE and (last or tokens[place + 1].token_type in AFTER)


def _stand_ins(tokens: list[Token]) -> list[exp.Literal]:
    """Return a value of the same kind for each, the same one for the same; texts could be dates or instants, too."""
    found: dict[tuple[TokenType, str], exp.Literal] = {}
    for token in tokens:
        number = len(found)
        is_number = token.token_type == TokenType.NUMBER
        text = str(987_650_000 + number) if is_number else f"1011-01-{number + 1:02}"
        new = exp.Literal(this=text, is_string=not is_number)
        found.setdefault((token.token_type, token.text), new)
    return [found[token.token_type, token.text] for token in tokens]


def _replaced(sql: str, tokens: list[Token], values: list[exp.Literal]) -> str:
    """Return a text with other values in the places of these tokens."""
    parts, at = [], 0
    for token, value in zip(tokens, values, strict=True):
        parts += [sql[at : token.start], said(value)]
        at = token.end + 1
    return "".join([*parts, sql[at:]])


def _with_values(tokens: list[Token], places: list[Token], values: list[exp.Literal]) -> list[Token]:
    """Return the tokens with other values in these places. They tell still where they stand in the text."""
    new = {
        id(token): Token(
            token.token_type, str(value.this), token.line, token.col, token.start, token.end, token.comments
        )
        for token, value in zip(places, values, strict=True)
    }
    return [new.get(id(token), token) for token in tokens]
