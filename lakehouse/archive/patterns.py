"""Patterns from outside, matched by RE2: no pattern can be slow, whatever text it meets."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc


def is_pattern(pattern: str) -> bool:
    """Say whether RE2 understands the pattern."""
    try:
        matching(pattern, [""])
    except pa.ArrowInvalid:
        return False
    return True


def matching(pattern: str, values: Sequence[str]) -> list[bool]:
    """Say for each value whether the whole of it matches."""
    found = pc.match_substring_regex(pa.array(values, pa.string()), rf"\A(?:{pattern})\z")
    return [bool(one) for one in found.to_pylist()]
