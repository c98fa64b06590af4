"""Explains a tuned version, a classifier's or one that answers: table, base, code, run, what it showed, whose data."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assets.explain_data import Sources, code, run, snapshot
from assets.explain_model import LISTED, decisions, environment, learned, model_version, verdict
from assets.families import Family, family_of, name_of
from assets.tuned_registry import standing
from lakehouse.errors import UntraceableError
from lakehouse.lineage import Fact, Link
from lakehouse.tables.gold import MODEL_QUARANTINES
from models.checkpoint import QUARANTINE, WEIGHTS
from models.classifier_versions import CLASSIFIER, is_tuned
from models.durable import read_json, recorded_sums, verify
from models.errors import CheckpointError
from models.hub import is_hub_name

Row = Mapping[str, Any]
_TUNED = "the record of what was tuned from it"
_DIGITS = re.compile(r"[0-9a-f]{12,64}")
UNKEPT: dict[str, Fact] = {"whether it did answer so": "kept nowhere; ask it the same again, and compare the names"}


def classifier_prediction(sources: Sources, version: str, label: str, text_sha256: str) -> Link:
    """Explain an answer of a classifier by the name that `lakehouse finetune predict` gave it.

    Answers are not kept, for the texts may be about people: the name is all there is of one.

    Raises:
        UntraceableError: there is no such version, or it knows no such label.
    """
    made_by = tuned_version(sources, version)
    labels = _labels(sources, version)
    if labels and label not in labels:
        raise UntraceableError(f"{version} never answered {label!r}; it knows the labels {', '.join(labels)}")
    facts: dict[str, Fact] = {"label": label, "sha256 of the text begins with": text_sha256, **UNKEPT}
    return Link("prediction", f"{version}/{label}/{text_sha256}", "its name", facts, parts=(made_by,))


def answer_of(sources: Sources, version: str, asked_sha256: str, response_sha256: str) -> Link:
    """Explain an answer to a question by the name that `lakehouse finetune answer` gave it; it is kept nowhere.

    Raises:
        UntraceableError: there is no such version, or the name is none of an answer.
    """
    made_by = tuned_version(sources, version)
    if not _DIGITS.fullmatch(asked_sha256):
        raise UntraceableError(
            f"{asked_sha256!r} are no digits of a question; `lakehouse finetune answer {version}` names its answers"
        )
    facts: dict[str, Fact] = {
        "sha256 of the question begins with": asked_sha256,
        "sha256 of the response begins with": response_sha256,
        **UNKEPT,
    }
    name = f"{version}/{asked_sha256}/{response_sha256}"
    return Link("prediction", name, "its name", facts, parts=(made_by,))


def tuned_version(sources: Sources, version: str) -> Link:
    """Explain a tuned version from what was written when it was made, and published since.

    Raises:
        UntraceableError: there is no such version.
    """
    family, store, judged = (
        family_of(name_of(version)),
        sources.workshop.store_of(version),
        _judgements(sources, version),
    )
    try:
        training = store.training(version)
    except CheckpointError as error:
        if not judged:
            raise UntraceableError(f"no record of a {family.word}'s version {version!r}; {LISTED}") from error
        return _without_folder(sources, version, judged, str(error))
    record = f"{store.record} of {version}"
    facts: dict[str, Fact] = {
        "stage": standing(sources.house).get(version, "made, not judged"),
        "trained at": training["trained_at"],
        "texts learned from": training.get("train_texts", training.get("train_rows")),
        "labels": ", ".join(sorted(training.get("label_counts", ()))) or None,
        "moving parameters": training["trainable_parameters"],
        "seed": training["seed"],
        "weights sha256": recorded_sums(store.folder(version)).get(WEIGHTS),
        "fine-tuning key": training.get("finetuning_key", training.get("instructing_key")),
    }
    parts = (
        run(training["run_id"], record, device=training["device"], threads=training["threads"]),
        code(sources, training["code_commit"]),
        environment(training, version, record),
        *_recipe(sources, version, training),
        _texts(sources, training, training[family.texts_key]),
        _base(sources, training),
        *_shown(sources, version, judged),
    )
    return Link(f"{family.word} version", version, record, facts, _lost(sources, version), parts)


def _judgements(sources: Sources, version: str) -> list[dict[str, Any]]:
    rows = sources.where(family_of(name_of(version)).versions, model_version=version)
    return sorted(rows, key=lambda row: str(row["event_key"]))


def _labels(sources: Sources, version: str) -> list[str]:
    try:
        return sorted(sources.workshop.classifiers.training(version)["label_counts"])
    except CheckpointError:  # its folder is gone, which the chain says
        return []


def _recipe(sources: Sources, version: str, training: Row) -> Iterator[Link]:
    """Its hyper-parameters; of a classifier a withdrawal deletes the file, and the tables keep them."""
    store = sources.workshop.store_of(version)
    if "recipe" in training:
        yield Link("recipe", f"of {version}", f"{store.record} of {version}", training["recipe"])
        return
    path = store.folder(version) / CLASSIFIER
    if path.is_file():
        yield Link("recipe", f"of {version}", f"{CLASSIFIER} of {version}", read_json(path)["recipe"])


def _texts(sources: Sources, training: Row, texts_sha256: str) -> Link:
    """The snapshot of the table it learned from, with the dataset versions whose rows were in it."""
    commits = training["dataset_commits"]
    data = [learned(sources, name, commits[name]) for name in training.get("table_versions", commits)]
    facts: dict[str, Fact] = {
        "licence": training["licence"] or None,
        "texts sha256": texts_sha256,
        **{f"column of the {role}": name for role, name in training.get("read_as", {}).items() if name is not None},
    }
    return snapshot(sources, training["table"], int(training["table_snapshot"]), *data, **facts)


def _base(sources: Sources, training: Row) -> Link:
    """What it was tuned from, with all that is behind it; of a checkpoint from outside what was noted of it."""
    version = str(training["base_version"])
    if is_hub_name(version):
        facts: dict[str, Fact] = dict(training.get("base_hub", {})) | {
            "weights sha256": training.get("base_weights_sha256")
        }
        return Link("checkpoint of the hub", version, _TUNED, facts)
    if Path(version).is_absolute():
        facts = {"weights sha256": training.get("base_weights_sha256")}
        unknown = "it is from outside this lake: who made it, and of which data, nobody wrote down here"
        return Link("checkpoint of a folder", version, _TUNED, facts, unknown=unknown)
    try:
        return tuned_version(sources, version) if is_tuned(version) else model_version(sources, version)
    except UntraceableError as error:
        return Link("model version", version, _TUNED, gone=str(error))


def _without_folder(sources: Sources, version: str, judged: list[dict[str, Any]], why: str) -> Link:
    """What the tables still say of a version whose folder is gone."""
    row = judged[-1]
    family = family_of(name_of(version))
    facts: dict[str, Fact] = {name: row.get(name) for name in ("recipe", "labels", "train_texts", "weights_sha256")}
    parts = (
        run(row["run_id"], family.versions.name),
        code(sources, row["code_commit"]),
        snapshot(sources, row["table_name"], int(row["table_snapshot"])),
        _base(sources, {"base_version": row["base"]}),
        *_shown(sources, version, judged),
    )
    return Link(f"{family.word} version", version, family.versions.name, facts, why, parts)


def _shown(sources: Sources, version: str, judged: list[dict[str, Any]]) -> Iterator[Link]:
    """Its judgements in their order, each with the figures and tests behind it, and what people decided since."""
    family = family_of(name_of(version))
    results = sources.where(family.results, model_version=version)
    for row in judged:
        names = ("promoted", "waits", "compared_with", "difference", "low", "high", "reason", "run_id")
        facts: dict[str, Fact] = {name.replace("_", " "): row[name] for name in names}
        mine = [each for each in results if _judgement(each) == _judgement(row)]
        name = f"of {version} on {row['evaluation_snapshot']}, against {row['judgement']}"
        yield Link("judgement", name, family.versions.name, facts, parts=tuple(_results(family, name, mine)))
    yield from decisions(sources, version)


def _judgement(row: Row) -> tuple[str, str]:
    return row["evaluation_snapshot"], row["judgement"]


def _results(family: Family, name: str, rows: list[dict[str, Any]]) -> Iterator[Link]:
    rows.sort(key=lambda row: (row["name"], row["slice"]))
    figures: dict[str, Fact] = {
        f"{row['name']} on {row['slice']}": _figure(row) for row in rows if row["kind"] == "figure"
    }
    tests: dict[str, Fact] = {row["name"]: verdict(row) for row in rows if row["kind"] == "test"}
    yield Link("evaluation", name, family.results.name, figures)
    yield Link("tests", name, family.results.name, tests)


def _figure(row: Row) -> str:
    interval = "" if row["low"] is None else f", 95 % interval {row['low']:.4f} to {row['high']:.4f}"
    return f"{row['value']:.4f}{interval}, {row['text_count']} texts of {row['group_count']} groups"


def _lost(sources: Sources, version: str) -> str:
    for row in sources.where(MODEL_QUARANTINES, model_version=version):
        return f"in quarantine after withdrawal {row['receipt']}: {row['reason']}"
    store = sources.workshop.store_of(version)
    folder = store.folder(version)
    if (folder / QUARANTINE).is_file():
        return "in quarantine"
    try:
        verify(folder, store.files)
    except CheckpointError as error:
        return str(error)
    return ""
