"""Asks the Frictionless library for its verdict on a descriptor, without any connection.

The library follows addresses and paths that a descriptor names: profiles, schemas and dialects elsewhere. They are
taken out before it sees the descriptor, and what it judges is in memory.
"""

from collections.abc import Iterator, Mapping
from typing import Any

ADDRESSES = ("profile", "$schema")


def faults(descriptor: Mapping[str, Any]) -> list[str]:
    """Return what the library finds wrong with a descriptor, in its words."""
    from frictionless import FrictionlessException, Package

    try:
        errors = Package.metadata_validate(_local(descriptor))
        return list(dict.fromkeys(f"{error.title}: {error.note}"[:500] for error in errors))
    except FrictionlessException as error:
        return [f"{each.title}: {each.note}"[:500] for each in error.reasons or [error.error]]


def _local(descriptor: Mapping[str, Any]) -> dict[str, Any]:
    resources = descriptor.get("resources")
    listed = [dict(_resource(each)) if isinstance(each, Mapping) else each for each in _listed(resources)]
    kept = {name: value for name, value in descriptor.items() if name not in ADDRESSES}
    return {**kept, "resources": listed} if isinstance(resources, list) else kept


def _listed(value: object) -> list[Any]:
    # A resource that is only an address would be fetched.
    return [each for each in value if not isinstance(each, str)] if isinstance(value, list) else []


def _resource(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        if name not in ADDRESSES and not (name in ("schema", "dialect") and isinstance(value, str)):
            yield name, value
