"""Sealed objects that are written once: whoever is told that one is there must find it whole."""

from lakehouse.errors import ChecksumError, NoObjectError, ObjectExistsError
from lakehouse.ports import ObjectStore
from lakehouse.tables.sealed_json import unseal

ATTEMPTS = 3


def create(objects: ObjectStore, key: str, body: bytes) -> None:
    """Write a sealed object that must not exist yet, and read it back; what is not there or damaged is written again.

    One that is found damaged twice may be written over, for nobody can have used it, and others only ever create.

    Raises:
        ObjectExistsError: the key has another content, or had one before.
        ChecksumError: the storage does not keep what it takes.
    """
    objects.put_new(key, body)
    for _ in range(ATTEMPTS):
        found = _found(objects, key)
        if found == body:
            return
        if found is None:
            objects.put_new(key, body)
        elif _is_sound(found, key):
            raise ObjectExistsError(f"object {key} was changed by another writer; read it before writing again")
        elif _found(objects, key) == found:  # damaged where it lies, not on its way here
            objects.put(key, body)
    if _found(objects, key) != body:
        raise ChecksumError(
            f"{key} is not there as it was written, though the storage took it {ATTEMPTS + 1} times. Look after the "
            "storage, then run the step again; if that finds it damaged, delete this object"
        )


def _found(objects: ObjectStore, key: str) -> bytes | None:
    try:
        return objects.get(key)
    except NoObjectError:
        return None


def _is_sound(body: bytes, key: str) -> bool:
    try:
        unseal(body, key)
    except ChecksumError:
        return False
    return True
