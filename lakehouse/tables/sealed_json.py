"""JSON objects that carry the hash of their own content, so that a damaged one is an error and not other content."""

import hashlib
import json
import re
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii
from typing import Any

from lakehouse.errors import ChecksumError

SEAL = "sha256"
NO_HASH = "0" * 64
# The form has a line for each field of the object itself; those of what lies within are indented further.
SEAL_LINE = re.compile(rb'\n "sha256": "([0-9a-f]{64})"(,?)(?=\n)')


def seal(values: Mapping[str, Any]) -> bytes:
    """Return the canonical JSON form with its hash in the field ``sha256``."""
    body = _canonical({**values, SEAL: NO_HASH})
    line = SEAL_LINE.search(body)
    assert line is not None, "the field was just put in"
    return body[: line.start(1)] + _hash_without(body, line) + body[line.end(1) :]


def unseal(body: bytes, what: str) -> dict[str, Any]:
    """Return what was sealed; raise ChecksumError, naming `what`, when a single bit of it differs.

    The bytes are hashed as they lie there, without the line of the hash, before any of them is read as JSON.
    """
    line = SEAL_LINE.search(body)
    if line is None:
        raise _damaged(what, f"its {len(body)} bytes carry no hash of their content")
    said = line[1]
    if _hash_without(body, line) != said:
        raise _damaged(what, f"its content does not hash to {said.decode()}")
    try:
        values = json.loads(body)
    except ValueError as error:
        raise _damaged(what, f"its {len(body)} bytes are no JSON") from error
    if not isinstance(values, dict) or values.pop(SEAL, None) != said.decode():
        raise _damaged(what, "its hash is not a field of its own")
    return values


def resealed(old: bytes, new: bytes) -> bytes:
    """Return an edited object with the hash that fits it, if it was sealed before; else as it is."""
    try:
        unseal(old, "the object")
    except ChecksumError:
        return new
    return seal(json.loads(new))


def _hash_without(body: bytes, line: re.Match[bytes]) -> bytes:
    """Return the hash of the canonical form without the line of the hash: what the form of the other fields is."""
    before, after = body[: line.start()], body[line.end() :]
    if not line[2]:  # the last line: the comma before it goes with it
        before = before.removesuffix(b",")
    content = before + after
    return hashlib.sha256(b"{}" if content == b"{\n}" else content).hexdigest().encode()


def _canonical(values: Mapping[str, Any]) -> bytes:
    """Return what `json.dumps` does with ``sort_keys=True, indent=1``, for which it has no fast way of its own."""
    return _form(values, "\n").encode()


def _form(value: Any, line: str) -> str:  # noqa: ANN401 - anything that JSON knows
    inner = f"{line} "
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if isinstance(value, Mapping) and value:
        fields = (f"{inner}{encode_basestring_ascii(name)}: {_form(value[name], inner)}" for name in sorted(value))
        return f"{{{','.join(fields)}{line}}}"
    if isinstance(value, list | tuple) and value:
        return f"[{','.join(f'{inner}{_form(one, inner)}' for one in value)}{line}]"
    return json.dumps(value)


def _damaged(what: str, how: str) -> ChecksumError:
    return ChecksumError(f"{what} is damaged: {how}; restore it from a backup or a replica, nothing of it was used")
