"""Explains a model version: its data, code, environment and run, and what was measured and decided about it."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from assets.explain_data import Sources, code, dataset_version, run, snapshot
from lakehouse.errors import NoObjectError, UntraceableError
from lakehouse.lineage import Fact, Link
from lakehouse.tables.gold import (
    DOCUMENTS,
    EVALUATIONS,
    LOADS,
    MODEL_QUARANTINES,
    MODEL_STAGES,
    MODEL_TESTS,
    MODEL_VERSIONS,
    PROMOTIONS,
    TOKEN_SHARES,
)
from lakehouse.tables.release import Release
from lakehouse.tables.stages import newest_stages
from models.checkpoint import WEIGHTS
from models.durable import recorded_sums
from models.errors import CheckpointError

LISTED = "`lakehouse models list` lists all versions"


def model_version(sources: Sources, version: str) -> Link:
    """Explain a model version from what was written at its training and published since.

    Raises:
        UntraceableError: there is no such version.
    """
    published = sources.where(MODEL_VERSIONS, model_version=version)
    try:
        training = sources.workshop.checkpoints.training(version)
    except CheckpointError as error:
        if not published:
            raise UntraceableError(f"no record of a model version {version!r}; {LISTED}") from error
        return _without_folder(sources, published[-1], str(error))
    facts: dict[str, Fact] = {
        "stage": _stage(sources, version, published=bool(published)),
        "cause": training["cause"],
        "trained at": training["trained_at"],
        "parameters": training["parameter_count"],
        "tokens read": training["train_tokens"],
        "seed": training["seed"],
        "weights sha256": recorded_sums(sources.workshop.checkpoints.folder(version)).get(WEIGHTS),
        "training key": training["training_key"],
    }
    parts = (
        _made_by(training, version, published),
        code(sources, training["code_commit"]),
        environment(training, version, _file(version)),
        Link("recipe", f"of {version}", _file(version), training["recipe"]),
        _documents(sources, version, training["documents_snapshot"], training["dataset_commits"]),
        *_judged(sources, version),
    )
    gone = _lost(sources, version)
    return Link("model version", version, _file(version), facts, gone, parts)


def _file(version: str) -> str:
    return f"training.json of {version}"


def _without_folder(sources: Sources, row: Mapping[str, Any], why: str) -> Link:
    """What the tables still say of a version whose folder is gone."""
    version = row["model_version"]
    facts = {name: row[name] for name in ("recipe", "seed", "parameter_count", "train_tokens", "device", "cause")}
    shares = sources.where(TOKEN_SHARES, model_version=version)
    parts = (
        run(row["run_id"], MODEL_VERSIONS.name),
        code(sources, row["code_commit"]),
        snapshot(sources, DOCUMENTS.name, int(row["documents_snapshot"]), *(_share(share) for share in shares)),
        *_judged(sources, version),
    )
    return Link("model version", version, MODEL_VERSIONS.name, facts, why, parts)


def _stage(sources: Sources, version: str, *, published: bool) -> str:
    if sources.release.model_version == version:
        return "current"
    decided = newest_stages(sources.where(MODEL_STAGES, model_version=version)).get(version)
    if decided is not None and decided["stage"] != "current":
        return f"{decided['stage'].replace('_', ' ')} by {decided['decided_by']}: {decided['reason']}"
    return "published, not current" if published else "trained, not published"


def _lost(sources: Sources, version: str) -> str:
    for row in sources.where(MODEL_QUARANTINES, model_version=version):
        return f"in quarantine after withdrawal {row['receipt']}: {row['reason']}"
    try:
        sources.workshop.checkpoints.whole(version)
    except CheckpointError as error:
        return str(error)
    return "" if version in sources.workshop.checkpoints.usable() else "in quarantine"


def _made_by(training: Mapping[str, Any], version: str, published: list[dict[str, Any]]) -> Link:
    facts: dict[str, Fact] = {
        "device": training["device"],
        "train seconds": training["train_seconds"],
        "resumed at step": training.get("resumed_at_step"),
        "published by run": published[-1]["run_id"] if published else None,
    }
    return run(training.get("run_id"), _file(version), **facts)


def environment(training: Mapping[str, Any], version: str, record: str) -> Link:
    """Explain where a version was trained."""
    names = ("device", "dtype", "threads", "processes", "compiled", "platform", "processor", "cpu_capability")
    facts = {**training["versions"], **{name: training.get(name) for name in names}}
    return Link("environment", f"of {version}", record, facts | {"packages recorded": len(training["packages"])})


def _documents(sources: Sources, version: str, snapshot_id: str, commits: Mapping[str, str]) -> Link:
    """The documents it learned from: their snapshot, the tables they were taken from, and the datasets by licence."""
    if not snapshot_id.isdigit():
        return Link("Iceberg snapshot", snapshot_id, _file(version), unknown="the record names no snapshot of a table")
    shares = sources.where(TOKEN_SHARES, model_version=version)
    data = []
    for share in sorted(shares, key=lambda row: -row["token_share"]):
        mine = [name for name in sorted(commits) if name.partition("@")[0] == share["dataset"]]
        data.append(_share(share, *(learned(sources, name, commits[name]) for name in mine)))
    shown = {row["dataset"] for row in shares}
    held = [name for name in sorted(commits) if name.partition("@")[0] not in shown]
    tables = _read_tables(sources, int(snapshot_id), set(commits))
    others = [learned(sources, name, commits[name]) for name in held]
    return snapshot(sources, DOCUMENTS.name, int(snapshot_id), *data, *others, *tables)


def learned(sources: Sources, name: str, commit: str) -> Link:
    """Explain a dataset version that was learned from, by its name ``dataset@version``."""
    dataset, _, label = name.partition("@")
    return dataset_version(sources, dataset, label, commit)


def _share(row: Mapping[str, Any], *parts: Link) -> Link:
    facts = {name.replace("_", " "): row[name] for name in ("token_share", "token_count", "document_count")}
    licence = row["licence"] or "no stated licence"
    return Link("learned from", f"{row['dataset']} under {licence}", TOKEN_SHARES.name, facts, parts=parts)


def _read_tables(sources: Sources, snapshot_id: int, learned: set[str]) -> Iterator[Link]:
    """The silver tables these versions were loaded into, as the first release shows them that shows the documents."""
    first = None
    for release in _releases(sources):
        pin = release.tables.get(DOCUMENTS.name)
        if pin is not None and pin.snapshot_id == snapshot_id:
            first = release
        elif first is not None:
            break
    if first is None:
        yield Link("release", "unknown", "releases", gone=f"no release shows snapshot {snapshot_id} of gold.documents")
        return
    loads = sources.where(LOADS, layer="silver")
    mine = {row["table_name"] for row in loads if f"{row['dataset']}@{row['dataset_version']}" in learned}
    for name in sorted(mine & set(first.tables)):
        pin = first.tables[name]
        if pin.snapshot_id is not None:
            yield snapshot(sources, name, pin.snapshot_id, **{"shown by release": first.number})


def _releases(sources: Sources) -> Iterator[Release]:
    yield sources.release
    for number in range(sources.release.number - 1, 0, -1):
        try:
            yield sources.house.releases.numbered(number)
        except NoObjectError:
            return


def _judged(sources: Sources, version: str) -> Iterator[Link]:
    evaluations = sources.where(EVALUATIONS, model_version=version)
    tests = sources.where(MODEL_TESTS, model_version=version)
    for name, rows in _by_snapshot(evaluations):
        facts = {f"{row['evaluator']} on {row['slice']}, bits per byte": row["bits_per_byte"] for row in rows}
        ran = {"run": rows[0]["run_id"], "recorded at": rows[0]["recorded_at"].isoformat()}
        yield Link("evaluation", f"of {version} on {name}", EVALUATIONS.name, facts | ran)
    for name, rows in _by_snapshot(tests):
        told: dict[str, Fact] = {row["test"]: verdict(row) for row in rows}
        yield Link("tests", f"of {version} on {name}", MODEL_TESTS.name, told | {"run": rows[0]["run_id"]})
    for row in sources.where(PROMOTIONS, model_version=version):
        facts = {name.replace("_", " "): row[name] for name in ("promoted", "compared_with", "difference", "reason")}
        name = f"of {version} on {row['evaluation_snapshot']}"
        yield Link("judgement", name, PROMOTIONS.name, {**facts, "run": row["run_id"]})
    yield from decisions(sources, version)


def decisions(sources: Sources, version: str) -> Iterator[Link]:
    """Explain what people decided about a version."""
    for row in sources.where(MODEL_STAGES, model_version=version):
        facts = {name.replace("_", " "): row[name] for name in ("stage", "decided_by", "reason", "run_id")}
        yield Link("decision", row["event_key"], MODEL_STAGES.name, facts)


def _by_snapshot(rows: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    ordered = sorted(rows, key=lambda row: (row["evaluation_snapshot"], row["recorded_at"]))
    for name, group in itertools.groupby(ordered, key=lambda row: str(row["evaluation_snapshot"])):
        yield name, list(group)


def verdict(row: Mapping[str, Any]) -> str:
    """Say how a test ended, with its limit and who answers for that."""
    value = "no number" if row["value"] is None else f"{row['value']:.4g}"
    limit = f"{row['comparison'].replace('_', ' ')} {row['threshold']:g}"
    return f"{'passed' if row['passed'] else 'FAILED'}: {value}, {limit}; stops {row['stops']}; owner {row['owner']}"
