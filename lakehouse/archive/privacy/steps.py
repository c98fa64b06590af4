"""What each step of protection does to a column's cells."""

import hashlib
import hmac
import re
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells, sure
from lakehouse.archive.privacy.finder import find_everything
from lakehouse.archive.privacy.kinds import identifiers
from lakehouse.archive.privacy.plan import Drop, Generalise, Mask, Pseudonymise, Redact, Step
from lakehouse.kept_key import kept_key

KEY_FILE = "pseudonyms.key"
MASK = "***"
PSEUDONYM = re.compile(r"p_[0-9a-f]{20}")
MAIL = re.compile(r"[^\s@]+@[^\s@]+")
YEAR = re.compile(r"(?:19|20)[0-9]{2}")


def pseudonym_key(folder: Path) -> bytes:
    """Return the key of this archive's pseudonyms, made when it is first needed; only the owner can read it.

    Raises:
        PermanentError: the file there holds no key.
    """
    return kept_key(folder / KEY_FILE)


@dataclass(frozen=True, slots=True)
class Protector:
    """Takes steps on cells; `key` makes the pseudonyms."""

    key: bytes

    def changed(self, step: Step, cells: Cells, missing_codes: Container[str] = ()) -> Cells:
        """Return the cells of type `string` after a step; empty ones and codes of missing values stay as they are."""
        values = cells.unique()
        kept = (value if value in missing_codes else self._value(step, value) for value in values.to_pylist())
        new = pa.array(list(kept), pa.string())
        return new.take(pc.index_in(cells, value_set=values))

    def _value(self, step: Step, value: str | None) -> str | None:
        if not value:
            return value
        match step:
            case Mask():
                return MASK
            case Pseudonymise():
                return self.pseudonym(value)
            case Generalise():
                return coarser(step, value)
            case Redact():
                return redacted(value, step.kinds)
            case Drop():
                raise AssertionError("a dropped column has no values")

    def pseudonym(self, value: str) -> str:
        """Return the keyed hash of a value; what is a pseudonym already stays."""
        if PSEUDONYM.fullmatch(value):
            return value
        known = value.strip()
        # An address of mail is one person's however it is written.
        known = known.lower() if MAIL.fullmatch(known) else known
        return f"p_{hmac.new(self.key, known.encode(), hashlib.sha256).hexdigest()[:20]}"


def coarser(step: Generalise, value: str) -> str:
    """Return a value made coarser; a value of another form becomes empty, so that none slips through."""
    if step.keep is not None:
        return value.strip()[: step.keep]
    if step.to == "year":
        years = set(YEAR.findall(value))
        return years.pop() if len(years) == 1 else ""
    assert step.width is not None, "one of the three is said"
    band = re.fullmatch(r"(-?[0-9]{1,15})-(-?[0-9]{1,15})", value)
    if band is not None:  # only a band that this step itself makes; 555-1234 is none
        low, high = int(band[1]), int(band[2])
        return value if low % step.width == 0 and high == low + step.width - 1 else ""
    try:
        low = int(float(value) // step.width) * step.width
    except (ValueError, OverflowError):
        return ""
    return f"{low}-{low + step.width - 1}"


def redacted(text: str, kinds: tuple[str, ...]) -> str:
    """Return a text with every identifier, of these kinds or of all direct ones, replaced by <kind>."""
    wanted = kinds or tuple(kind for kind, one in identifiers().items() if one.certainty == "direct")
    for found in reversed(find_everything(text)):
        if found.kind in wanted:
            text = f"{text[: found.start]}<{found.kind}>{text[found.end :]}"
    return text


def count_changed(before: Cells, after: Cells) -> int:
    """Return how many values are others than before."""
    return int(pc.sum(sure(pc.not_equal(before, after))).as_py() or 0)
