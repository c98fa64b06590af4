"""What the names of sealed files say of their bytes."""

import re

LONG_SEAL = re.compile(r"-([0-9a-f]{64})\.(?:parquet|avro|metadata\.json)$")
# Catalogs count metadata files by the number before the dash and want a UUID after it: version 8 is for own contents
# (RFC 9562, section 5.8), so no file that a catalog named at random is taken for a sealed one.
SHORT_SEAL = re.compile(r"/\d+-([0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})\.metadata\.json$")


def sha256_in(name: str) -> str | None:
    """Return the whole hash that a name has; None where it has none, or a part of one."""
    found = LONG_SEAL.search(name)
    return found[1] if found else None


def is_sealed(name: str) -> bool:
    """Say whether a name has a hash of the file's bytes, or a part of one."""
    return bool(LONG_SEAL.search(name) or SHORT_SEAL.search(name))
