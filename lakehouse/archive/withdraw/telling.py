"""What the receipt of a withdrawal or retraction tells; it never names the person."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lakehouse.archive.withdraw.plan import Plan
from lakehouse.archive.withdraw.receipt import Signer
from lakehouse.archive.withdraw.register import Now
from lakehouse.archive.withdraw.returning import hashes_of
from lakehouse.masking import Mask

Result = Mapping[str, Any]
OTHERS = (
    "landed",
    "models",
    "old releases",
    "objects",
    "work files",
    "traces",
    "release",
    "records",
    "old records",
    "identifiers",
    "copies",
    "previews",
    "runs",
)
"""Steps that are told as they were written down."""


def receipt_of(plan: Plan, steps: Mapping[str, Result], *, now: Now, signer: Signer, code_commit: str) -> Result:
    """Return the receipt, to be signed, from the plan and what each step did."""
    copies = {name: steps[f"versions {name}"]["copies_elsewhere"] for name in plan.datasets}
    mask = Mask(plan.values)  # the names of uploads are their owners' choice
    return {
        "format": f"{plan.act} receipt 1",
        "receipt": plan.receipt,
        **_subject(plan, signer),
        "reason": plan.reason,
        "by": plan.by,
        "started_at": plan.started_at,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "code_commit": code_commit,
        "places": [*_versions(plan, now), *_tables(steps)],
        "also": {name: steps[name] for name in OTHERS if name in steps},
        "not_searched": steps["traces"].get("not_searched", []),  # journals of earlier versions have none
        "not_removed": mask.structure(list(steps["object versions"]["retained"])),
        "submissions": sorted({*plan.refused, *plan.reported}),
        "submissions_not_read": sorted(plan.unread),
        "uploads_removed": steps["object versions"]["uploaded"],
        "uploads_not_read": mask.structure(sorted(plan.uploads_unread)),
        "identifiers_followed": [
            {"place": one.place, "seen": one.seen, "followed": one.followed, "why": one.why} for one in plan.followed
        ],
        "mentions": "masked in every dataset" if plan.everywhere else "masked only where the person is a subject",
        "mentions_left": dict(plan.elsewhere),
        "identifiers_left_in_texts": len(plan.alike),
        "copies_elsewhere": {name: found for name, found in copies.items() if found},
    }


def _subject(plan: Plan, signer: Signer) -> Result:
    if plan.act == "retraction":
        return {"version": plan.subject}
    return {
        "subject": {
            "kind": plan.kind,
            "keyed_hash": signer.fingerprint(plan.subject),
            "identifiers_hashed": hashes_of({plan.subject, *plan.identifying}, signer),
            "dataset": plan.within,
        }
    }


def _versions(plan: Plan, now: Now) -> list[Result]:
    return [
        {
            "place": f"dataset {one.dataset}@{one.version}",
            "rows_removed": dict(one.removal.rows),
            "cells_emptied": dict(one.removal.blanked),
            "mentions_masked": dict(one.removal.mentions),
            "files_not_searched": list(one.removal.unread),
            "joined_with_letters_left": dict(one.removal.near),
            "keys_followed": {name: sorted(columns) for name, columns in one.removal.columns.items()},
            "removed_as_a_whole": one.removal.whole,
            "commit_before": one.commit,
            "commit_after": now(one.dataset, one.version).commit,
            "content_before": one.content_sha256,
            "content_after": now(one.dataset, one.version).content_sha256,
        }
        for one in plan.versions
    ]


def _tables(steps: Mapping[str, Result]) -> list[Result]:
    done = {name.removeprefix("table "): step for name, step in steps.items() if name.startswith("table ") and step}
    return [
        {
            "place": f"table {name}",
            "rows_removed": step["rows"],
            "cells_masked": step["cells"],
            "snapshot_after": str(step["snapshot"]),
            "snapshots_removed": [str(snapshot) for snapshot in step["forgot"]],
            "files_deleted": steps["files"]["deleted"][name],
        }
        for name, step in sorted(done.items())
    ]
