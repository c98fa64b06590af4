"""Which version of a tuned model is in use, and decisions of people on that; each is one release with its rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assets.families import FAMILIES, family_of, name_of
from assets.gate import Verdict
from assets.house import read_released
from assets.registry import decide
from assets.results import Decision
from assets.workshop import Workshop
from lakehouse.definition import TableDefinition
from lakehouse.errors import StageError
from lakehouse.ports import Provenance
from lakehouse.tables.gold import MODEL_STAGES
from lakehouse.tables.stages import released_stages, withheld
from lakehouse.tables.withdrawals import quarantined
from lakehouse.tables.write_audit_publish import Lakehouse, Published
from models.durable import verify
from models.trials import file_hash


def current_tuned(house: Lakehouse, name: str) -> str | None:
    """Return the version in use, or None: the newest that was put to use and that nobody has kept back since."""
    kept_back = {*quarantined(house.objects), *withheld(released_stages(house))}
    used = [version for version in _put_to_use(house, name) if version not in kept_back]
    return used[-1] if used else None


def judgement_name(current: str | None, trials: Sequence[Path]) -> str:
    """Return what makes a judgement another one: the version in use, and the tests with their thresholds."""
    return f"{current or 'none'}:{'-'.join(file_hash(path) for path in trials)}"


def judgement_of(
    house: Lakehouse, version: str, snapshot: str, current: str | None, trials: Sequence[Path]
) -> Verdict | None:
    """Return what was decided about a version on these held-out texts, against the version in use and by these tests.

    The version in use is not compared with itself: whatever it was compared with when these tests were taken counts.
    """
    asked = judgement_name(current, trials)
    tests = asked.rpartition(":")[2]
    rows = [
        row
        for row in judgements(house)
        if (row["model_version"], row["evaluation_snapshot"]) == (version, snapshot)
        and (row["judgement"] == asked or (version == current and row["judgement"].rpartition(":")[2] == tests))
    ]
    return Verdict(rows[-1]["promoted"], rows[-1]["waits"], rows[-1]["reason"]) if rows else None


def roll_back_tuned(
    house: Lakehouse, workshop: Workshop, to: str, *, by: str, reason: str, provenance: Provenance
) -> Published:
    """Put an earlier version to use again; the one left is kept back.

    Raises:
        StageError: it was never in use, is the one in use, or may not be used.
    """
    with workshop.publishing():
        name = name_of(to)
        current = current_tuned(house, name)
        if current in (None, to) or to not in _put_to_use(house, name):
            raise StageError(f"{to} is in use already or never was; in use is {current or 'none'}")
        if to in quarantined(house.objects) or released_stages(house).get(to, {}).get("stage") == "retired":
            raise StageError(f"{to} is retired or in quarantine; name another")
        assert current is not None
        store = workshop.store_of(to)
        verify(store.folder(to), store.files)
        decisions = [Decision(current, "rolled_back", by, reason), Decision(to, "current", by, reason)]
        return decide(house, decisions, provenance)


def told(house: Lakehouse, version: str) -> list[str]:
    """Return what is recorded about a version's judgements, decisions and results, a line each."""
    lines = [
        f"judged {row['recorded_at']:%Y-%m-%d %H:%M} UTC: {row['reason']}"
        for row in judgements(house)
        if row["model_version"] == version
    ]
    for row in _of_version(house, MODEL_STAGES, version):
        when = f"{row['recorded_at']:%Y-%m-%d %H:%M} UTC"
        lines.append(f"{row['stage'].replace('_', ' ')} {when} by {row['decided_by']}: {row['reason']}")
    for row in _of_version(house, family_of(name_of(version)).results, version):
        kept = {True: ", passed", False: ", FAILED", None: ""}[row["passed"]]
        lines.append(f"{row['kind']} {row['name']} on {row['slice']}: {row['value']}{kept}")
    return lines


def standing(house: Lakehouse) -> Mapping[str, str]:
    """Return how each judged version stands, in words."""
    found = {}
    for row in judgements(house):
        found[str(row["model_version"])] = (
            "waits for approval" if row["waits"] else "replaced" if row["promoted"] else "rejected"
        )
    for version, decision in released_stages(house).items():
        if version in found:
            found[version] = "replaced" if decision["stage"] == "current" else decision["stage"].replace("_", " ")
    for name in {name_of(str(row["model_version"])) for row in judgements(house)}:
        if (current := current_tuned(house, name)) is not None:
            found[current] = "in use"
    return found | {version: "in quarantine" for version in quarantined(house.objects) if version in found}


def _of_version(house: Lakehouse, table: TableDefinition, version: str) -> list[dict[str, Any]]:
    return [row for row in read_released(house, table).to_pylist() if row["model_version"] == version]


def _put_to_use(house: Lakehouse, name: str) -> list[str]:
    """Versions in the order in which the gate or a person put them to use; one may come twice."""
    own = judgements(house, name)
    versions = {row["model_version"] for row in own}
    stages = read_released(house, MODEL_STAGES).to_pylist()
    used = [(row["event_key"], row["model_version"]) for row in own if row["promoted"]]
    used += [
        (row["event_key"], row["model_version"])
        for row in stages
        if row["stage"] == "current" and row["model_version"] in versions
    ]
    return [version for _, version in sorted(used)]


def judgements(house: Lakehouse, name: str | None = None) -> list[dict[str, Any]]:
    """Return all judgements, or those of one tuned model, in the order of their releases: clocks of machines differ."""
    families = FAMILIES if name is None else (family_of(name),)
    rows = [row for family in families for row in read_released(house, family.versions).to_pylist()]
    mine = (row for row in rows if name in (None, name_of(str(row["model_version"]))))
    return sorted(mine, key=lambda row: str(row["event_key"]))


def require_last(house: Lakehouse, name: str, version: str) -> None:
    """Raise StageError, naming it, when a version was in use before this one that may be used again."""
    gone = {version, *quarantined(house.objects)}
    gone |= {each for each, row in released_stages(house).items() if row["stage"] == "retired"}
    before = [each for each in _put_to_use(house, name) if each not in gone]
    if before:
        raise StageError(f"{version} is in use; run `lakehouse models rollback {before[-1]}` first")
