"""Traces of withdrawals in the object store: what is open, which models are in quarantine, what releases forgot."""

import json
from collections.abc import Collection, Mapping

from lakehouse.errors import BusyError, RetractedError
from lakehouse.ports import ObjectStore
from lakehouse.tables.release import PREFIX as RELEASES
from lakehouse.tables.release import rewrite_release
from lakehouse.tables.sealed_json import seal, unseal

PREFIX = "withdrawals/"
PLAN, JOURNAL, RECEIPT = ".plan.json", ".json", ".receipt.json"
# After the plan is deleted: its bytes are still to leave the disk, and object versions that a lock keeps.
CLOSING, RETAINED = ".closing.json", ".retained.json"
QUARANTINE = "quarantine/"
RETRACTED = "retracted/"
# What a receipt says was taken from a dataset version; where all of it is empty, only its history was rewritten.
TAKEN = ("rows_removed", "cells_emptied", "mentions_masked", "removed_as_a_whole")


def require_none_open(objects: ObjectStore) -> None:
    """Raise BusyError while a withdrawal or retraction is not finished: what is written meanwhile could undo it."""
    for key in objects.keys(PREFIX):
        if key.endswith(PLAN):
            receipt = key.removeprefix(PREFIX).removesuffix(PLAN)
            again = "`lakehouse withdraw --finish`"
            raise BusyError(f"withdrawal {receipt} is not finished; run {again}, then this")


def require_not_retracted(objects: ObjectStore, content_sha256: str) -> None:
    """Raise RetractedError for content that was removed as a whole: handed in again it would be back."""
    if is_retracted(objects, content_sha256):
        told = json.loads(objects.get(_retraction(content_sha256)))
        raise RetractedError(
            f"this content was {told['version']}, which was removed (receipt {told['receipt']}): {told['reason']}; "
            "hand in content without what led to that"
        )


def is_retracted(objects: ObjectStore, content_sha256: str) -> bool:
    """Say whether a content was removed as a whole."""
    key = _retraction(content_sha256)
    return key in objects.keys(key)


def _retraction(content_sha256: str) -> str:
    return f"{RETRACTED}{content_sha256}.json"


def retracted(objects: ObjectStore, content_sha256: str, told: Mapping[str, str]) -> None:
    """Note that a content was removed as a whole; `told` has its version, receipt and reason. Again is no error."""
    objects.put(_retraction(content_sha256), json.dumps(dict(told)).encode())


def changed_by_withdrawals(objects: ObjectStore) -> set[tuple[str, str]]:
    """Return what finished withdrawals took something from: dataset versions, ``dataset@version``, with their commit.

    That is the commit they had before; whatever names it was read before the withdrawal.
    """
    changed = set()
    for key in objects.keys(PREFIX):
        if key.endswith(RECEIPT):
            places = json.loads(objects.get(key))["receipt"]["places"]
            changed |= {
                (place["place"].removeprefix("dataset "), place["commit_before"])
                for place in places
                if "commit_before" in place and any(place.get(what) for what in TAKEN)
            }
    return changed


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
        if seal(raw) != body and withdrawn:
            rewrite_release(objects, key, raw)
            changed += 1
    return changed
