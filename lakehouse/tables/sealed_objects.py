"""Sealed objects that are written once: whoever is told that one is there must find it whole."""

from lakehouse.errors import ChecksumError, NoObjectError, ObjectExistsError
from lakehouse.ports import ObjectStore
from lakehouse.tables.sealed_json import unseal

ATTEMPTS = 3


def create(objects: ObjectStore, key: str, body: bytes) -> None:
    """Write a sealed object that must not exist yet, and read it back; what is not there or damaged is written again.

    A damaged one may be written over, for this call made it, and nobody has used it: others only ever create.

    Raises:
        ObjectExistsError: the key has another content, or had one before.
        ChecksumError: the storage does not keep what it takes.
    """
    objects.put_new(key, body)
    for _ in range(ATTEMPTS):
        try:
            found = objects.get(key)
        except NoObjectError:
            objects.put_new(key, body)
            continue
        if found == body:
            return
        if _is_sound(found, key):
            raise ObjectExistsError(f"object {key} was changed by another writer; read it before writing again")
        objects.put(key, body)
    raise ChecksumError(
        f"{key} is not there as it was written, though the storage took it {ATTEMPTS + 1} times; nobody was pointed at "
        "it. Look after the storage, then run the step again; if that finds it damaged, delete this object"
    )


def _is_sound(body: bytes, key: str) -> bool:
    try:
        unseal(body, key)
    except ChecksumError:
        return False
    return True
