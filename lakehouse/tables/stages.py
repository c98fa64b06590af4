"""Stages that people have put model versions into, and which versions those keep from being current."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from lakehouse.errors import NoReleaseError
from lakehouse.tables.gold import MODEL_STAGES
from lakehouse.tables.write_audit_publish import Lakehouse, recover

Stage = Literal["current", "rolled_back", "retired"]

WITHHELD = ("rolled_back", "retired")


def newest_stages(rows: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return each version's newest event; the order is that of the releases they were published with."""
    return {str(row["model_version"]): row for row in sorted(rows, key=lambda row: str(row["event_key"]))}


def released_stages(house: Lakehouse) -> dict[str, Mapping[str, Any]]:
    """Return each version's newest event as the current release shows it; none before the first."""
    recover(house)
    try:
        pin = house.releases.current().tables.get(MODEL_STAGES.name)
    except NoReleaseError:
        return {}
    if pin is None:
        return {}
    return newest_stages(house.tables.read(MODEL_STAGES.name, snapshot_id=pin.snapshot_id).to_pylist())


def withheld(stages: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return versions that must not become current by themselves, and why."""
    return {
        version: f"{row['stage'].replace('_', ' ')} by {row['decided_by']}: {row['reason']}"
        for version, row in stages.items()
        if row["stage"] in WITHHELD
    }
