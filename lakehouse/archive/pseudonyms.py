"""Keyed pseudonyms of direct identifiers: one for each value, of the value's own type, and the key that makes them."""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells
from lakehouse.kept_key import kept_key

KEY_FILE = "silver.key"
PREFIX, HEX_DIGITS = "s_", 20
"""Eighty bits: among a billion values two fall together once in a million lakes."""

ROUNDS = 10
"""As many as FF1 has (NIST SP 800-38G)."""

LEFT_BITS, RIGHT_BITS = 31, 32
WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}")
KEPT_NUMBERS = 1 << 16
"""A number's pseudonym takes ten hashes, and tables name the same people in every block of rows."""

LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True)
class Pseudonyms:
    """Makes pseudonyms under a key. Different values have different ones, and a whole number has a whole number's.

    A text of digits has the pseudonym of that number, so that columns of both types can be joined still. White space
    around a text stays around its pseudonym.
    """

    key: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """What tells this key from another and nothing else of it."""
        return self._hash(b"fingerprint").hex()[:12]

    def text(self, value: str) -> str:
        """Return the pseudonym of a text; one of white space alone has none and stays."""
        body = value.strip()
        if not body:
            return value
        before, _, after = value.partition(body)
        return f"{before}{self._of(body)}{after}"

    def number(self, value: int) -> int:
        """Return the pseudonym of a number of 64 bits, which has the same sign: a keyed permutation of them."""
        return _permuted(self.key, value) if value >= 0 else -_permuted(self.key, -value - 1) - 1

    def cells(self, cells: Cells) -> Cells:
        """Return the pseudonyms of a column of text or whole numbers; cells of other types become empty."""
        if pa.types.is_integer(cells.type):
            return _changed(cells, self.number)
        if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
            return _changed(cells, self.text)
        empty: Cells = pa.nulls(len(cells), cells.type)
        return empty

    def of_all(self, values: Iterable[str]) -> frozenset[str]:
        """Return the pseudonyms of some values."""
        return frozenset(self.text(value) for value in values)

    def _of(self, body: str) -> str:
        if WHOLE.fullmatch(body) and LOWEST <= (number := int(body)) <= HIGHEST:
            return str(self.number(number))
        return f"{PREFIX}{self._hash(b'text', body.encode('utf-8', 'surrogatepass')).hex()[:HEX_DIGITS]}"

    def _hash(self, purpose: bytes, body: bytes = b"") -> bytes:
        return hmac.digest(self.key, purpose + b"\0" + body, hashlib.sha256)


@dataclass(frozen=True)
class SilverKey:
    """The key of a lake's silver tables: a file in the folder of its other keys, made when it is first needed."""

    folder: Path

    def open(self) -> Pseudonyms:
        """Return what makes pseudonyms; raise PermanentError where the file holds no key."""
        return Pseudonyms(kept_key(self.folder / KEY_FILE))

    def held(self) -> Pseudonyms | None:
        """Return the same, or None where no key was made yet."""
        return self.open() if (self.folder / KEY_FILE).is_file() else None


@lru_cache(KEPT_NUMBERS)
def _permuted(key: bytes, value: int) -> int:
    """Return another number of 63 bits by Feistel's network, whose halves are changed in turns."""
    left, right = value >> RIGHT_BITS, value & ((1 << RIGHT_BITS) - 1)
    for turn in range(0, ROUNDS, 2):
        left ^= _drawn(key, turn, right) >> (RIGHT_BITS - LEFT_BITS)
        right ^= _drawn(key, turn + 1, left)
    return left << RIGHT_BITS | right


def _drawn(key: bytes, turn: int, half: int) -> int:
    body = b"number\0" + bytes([turn]) + half.to_bytes(4, "big")
    return int.from_bytes(hmac.digest(key, body, hashlib.sha256)[:4], "big")


def _changed(cells: Cells, change: Callable[[Any], str | int]) -> Cells:
    values = cells.unique()
    new = pa.array([None if one is None else change(one) for one in values.to_pylist()], cells.type)
    changed: Cells = new.take(pc.index_in(cells, value_set=values))
    return changed
