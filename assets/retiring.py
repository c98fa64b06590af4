"""Retires a version of the language model or of a classifier, for good: page, decision and archive."""

from pathlib import Path
from typing import Any

from assets.archiving import retire_version
from assets.classifier_registry import current_classifier, require_last
from assets.house import current_model, read_released
from assets.post_mortem import classifier_post_mortem, post_mortem
from assets.workshop import Workshop
from lakehouse.definition import TableDefinition
from lakehouse.errors import StageError
from lakehouse.ports import Provenance
from lakehouse.tables.classifiers import CLASSIFIER_RESULTS, CLASSIFIER_VERSIONS
from lakehouse.tables.gold import EVALUATIONS, MODEL_STAGES, PROMOTIONS
from lakehouse.tables.write_audit_publish import Lakehouse, Published


def retire(
    house: Lakehouse, workshop: Workshop, version: str, *, by: str, reason: str, provenance: Provenance
) -> tuple[Published, Path]:
    """Keep a version of the language model back for good; return its post-mortem page. Its files go to the archive.

    Raises:
        StageError: it is the current version, or retired already.
    """
    with workshop.publishing():
        training = workshop.checkpoints.training(version)
        if version == current_model(house):
            raise StageError(f"{version} is the current version; run `lakehouse models rollback` first")

        def text(files: str) -> str:
            return post_mortem(
                training,
                version,
                stages=_of_version(house, MODEL_STAGES, version),
                judgements=_of_version(house, PROMOTIONS, version),
                evaluations=_of_version(house, EVALUATIONS, version),
                by=by,
                reason=reason,
                files=files,
            )

        return retire_version(house, workshop, version, text, by=by, reason=reason, provenance=provenance)


def retire_classifier(
    house: Lakehouse, workshop: Workshop, version: str, *, by: str, reason: str, provenance: Provenance
) -> tuple[Published, Path]:
    """Keep a version of a classifier back for good; return its post-mortem page. Its files go to the archive.

    Where none was in use before it, none is afterwards.

    Raises:
        StageError: it is in use and an earlier one could be, or it is retired already.
    """
    with workshop.publishing():
        training, name = workshop.classifiers.training(version), version.rpartition("-")[0]
        if version == current_classifier(house, name):
            require_last(house, name, version)

        def text(files: str) -> str:
            return classifier_post_mortem(
                training,
                version,
                stages=_of_version(house, MODEL_STAGES, version),
                judgements=_of_version(house, CLASSIFIER_VERSIONS, version),
                results=_of_version(house, CLASSIFIER_RESULTS, version),
                by=by,
                reason=reason,
                files=files,
            )

        return retire_version(house, workshop, version, text, by=by, reason=reason, provenance=provenance)


def _of_version(house: Lakehouse, table: TableDefinition, version: str) -> list[dict[str, Any]]:
    return [row for row in read_released(house, table).to_pylist() if row["model_version"] == version]
