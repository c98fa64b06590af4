"""Explains a smaller form of a model: how it was made, how it was judged, and the version it comes from."""

from collections.abc import Iterator

from assets.explain_data import Sources, code, run
from assets.explain_model import model_version
from lakehouse.errors import UntraceableError
from lakehouse.lineage import Fact, Link
from lakehouse.tables.gold import MODEL_FORMS
from models.durable import verify
from models.errors import CheckpointError, FormError
from models.form_store import FORM, form_files

SHOWN = ("accepted", "reason", "asked", "size_bytes", "bits_per_byte", "difference", "low", "high", "run_id")


def form_of(sources: Sources, name: str) -> Link:
    """Explain a form from what was written when it was made and published since.

    Raises:
        UntraceableError: there is no such form.
    """
    store, rows = sources.workshop.forms, sources.where(MODEL_FORMS, form=name)
    try:
        record = store.record(name)
    except FormError as error:
        if not rows:
            raise UntraceableError(f"no record of a form {name!r}; `lakehouse models list` lists all forms") from error
        parts = (*_judged(sources, name), model_version(sources, rows[-1]["model_version"]))
        facts: dict[str, Fact] = {"weights sha256": rows[-1]["weights_sha256"]}
        return Link("model form", name, MODEL_FORMS.name, facts, str(error), parts)
    form, where = record["form"], f"{FORM} of {name}"
    facts = {
        "means": form["means"],
        "made at": record["made_at"],
        "made from": record["made_from"],
        "made from weights sha256": record["made_from_weights_sha256"],
        "weights sha256": record["weights_sha256"],
        "size bytes": record["size_bytes"],
        "key": record["key"],
    }
    parts = (
        run(record["run_id"], where),
        code(sources, record["code_commit"]),
        Link("recipe", f"of {name}", where, {key: value for key, value in form.items() if key != "means"}),
        *_judged(sources, name),
        model_version(sources, record["made_from"]),
    )
    return Link("model form", name, where, facts, _lost(sources, name), parts)


def _judged(sources: Sources, name: str) -> Iterator[Link]:
    for row in sources.where(MODEL_FORMS, form=name):
        told: dict[str, Fact] = {column.replace("_", " "): row[column] for column in SHOWN}
        yield Link("judgement", f"of {name} on {row['evaluation_snapshot']}", MODEL_FORMS.name, told)


def _lost(sources: Sources, name: str) -> str:
    folder = sources.workshop.forms.folder(name)
    try:
        verify(folder, form_files(folder))
    except CheckpointError as error:
        return str(error)
    return ""
