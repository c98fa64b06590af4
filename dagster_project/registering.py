"""Model versions for the terminal: what is recorded about them, and decisions carried out."""

import getpass
import json
from collections.abc import Iterator, Mapping
from typing import Any

from assets.house import current_model, read_released
from assets.registry import approve, require_person, roll_back
from assets.retiring import retire, retire_tuned
from assets.tuned_approval import approve_tuned, today_of
from assets.tuned_registry import (
    roll_back_tuned,
    standing,
    told,
)
from dagster_project.people import users_file
from dagster_project.settings import Settings, code_commit
from dagster_project.wiring import lakehouse, lessons, permission, shelf, versions, workshop
from lakehouse.ports import Provenance
from lakehouse.tables.gold import EVALUATIONS, MODEL_STAGES, PROMOTIONS
from lakehouse.tables.stages import newest_stages
from lakehouse.tables.withdrawals import quarantined
from lakehouse.tables.write_audit_publish import Lakehouse
from models.classifier_versions import ClassifierVersions, is_tuned

LONG = ("curve", "packages", "recipe", "versions", "dataset_commits")
MISSING = "(none)"


def listed(settings: Settings) -> str:
    """Return one line a version, oldest first."""
    house, store = lakehouse(settings), workshop(settings).checkpoints
    standing = _standing(house)
    bits = _newest_bits(house)
    lines = [f"{'version':<10} {'stage':<20} {'bits/byte':>9}  trained"]
    for version in store.versions():
        training = store.training(version)
        measured = f"{bits[version]:.4f}" if version in bits else ""
        line = f"{version:<10} {standing.get(version, 'not judged'):<20} {measured:>9}  {training['trained_at']}"
        lines.append(f"{line}, cause: {training['cause']}, seed {training['seed']}")
    for tuned in (workshop(settings).classifiers, workshop(settings).instructed):
        lines += _listed_tuned(house, tuned)
    return "\n".join(lines) if len(lines) > 1 else "no model was trained yet; run `lakehouse run` first"


def shown(settings: Settings, version: str) -> str:
    """Return everything that is recorded about a version."""
    house, store = lakehouse(settings), workshop(settings).checkpoints
    training = store.training(version)
    lines = [f"{version}: {_standing(house).get(version, 'not judged')}", f"folder: {store.folder(version)}"]
    lines += [f"{name}: {value}" for name, value in training.items() if name not in LONG]
    lines += _indented("recipe", training["recipe"])
    lines += _indented("dataset commits", training["dataset_commits"])
    lines += _indented("libraries", training["versions"])
    for row in read_released(house, EVALUATIONS).to_pylist():
        if row["model_version"] == version:
            error = "" if row["standard_error"] is None else f" ± {row['standard_error']:.4f}"
            where = f"{row['evaluator']} on {row['slice']} of {row['evaluation_snapshot'][:12]}"
            lines.append(f"measured {where}: {row['bits_per_byte']:.4f}{error} bits per byte")
    for row in read_released(house, PROMOTIONS).to_pylist():
        if row["model_version"] == version:
            lines.append(f"judged {row['recorded_at']:%Y-%m-%d %H:%M} UTC: {row['reason']}")
    for row in read_released(house, MODEL_STAGES).to_pylist():
        if row["model_version"] == version:
            when = f"{row['recorded_at']:%Y-%m-%d %H:%M} UTC"
            lines.append(f"{row['stage'].replace('_', ' ')} {when} by {row['decided_by']}: {row['reason']}")
    return "\n".join(lines)


def shown_tuned(settings: Settings, version: str) -> str:
    """Return everything that is recorded about a classifier's version, or one of the model that answers."""
    house, store = lakehouse(settings), workshop(settings).store_of(version)
    training = store.training(version)
    lines = [f"{version}: {standing(house).get(version, 'not judged')}", f"folder: {store.folder(version)}"]
    lines += [f"{name}: {value}" for name, value in training.items() if name not in LONG]
    return "\n".join([*lines, *_indented("dataset commits", training["dataset_commits"]), *told(house, version)])


def _listed_tuned(house: Lakehouse, store: ClassifierVersions) -> Iterator[str]:
    stands = standing(house)
    for version in store.versions():
        training = store.training(version)
        line = f"{version}: {stands.get(version, 'not judged')}, from {training['base_version']}"
        yield f"{line}, trained {training['trained_at']}, seed {training['seed']}"


def differences(settings: Settings, one: str, other: str) -> str:
    """Return the recorded values in which two versions differ, one a line."""
    store = workshop(settings).checkpoints
    left, right = _flat(store.training(one)), _flat(store.training(other))
    names = sorted(name for name in {*left, *right} if left.get(name, MISSING) != right.get(name, MISSING))
    lines = [f"{name}: {left.get(name, MISSING)} -> {right.get(name, MISSING)}" for name in names]
    return "\n".join(lines) or f"{one} and {other} do not differ in anything that is recorded"


def approved(settings: Settings, version: str, *, by: str, reason: str) -> str:
    """Carry an approval out."""
    person, house, shop = require_person(users_file(settings).users(), by), lakehouse(settings), workshop(settings)
    if is_tuned(version):
        today = today_of(lessons(settings), house, shop, shelf(settings), versions(settings), permission(settings))
        done = approve_tuned(
            house,
            shop,
            version,
            today,
            by=person,
            reason=reason,
            provenance=_here("approve"),
        )
    else:
        done = approve(house, shop, version, by=person, reason=reason, provenance=_here("approve"))
    return f"release {done.release_number}: {version} is current, approved by {person}"


def rolled_back(settings: Settings, version: str | None, *, by: str, reason: str) -> str:
    """Carry a rollback out."""
    person, house = require_person(users_file(settings).users(), by), lakehouse(settings)
    if version is not None and is_tuned(version):
        done = roll_back_tuned(
            house, workshop(settings), version, by=person, reason=reason, provenance=_here("rollback")
        )
        return f"release {done.release_number}: {version} is in use again, put there by {person}"
    left = current_model(house)
    done = roll_back(house, workshop(settings), version, by=person, reason=reason, provenance=_here("rollback"))
    return f"release {done.release_number}: {current_model(house)} is current, {left} was rolled back by {person}"


def retired(settings: Settings, version: str, *, by: str, reason: str) -> str:
    """Carry a retirement out."""
    person = require_person(users_file(settings).users(), by)
    carried_out = retire_tuned if is_tuned(version) else retire
    done, page = carried_out(
        lakehouse(settings), workshop(settings), version, by=person, reason=reason, provenance=_here("retire")
    )
    return f"release {done.release_number}: {version} is retired by {person}; post-mortem: {page}"


def restored(settings: Settings, version: str) -> str:
    """Bring a retired version's files back."""
    return f"{version} lies in {workshop(settings).restore(version)} again; it stays retired"


def _here(verb: str) -> Provenance:
    return Provenance(run_id=f"lakehouse models {verb} by {getpass.getuser()}", code_commit=code_commit())


def _standing(house: Lakehouse) -> dict[str, str]:
    """Return how each judged version stands, in words."""
    found = {}
    for row in sorted(read_released(house, PROMOTIONS).to_pylist(), key=lambda row: row["recorded_at"]):
        word = "waits for approval" if row["waits"] else "rejected"
        found[row["model_version"]] = "replaced" if row["promoted"] else word
    for version, decision in newest_stages(read_released(house, MODEL_STAGES).to_pylist()).items():
        found[version] = "replaced" if decision["stage"] == "current" else decision["stage"].replace("_", " ")
    current = current_model(house)
    if current is not None:
        found[current] = "current"
    return found | dict.fromkeys(quarantined(house.objects), "in quarantine")


def _newest_bits(house: Lakehouse) -> dict[str, float]:
    rows = [
        row
        for row in read_released(house, EVALUATIONS).to_pylist()
        if (row["evaluator"], row["slice"]) == ("gpt", "all")
    ]
    if not rows:
        return {}
    newest = max(rows, key=lambda row: row["recorded_at"])["evaluation_snapshot"]
    return {row["model_version"]: row["bits_per_byte"] for row in rows if row["evaluation_snapshot"] == newest}


def _indented(title: str, values: Mapping[str, Any]) -> Iterator[str]:
    yield f"{title}:"
    for name, value in values.items():
        yield f"  {name}: {value}"


def _flat(training: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in training.items():
        if name == "curve":
            continue
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": json.dumps(each) for inner, each in value.items()}
        else:
            found[name] = json.dumps(value)
    return found
