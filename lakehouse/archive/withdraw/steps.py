"""The steps of a withdrawal, in the order that never shows a reader half of it. Each may be repeated."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse.archive.shelf import Shelf
from lakehouse.archive.withdraw.files import remove_from_folder
from lakehouse.archive.withdraw.journal import Journal, Result
from lakehouse.archive.withdraw.landed import renew_landed
from lakehouse.archive.withdraw.plan import Plan
from lakehouse.archive.withdraw.receipt import Signer
from lakehouse.archive.withdraw.rows import HOUSE, LAYERS, Cleaning
from lakehouse.errors import NoReleaseError
from lakehouse.masking import Mask
from lakehouse.ports import (
    DatasetVersion,
    DatasetVersions,
    ModelVersions,
    Provenance,
    Storage,
    TableWrite,
    Traces,
)
from lakehouse.tables.gold import MODEL_QUARANTINES, RETRAIN_DECISIONS
from lakehouse.tables.register import WITHDRAWALS
from lakehouse.tables.release import Pins, Release
from lakehouse.tables.sealed_json import resealed
from lakehouse.tables.withdrawals import PREFIX, forget_in_releases, quarantine
from lakehouse.tables.write_audit_publish import Lakehouse, recover, write_audit_publish


@dataclass(frozen=True)
class Archive:
    """Everything a person may be found in, and what signs the receipt. `receipts` is the folder people read them in."""

    house: Lakehouse
    versions: DatasetVersions
    shelf: Shelf
    models: ModelVersions
    traces: Traces
    storage: Storage
    signer: Signer
    receipts: Path
    code_commit: str

    @property
    def scratch(self) -> Path:
        """Where versions are exported to be searched; removed afterwards."""
        return self.shelf.root / ".withdrawing"


@dataclass(frozen=True)
class Steps:
    """One withdrawal being carried out."""

    archive: Archive
    plan: Plan
    journal: Journal

    def run(self) -> bytes:
        """Carry out whatever is left to do; return the signed receipt."""
        recover(self.archive.house)
        for dataset in self.plan.datasets:
            self.journal.once(f"versions {dataset}", lambda dataset=dataset: self._rewrite(dataset))  # type: ignore[misc]
        self.journal.once("landed", self._landed)
        self.journal.once("models", self._quarantine)
        # Tables that come to be later, as the tombstones do, have nothing to forget.
        for table in self.journal.once("tables", self._tables)["tables"]:
            self.journal.once(f"table {table}", lambda table=table: self._clean(table))  # type: ignore[misc]
        after: tuple[tuple[str, Callable[[], Result]], ...] = (
            ("release", self._publish),
            ("old releases", self._forget),
            ("files", self._sweep),
            ("objects", self._objects),
            ("register", self._register),
            ("work files", self._work_files),
            ("traces", lambda: {"files": dict(self.archive.traces.clear(self.mask))}),
        )
        for name, action in after:
            self.journal.once(name, action)
        document = self.archive.signer.sign(self._receipt())
        self.journal.keep(document)
        self._hand_out(document)
        self.journal.close()
        self.archive.storage.reclaim()
        shutil.rmtree(self.archive.scratch, ignore_errors=True)
        return document

    @cached_property
    def mask(self) -> Mask:
        """The person's values, and new commits and hashes by the old ones; known once the versions are rewritten."""
        renamed: dict[str, str] = {}
        for planned in self.plan.versions:
            version = self._now[planned.dataset, planned.version]
            renamed |= {planned.commit: version.commit, planned.content_sha256: version.content_sha256}
        return Mask(self.plan.values, renamed)

    @cached_property
    def _now(self) -> dict[tuple[str, str], DatasetVersion]:
        return {(name, one.version): one for name in self.plan.datasets for one in self.archive.versions.versions(name)}

    def _tables(self) -> Result:
        return {"tables": [name for space in (*LAYERS, *HOUSE) for name in self.archive.house.tables.tables(space)]}

    @property
    def _quarantined(self) -> list[str]:
        return list(self.journal.steps()["models"]["quarantined"])

    def _cleaned(self) -> dict[str, Result]:
        """Return what was done to each table that held the person or named an old commit."""
        steps = self.journal.steps()
        done = {name.removeprefix("table "): step for name, step in steps.items() if name.startswith("table ")}
        return {table: step for table, step in done.items() if step}

    def _rewrite(self, dataset: str) -> Result:
        planned = {one.version: one for one in self.plan.of(dataset)}
        values = Mask(self.plan.values)
        versions = self.archive.versions
        if any(one.commit == planned[one.version].commit for one in versions.versions(dataset)):
            versions.rewrite(dataset, lambda one, folder: remove_from_folder(folder, planned[one.version], values))
        return {"copies_elsewhere": versions.copies(dataset)}

    def _landed(self) -> Result:
        return dict(renew_landed(self.archive.shelf, self.archive.versions, self.plan, self.mask))

    def _quarantine(self) -> Result:
        affected = {
            f"{one.dataset}@{one.version}" for one in self.plan.versions if one.removal.found or one.removal.mentions
        }
        models = self.archive.models
        learned = [name for name in models.versions() if affected & set(models.learned_from(name))]
        destroyed = []
        for name in learned:
            quarantine(self.archive.house.objects, name, self.plan.receipt)
            if models.quarantine(name, self.mask, self.plan.receipt):
                destroyed.append(name)
        return {"quarantined": learned, "destroyed": destroyed}

    def _clean(self, table: str) -> Result:
        cleaning = Cleaning(self.plan, self.mask, self._quarantined)
        renamed = Mask((), self.mask.renamed).text
        done = self.archive.house.tables.rewrite(table, cleaning.of(table), self.plan.receipt, renamed)
        if done is None:
            return {}
        facts = {"snapshot": done.snapshot_id, "forgot": list(done.forgot)}
        return {**facts, "rows": done.removed, "cells": done.masked}

    def _publish(self) -> Result:
        house = self.archive.house
        current = self._release()
        if current is None:
            return {"release": 0}
        snapshots = {name: step["snapshot"] for name, step in self._cleaned().items() if name in current.tables}
        left = dict.fromkeys(self._quarantined, self._fallback(current))
        release = house.releases.publish(self._provenance, pins=Pins(house.tables, snapshots), retracted=left)
        return {"release": release.number, "current_model": release.model_version}

    def _release(self) -> Release | None:
        try:
            return self.archive.house.releases.current()
        except NoReleaseError:
            return None

    def _fallback(self, current: Release) -> str | None:
        """Return the newest model that an earlier release had as current and that is not in quarantine."""
        releases = self.archive.house.releases
        for number in range(current.number, 0, -1):
            model = releases.numbered(number).model_version
            if model is not None and model not in self._quarantined:
                return model
        return None

    def _forget(self) -> Result:
        forgot = {name: step["forgot"] for name, step in self._cleaned().items()}
        objects = self.archive.house.objects
        return {"changed": forget_in_releases(objects, forgot, self.plan.receipt, self._quarantined)}

    def _sweep(self) -> Result:
        current = self._release()
        pins = current.tables if current else {}
        kept = {name: (pins[name].metadata_location,) if name in pins else () for name in self._cleaned()}
        counts = {name: self.archive.house.tables.sweep(name, keep) for name, keep in kept.items()}
        return {"deleted": counts}

    def _objects(self) -> Result:
        """Mask the person, and rename hashes, in every object that is text."""
        objects, changed = self.archive.house.objects, 0
        for key in objects.keys(""):
            if key.startswith(PREFIX):
                continue
            body = objects.get(key)
            try:
                old = body.decode()
            except UnicodeDecodeError:
                continue  # nothing here writes such objects
            if (new := self.mask.document(old)) != old:
                objects.put(key, resealed(body, new.encode()))
                changed += 1
        return {"changed": changed}

    def _register(self) -> Result:
        """Write the tombstones, the quarantines, and the decision that asks for a retraining."""
        now, quarantined = datetime.now(UTC), self._quarantined
        run = {"run_id": f"withdrawal {self.plan.receipt}", "code_commit": self.archive.code_commit, "recorded_at": now}
        tombstones = [{**facts, "withdrawn_at": now} for facts in self._tombstones()]
        writes = [TableWrite(WITHDRAWALS, pa.Table.from_pylist(tombstones, schema=WITHDRAWALS.arrow_schema()))]
        if quarantined:
            reason = f"withdrawal {self.plan.receipt} removed a {self.plan.kind} these models learned from"
            rows = [
                {"model_version": name, "receipt": self.plan.receipt, "reason": reason, **run} for name in quarantined
            ]
            asked = {"cause_key": f"withdrawal:{self.plan.receipt}", "cause": "request", "decision": "retrain"}
            asked |= {"reason": f"{', '.join(quarantined)}: {reason}"}
            decision = pa.Table.from_pylist([{**asked, **run}], schema=RETRAIN_DECISIONS.arrow_schema())
            writes += [
                TableWrite(MODEL_QUARANTINES, pa.Table.from_pylist(rows, schema=MODEL_QUARANTINES.arrow_schema())),
                TableWrite(RETRAIN_DECISIONS, decision),
            ]
        key = f"withdrawal:{self.plan.receipt}"
        published = write_audit_publish(self.archive.house, writes, key=key, provenance=self._provenance)
        return {"release": published.release_number}

    def _work_files(self) -> Result:
        mentioned = any(one.removal.mentions for one in self.plan.versions)
        return {"deleted": self.archive.models.forget_work() if mentioned or self._quarantined else 0}

    def _tombstones(self) -> list[Result]:
        return [
            {
                "receipt": self.plan.receipt,
                "dataset": one.dataset,
                "dataset_version": one.version,
                "subject_kind": self.plan.kind,
                "subject_hash": self.archive.signer.fingerprint(self.plan.subject),
                "commit_before": one.commit,
                "commit_after": self._now[one.dataset, one.version].commit,
                "content_before": one.content_sha256,
                "content_after": self._now[one.dataset, one.version].content_sha256,
                "rows_removed": sum(one.removal.rows.values()),
                "mentions_masked": sum(one.removal.mentions.values()),
                "withdrawn_by": self.plan.by,
                "reason": self.plan.reason,
            }
            for one in self.plan.versions
        ]

    def _receipt(self) -> dict[str, Any]:
        steps, tables = self.journal.steps(), self._cleaned()
        places = [
            {
                "place": f"dataset {one.dataset}@{one.version}",
                "rows_removed": dict(one.removal.rows),
                "mentions_masked": dict(one.removal.mentions),
                "keys_followed": {name: sorted(columns) for name, columns in one.removal.columns.items()},
                "commit_before": one.commit,
                "commit_after": self._now[one.dataset, one.version].commit,
                "content_before": one.content_sha256,
                "content_after": self._now[one.dataset, one.version].content_sha256,
            }
            for one in self.plan.versions
        ]
        places += [
            {
                "place": f"table {name}",
                "rows_removed": step["rows"],
                "cells_masked": step["cells"],
                "snapshot_after": str(step["snapshot"]),
                "snapshots_removed": [str(snapshot) for snapshot in step["forgot"]],
                "files_deleted": steps["files"]["deleted"][name],
            }
            for name, step in sorted(tables.items())
        ]
        others = ("landed", "models", "old releases", "objects", "work files", "traces", "release")
        copies = {name: steps[f"versions {name}"]["copies_elsewhere"] for name in self.plan.datasets}
        return {
            "format": "withdrawal receipt 1",
            "receipt": self.plan.receipt,
            "subject": {
                "kind": self.plan.kind,
                "keyed_hash": self.archive.signer.fingerprint(self.plan.subject),
            },
            "reason": self.plan.reason,
            "by": self.plan.by,
            "started_at": self.plan.started_at,
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "code_commit": self.archive.code_commit,
            "places": places,
            "also": {name: steps[name] for name in others},
            "mentions_elsewhere": dict(self.plan.elsewhere),
            "copies_elsewhere": {name: found for name, found in copies.items() if found},
        }

    def _hand_out(self, document: bytes) -> None:
        self.archive.receipts.mkdir(parents=True, exist_ok=True)
        (self.archive.receipts / f"{self.plan.receipt}.json").write_bytes(document)

    @property
    def _provenance(self) -> Provenance:
        return Provenance(run_id=f"withdrawal {self.plan.receipt}", code_commit=self.archive.code_commit)
