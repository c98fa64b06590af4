"""Declares each classifier of texts as an asset: from a published table to a version in use, its tests as checks."""

from collections.abc import Container, Iterable, Iterator
from pathlib import Path

import dagster as dg

from assets.classified_texts import texts_of
from assets.classifying import classifying
from assets.gate import Gate
from assets.house import Origin, failures
from assets.learning import Permission
from assets.publish import release as published
from assets.store import silver_tables
from assets.tuning import Task, Tuned, card_of, tune
from assets.workshop import Workshop
from lakehouse.archive.shelf import Shelf
from lakehouse.ports import DatasetVersions
from lakehouse.tables.write_audit_publish import Lakehouse
from models.classifiers import SHIPPED, Declared, classifier_named, read_classifiers
from models.entries import read_entries
from models.tuned_requests import TuneAnswer


def classifier(declared: Declared) -> dg.AssetsDefinition:
    """Return the asset of one classifier; each of its tests is a check of the asset."""

    @dg.asset(
        name=declared.name,
        description=declared.means,
        deps=[silver_tables, published],
        group_name="classify",
        owners=[declared.owner],
        kinds={"pytorch", "iceberg", "gold"},
        check_specs=list(checks_of(declared.name, declared.trials)),
    )
    def made(
        context: dg.AssetExecutionContext,
        house: dg.ResourceParam[Lakehouse],
        shelf: dg.ResourceParam[Shelf],
        versions: dg.ResourceParam[DatasetVersions],
        workshop: dg.ResourceParam[Workshop],
        origin: dg.ResourceParam[Origin],
        permission: dg.ResourceParam[Permission],
        gate: dg.ResourceParam[Gate],
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        with failures():
            asked = classifier_named(declared.name)
            learnable = texts_of(asked, house, shelf, versions, workshop, permission)
            task = classifying(house, workshop, asked, learnable)
            done = tune(house, workshop, task, gate, origin.provenance(context), context.log.info)
        yield told(done, task, "accuracy", "macro_f1")
        yield from checked(done.answer)

    return made


def checks_of(asset: str, trials: Iterable[Path]) -> Iterator[dg.AssetCheckSpec]:
    """Return a check a test; one of published attacks is taken only where these are, so it is a row of results."""
    for path in trials:
        for name, values in read_entries(path, "a tuned model", path):
            said = values if isinstance(values, dict) else {}
            if said.get("kind") != "published":
                yield dg.AssetCheckSpec(name, asset=asset, description=said.get("means"))


def checked(answer: TuneAnswer, names: Container[str] | None = None) -> Iterator[dg.AssetCheckResult]:
    """Return the results of tests that are checks of the asset: `names`, or all that are not of published attacks."""
    for each in (one for one in answer.trials if one.measure != "published"):
        if names is None or each.trial in names:
            yield dg.AssetCheckResult(
                check_name=each.trial,
                passed=each.passed,
                severity=dg.AssetCheckSeverity.WARN if each.stops == "nothing" else dg.AssetCheckSeverity.ERROR,
                metadata={"value": each.value, "threshold": each.threshold, "owner": each.owner, "texts": each.detail},
            )


def told(done: Tuned, task: Task, *figures: str) -> dg.MaterializeResult[None]:
    """Return what an asset tells of the version it made or found."""
    answer = done.answer
    return dg.MaterializeResult(
        metadata={
            "model_version": answer.version,
            "new": answer.created,
            "in_use": done.in_use or "none",
            "decision": done.verdict.reason,
            "evaluation_snapshot": answer.evaluation_snapshot,
            **{name: answer.figure(name).value for name in figures},
            "model_card": dg.MetadataValue.md(card_of(done, task)),
            "folder": dg.MetadataValue.path(str(task.store.folder(answer.version))),
        },
        data_version=dg.DataVersion(f"{answer.version}:{answer.evaluation_snapshot}"),
    )


CLASSIFIERS = {name: classifier(declared) for name, declared in read_classifiers(SHIPPED).items()}
