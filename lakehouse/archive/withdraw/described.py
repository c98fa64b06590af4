"""Takes addresses of a person out of the files that describe a version, where a mask would be no address."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from lakehouse.archive.eds import COLLECTION_FILE, DESCRIPTION_FILE, DICTIONARY_FILE, LOG_FILE
from lakehouse.archive.strict_yaml import YamlFaultError, read_yaml
from lakehouse.masking import WITHDRAWN, Mask

DESCRIPTIONS = (DESCRIPTION_FILE, DICTIONARY_FILE, COLLECTION_FILE, LOG_FILE)
ADDRESSES = ("email", "url", "source_url")


def without_addresses(path: Path, mask: Mask) -> None:
    """Leave out fields for addresses that name the person; a file without such a field keeps its bytes.

    Words elsewhere are masked as in any text. Layout and remarks of a file that loses a field are lost.
    """
    raw = _read(path)
    left = unaddressed(raw, mask)
    if left != raw:
        path.write_text(yaml.safe_dump(left, sort_keys=False, allow_unicode=True), encoding="utf-8")


def spelled_in(path: Path, mask: Mask) -> int:
    """Return how many values of a description name the person by a spelling of YAML, as two quotes for one."""
    if path.name not in DESCRIPTIONS:
        return 0
    return sum(1 for one in _leaves(_read(path)) if mask.holds(one))


def without_spellings(path: Path, mask: Mask) -> None:
    """Mask what is left of the person in a description whose text was masked; layout and remarks are lost then."""
    if spelled_in(path, mask):
        left = _masked(_read(path), mask)
        path.write_text(yaml.safe_dump(left, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _read(path: Path) -> Any:  # noqa: ANN401 - YAML
    try:
        return read_yaml(path.read_bytes())
    except YamlFaultError:
        return None  # no version has such a file


def _leaves(value: Any) -> Iterator[str]:  # noqa: ANN401 - YAML
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _leaves(one)


def _masked(value: Any, mask: Mask) -> Any:  # noqa: ANN401 - YAML
    if isinstance(value, str):
        return mask.text(value).replace(WITHDRAWN, WITHDRAWN.strip("[]"))
    if isinstance(value, list):
        return [_masked(one, mask) for one in value]
    return {name: _masked(one, mask) for name, one in value.items()} if isinstance(value, dict) else value


def unaddressed(value: Any, mask: Mask) -> Any:  # noqa: ANN401 - YAML or JSON
    """Return a description without fields for addresses that name the person."""
    if isinstance(value, list):
        return [unaddressed(one, mask) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: unaddressed(one, mask)
        for name, one in value.items()
        if not (name in ADDRESSES and isinstance(one, str) and mask.holds(one))
    }
