"""The steps of a withdrawal or retraction, in the order that never shows a reader half of it. Each may be repeated."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from lakehouse.archive.identifiers import PREFIX as IDENTIFIERS
from lakehouse.archive.pseudonyms import Pseudonyms
from lakehouse.archive.records import PREFIX as RECORDS
from lakehouse.archive.shelf import SUPERSEDED
from lakehouse.archive.upload_queue import upload_name
from lakehouse.archive.withdraw.archive import Archive
from lakehouse.archive.withdraw.asides import asides_that_go
from lakehouse.archive.withdraw.contents import remove_data, remove_from_folder
from lakehouse.archive.withdraw.journal import Journal, Result, finish_closing
from lakehouse.archive.withdraw.landed import renew_landed
from lakehouse.archive.withdraw.logged import statements_that_go
from lakehouse.archive.withdraw.plan import Plan, PlannedVersion
from lakehouse.archive.withdraw.pseudonymous import pseudonyms_of
from lakehouse.archive.withdraw.register import register_writes
from lakehouse.archive.withdraw.rows import Cleaning
from lakehouse.archive.withdraw.telling import receipt_of
from lakehouse.definition import HOUSE, LAYERS
from lakehouse.errors import ChecksumError, NoReleaseError
from lakehouse.masking import Mask
from lakehouse.ports import DatasetVersion, ObjectStore, Provenance
from lakehouse.storage_ports import REPORTS
from lakehouse.tables.gold import LOADS
from lakehouse.tables.health import ROWS_ASIDE
from lakehouse.tables.intents import PREFIX as INTENTS
from lakehouse.tables.records import RECORDS as RECORD_ROWS
from lakehouse.tables.release import PREFIX as RELEASES
from lakehouse.tables.release import Pins, Release, rewrite_release
from lakehouse.tables.sealed_json import resealed, unseal
from lakehouse.tables.stages import released_stages, withheld
from lakehouse.tables.withdrawals import PREFIX, forget_in_releases, quarantine, retracted
from lakehouse.tables.write_audit_publish import recover, write_audit_publish

__all__ = ["Archive", "Steps"]

NAMING = (RELEASES, f"{IDENTIFIERS}/", f"{RECORDS}/", INTENTS)
"""Where objects lie that hold what datasets, tables and versions are called."""


@dataclass(frozen=True)
class Steps:
    """One withdrawal or retraction being carried out."""

    archive: Archive
    plan: Plan
    journal: Journal

    def run(self) -> bytes:
        """Carry out whatever is left to do; return the signed receipt."""
        self._recovered()
        for dataset in self.plan.datasets:
            self.journal.once(f"versions {dataset}", lambda dataset=dataset: self._rewrite(dataset))  # type: ignore[misc]
        self.journal.once("landed", self._landed)
        self.journal.once("models", self._quarantine)
        # Tables that come to be later, as the tombstones do, have nothing to forget.
        for table in self.journal.once("tables", self._tables)["tables"]:
            self.journal.once(f"table {table}", lambda table=table: self._clean(table))  # type: ignore[misc]
        for name, action in self._after():
            self.journal.once(name, action)
        return self._finished()

    def require_key(self) -> None:
        """Raise PseudonymError where what is left needs the key of silver and it is lost, before anything is changed.

        A retraction needs none: a version goes by its label. Nor does a withdrawal whose tables are clean.
        """
        if self.plan.act == "retraction" or (self.plan.act == "withdrawal" and "release" in self.journal.steps()):
            return
        pseudonyms_of(self.archive.house, self.archive.silver_key)

    def _finished(self) -> bytes:
        """Sign and hand out the receipt, and close the plan."""
        document = self.archive.signer.sign(self._receipt())
        self.journal.keep(document)
        self._hand_out(document)
        self.journal.close("object versions", Mask(self.plan.values))
        finish_closing(self.archive.house.objects, self.archive.storage)
        shutil.rmtree(self.archive.scratch, ignore_errors=True)
        return document

    def _recovered(self) -> None:
        recover(self.archive.house)

    def _after(self) -> tuple[tuple[str, Callable[[], Result]], ...]:
        """Return what follows once the tables are clean, in order."""
        steps: tuple[tuple[str, Callable[[], Result]], ...] = (
            ("release", self._publish),
            ("old releases", self._forget),
            ("files", self._sweep),
            ("objects", self._objects),
            ("register", self._register),
            ("records", self._records),
            ("old records", self._old_records),
            ("work files", self._work_files),
        )
        if self.plan.act == "retraction":
            steps += (
                ("identifiers", lambda: dict(self.archive.books.hide(self.plan.subject))),
                ("copies", lambda: {"deleted": self.archive.traces.drop_copies()}),
                ("previews", lambda: {"runs": self.archive.books.forget_previews(self.plan.subject)}),
            )
        else:
            steps += (("runs", lambda: {"deleted": self.archive.books.forget_runs(self._quoted())}),)
        return (*steps, ("traces", self._traces), ("object versions", self._purge))

    @cached_property
    def mask(self) -> Mask:
        """The person's values, and new commits and hashes by the old ones; known once the versions are rewritten."""
        renamed: dict[str, str] = {}
        for planned in self.plan.versions:
            version = self._version(planned.dataset, planned.version)
            renamed |= {planned.commit: version.commit, planned.content_sha256: version.content_sha256}
        return Mask(self.plan.values, renamed)

    @cached_property
    def _now(self) -> dict[tuple[str, str], DatasetVersion]:
        return {(name, one.version): one for name in self.plan.datasets for one in self.archive.versions.versions(name)}

    @cached_property
    def _pseudonyms(self) -> Pseudonyms | None:
        if self.plan.act == "retraction":
            return None
        return pseudonyms_of(self.archive.house, self.archive.silver_key)

    def _version(self, dataset: str, label: str) -> DatasetVersion:
        return self._now[dataset, label]

    def _tables(self) -> Result:
        # In this order: what goes from a log in silver is read from bronze, and the counts of loads are brought down by
        # rows that are still listed as set aside.
        spaces = (*reversed(LAYERS), *HOUSE)
        return {"tables": [name for space in spaces for name in sorted(self.archive.house.tables.tables(space))]}

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

        def change(one: DatasetVersion, folder: Path) -> str:
            return self._changed(planned[one.version], one, folder, values)

        if any(one.commit == planned[one.version].commit for one in versions.versions(dataset)):
            versions.rewrite(dataset, change)
        return {"copies_elsewhere": versions.copies(dataset)}

    def _changed(self, planned: PlannedVersion, one: DatasetVersion, folder: Path, values: Mask) -> str:
        if planned.removal.whole:
            told = f"The data of {self.plan.subject} were removed: {self.plan.reason}\n"
            return remove_data(folder, told=f"{told}Decided by {self.plan.by}; receipt {self.plan.receipt}.\n")
        if self.plan.act == "retraction":
            return one.content_sha256
        return remove_from_folder(folder, planned, values)

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
        tables = self.archive.house.tables
        of_asides = table in (LOADS.name, ROWS_ASIDE.name)
        asides = asides_that_go(tables, self.plan, self.mask) if of_asides else None
        statements = statements_that_go(tables, self.plan, table)
        cleaning = Cleaning(self.plan, self.mask, self._quarantined, asides, self._pseudonyms, statements)
        renamed = Mask((), self.mask.renamed).text
        done = tables.rewrite(table, cleaning.of(table), self.plan.receipt, renamed)
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
        """Return the newest model that an earlier release had as current and that nothing keeps back."""
        releases = self.archive.house.releases
        kept_back = {*self._quarantined, *withheld(released_stages(self.archive.house))}
        for number in range(current.number, 0, -1):
            model = releases.numbered(number).model_version
            if model is not None and model not in kept_back:
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
        """Mask the person, and rename hashes, in every object that is text.

        Releases, identifiers and records hold what datasets are called: there hashes alone are renamed.
        """
        objects, changed, renaming = self.archive.house.objects, 0, Mask((), self.mask.renamed)
        for key in objects.keys(""):
            if key.startswith(PREFIX):
                continue
            body = objects.get(key)
            try:
                old = body.decode()
            except UnicodeDecodeError:
                continue  # nothing here writes such objects
            mask = renaming if key.startswith(NAMING) else self.mask
            if (new := mask.document(old)) != old:
                _put_again(objects, key, resealed(body, new.encode()))
                changed += 1
        return {"changed": changed}

    def _register(self) -> Result:
        """Write the tombstones, the quarantines, and the decision that asks for a retraining."""
        writes = register_writes(
            self.plan,
            self._quarantined,
            now=self._version,
            signer=self.archive.signer,
            code_commit=self.archive.code_commit,
            at=datetime.now(UTC),
        )
        key = f"{self.plan.act}:{self.plan.receipt}"
        for one in self.plan.versions:
            if one.removal.whole:
                told = {"version": self.plan.subject, "receipt": self.plan.receipt, "reason": self.plan.reason}
                for content in (one.content_sha256, self._version(one.dataset, one.version).content_sha256):
                    retracted(self.archive.house.objects, content, told)
        published = write_audit_publish(self.archive.house, writes, key=key, provenance=self._provenance)
        return {"release": published.release_number}

    def _records(self) -> Result:
        keys = [f"{one.dataset}@{one.version}" for one in self.plan.versions if not one.removal.whole]
        return {"written": self.archive.books.record(keys, self.plan.receipt)}

    def _old_records(self) -> Result:
        """Delete the records that rewritten versions had before, now that they have new ones."""
        house = self.archive.house
        if self.plan.act == "retraction" or not house.tables.exists(RECORD_ROWS.name):
            return {"deleted": 0}
        newest: dict[tuple[str, str], str] = {}
        rows = house.tables.read(RECORD_ROWS.name).to_pylist()
        for row in sorted(rows, key=lambda row: row["recorded_at"]):
            place = f"{RECORDS}/{row['dataset']}/{row['dataset_version']}/"
            newest[place, row["dataset"]] = f"{place}{row['record_sha256'][:12]}/"
        ours = {place: kept for (place, dataset), kept in newest.items() if dataset in self.plan.datasets}
        old = [key for place, kept in ours.items() for key in house.objects.keys(place) if not key.startswith(kept)]
        for key in old:
            house.objects.delete(key)
        return {"deleted": len(old)}

    def _work_files(self) -> Result:
        """Delete what models were made from, which holds rows of people also where no model came of it."""
        held = any(one.removal.found or one.removal.mentions or one.removal.whole for one in self.plan.versions)
        return {"deleted": self.archive.models.forget_work() if held or self._quarantined else 0}

    def _quoted(self) -> list[str]:
        """Return the versions and submissions that held the person, whose runs may quote what is gone."""
        return [
            *(f"{one.dataset}@{one.version}" for one in self.plan.versions),
            # A plan of an earlier version may have folders without a key, which would mean every run.
            *(key.partition(SUPERSEDED)[0] for key in self.plan.refused if not key.startswith(SUPERSEDED)),
            *self.plan.reported,
        ]

    def _traces(self) -> Result:
        cleared = self.archive.traces.clear(self.mask)
        told = {"files": dict(cleared.changed), "skipped": dict(cleared.skipped)}
        return {**told, "not_searched": list(cleared.unsearched)}

    def _purge(self) -> Result:
        """Delete older versions that the storage keeps of whatever was rewritten or removed, and uploads altogether."""
        retained = self.archive.storage.purge(self._places(), self._names)
        there = self.archive.uploads
        # Reports on uploads go as those beside the inbox do: what they quote is kept masked in the archive.
        uploaded = there.eraser.erase((*self.plan.uploads, REPORTS)) if there is not None else ()
        gone = len({*self.plan.uploads} - {upload_name(one.key) for one in uploaded})
        return {"retained": [asdict(one) for one in (*retained, *uploaded)], "uploaded": gone}

    def _places(self) -> list[str]:
        tables = self.archive.house.tables
        return [tables.pointer(name).metadata_location.rpartition("/metadata/")[0] for name in self._cleaned()]

    def _names(self, key: str, body: bytes) -> bool:
        """Say whether an older version of an object tells of the person, or of hashes that are gone."""
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return False  # nothing of ours: all objects here are texts
        return self.mask.document(text) != text or self.mask.holds(key)

    def _receipt(self) -> Result:
        steps = self.journal.steps()
        return dict(
            receipt_of(
                self.plan,
                steps,
                now=self._version,
                signer=self.archive.signer,
                code_commit=self.archive.code_commit,
            )
        )

    def _hand_out(self, document: bytes) -> None:
        self.archive.receipts.mkdir(parents=True, exist_ok=True)
        (self.archive.receipts / f"{self.plan.receipt}.json").write_bytes(document)

    @property
    def _provenance(self) -> Provenance:
        return Provenance(run_id=f"{self.plan.act} {self.plan.receipt}", code_commit=self.archive.code_commit)


def _put_again(objects: ObjectStore, key: str, body: bytes) -> None:
    """Put an edited object in the place of the old one; a release keeps its age."""
    if not key.startswith(RELEASES):
        objects.put(key, body)
        return
    try:
        raw = unseal(body, key)
    except ChecksumError:  # it was damaged before, and stays so
        objects.put(key, body)
    else:
        rewrite_release(objects, key, raw)
