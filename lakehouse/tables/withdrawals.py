"""Traces of withdrawals in the object store: what is open, which models are in quarantine, what releases forgot."""

import json
from collections.abc import Collection, Mapping

from lakehouse.errors import BusyError
from lakehouse.ports import ObjectStore
from lakehouse.tables.release import PREFIX as RELEASES
from lakehouse.tables.sealed_json import seal, unseal

PREFIX = "withdrawals/"
PLAN, JOURNAL, RECEIPT = ".plan.json", ".json", ".receipt.json"
QUARANTINE = "quarantine/"


def require_none_open(objects: ObjectStore) -> None:
    """Raise BusyError while a withdrawal is not finished: what is written meanwhile could bring the person back."""
    for key in objects.keys(PREFIX):
        if key.endswith(PLAN):
            receipt = key.removeprefix(PREFIX).removesuffix(PLAN)
            raise BusyError(f"withdrawal {receipt} is not finished; run `lakehouse withdraw` again, then this")


def quarantined(objects: ObjectStore) -> set[str]:
    """Return the models that must not be current, for they learned from somebody who was withdrawn."""
    return {key.removeprefix(QUARANTINE).removesuffix(".json") for key in objects.keys(QUARANTINE)}


def quarantine(objects: ObjectStore, model_version: str, receipt: str) -> None:
    """Put a model in quarantine; again is no error."""
    objects.put(f"{QUARANTINE}{model_version}.json", json.dumps({"receipt": receipt}).encode())


def forget_in_releases(
    objects: ObjectStore, forgot: Mapping[str, Collection[int]], receipt: str, models: Collection[str]
) -> int:
    """Take pins of forgotten snapshots and models in quarantine out of every release; return how many changed.

    What a release loses it names, with the receipt, under ``withdrawn``.
    """
    changed = 0
    for key in objects.keys(RELEASES):
        body = objects.get(key)
        raw = unseal(body, f"release {key}")
        withdrawn = dict(raw.get("withdrawn", {}))
        for name in [name for name, pin in raw["tables"].items() if pin["snapshot_id"] in forgot.get(name, ())]:
            del raw["tables"][name]
            withdrawn[name] = receipt
        if raw["model_version"] in models:
            withdrawn[f"model {raw['model_version']}"] = receipt
            raw["model_version"] = None
        raw["withdrawn"] = withdrawn
        if (new := seal(raw)) != body and withdrawn:
            objects.put(key, new)
            changed += 1
    return changed
