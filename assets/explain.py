"""Walks from a figure back to what made it: a prediction, a model version, a row, a table, a view or a dataset."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from assets.explain_classifier import answer_of, classifier_prediction, tuned_version
from assets.explain_data import Sources, code, dataset_version, label_of, published_table, run, snapshot
from assets.explain_form import form_of
from assets.explain_model import model_version
from lakehouse.definition import TableDefinition
from lakehouse.errors import UntraceableError
from lakehouse.lineage import Fact, Link
from lakehouse.publish.views import all_required_tables
from lakehouse.tables.gold import DOCUMENTS, GOLD, PREDICTIONS
from lakehouse.tables.records import RECORDS
from lakehouse.tables.register import REGISTER, SUBMISSIONS
from models.classifier_versions import is_classifier, is_tuned
from models.form_store import is_form

DEFINED = {table.name: table for table in (*REGISTER, *GOLD)}
RUN = ("run_id", "code_commit", "recorded_at")
SHOWN = 6

_VERSION = re.compile(r"\w+-\d{4,}")
_TABLE = re.compile(r"([a-z_]+\.\w+)(?:/(.+))?")
_ANSWER = re.compile(r"(\w+-\d{4,})/(.+)/([0-9a-f]{12,64})")
_PREDICTION = re.compile(r"(?:(gpt-\d{4,})/)?(?:([0-9a-f]{12,64})/)?(.+#\d+)")

HOW = (
    'list predictions with `lakehouse sql "select model_version, passage_id from kpi.predictions"`, models with '
    "`lakehouse models list`, or name a table or view of docs/dictionary.md"
)


def explain(sources: Sources, target: str) -> Link:
    """Return the chain behind `target`.

    It is the passage id of a prediction (``MODEL/`` and ``EVALUATION_SNAPSHOT/`` may stand before it), the name of a
    classifier's answer (``VERSION/LABEL/SHA256``) or of one to a question (``VERSION/SHA256/SHA256``), a version of the
    language model or of one that was tuned, a smaller form, ``dataset@version``, ``kpi.view``, ``namespace.table``, or
    ``namespace.table/KEY/...``, a row by its key.

    Raises:
        UntraceableError: no record has this name, or several have.
    """
    if _VERSION.fullmatch(target):
        return _version(sources, target)
    if is_form(target):
        return form_of(sources, target)
    if found := _TABLE.fullmatch(target):
        return _of_table(sources, found[1], found[2])
    if (found := _ANSWER.fullmatch(target)) and is_tuned(found[1]):
        return _of_answer(sources, found[1], found[2], found[3])
    if found := _PREDICTION.fullmatch(target):
        return _of_passage(sources, target, model=found[1], measured_on=found[2], passage=found[3])
    dataset, _, label = target.partition("@")
    if rows := sources.where(RECORDS, dataset=dataset, dataset_version=label):
        return dataset_version(sources, dataset, label, rows[-1]["dataset_commit"])
    raise UntraceableError(_why_not(sources, target, dataset, label))


def _why_not(sources: Sources, target: str, dataset: str, label: str) -> str:
    """Return why nothing is found under a name, and what to ask instead."""
    if refused := sources.where(SUBMISSIONS, dataset=dataset, dataset_version=label, verdict="refused"):
        return _refused(target, refused[-1])
    if not label and (versions := _labels(sources, dataset)):
        return f"{target} is a dataset, each of whose versions has a record of its own; name one: {', '.join(versions)}"
    return f"nothing that is published is called {target!r}; {HOW}"


def _labels(sources: Sources, dataset: str) -> list[str]:
    """Return the versions of a dataset as they are asked for, the newest first."""
    rows = sorted(sources.where(RECORDS, dataset=dataset), key=lambda row: str(row["recorded_at"]), reverse=True)
    return list(dict.fromkeys(f"{dataset}@{row['dataset_version']}" for row in rows))


def _refused(target: str, submission: Mapping[str, Any]) -> str:
    name, when = submission["submission"], f"{submission['validated_at']:%Y-%m-%d %H:%M} UTC"
    return (
        f"{target} was handed in and refused on {when}, so nothing of it is stored; what is to be mended stands in the "
        f"view kpi.findings, under the submission {name!r}"
    )


def _version(sources: Sources, version: str) -> Link:
    """A version of a tuned model, or of the language model."""
    return tuned_version(sources, version) if is_tuned(version) else model_version(sources, version)


def _of_answer(sources: Sources, version: str, what: str, digits: str) -> Link:
    """An answer of a tuned model, of which its name is all that is kept."""
    explained = classifier_prediction if is_classifier(version) else answer_of
    return explained(sources, version, what, digits)


def _of_table(sources: Sources, name: str, key: str | None) -> Link:
    if name.startswith("kpi."):
        if key:
            raise UntraceableError(f"{name} has rows without a key; explain {name} as a whole, or a row of its tables")
        return _view(sources, name)
    if name not in sources.release.tables:
        raise UntraceableError(f"release {sources.release.number} shows no table {name}; {HOW}")
    if key is None:
        return published_table(sources, name)
    if name not in DEFINED:
        raise UntraceableError(f"rows of {name} are not traced one by one; explain {name}, or the version they name")
    return _row(sources, DEFINED[name], _keyed(sources, DEFINED[name], key))


def _view(sources: Sources, name: str) -> Link:
    """A view that dashboards show: its statement, and the tables that it reads as the release pins them."""
    view = sources.release.views.get(name)
    if view is None:
        raise UntraceableError(f"release {sources.release.number} shows no view {name}; {HOW}")
    release = sources.release
    read = sorted(all_required_tables(view.sql))
    models = sorted({model for table in read for model in _models_in(sources, table)})
    facts: dict[str, Fact] = {
        "release": release.number,
        "released at": release.created_at,
        "released by run": release.provenance.get("lakehouse.run-id"),
        "current model": release.model_version,
        "statement": view.sql,
    }
    if models:
        facts["model versions in it"] = ", ".join(models)
    tables = [published_table(sources, table) for table in read]
    # Others are explained one by one: each has a chain of its own, and a view may show dozens.
    made = [model_version(sources, model) for model in models if model == release.model_version]
    return Link("view", name, f"release {release.number}", facts, parts=(*tables, *made))


def _models_in(sources: Sources, table: str) -> Iterator[str]:
    definition = DEFINED.get(table)
    if definition is not None and "model_version" in definition.arrow_schema().names:
        yield from (str(row["model_version"]) for row in sources.rows(definition))


def _keyed(sources: Sources, table: TableDefinition, key: str) -> Mapping[str, Any]:
    """Return the one row whose key, its values joined by ``/``, is or begins with `key`."""
    rows = {"/".join(str(row[name]) for name in table.key): row for row in sources.rows(table)}
    if key in rows:
        return rows[key]
    found = sorted(name for name in rows if name.startswith(key))
    if len(found) == 1:
        return rows[found[0]]
    wanted = f"a row of {table.name} is named by {'/'.join(table.key)}"
    if not found:
        raise UntraceableError(f"no row of {table.name} has a key that begins with {key!r}; {wanted}")
    raise UntraceableError(f"{key!r} begins the keys of {len(found)} rows: {_some(found)}; {wanted}")


def _row(sources: Sources, table: TableDefinition, row: Mapping[str, Any]) -> Link:
    if table is PREDICTIONS:
        return _prediction(sources, row)
    facts: dict[str, Fact] = {name: _fact(value) for name, value in row.items()}
    name = f"{table.name}/{'/'.join(str(row[each]) for each in table.key)}"
    return Link("row", name, table.name, facts, parts=tuple(_made_of(sources, table, row)))


def _made_of(sources: Sources, table: TableDefinition, row: Mapping[str, Any]) -> Iterator[Link]:
    if row.get("model_version"):
        yield _version(sources, row["model_version"])
    if row.get("dataset") and row.get("dataset_version"):
        rows = sources.where(RECORDS, dataset=row["dataset"], dataset_version=row["dataset_version"])
        commit = row.get("dataset_commit") or (rows[-1]["dataset_commit"] if rows else "")
        yield dataset_version(sources, row["dataset"], row["dataset_version"], commit)
    if row.get("run_id"):
        yield run(row["run_id"], table.name, **{"recorded at": _fact(row["recorded_at"])})
        yield code(sources, row["code_commit"])
    pin = sources.release.pin(table.name)
    if pin.snapshot_id is not None:
        yield snapshot(sources, table.name, pin.snapshot_id)


def _of_passage(sources: Sources, target: str, *, model: str | None, measured_on: str | None, passage: str) -> Link:
    found = [
        row
        for row in sources.where(PREDICTIONS, passage_id=passage)
        if model in (None, row["model_version"]) and row["evaluation_snapshot"].startswith(measured_on or "")
    ]
    if not found:
        raise UntraceableError(f"no prediction is called {target!r}; {HOW}")
    names = sorted(f"{row['model_version']}/{row['evaluation_snapshot'][:12]}/{passage}" for row in found)
    if len(found) > 1:
        raise UntraceableError(f"{len(found)} predictions are called {target!r}; name one of {_some(names)}")
    return _prediction(sources, found[0])


def _prediction(sources: Sources, row: Mapping[str, Any]) -> Link:
    """A prediction on a passage of a held-out document."""
    facts = {name: _fact(value) for name, value in row.items() if name not in RUN}
    name = f"{row['model_version']}/{row['evaluation_snapshot'][:12]}/{row['passage_id']}"
    recorded = {"recorded at": _fact(row["recorded_at"])}
    parts = (
        model_version(sources, row["model_version"]),
        _held_out(sources, row),
        run(row["run_id"], PREDICTIONS.name, **recorded),
        code(sources, row["code_commit"]),
    )
    return Link("prediction", name, PREDICTIONS.name, facts, parts=parts)


def _held_out(sources: Sources, row: Mapping[str, Any]) -> Link:
    """The document that was predicted on, as the documents of today have it, and the version it comes from."""
    label = label_of(sources, row["dataset"], row["dataset_commit"])
    data = dataset_version(sources, row["dataset"], label, row["dataset_commit"])
    now = sources.where(DOCUMENTS, document_id=row["document_id"])
    facts = {name: _fact(now[0][name]) for name in ("title", "licence", "split", "byte_count")} if now else {}
    gone = "" if now else "it is not among the documents that are published now"
    return Link("held-out document", row["document_id"], DOCUMENTS.name, facts, gone, (data,))


def _fact(value: object) -> Fact:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
