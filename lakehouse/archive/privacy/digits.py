"""Digits of other scripts, written as those that the patterns know: Arabic, Persian, Indic, full-width and others."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.arrays import Cells
from lakehouse.archive.privacy.engine import Rows, with_re2

# The zero of each script (Unicode, general category Nd); the others follow it. Mathematical ones come in five styles.
ZEROS = (
    "\u0660\u06f0\u07c0\u0966\u09e6\u0a66\u0ae6\u0b66\u0be6\u0c66\u0ce6\u0d66\u0de6\u0e50\u0ed0\u0f20\u1040"
    "\u1090\u17e0\u1810\u1946\u19d0\u1a80\u1b50\ua620\ua8d0\ua900\ua9d0\uaa50\uabf0\uff10\U0001d7ce\U0001d7d8"
    "\U0001d7e2\U0001d7ec\U0001d7f6"
)
OTHER_DIGIT = "".join(f"{zero}-{chr(ord(zero) + 9)}" for zero in ZEROS)
"""What stands between the brackets of a class of them."""
_ASCII = {ord(zero) + value: str(value) for zero in ZEROS for value in range(10)}


def ascii_digits(text: str) -> str:
    """Return a text of the same length with digits of every script as 0 to 9."""
    return text if text.isascii() else text.translate(_ASCII)


def with_ascii_digits(cells: Cells, rows: Rows) -> Cells | None:
    """Return cells of type `string` without other digits in the given rows; None where none of these has any."""
    some = cells.take(pa.array(rows, pa.int64()))
    hit = with_re2((("", f"[{OTHER_DIGIT}]"),), some).get("")
    if hit is None:
        return None
    clear = pa.array(
        [ascii_digits(str(text)) for text in some.take(pa.array(hit, pa.int64())).to_pylist()], pa.string()
    )
    flags = np.zeros(len(cells), np.bool_)
    flags[rows[hit]] = True
    replaced: Cells = pc.replace_with_mask(cells, pa.array(flags), clear)
    return replaced
