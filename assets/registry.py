"""Decisions of people on model versions: approve and roll back. Each is one release, rows and alias together."""

from collections.abc import Sequence

from assets.gate import Case, objection
from assets.house import commit, current_model, read_released
from assets.publish import case_of, require_fit
from assets.results import Decision, stage_write
from assets.workshop import Workshop
from lakehouse.errors import ApprovalError, NoReleaseError, StageError
from lakehouse.policy.users import ANYONE, TRAINER, Users
from lakehouse.ports import Provenance
from lakehouse.tables.gold import MODEL_STAGES, PROMOTIONS
from lakehouse.tables.stages import newest_stages, released_stages, withheld
from lakehouse.tables.withdrawals import quarantined
from lakehouse.tables.write_audit_publish import Lakehouse, Published
from models.scores import Comparison


def require_person(users: Users, name: str) -> str:
    """Return the name of a user who can answer for a decision; raise ApprovalError for anybody else."""
    people = sorted(set(users) - {ANYONE, TRAINER})
    if name not in people:
        raise ApprovalError(f"{name!r} is no user who can decide; policy.yaml names {', '.join(people)}")
    return name


def approve(
    house: Lakehouse, workshop: Workshop, version: str, *, by: str, reason: str, provenance: Provenance
) -> Published:
    """Make a version current that the gate let wait, if nothing speaks against it on the documents of today.

    Raises:
        ApprovalError: it does not wait for an approval, or it must not become current.
    """
    with workshop.publishing():
        waiting = _waiting(house, version)
        current, corpus = current_model(house), workshop.corpus(house)
        snapshot = workshop.evaluation_snapshot(corpus)
        if snapshot not in waiting:
            raise ApprovalError(
                f"{version} waits with a judgement on other held-out documents than those of today; "
                "run `lakehouse run`, then approve"
            )
        workshop.checkpoints.whole(version)
        results = {name: workshop.evaluate(name, corpus) for name in {version, current or version}}
        require_fit(version, results[version])
        _require_no_objection(case_of(house, workshop, version, current, results))
        decision = Decision(version, "current", by, reason, snapshot)
        return decide(house, [decision], provenance, model_version=version)


def roll_back(
    house: Lakehouse, workshop: Workshop, to: str | None, *, by: str, reason: str, provenance: Provenance
) -> Published:
    """Make an earlier version current again, the last one there was without `to`; the one left is kept back.

    Raises:
        StageError: there is no current version, or none to go back to.
    """
    with workshop.publishing():
        current = current_model(house)
        if current is None:
            raise StageError("no model is current, so there is nothing to roll back")
        target = to or _before(house, current)
        if target == current:
            raise StageError(f"{target} is the current version already; name another")
        _require_was_current(house, target)
        workshop.checkpoints.whole(target)
        decisions = [Decision(current, "rolled_back", by, reason), Decision(target, "current", by, reason)]
        return decide(house, decisions, provenance, model_version=target)


def decide(
    house: Lakehouse, decisions: Sequence[Decision], provenance: Provenance, *, model_version: str | None = None
) -> Published:
    """Publish decisions of people; with a model version it becomes the current one in the same release."""
    number = house.releases.current().number
    write = stage_write(decisions, number, provenance)
    key = f"stage:{number}:" + ",".join(f"{one.stage}:{one.version}" for one in decisions)
    return commit(house, [write], key=key, provenance=provenance, model_version=model_version)


def _judged(house: Lakehouse, version: str) -> list[dict[str, object]]:
    return [row for row in read_released(house, PROMOTIONS).to_pylist() if row["model_version"] == version]


def _waiting(house: Lakehouse, version: str) -> set[str]:
    """Return the evaluation snapshots on which the gate let a version wait."""
    rows = [row for row in _judged(house, version) if row["waits"]]
    if not rows:
        raise ApprovalError(f"{version} waits for no approval; `lakehouse models list` shows which versions do")
    return {str(row["evaluation_snapshot"]) for row in rows}


def _require_no_objection(case: Case[Comparison]) -> None:
    against = objection(case)
    if against is not None:
        raise ApprovalError(f"{case.version} must not become current: {against}")


def _before(house: Lakehouse, current: str) -> str:
    """Return the version that was current before; releases say which, newest first."""
    kept_back = {*quarantined(house.objects), *withheld(released_stages(house)), current}
    for number in range(house.releases.current().number, 0, -1):
        model = house.releases.numbered(number).model_version
        if model is not None and model not in kept_back:
            return model
    raise StageError(f"no version was current before {current} that may be used again; train another")


def _require_was_current(house: Lakehouse, version: str) -> None:
    if version in quarantined(house.objects):
        raise StageError(f"{version} is in quarantine, for it learned from somebody who withdrew; name another")
    if newest_stages(read_released(house, MODEL_STAGES).to_pylist()).get(version, {}).get("stage") == "retired":
        raise StageError(f"{version} is retired; name another")
    rows = [*_judged(house, version), *read_released(house, MODEL_STAGES).to_pylist()]
    if not any(
        row["model_version"] == version and (row.get("promoted") or row.get("stage") == "current") for row in rows
    ):
        raise NoReleaseError(f"{version} was never current; `lakehouse models list` shows which versions were")
