"""Makes classifiers of texts from a published table: fine-tuned, tested, judged, and in use when they are better."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from assets.classifier_registry import current_classifier, judgement_name, judgement_of
from assets.classifier_results import card, classifier_writes
from assets.evaluate import newest_version
from assets.gate import Case, Gate, Verdict, judge
from assets.house import Origin, commit, current_model, current_release, failures
from assets.learning import Permission, labelled_rows
from assets.model_card import CARD, replace_text
from assets.publish import release as published
from assets.store import silver_tables
from assets.withdrawn import require_not_withdrawn
from assets.workshop import Workshop
from lakehouse.archive.shelf import Shelf
from lakehouse.errors import BusyError, UnfitModelError
from lakehouse.ports import DatasetVersions, Provenance
from lakehouse.tables.stages import released_stages
from lakehouse.tables.withdrawals import require_none_open
from lakehouse.tables.write_audit_publish import Lakehouse, recover
from models.child import HERE, perform
from models.classifier_requests import AccuracyGain, ClassifyAnswer, ClassifyRequest, classify_answer
from models.classifiers import ROLES, SHIPPED, Declared, classifier_named, read_classifiers
from models.entries import read_entries
from models.labelled import LabelledText, label_names, labelled_from, snapshot
from models.progress import Learned


@dataclass(frozen=True, slots=True)
class Learnable:
    """Labelled texts of one snapshot, the folder where a child process finds them, and where they come from."""

    texts: Sequence[LabelledText]
    folder: Path
    origin: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Classified:
    """A version, what it showed, what the gate decided, and which version is in use since."""

    answer: ClassifyAnswer
    verdict: Verdict
    in_use: str | None


def classifier(declared: Declared) -> dg.AssetsDefinition:
    """Return the asset of one classifier; each of its tests is a check of the asset."""
    # A test of published attacks is taken only where they are, so it is a row of the results and no check.
    named = [
        (name, values)
        for path in declared.trials
        for name, values in read_entries(path, "a classifier", path)
        if not (isinstance(values, dict) and values.get("kind") == "published")
    ]

    @dg.asset(
        name=declared.name,
        description=declared.means,
        deps=[silver_tables, published],
        group_name="classify",
        owners=[declared.owner],
        kinds={"pytorch", "iceberg", "gold"},
        check_specs=[
            dg.AssetCheckSpec(
                name, asset=declared.name, description=values.get("means") if isinstance(values, dict) else None
            )
            for name, values in named
        ],
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
        for each in (one for one in done.answer.trials if one.measure != "published"):
            yield dg.AssetCheckResult(
                check_name=each.trial,
                passed=each.passed,
                severity=dg.AssetCheckSeverity.WARN if each.stops == "nothing" else dg.AssetCheckSeverity.ERROR,
                metadata={"value": each.value, "threshold": each.threshold, "owner": each.owner, "texts": each.detail},
            )

    return made


CLASSIFIERS = {name: classifier(declared) for name, declared in read_classifiers(SHIPPED).items()}


def texts_of(
    declared: Declared,
    house: Lakehouse,
    shelf: Shelf,
    versions: DatasetVersions,
    workshop: Workshop,
    permission: Permission,
) -> Learnable:
    """Return the texts of a classifier's table that may be learned from, with their split.

    Raises:
        LabelsError: rows cannot be used, or there is nothing to learn or to measure.
        PurposeError: the table may not be learned from.
        NoReleaseError: the table is not published.
        BusyError: another release of the table came meanwhile; read it again.
    """
    recover(house)
    before = current_release(house)
    definition, rows, stored = labelled_rows(house, shelf, versions, permission, declared.dataset, declared.table)
    texts = labelled_from(rows, text=declared.text, label=declared.label, group=declared.group, split=declared.split)
    label_names(texts)
    pin = current_release(house).pin(definition.name)
    if before.tables.get(definition.name) != pin:
        raise BusyError(f"{definition.name} was published anew while it was read; run this again")
    used = set(rows["dataset_version"].to_pylist())
    commits = {f"{one.dataset}@{one.version}": one.commit for one in stored.versions if one.version in used}
    origin = {
        "table": definition.name,
        "table_snapshot": str(pin.snapshot_id),
        "table_versions": sorted(commits),
        "read_as": {name: getattr(declared, name) for name in ("dataset", "table", *ROLES)},
        "dataset_commits": commits,
        "licence": stored.description.licence or "",
    }
    return Learnable(texts, workshop.root / "work" / "classify" / declared.name, origin)


def classify(
    house: Lakehouse,
    workshop: Workshop,
    declared: Declared,
    learnable: Learnable,
    gate: Gate,
    provenance: Provenance,
    log: Callable[[str], None] = lambda _: None,
) -> Classified:
    """Make a version, or find the equal one, measure it, and publish its judgement.

    It is judged once per held-out texts, version in use and tests.

    Raises:
        ModelError: as the child process raised it.
        UnfitModelError: on held-out texts it is no better than always naming the commonest label.
    """
    require_none_open(house.objects)
    current = current_classifier(house, declared.name)
    answer = _answered(house, workshop, declared, learnable, current, provenance, log)
    with workshop.publishing():
        _ask_again(house, workshop, learnable, answer, created=answer.created)
        if (now := current_classifier(house, declared.name)) != current:  # another run was judged meanwhile
            current, answer = now, _answered(house, workshop, declared, learnable, now, provenance, log)
        require_fit(answer)
        verdict = judgement_of(house, answer.version, answer.evaluation_snapshot, current, declared.trials)
        if verdict is None:
            verdict = judge(_case(house, answer, current), gate)
            _record(house, workshop, declared, answer, current, verdict, provenance)
        done = Classified(answer, verdict, current_classifier(house, declared.name))
        # Written again where a judgement was known: a run may have been killed before it wrote the card.
        replace_text(workshop.classifiers.folder(answer.version) / CARD, _card(done, workshop, declared))
    return done


def _record(
    house: Lakehouse,
    workshop: Workshop,
    declared: Declared,
    answer: ClassifyAnswer,
    current: str | None,
    verdict: Verdict,
    provenance: Provenance,
) -> None:
    judgement, release = judgement_name(current, declared.trials), current_release(house).number
    writes = classifier_writes(
        declared, workshop.classifiers, answer, current, verdict, provenance, judgement=judgement, release=release
    )
    key = f"classifier:{answer.version}:{answer.evaluation_snapshot}:{judgement}"
    commit(house, writes, key=key, provenance=provenance)


def require_fit(answer: ClassifyAnswer) -> None:
    """Raise UnfitModelError unless it is surely better than the commonest label on texts it never saw."""
    gain = answer.figure("gain_over_commonest_label")
    if gain.low is None or not gain.low > 0:
        raise UnfitModelError(
            f"{answer.version} gains {gain.value:+.4f} (95 % interval from {gain.low}) over always naming the "
            f"commonest label, on {gain.text_count} held-out texts of {gain.group_count} groups; train "
            "longer or on more texts"
        )


def _case(house: Lakehouse, answer: ClassifyAnswer, current: str | None) -> Case[AccuracyGain]:
    failed = [each.trial for each in answer.trials if not each.passed and each.stops != "nothing"]
    return Case(answer.version, current, answer.gain, failed, released_stages(house))


def _answered(
    house: Lakehouse,
    workshop: Workshop,
    declared: Declared,
    learnable: Learnable,
    current: str | None,
    provenance: Provenance,
    log: Callable[[str], None],
) -> ClassifyAnswer:
    """Ask the child process; the base is the current language model, or the newest where none is current."""
    base = current_model(house) or newest_version(workshop)
    with workshop.alone(), _written(learnable) as file:
        require_none_open(house.objects)  # asked again: a withdrawal may have held the lock until now
        request = _request(workshop, declared, learnable, file, base, current, provenance)
        values = perform(
            "classify", request.as_json(), learnable.folder, HERE, on_line=lambda line: log(str(Learned(**line)))
        )
        answer = classify_answer(values)
        _ask_again(house, workshop, learnable, answer, created=answer.created)
    return answer


def _request(
    workshop: Workshop,
    declared: Declared,
    learnable: Learnable,
    file: Path,
    base: str,
    current: str | None,
    provenance: Provenance,
) -> ClassifyRequest:
    learned = {**workshop.learned_from(base), **learnable.origin["dataset_commits"]}
    return ClassifyRequest(
        texts=file,
        base=workshop.checkpoints.folder(base),
        root=workshop.classifiers.root,
        name=declared.name,
        recipe=asdict(declared.recipe),
        trials=declared.trials,
        compare=current or "",
        known_tests=None if workshop.known_tests is None else workshop.known_tests.folder,
        known_tests_most=0 if workshop.known_tests is None else workshop.known_tests.most,
        origin={
            **learnable.origin,
            "dataset_commits": learned,
            "base_version": base,
            "code_commit": provenance.code_commit,
            "run_id": provenance.run_id,
        },
    )


def _ask_again(
    house: Lakehouse, workshop: Workshop, learnable: Learnable, answer: ClassifyAnswer, *, created: bool
) -> None:
    """Raise BusyError when the table, or what was read of it, is not what it was; what a person withdrew goes."""
    base = workshop.classifiers.training(answer.version)["base_version"]
    commits = learnable.origin["dataset_commits"]
    require_not_withdrawn(house, workshop, answer.version, commits, created=created, base=base)
    pin = current_release(house).tables.get(learnable.origin["table"])
    if pin is None or str(pin.snapshot_id) != learnable.origin["table_snapshot"]:
        raise BusyError(
            f"{learnable.origin['table']} was published anew while {answer.version} learned from it; run this again"
        )


@contextmanager
def _written(learnable: Learnable) -> Iterator[Path]:
    """Write texts for the child process, and delete them: they may be about people, and can be read again."""
    rows = {name: [getattr(each, name) for each in learnable.texts] for name in ("text", "label", "group", "split")}
    file = learnable.folder / f"texts-{snapshot(learnable.texts)[:16]}.parquet"
    learnable.folder.mkdir(parents=True, exist_ok=True)
    try:
        pq.write_table(pa.table(rows), file)
        yield file
    finally:
        file.unlink(missing_ok=True)


def _card(done: Classified, workshop: Workshop, declared: Declared) -> str:
    return card(declared, workshop.classifiers.training(done.answer.version), done.answer, done.verdict)


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
            "model_card": dg.MetadataValue.md(_card(done, workshop, declared)),
        },
        data_version=dg.DataVersion(f"{answer.version}:{answer.evaluation_snapshot}"),
    )
