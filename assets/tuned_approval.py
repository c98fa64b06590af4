"""A person puts a tuned model to use that waits: its texts, terms, consent and tests are asked again, as of today."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.classified_texts import texts_of
from assets.families import INSTRUCTED, family_of, name_of
from assets.instructing import Lessons, rows_of_table
from assets.learning import Permission
from assets.registry import decide
from assets.results import Decision
from assets.tuned_registry import current_tuned, judgement_name, judgements
from assets.workshop import Workshop
from lakehouse.archive.shelf import Shelf
from lakehouse.errors import ApprovalError
from lakehouse.ports import DatasetVersions, Provenance
from lakehouse.tables.stages import released_stages, withheld
from lakehouse.tables.withdrawals import quarantined
from lakehouse.tables.write_audit_publish import Lakehouse, Published
from models.classifiers import classifier_named
from models.durable import verify
from models.instructions import rows_sha256
from models.labelled import snapshot


@dataclass(frozen=True, slots=True)
class Today:
    """What a version would be made of today: its tests, the hash of its texts, and the command that judges it anew."""

    trials: Sequence[Path]
    texts_sha256: str
    again: str


def approve_tuned(
    house: Lakehouse,
    workshop: Workshop,
    version: str,
    today: Callable[[str], Today],
    *,
    by: str,
    reason: str,
    provenance: Provenance,
) -> Published:
    """Put a version to use that the gate let wait, if nothing speaks against it on the texts and terms of today.

    `today` asks for terms and consent, by a tuned model's name: who does not agree any more is not among its texts.

    Raises:
        ApprovalError: it does not wait for an approval, must not come into use, or was judged against another version
            in use, by other tests or on other texts than those of today.
        PurposeError: its table may not be learned from any more.
        NoReleaseError: its table is not published any more.
        LabelsError: its table holds rows that cannot be used, or there is no such model any more.
    """
    with workshop.publishing():
        newest, name, store = _waiting(house, version), name_of(version), workshop.store_of(version)
        _require_free(house, version)
        verify(store.folder(version), store.files)
        found = today(name)
        same = found.texts_sha256 == store.training(version)[family_of(name).texts_key]
        if against := _outdated(newest, current_tuned(house, name), found.trials, same_texts=same):
            raise ApprovalError(f"{version} {against}; run `{found.again}`, then approve")
        return decide(house, [Decision(version, "current", by, reason, newest["evaluation_snapshot"])], provenance)


def today_of(
    lessons: Lessons,
    house: Lakehouse,
    workshop: Workshop,
    shelf: Shelf,
    versions: DatasetVersions,
    permission: Permission,
) -> Callable[[str], Today]:
    """Return what says of a tuned model's name what it would be made of today."""

    def ask(name: str) -> Today:
        again = f"lakehouse finetune publish {name}"
        if family_of(name) is INSTRUCTED:
            rows = rows_of_table(lessons, house, shelf, versions, permission).rows
            return Today(lessons.trials, rows_sha256(rows), again)
        declared = classifier_named(name)
        texts = texts_of(declared, house, shelf, versions, workshop, permission).texts
        return Today(declared.trials, snapshot(texts), again)

    return ask


def _waiting(house: Lakehouse, version: str) -> dict[str, Any]:
    """Return the newest judgement by which the gate let a version wait; raise ApprovalError when there is none."""
    waiting = [row for row in judgements(house) if row["model_version"] == version and row["waits"]]
    if not waiting:
        raise ApprovalError(f"{version} waits for no approval; `lakehouse models list` shows which versions do")
    return waiting[-1]


def _outdated(judgement: Mapping[str, Any], current: str | None, trials: Sequence[Path], *, same_texts: bool) -> str:
    """Say in what a judgement is not of today; nothing when it is."""
    if current != judgement["compared_with"]:
        return f"was judged against {judgement['compared_with'] or 'none'}, and {current or 'none'} is in use"
    if judgement["judgement"] != judgement_name(current, trials):
        return "waits with a judgement by other tests than those of today"
    return "" if same_texts else "learned from other texts than those of today"


def _require_free(house: Lakehouse, version: str) -> None:
    against = withheld(released_stages(house)).get(version)
    if version in quarantined(house.objects):
        against = "it is in quarantine, for it learned from somebody who withdrew"
    if against is not None:
        raise ApprovalError(f"{version} must not come into use: {against}")
