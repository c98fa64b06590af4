"""Makes a version of a classifier from its texts, or finds the equal one; measured, judged, and published with that."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from assets.classified_texts import Learnable, written
from assets.classifier_registry import current_classifier, judgement_name, judgement_of
from assets.classifier_results import card, classifier_writes
from assets.evaluate import newest_version
from assets.gate import Case, Gate, Verdict, judge
from assets.house import commit, current_model, current_release
from assets.model_card import CARD, replace_text
from assets.withdrawn import require_no_strays, require_not_withdrawn
from assets.workshop import Workshop
from lakehouse.errors import BusyError, UnfitModelError
from lakehouse.ports import Provenance
from lakehouse.tables.classifiers import CLASSIFIER_VERSIONS
from lakehouse.tables.stages import released_stages
from lakehouse.tables.withdrawals import require_none_open
from lakehouse.tables.write_audit_publish import Lakehouse
from models.child import HERE, perform
from models.classifier_requests import AccuracyGain, ClassifyAnswer, ClassifyRequest, classify_answer
from models.classifiers import Declared
from models.progress import Learned


@dataclass(frozen=True, slots=True)
class Classified:
    """A version, what it showed, what the gate decided, and which version is in use since."""

    answer: ClassifyAnswer
    verdict: Verdict
    in_use: str | None


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
        require_no_strays(house, workshop, workshop.classifiers.usable(), CLASSIFIER_VERSIONS)
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
        replace_text(workshop.classifiers.folder(answer.version) / CARD, card_of(done, workshop, declared))
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
    with workshop.alone(), written(learnable) as file:
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


def card_of(done: Classified, workshop: Workshop, declared: Declared) -> str:
    """Return the card of a version that was judged."""
    return card(declared, workshop.classifiers.training(done.answer.version), done.answer, done.verdict)
