"""Takes addresses of a person out of the files that describe a version, where a mask would be no address."""

from pathlib import Path
from typing import Any

import yaml

from lakehouse.archive.eds import COLLECTION_FILE, DESCRIPTION_FILE, DICTIONARY_FILE, LOG_FILE
from lakehouse.archive.strict_yaml import YamlFaultError, read_yaml
from lakehouse.masking import Mask

DESCRIPTIONS = (DESCRIPTION_FILE, DICTIONARY_FILE, COLLECTION_FILE, LOG_FILE)
ADDRESSES = ("email", "url", "source_url")


def without_addresses(path: Path, mask: Mask) -> None:
    """Leave out fields for addresses that name the person; a file without such a field keeps its bytes.

    Words elsewhere are masked as in any text. Layout and remarks of a file that loses a field are lost.
    """
    try:
        raw = read_yaml(path.read_bytes())
    except YamlFaultError:
        return  # no version has such a file
    left = unaddressed(raw, mask)
    if left != raw:
        path.write_text(yaml.safe_dump(left, sort_keys=False, allow_unicode=True), encoding="utf-8")


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
