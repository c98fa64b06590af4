"""Publishes a model's results, and makes it the current one when it is better, in one release."""

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from assets.evaluate import best_baseline, bits_per_byte, evaluation, newest_version
from assets.gate import Case, Gate, Verdict, judge
from assets.house import Origin, commit, current_model, failures, preview, read_released
from assets.mirror import copied
from assets.model_card import read_shares
from assets.results import evaluation_writes, measure_writes, model_writes, promotion_write, trial_writes
from assets.withdrawn import require_no_strays
from assets.workshop import Workshop
from lakehouse.definition import TableDefinition
from lakehouse.errors import UnfitModelError
from lakehouse.ports import Provenance, RunMirror, TableWrite
from lakehouse.tables.gold import EVALUATIONS, MODEL_MEASURES, MODEL_TESTS, MODEL_VERSIONS, PREDICTIONS, PROMOTIONS
from lakehouse.tables.stages import released_stages
from lakehouse.tables.write_audit_publish import Lakehouse
from models.requests import EvaluateResult
from models.scores import Comparison, better, read_scores


@dg.asset(
    deps=[evaluation],
    group_name="publish",
    owners=["team:models"],
    kinds={"iceberg", "gold", "sql"},
)
def release(
    context: dg.AssetExecutionContext,
    house: dg.ResourceParam[Lakehouse],
    workshop: dg.ResourceParam[Workshop],
    origin: dg.ResourceParam[Origin],
    gate: dg.ResourceParam[Gate],
    mirror: dg.ResourceParam[RunMirror],
) -> dg.MaterializeResult[None]:
    """One release with the model's numbers and predictions; a better model becomes current in the same moment."""
    with failures(), workshop.publishing():
        version, current = candidate(house, workshop), current_model(house)
        corpus = workshop.corpus(house)
        results = {name: workshop.evaluate(name, corpus) for name in {version, current or version}}
        require_fit(version, results[version])
        case = case_of(house, workshop, version, current, results)
        verdict = judge(case, gate)
        provenance = origin.provenance(context, model_version=version)
        published = commit(
            house,
            _writes(house, workshop, case, results, verdict, provenance),
            key=f"release:{version}:{results[version].evaluation_snapshot}:{current}",
            provenance=provenance,
            model_version=version if verdict.promoted else None,
        )
        _commit_known(house, workshop, version, results[version], provenance)
    return dg.MaterializeResult(
        metadata={
            "release": published.release_number,
            "changed": published.changed,
            "current_model": (version if verdict.promoted else current) or "none",
            "decision": verdict.reason,
            "tracking": copied(mirror, version, workshop.checkpoints.training(version), results[version]),
            **{f"{name}_bits_per_byte": value for name, value in bits_per_byte(results[version]).items()},
            "predictions": preview(_predictions(house, version), limit=5),
        },
        data_version=dg.DataVersion(str(published.release_number)),
    )


def candidate(house: Lakehouse, workshop: Workshop) -> str:
    """Return the version to judge; none that a killed run left while what it learned from was withdrawn."""
    require_no_strays(house, workshop, workshop.checkpoints.usable(), MODEL_VERSIONS)
    return newest_version(workshop)


def _commit_known(
    house: Lakehouse, workshop: Workshop, version: str, result: EvaluateResult, provenance: Provenance
) -> None:
    """Publish figures on published tests in a release of their own: a folder named later must judge nobody again."""
    beside = known_writes(house, workshop, version, result, provenance)
    if beside:
        commit(house, beside, key=_key(version, result, beside), provenance=provenance)


def require_fit(version: str, result: EvaluateResult) -> None:
    """Raise UnfitModelError unless the model beats both baselines, so that no path leads around that check."""
    ours, best = bits_per_byte(result)["gpt"], best_baseline(result)
    if not ours < best:
        raise UnfitModelError(
            f"{version} needs {ours:.4f} bits per byte and the best baseline {best:.4f}; train longer or on more text"
        )


def compared(version: str, current: str | None, results: dict[str, EvaluateResult]) -> Comparison | None:
    """Compare the newest version with the current one on the same documents; None when there is nothing to compare."""
    if current is None or current == version:
        return None
    return better(read_scores(results[version].scores), read_scores(results[current].scores))


def case_of(
    house: Lakehouse, workshop: Workshop, version: str, current: str | None, results: dict[str, EvaluateResult]
) -> Case[Comparison]:
    """Return a candidate as the gate judges it."""
    taken = workshop.trial_results(version, results[version])
    return Case(
        version=version,
        current=current,
        comparison=compared(version, current, results),
        failed_tests=[each.trial for each in taken if not each.passed and each.stops != "nothing"],
        stages=released_stages(house),
    )


def _writes(
    house: Lakehouse,
    workshop: Workshop,
    case: Case[Comparison],
    results: dict[str, EvaluateResult],
    verdict: Verdict,
    provenance: Provenance,
) -> list[TableWrite]:
    """Return what is not recorded yet: the version, the evaluations of both models, and the decision."""
    version = case.version
    described = set(read_released(house, MODEL_VERSIONS, columns=["model_version"])["model_version"].to_pylist())
    measured = _recorded(house, EVALUATIONS)
    writes: list[TableWrite] = []
    if version not in described:
        shares = read_shares(workshop.checkpoints.folder(version))
        writes = model_writes(version, workshop.checkpoints.training(version), shares, provenance)
    evaluations = [
        evaluation_writes(name, result, provenance)
        for name, result in sorted(results.items())
        if (name, result.evaluation_snapshot) not in measured
    ]
    writes.extend(_joined(evaluations))
    snapshot = results[version].evaluation_snapshot
    known = read_released(house, MODEL_MEASURES, columns=["model_version", "measured_on"]).to_pylist()
    if {"model_version": version, "measured_on": snapshot} not in known:
        own = [each for each in results[version].measures if each.measured_on == snapshot]
        writes.extend(measure_writes(version, own, provenance))
    if (version, snapshot) not in _recorded(house, MODEL_TESTS):
        taken = workshop.trial_results(version, results[version])
        writes.extend(trial_writes(version, snapshot, taken, provenance))
    if version != case.current and (version, snapshot) not in _recorded(house, PROMOTIONS):
        writes.append(promotion_write(version, snapshot, case.current, case.comparison, verdict, provenance))
    return writes


def known_writes(
    house: Lakehouse, workshop: Workshop, version: str, result: EvaluateResult, provenance: Provenance
) -> list[TableWrite]:
    """Return the rows of figures on published tests, and of tests that need them, not recorded of a version yet."""
    snapshot = result.evaluation_snapshot
    rows = read_released(house, MODEL_MEASURES, columns=["model_version", "measured_on"]).to_pylist()
    known = {row["measured_on"] for row in rows if row["model_version"] == version} | {snapshot}
    figures = measure_writes(version, [each for each in result.measures if each.measured_on not in known], provenance)
    rows = read_released(house, MODEL_TESTS, columns=["model_version", "evaluation_snapshot", "test"]).to_pylist()
    taken = {row["test"] for row in rows if (row["model_version"], row["evaluation_snapshot"]) == (version, snapshot)}
    later = [each for each in workshop.trial_results(version, result) if each.trial not in taken]
    return [*figures, *trial_writes(version, snapshot, later, provenance)]


def _key(version: str, result: EvaluateResult, beside: list[TableWrite]) -> str:
    """Return one name for the same rows: what figures were measured on, and which tests were taken."""
    names = {MODEL_MEASURES.name: "measured_on", MODEL_TESTS.name: "test"}
    told = {str(one) for write in beside for one in write.rows[names[write.table.name]].to_pylist()}
    return f"known_tests:{version}:{result.evaluation_snapshot}:{','.join(sorted(told))}"


def _joined(groups: list[list[TableWrite]]) -> list[TableWrite]:
    """Return one write per table, the rows of all groups together."""
    rows: dict[TableDefinition, list[pa.Table]] = {}
    for write in (write for group in groups for write in group):
        rows.setdefault(write.table, []).append(write.rows)
    return [TableWrite(table, pa.concat_tables(parts)) for table, parts in rows.items()]


def _recorded(house: Lakehouse, table: TableDefinition) -> set[tuple[str, str]]:
    rows = read_released(house, table, columns=["model_version", "evaluation_snapshot"]).to_pylist()
    return {(row["model_version"], row["evaluation_snapshot"]) for row in rows}


def _predictions(house: Lakehouse, version: str) -> pa.Table:
    # With the document, by which a withdrawal knows whose text the run's page quotes.
    names = ["document_id", "model_version", "passage", "top_tokens", "next_token", "continuation"]
    rows = read_released(house, PREDICTIONS, columns=names)
    return rows.filter(pc.equal(rows["model_version"], pa.scalar(version)))
