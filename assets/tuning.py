"""Tunes a model from a published table, or finds the equal version; measured, judged, and published with that.

The same for classifiers and for the model that answers: what differs is a `Task`.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.curve import kept_when_it_fails, tuning_curve
from assets.evaluate import newest_version
from assets.families import Family
from assets.gate import Case, Gate, Verdict, judge
from assets.house import commit, current_model, current_release
from assets.model_card import CARD, replace_text
from assets.tuned_registry import current_tuned, judgement_name, judgement_of
from assets.tuned_results import card, tuned_writes
from assets.withdrawn import require_no_strays, require_not_withdrawn
from assets.workshop import Workshop
from lakehouse.errors import BusyError, UnfitModelError
from lakehouse.ports import Provenance
from lakehouse.tables.stages import released_stages
from lakehouse.tables.withdrawals import require_none_open
from lakehouse.tables.write_audit_publish import Lakehouse
from models.child import HERE, perform
from models.classifier_versions import ClassifierVersions
from models.progress import TuningStep
from models.tuned_requests import TuneAnswer, TunedGain, TuneRequest, tune_answer


@dataclass(frozen=True, slots=True)
class Base:
    """What is tuned: its folder, what it is called, and the commits it learned from as far as this lake knows them."""

    folder: Path
    name: str
    learned: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Task:
    """How one tuned model is made: from which texts, by which verb of the child process, and what is told of it.

    `gain` names the figure over all held-out texts that must be surely above nought, `against` what it is a gain over;
    `line` tells a step or an epoch, `own` the columns of a judgement that only its family has.
    """

    family: Family
    name: str
    verb: str
    means: str
    trials: tuple[Path, ...]
    recipe: Mapping[str, Any]
    origin: Mapping[str, Any]
    work: Path
    written: Callable[[], AbstractContextManager[Path]]
    store: ClassifierVersions
    gain: str
    against: str
    line: Callable[[Mapping[str, Any]], str]
    own: Callable[[Mapping[str, Any]], dict[str, Any]]
    base: Callable[[], Base]


@dataclass(frozen=True, slots=True)
class Tuned:
    """A version, what it showed, what the gate decided, and which version is in use since."""

    answer: TuneAnswer
    verdict: Verdict
    in_use: str | None


def tune(
    house: Lakehouse,
    workshop: Workshop,
    task: Task,
    gate: Gate,
    provenance: Provenance,
    log: Callable[[str], None] = lambda _: None,
) -> Tuned:
    """Make a version, or find the equal one, measure it, and publish its judgement.

    It is judged once per held-out texts, version in use and tests.

    Raises:
        ModelError: as the child process raised it.
        UnfitModelError: on held-out texts it gains nothing surely.
    """
    require_none_open(house.objects)
    current = current_tuned(house, task.name)
    answer = _answered(house, workshop, task, current, provenance, log)
    with workshop.publishing():
        require_no_strays(house, workshop, task.store.usable(), task.family.versions)
        _ask_again(house, workshop, task, answer, created=answer.created)
        if (now := current_tuned(house, task.name)) != current:  # another run was judged meanwhile
            current, answer = now, _answered(house, workshop, task, now, provenance, log)
        require_fit(task, answer)
        verdict = judgement_of(house, answer.version, answer.evaluation_snapshot, current, task.trials)
        if verdict is None:
            verdict = judge(_case(house, answer, current), gate)
            _record(house, task, answer, current, verdict, provenance)
        done = Tuned(answer, verdict, current_tuned(house, task.name))
        # Written again where a judgement was known: a run may have been killed before it wrote the card.
        replace_text(task.store.folder(answer.version) / CARD, card_of(done, task))
    return done


def _record(
    house: Lakehouse, task: Task, answer: TuneAnswer, current: str | None, verdict: Verdict, provenance: Provenance
) -> None:
    judgement, release = judgement_name(current, task.trials), current_release(house).number
    training = task.store.training(answer.version)
    own = task.own(training) | {"weights_sha256": task.store.weights_sha256(answer.version)}
    writes = tuned_writes(
        task.family, training, own, answer, current, verdict, provenance, judgement=judgement, release=release
    )
    key = f"{task.verb}:{answer.version}:{answer.evaluation_snapshot}:{judgement}"
    commit(house, writes, key=key, provenance=provenance)


def require_fit(task: Task, answer: TuneAnswer) -> None:
    """Raise UnfitModelError unless it surely gains something on texts it never saw."""
    gain = answer.figure(task.gain)
    if gain.low is None or not gain.low > 0:
        raise UnfitModelError(
            f"{answer.version} gains {gain.value:+.4f} (95 % interval from {gain.low}) over {task.against}, on "
            f"{gain.text_count} held-out texts of {gain.group_count} groups; train longer or on more texts"
        )


def _case(house: Lakehouse, answer: TuneAnswer, current: str | None) -> Case[TunedGain]:
    failed = [each.trial for each in answer.trials if not each.passed and each.stops != "nothing"]
    return Case(answer.version, current, answer.gain, failed, released_stages(house))


def _answered(
    house: Lakehouse,
    workshop: Workshop,
    task: Task,
    current: str | None,
    provenance: Provenance,
    log: Callable[[str], None],
) -> TuneAnswer:
    """Ask the child process; the texts are written for it alone."""
    base = task.base()  # perhaps fetched: nobody else waits for that
    with workshop.alone(), task.written() as file:
        require_none_open(house.objects)  # asked again: a withdrawal may have held the lock until now
        request = _request(workshop, task, file, base, current, provenance)
        told = _performed(house, task, request, provenance, log)
        answer = tune_answer(told)
        _ask_again(house, workshop, task, answer, created=answer.created)
    return answer


def _performed(
    house: Lakehouse, task: Task, request: TuneRequest, provenance: Provenance, log: Callable[[str], None]
) -> dict[str, Any]:
    """Ask the child process; steps that it tells of go to the log and to their table, epochs to the log."""
    curve = tuning_curve(house, task.name, provenance, log)

    def hear(values: dict[str, Any]) -> None:
        log(task.line(values))
        if "step" in values:
            curve.hear(TuningStep(**values))

    with kept_when_it_fails(curve):
        answer = perform(task.verb, request.as_json(), task.work, HERE, on_line=hear)
    curve.write()
    return answer


def _request(
    workshop: Workshop, task: Task, file: Path, base: Base, current: str | None, provenance: Provenance
) -> TuneRequest:
    known = workshop.known_tests
    return TuneRequest(
        texts=file,
        base=base.folder,
        root=task.store.root,
        name=task.name,
        recipe=task.recipe,
        trials=task.trials,
        compare=current or "",
        known_tests=None if known is None else known.folder,
        known_tests_most=0 if known is None else known.most,
        origin={
            **task.origin,
            "dataset_commits": {**base.learned, **task.origin["dataset_commits"]},
            "base_version": base.name,
            "code_commit": provenance.code_commit,
            "run_id": provenance.run_id,
        },
    )


def current_base(house: Lakehouse, workshop: Workshop) -> Base:
    """Return the current language model, or the newest where none is current."""
    version = current_model(house) or newest_version(workshop)
    return Base(workshop.checkpoints.folder(version), version, workshop.learned_from(version))


def _ask_again(house: Lakehouse, workshop: Workshop, task: Task, answer: TuneAnswer, *, created: bool) -> None:
    """Raise BusyError when the table, or what was read of it, is not what it was; what a person withdrew goes."""
    base = task.store.training(answer.version)["base_version"]
    require_not_withdrawn(house, workshop, answer.version, task.origin["dataset_commits"], created=created, base=base)
    pin = current_release(house).tables.get(task.origin["table"])
    if pin is None or str(pin.snapshot_id) != task.origin["table_snapshot"]:
        raise BusyError(
            f"{task.origin['table']} was published anew while {answer.version} learned from it; run this again"
        )


def card_of(done: Tuned, task: Task) -> str:
    """Return the card of a version that was judged."""
    return card(task.means, task.store.training(done.answer.version), done.answer, done.verdict)
