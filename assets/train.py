"""Trains a language model on the published documents, in a child process so that a crash stays there."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import dagster as dg

from assets.curve import Curve, kept_when_it_fails, training_curve
from assets.house import Origin, failures, read_released
from assets.learning import Permission, require_agreed, require_learnable
from assets.model_card import write_card
from assets.store import documents
from assets.tokenize import tokenizer, tokens
from assets.withdrawn import require_not_withdrawn
from assets.workshop import Workshop
from lakehouse.archive.shelf import Shelf
from lakehouse.ports import DatasetVersions
from lakehouse.tables.gold import DOCUMENTS
from lakehouse.tables.withdrawals import require_none_open
from lakehouse.tables.write_audit_publish import Lakehouse
from models.progress import Paced, Progress
from models.requests import TrainResult


class Cause(dg.Config):
    """Why a training was asked for: first, schedule, drift or request."""

    cause: str = "request"


@dg.asset(
    deps=[documents, tokenizer, tokens],
    group_name="train",
    owners=["team:models"],
    kinds={"pytorch"},
)
def language_model(
    context: dg.AssetExecutionContext,
    config: Cause,
    house: dg.ResourceParam[Lakehouse],
    shelf: dg.ResourceParam[Shelf],
    versions: dg.ResourceParam[DatasetVersions],
    workshop: dg.ResourceParam[Workshop],
    origin: dg.ResourceParam[Origin],
    permission: dg.ResourceParam[Permission],
) -> dg.MaterializeResult[None]:
    """A small GPT, learned from the tokens; unchanged documents and recipe give the version there already is."""
    with failures():
        require_none_open(house.objects)
        policy = permission.policy(house)
        require_learnable(read_released(house, DOCUMENTS, columns=["document_id"]), policy, permission)
        require_agreed(house, shelf, versions, permission)
        corpus = workshop.corpus(house)
        key = partial(workshop.training_key, corpus)
        curve = training_curve(house, key, origin.provenance(context), context.log.warning)
        with kept_when_it_fails(curve):
            result = workshop.train(
                corpus,
                code_commit=origin.code_commit,
                cause=config.cause,
                run_id=context.run.run_id,
                log=_heard(Paced(context.log.info), curve),
            )
        require_not_withdrawn(house, workshop, result.model_version, corpus.dataset_commits, created=result.created)
        card = write_card(result.folder, result.training, corpus.file, policy)
    return _told(result, corpus.dataset_commits, card)


def _told(result: TrainResult, dataset_commits: Mapping[str, str], card: Path) -> dg.MaterializeResult[None]:
    training = result.training
    return dg.MaterializeResult(
        metadata={
            "model_version": result.model_version,
            "new": result.created,
            "folder": dg.MetadataValue.path(str(result.folder)),
            "parameters": training["parameter_count"],
            "train_seconds": training["train_seconds"],
            "device": training["device"],
            "datasets": dict(dataset_commits),
            "model_card": dg.MetadataValue.md(card.read_text(encoding="utf-8")),
            "loss_curve": loss_curve(result.curve),
        },
        data_version=dg.DataVersion(result.model_version),
    )


def loss_curve(curve: Sequence[Progress]) -> dg.MarkdownMetadataValue:
    """Return the training and validation curves as a picture for the asset's page."""
    # Imported here: drawing is needed once per training, not whenever the code location loads.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([point.step for point in curve], [point.train_bits_per_byte for point in curve], label="training batch")
    held = [
        (point.step, point.validation_bits_per_byte) for point in curve if point.validation_bits_per_byte is not None
    ]
    axes.plot([step for step, _ in held], [value for _, value in held], "o-", label="validation documents")
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("bits per byte")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return dg.MetadataValue.md(f"![loss curve](data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()})")


def _heard(lines: Paced, curve: Curve[Progress]) -> Callable[[Progress], None]:
    def hear(point: Progress) -> None:
        lines(point)
        curve.hear(point)

    return hear
