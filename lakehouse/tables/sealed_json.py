"""JSON objects that carry the hash of their own content, so that a damaged one is an error and not other content."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from lakehouse.errors import ChecksumError

SEAL = "sha256"


def seal(values: Mapping[str, Any]) -> bytes:
    """Return the canonical JSON form with its hash in the field ``sha256``."""
    content = {name: value for name, value in values.items() if name != SEAL}
    return _canonical({**content, SEAL: hashlib.sha256(_canonical(content)).hexdigest()})


def unseal(body: bytes, what: str) -> dict[str, Any]:
    """Return what was sealed; raise ChecksumError, naming `what`, when a single bit of it differs."""
    try:
        values = json.loads(body)
    except ValueError as error:
        raise _damaged(what, f"its {len(body)} bytes are no JSON") from error
    if not isinstance(values, dict) or SEAL not in values:
        raise _damaged(what, "it carries no hash of its content")
    if seal(values) != body:
        raise _damaged(what, f"its content does not hash to {values[SEAL]!r}")
    values.pop(SEAL)
    return values


def resealed(old: bytes, new: bytes) -> bytes:
    """Return an edited object with the hash that fits it, if it was sealed before; else as it is."""
    try:
        unseal(old, "the object")
    except ChecksumError:
        return new
    return seal(json.loads(new))


def _canonical(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True, indent=1).encode()


def _damaged(what: str, how: str) -> ChecksumError:
    return ChecksumError(f"{what} is damaged: {how}; restore it from a backup or a replica, nothing of it was used")
