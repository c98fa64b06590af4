"""The hash that says whether two submissions have the same content, whatever version label they carry."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from lakehouse.archive.layout import DESCRIPTION_FILE
from lakehouse.archive.strict_yaml import YamlFaultError, read_yaml

CHUNK_BYTES = 1 << 20


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def content_sha256(hashes: Mapping[str, str], description: bytes | None) -> str:
    """Return the hash of a submission from its files' hashes by relative path and its description file's bytes.

    The description counts by its fields without the version label and its layout; one that cannot be read counts by
    its bytes.
    """
    files = {path: digest for path, digest in hashes.items() if path != DESCRIPTION_FILE}
    canonical = json.dumps({"files": files, "description": _fields(description)}, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _fields(description: bytes | None) -> object:
    if description is None:
        return None
    try:
        fields = read_yaml(description)
    except YamlFaultError:
        return {"sha256": hashlib.sha256(description).hexdigest()}
    if isinstance(fields, dict):
        return {name: value for name, value in fields.items() if name != "version"}
    return {"sha256": hashlib.sha256(description).hexdigest()}
