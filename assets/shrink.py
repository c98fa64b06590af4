"""Makes smaller forms of a version, measures each beside it on the same documents, and records the verdict."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from assets.house import Origin, commit, current_model, failures, read_released
from assets.learning import Permission, require_learnable
from assets.model_card import CARD
from assets.publish import release
from assets.results import form_write
from assets.workshop import Corpus, Workshop
from lakehouse.errors import StageError
from lakehouse.markdown import table
from lakehouse.ports import Provenance
from lakehouse.tables.gold import DOCUMENTS, MODEL_FORMS
from lakehouse.tables.stages import released_stages
from lakehouse.tables.withdrawals import quarantined, require_none_open
from lakehouse.tables.write_audit_publish import Lakehouse
from models.child import HERE, perform
from models.form_requests import MeasureRequest, ShrinkRequest, as_json
from models.form_verdict import FormVerdict, form_run, judge_form
from models.forms import SHIPPED, form_named, read_forms

KEPT = "keeps_its_quality"


class ShrinkWhich(dg.Config):
    """Which version; the current one when it is empty."""

    version: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A form by its name, and how it stands."""

    name: str
    verdict: FormVerdict


def smaller(form: str, means: str) -> dg.AssetsDefinition:
    """Return the asset of one form of forms.yaml."""

    @dg.asset(
        name=f"smaller_{form}",
        description=means,
        deps=[release],
        group_name="shrink",
        owners=["team:models"],
        kinds={"onnx"} if form == "onnx" else {"pytorch"},
        check_specs=[
            dg.AssetCheckSpec(
                KEPT, asset=f"smaller_{form}", description="No more bits per byte and bytes than forms.yaml allows."
            )
        ],
    )
    def made(
        context: dg.AssetExecutionContext,
        config: ShrinkWhich,
        house: dg.ResourceParam[Lakehouse],
        workshop: dg.ResourceParam[Workshop],
        origin: dg.ResourceParam[Origin],
        permission: dg.ResourceParam[Permission],
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        with failures():
            version = usable_version(house, config.version)
            require_learnable(
                read_released(house, DOCUMENTS, columns=["document_id"]), permission.policy(house), permission
            )
            provenance = origin.provenance(context, model_version=version)
            judged = shrink(house, workshop, version, form, provenance)
        verdict = judged.verdict
        yield dg.MaterializeResult(
            metadata={"form": judged.name, "model_version": version, "verdict": dg.MetadataValue.md(told(judged))},
            data_version=dg.DataVersion(f"{judged.name}:{verdict.evaluation_snapshot}"),
        )
        yield dg.AssetCheckResult(check_name=KEPT, passed=verdict.accepted, metadata={"reason": verdict.reason})

    return made


SMALLER = {name: smaller(name, form.means) for name, form in read_forms(SHIPPED).items()}


def usable_version(house: Lakehouse, version: str) -> str:
    """Return the version to make forms of.

    Raises:
        StageError: none is current, or the one that is named may not be used.
    """
    chosen = version or current_model(house)
    if chosen is None:
        raise StageError("no model is current, so there is nothing to make smaller; run `lakehouse run` first")
    if chosen in quarantined(house.objects):
        raise StageError(f"{chosen} is in quarantine, for it learned from somebody who withdrew; name another")
    if released_stages(house).get(chosen, {}).get("stage") == "retired":
        raise StageError(f"{chosen} is retired; name another")
    return chosen


def shrink(house: Lakehouse, workshop: Workshop, version: str, form: str, provenance: Provenance) -> Judged:
    """Make a form of a version, or find the equal one, measure it, and publish its verdict once per documents.

    Raises:
        ModelError: as the child process raised it.
    """
    require_none_open(house.objects)
    corpus, asked = workshop.corpus(house), form_named(form, workshop.forms_file)
    with workshop.alone():
        # Asked again: a withdrawal may have held the lock until now.
        require_none_open(house.objects)
        usable_version(house, version)
        name = _made(workshop, corpus, version, form, provenance)
        made, whole = (_measured(workshop, corpus, each, version) for each in (name, version))
    judged = Judged(name, judge_form(asked, form_run(made), form_run(whole)))
    write = form_write(name, version, workshop.forms.record(name)["weights_sha256"], judged.verdict, provenance)
    row = write.rows.to_pylist()[0]
    known = read_released(house, MODEL_FORMS, columns=list(MODEL_FORMS.key)).to_pylist()
    if {column: row[column] for column in MODEL_FORMS.key} not in known:
        key = f"form:{name}:{judged.verdict.evaluation_snapshot}:{row['asked']}"
        commit(house, [write], key=key, provenance=provenance)
    _write_card(workshop.forms.folder(name) / CARD, judged, version)
    return judged


def _made(workshop: Workshop, corpus: Corpus, version: str, form: str, provenance: Provenance) -> str:
    request = ShrinkRequest(
        documents=corpus.file,
        checkpoint=workshop.checkpoints.folder(version),
        forms=workshop.forms.root,
        form=form,
        forms_file=workshop.forms_file,
        code_commit=provenance.code_commit,
        run_id=provenance.run_id,
    )
    answer = perform("shrink", as_json(request), workshop.root / "work" / "shrink", HERE)
    return str(answer["form"])


def _measured(workshop: Workshop, corpus: Corpus, name: str, version: str) -> dict[str, object]:
    """Measure a form, or the version itself, in a process of its own: its peak memory is that of nothing else."""
    whole = workshop.checkpoints.folder(version)
    made = whole if name == version else workshop.forms.folder(name)
    work = workshop.root / "work" / "measure" / name
    request = MeasureRequest(documents=corpus.file, made=made, whole=whole, scores=work / "scores.parquet")
    return perform("measure", as_json(request), work, HERE)


def told(judged: Judged) -> str:
    """Return a form beside its version as a Markdown table, and the verdict."""
    one = judged.verdict
    interval = "" if one.low is None or one.high is None else f" [{one.low:+.4f}, {one.high:+.4f}]"
    rows = (
        ("bytes of weights", f"{one.size_bytes:,}", f"{one.whole_size_bytes:,}"),
        ("bits per byte", f"{one.bits_per_byte:.4f}", f"{one.whole_bits_per_byte:.4f}"),
        ("lost, 95 % interval", f"{one.difference:+.4f}{interval}", ""),
        ("tokens per CPU second", f"{one.tokens_per_cpu_second:,.0f}", f"{one.whole_tokens_per_cpu_second:,.0f}"),
        ("peak memory, MiB", f"{one.peak_memory_bytes / 2**20:,.0f}", f"{one.whole_peak_memory_bytes / 2**20:,.0f}"),
    )
    lines = table(("", judged.name, "original"), rows)
    where = f"On {one.document_count} held-out documents of snapshot {one.evaluation_snapshot[:12]}."
    return "\n".join([*lines, "", where, "", one.reason])


def _write_card(path: Path, judged: Judged, version: str) -> None:
    """Keep the newest figures beside the form; what it learned from stands on its version's own card."""
    text = f"# {judged.name}\n\nMade from {version}; its card tells what it learned from.\n\n{told(judged)}\n"
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
