"""A person puts a classifier to use that waits: its texts, terms, consent and tests are asked again, as of today."""

from collections.abc import Mapping
from typing import Any

from assets.classified_texts import texts_of
from assets.classifier_registry import current_classifier, judgement_name, judgements
from assets.learning import Permission
from assets.registry import decide
from assets.results import Decision
from assets.workshop import Workshop
from lakehouse.archive.shelf import Shelf
from lakehouse.errors import ApprovalError
from lakehouse.ports import DatasetVersions, Provenance
from lakehouse.tables.stages import released_stages, withheld
from lakehouse.tables.withdrawals import quarantined
from lakehouse.tables.write_audit_publish import Lakehouse, Published
from models.classifier_versions import FILES
from models.classifiers import Declared, classifier_named
from models.durable import verify
from models.labelled import snapshot


def approve_classifier(
    house: Lakehouse,
    workshop: Workshop,
    version: str,
    *,
    shelf: Shelf,
    versions: DatasetVersions,
    permission: Permission,
    by: str,
    reason: str,
    provenance: Provenance,
) -> Published:
    """Put a version to use that the gate let wait, if nothing speaks against it on the texts and terms of today.

    Raises:
        ApprovalError: it does not wait for an approval, must not come into use, or was judged against another version
            in use, by other tests or on other texts than those of today.
        PurposeError: its table may not be learned from any more.
        NoReleaseError: its table is not published any more.
        LabelsError: its table holds rows that cannot be used, or models/classifiers.yaml names no such classifier.
    """
    with workshop.publishing():
        newest = _waiting(house, version)
        _require_free(house, version)
        declared = classifier_named(str(newest["classifier"]))
        verify(workshop.classifiers.folder(version), FILES)
        # Terms and consent are asked by this: who does not agree any more is not among the texts of today.
        texts = texts_of(declared, house, shelf, versions, workshop, permission).texts
        same = snapshot(texts) == workshop.classifiers.training(version)["texts_sha256"]
        if against := _outdated(newest, current_classifier(house, declared.name), declared, same_texts=same):
            raise ApprovalError(f"{version} {against}; run `lakehouse finetune publish {declared.name}`, then approve")
        return decide(house, [Decision(version, "current", by, reason, newest["evaluation_snapshot"])], provenance)


def _waiting(house: Lakehouse, version: str) -> dict[str, Any]:
    """Return the newest judgement by which the gate let a version wait; raise ApprovalError when there is none."""
    waiting = [row for row in judgements(house) if row["model_version"] == version and row["waits"]]
    if not waiting:
        raise ApprovalError(f"{version} waits for no approval; gold.classifier_versions shows which versions do")
    return waiting[-1]


def _outdated(judgement: Mapping[str, Any], current: str | None, declared: Declared, *, same_texts: bool) -> str:
    """Say in what a judgement is not of today; nothing when it is."""
    if current != judgement["compared_with"]:
        return f"was judged against {judgement['compared_with'] or 'none'}, and {current or 'none'} is in use"
    if judgement["judgement"] != judgement_name(current, declared.trials):
        return "waits with a judgement by other tests than those of today"
    return "" if same_texts else "learned from other texts than those of today"


def _require_free(house: Lakehouse, version: str) -> None:
    against = withheld(released_stages(house)).get(version)
    if version in quarantined(house.objects):
        against = "it is in quarantine, for it learned from somebody who withdrew"
    if against is not None:
        raise ApprovalError(f"{version} must not come into use: {against}")
