"""Retires a version of the language model or of a tuned one, for good: page, decision and archive."""

from pathlib import Path
from typing import Any

from assets.archiving import retire_version
from assets.families import family_of, name_of
from assets.house import current_model, read_released
from assets.post_mortem import post_mortem, tuned_post_mortem
from assets.tuned_registry import current_tuned, require_last
from assets.workshop import Workshop
from lakehouse.definition import TableDefinition
from lakehouse.errors import StageError
from lakehouse.ports import Provenance
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


def retire_tuned(
    house: Lakehouse, workshop: Workshop, version: str, *, by: str, reason: str, provenance: Provenance
) -> tuple[Published, Path]:
    """Keep a version of a tuned model back for good; return its post-mortem page. Its files go to the archive.

    Where none was in use before it, none is afterwards.

    Raises:
        StageError: it is in use and an earlier one could be, or it is retired already.
    """
    with workshop.publishing():
        training, name = workshop.store_of(version).training(version), name_of(version)
        if version == current_tuned(house, name):
            require_last(house, name, version)

        def text(files: str) -> str:
            return tuned_post_mortem(
                training,
                version,
                stages=_of_version(house, MODEL_STAGES, version),
                judgements=_of_version(house, family_of(name).versions, version),
                results=_of_version(house, family_of(name).results, version),
                by=by,
                reason=reason,
                files=files,
            )

        return retire_version(house, workshop, version, text, by=by, reason=reason, provenance=provenance)


def _of_version(house: Lakehouse, table: TableDefinition, version: str) -> list[dict[str, Any]]:
    return [row for row in read_released(house, table).to_pylist() if row["model_version"] == version]
