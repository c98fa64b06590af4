"""What runs inside the child process for a model that answers instructions: made or found, measured, and compared."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from models.classifier_versions import InstructedVersions
from models.classifiers import INSTRUCTED
from models.device import choose_device
from models.errors import LabelsError, NothingLearnedError, RecipeError
from models.hub import weights_sha256
from models.instruct import evaluate_instructed, instruct, instructing_key
from models.instruct_recipe import InstructRecipe
from models.instruct_requests import ROLES, InstructAnswer, InstructFigure, InstructRequest, read_instruct_request
from models.instruct_store import Causal, load_causal, save_instructed
from models.instructed import encoded, gained, response_losses
from models.instructions import Columns, Instruction, instructions_from, require_splits, rows_of, rows_sha256
from models.progress import Taught
from models.recipe_fields import recipe_of
from models.requests import RESULT, write_result
from models.resume import ResumeStore


def run_instruct(request_path: Path, on_epoch: Callable[[Taught], None]) -> None:
    """Make a version, or find the equal one, measure it on the held-out rows, and answer."""
    request = read_instruct_request(request_path)
    rows, recipe = _read_rows(request.rows), recipe_of(InstructRecipe, dict(request.recipe))
    require_splits(rows)
    store = InstructedVersions(request.root)
    version, created = _made(request, rows, recipe, store, on_epoch)
    causal, held = load_causal(store.folder(version), context=recipe.context), rows_of(rows, "test")
    answer = InstructAnswer(
        version=version,
        created=created,
        evaluation_snapshot=rows_sha256(held),
        figures=evaluate_instructed(causal, request.base, held, context=recipe.context, threads=request.threads),
        gain=_gain(causal, request, version, store, held, recipe),
    )
    write_result(request_path.parent / RESULT, answer.as_json())


def _read_rows(path: Path) -> list[Instruction]:
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise LabelsError(f"cannot read rows from {path}: {error}; write a Parquet file there") from error
    return instructions_from(table, Columns(**{role: role for role in ROLES}))


def _made(
    request: InstructRequest,
    rows: Sequence[Instruction],
    recipe: InstructRecipe,
    store: InstructedVersions,
    on_epoch: Callable[[Taught], None],
) -> tuple[str, bool]:
    """Return the version, and whether it was made now; a run that was killed is gone on with."""
    key = instructing_key(rows, request.base, recipe)
    found = store.find(INSTRUCTED, key)
    if found is not None:
        return found, False
    states = ResumeStore(request.rows.parent / "states", key, Taught)
    try:
        causal, told = instruct(rows, request.base, recipe, threads=request.threads, on_epoch=on_epoch, resume=states)
    except NothingLearnedError:  # going on would end here again
        states.clear()
        raise
    weights = weights_sha256(request.base)
    record: dict[str, Any] = {**told, **request.origin, "instructing_key": key, "base_weights_sha256": weights}
    folder = store.next_folder(INSTRUCTED)
    save_instructed(causal, record | {"seed": recipe.seed}, folder)
    states.clear()
    return folder.name, True


def _gain(
    causal: Causal,
    request: InstructRequest,
    version: str,
    store: InstructedVersions,
    held: Sequence[Instruction],
    recipe: InstructRecipe,
) -> InstructFigure | None:
    """Compare with the version that was accepted last on the same rows, by whole responses: tokens may be others.

    None where there is no other, or where it has not the positions for these rows.
    """
    if request.compare in ("", version):
        return None
    device, groups = choose_device("auto", threads=request.threads), [each.group for each in held]
    try:
        other = load_causal(store.folder(request.compare), context=recipe.context)
    except RecipeError:
        return None
    mine, theirs = (encoded(held, each.chat, recipe.context) for each in (causal, other))
    losses = response_losses(causal, mine, device), response_losses(other, theirs, device)
    return gained(*losses, mine, groups)
