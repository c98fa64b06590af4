"""How often a sensor asks for the same thing, and how it is told of what it asks for no more."""

import json
import time
from collections.abc import Mapping, Sequence

import dagster as dg

MAX_TRIES = 5
RETRY_SECONDS = 60.0
INBOX, UPLOADS = "inbox_sensor", "upload_sensor"


def given_up(tries: int, not_before: float, now: float) -> bool:
    """Say whether something was tried as often as it may be; the last try has as long as before another one."""
    return tries >= MAX_TRIES and now >= not_before


def skipped(names: Sequence[str], again: str) -> dg.SkipReason | None:
    """Return what the sensor's page says where things were given up; `again` says what lets one be tried anew."""
    if not names:
        return None
    shown = ", ".join(f"{name!a}" for name in sorted(names))
    return dg.SkipReason(f"given up after {MAX_TRIES} tries: {shown}; see why in their runs, then {again}")


def count_given_up(instance: dg.DagsterInstance) -> Mapping[str, int]:
    """Return how many things each sensor has given up, as their cursors say."""
    counts, now = dict.fromkeys((INBOX, UPLOADS), 0), time.time()
    kept = instance.all_instigator_state() if instance.schedule_storage else []  # one in memory keeps none
    for state in kept:
        cursor = getattr(state.instigator_data, "cursor", None)
        if state.instigator_name in counts and cursor:
            entries = json.loads(cursor)
            entries = entries["seen"] if state.instigator_name == UPLOADS else entries
            # Cursors of earlier versions say only what was seen.
            ends = [entry[-2:] for entry in entries.values() if isinstance(entry, list) and len(entry) > 2]
            counts[state.instigator_name] = sum(given_up(tries, not_before, now) for tries, not_before in ends)
    return counts
