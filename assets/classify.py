"""Declares each classifier of texts as an asset: from a published table to a version in use, its tests as checks."""

from collections.abc import Iterator

import dagster as dg

from assets.classified_texts import texts_of
from assets.classifying import Classified, card_of, classify
from assets.gate import Gate
from assets.house import Origin, failures
from assets.learning import Permission
from assets.publish import release as published
from assets.store import silver_tables
from assets.workshop import Workshop
from lakehouse.archive.shelf import Shelf
from lakehouse.ports import DatasetVersions
from lakehouse.tables.write_audit_publish import Lakehouse
from models.classifier_requests import ClassifyAnswer
from models.classifiers import SHIPPED, Declared, classifier_named, read_classifiers
from models.entries import read_entries


def classifier(declared: Declared) -> dg.AssetsDefinition:
    """Return the asset of one classifier; each of its tests is a check of the asset."""

    @dg.asset(
        name=declared.name,
        description=declared.means,
        deps=[silver_tables, published],
        group_name="classify",
        owners=[declared.owner],
        kinds={"pytorch", "iceberg", "gold"},
        check_specs=list(_checks(declared)),
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
            done = classify(house, workshop, asked, learnable, gate, origin.provenance(context), context.log.info)
        yield _told(done, workshop, asked)
        yield from _checked(done.answer)

    return made


def _checks(declared: Declared) -> Iterator[dg.AssetCheckSpec]:
    """Its tests; one of published attacks is taken only where they are, so it is a row of the results and no check."""
    for path in declared.trials:
        for name, values in read_entries(path, "a classifier", path):
            said = values if isinstance(values, dict) else {}
            if said.get("kind") != "published":
                yield dg.AssetCheckSpec(name, asset=declared.name, description=said.get("means"))


def _checked(answer: ClassifyAnswer) -> Iterator[dg.AssetCheckResult]:
    for each in (one for one in answer.trials if one.measure != "published"):
        yield dg.AssetCheckResult(
            check_name=each.trial,
            passed=each.passed,
            severity=dg.AssetCheckSeverity.WARN if each.stops == "nothing" else dg.AssetCheckSeverity.ERROR,
            metadata={"value": each.value, "threshold": each.threshold, "owner": each.owner, "texts": each.detail},
        )


def _told(done: Classified, workshop: Workshop, declared: Declared) -> dg.MaterializeResult[None]:
    answer = done.answer
    return dg.MaterializeResult(
        metadata={
            "model_version": answer.version,
            "new": answer.created,
            "in_use": done.in_use or "none",
            "decision": done.verdict.reason,
            "evaluation_snapshot": answer.evaluation_snapshot,
            "accuracy": answer.figure("accuracy").value,
            "macro_f1": answer.figure("macro_f1").value,
            "model_card": dg.MetadataValue.md(card_of(done, workshop, declared)),
        },
        data_version=dg.DataVersion(f"{answer.version}:{answer.evaluation_snapshot}"),
    )


CLASSIFIERS = {name: classifier(declared) for name, declared in read_classifiers(SHIPPED).items()}
