"""Measures the newest model on held-out documents, beside baselines and beside the model that is current."""

from collections.abc import Iterator, Sequence

import dagster as dg

from assets.card_figures import figures, known_tests_said, write_figures
from assets.house import failures
from assets.train import language_model
from assets.workshop import Workshop
from lakehouse.markdown import table
from lakehouse.tables.write_audit_publish import Lakehouse
from models.errors import CheckpointError
from models.requests import EvaluateResult
from models.scores import ALL
from models.trials import TrialResult

BASELINES = ("unigram", "trigram")
BEATS = dg.AssetCheckSpec(
    "beats_the_baselines",
    asset="evaluation",
    blocking=True,
    description="Fewer bits per byte on held-out documents than a unigram and a smoothed trigram.",
)

TESTS = dg.AssetCheckSpec(
    "tests_of_the_model",
    asset="evaluation",
    description="Every test of the model that stops training or promotion keeps its threshold.",
)


@dg.asset(
    deps=[language_model],
    group_name="evaluate",
    owners=["team:models"],
    kinds={"pytorch"},
    check_specs=[BEATS, TESTS],
)
def evaluation(
    house: dg.ResourceParam[Lakehouse], workshop: dg.ResourceParam[Workshop]
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Bits per byte of every held-out document, by the model, a unigram and a trigram."""
    with failures():
        version = newest_version(workshop)
        result = workshop.evaluate(version, workshop.corpus(house))
        taken, said = workshop.trial_results(version, result), known_tests_said(workshop)
        write_figures(workshop.checkpoints.folder(version), result.measures, taken, said)
    scores = bits_per_byte(result)
    yield dg.MaterializeResult(
        metadata={
            "model_version": version,
            "evaluation_snapshot": result.evaluation_snapshot,
            **{f"{name}_bits_per_byte": value for name, value in scores.items()},
            "by_dataset": _as_markdown(result),
            "published_tests": said,
            "figures": dg.MetadataValue.md("\n".join(figures(result.measures, taken, said))),
        },
        data_version=dg.DataVersion(f"{version}:{result.evaluation_snapshot}"),
    )
    best = best_baseline(result)
    yield dg.AssetCheckResult(
        check_name=BEATS.name,
        passed=scores["gpt"] < best,
        description=f"{version} needs {scores['gpt']:.3f} bits per byte, the best baseline {best:.3f}",
        metadata={"gpt": scores["gpt"], "best_baseline": best},
    )
    yield dg.AssetCheckResult(
        check_name=TESTS.name,
        passed=all(each.passed or each.stops == "nothing" for each in taken),
        metadata={"tests": _tests_as_markdown(taken)},
    )


def newest_version(workshop: Workshop) -> str:
    """Return the newest trained version, none in quarantine or archive; raise CheckpointError when there is none."""
    versions = workshop.checkpoints.at_hand()
    if not versions:
        raise CheckpointError(f"no usable model under {workshop.checkpoints.root}; materialise `language_model` first")
    return versions[-1]


def bits_per_byte(result: EvaluateResult) -> dict[str, float]:
    """Return each evaluator's bits per byte over all held-out documents."""
    return {row.evaluator: row.bits_per_byte for row in result.rows if row.slice == ALL}


def best_baseline(result: EvaluateResult) -> float:
    """Return the fewest bits per byte that a baseline needs."""
    scores = bits_per_byte(result)
    return min(scores[name] for name in BASELINES)


def _tests_as_markdown(taken: Sequence[TrialResult]) -> dg.MarkdownMetadataValue:
    rows = (
        (
            each.trial,
            f"{each.value:.4g}",
            f"{each.comparison.replace('_', ' ')} {each.threshold:g}",
            "yes" if each.passed else "no",
            each.stops,
            each.owner,
            each.detail,
        )
        for each in taken
    )
    head = ("test", "value", "threshold", "passed", "stops", "owner", "detail")
    return dg.MetadataValue.md("\n".join(table(head, rows)))


def _as_markdown(result: EvaluateResult) -> dg.MarkdownMetadataValue:
    rows = ((row.evaluator, row.slice, f"{row.bits_per_byte:.4f}", f"{row.document_count}") for row in result.rows)
    return dg.MetadataValue.md("\n".join(table(("evaluator", "slice", "bits per byte", "documents"), rows)))
