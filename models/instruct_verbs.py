"""What runs inside the child process for a model that answers instructions: made or found, measured, and compared."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from models.classifier_versions import InstructedVersions
from models.device import Device, choose_device
from models.errors import LabelsError
from models.instruct import evaluate_instructed, instruct, instructing_key
from models.instruct_recipe import InstructRecipe
from models.instruct_store import Causal, load_causal, save_instructed
from models.instruct_trials import read_instruct_trials, run_instruct_trials
from models.instructed import encoded, gained, response_losses
from models.instructions import ROLES, Columns, Instruction, instructions_from, require_splits, rows_of
from models.progress import Taught, TuningStep
from models.recipe_fields import recipe_of
from models.requests import RESULT, write_result
from models.resume import ResumeStore
from models.tuned_requests import TuneAnswer, TunedGain, TuneRequest, read_tune_request
from models.tuned_store import found_or_made


def run_instruct(request_path: Path, tell: Callable[[Taught | TuningStep], None]) -> None:
    """Make a version, or find the equal one, measure it on the held-out rows, and answer."""
    request = read_tune_request(request_path)
    trials = read_instruct_trials(request.trials)  # said before the work, not after it
    rows, recipe = _read_rows(request.texts), recipe_of(InstructRecipe, dict(request.recipe))
    require_splits(rows)
    store = InstructedVersions(request.root)
    version, created = _made(request, rows, recipe, store, tell)
    with store.opened(version) as folder:
        causal, held = load_causal(folder, context=recipe.context), rows_of(rows, "test")
    device = choose_device("auto", threads=request.threads)
    answer = TuneAnswer(
        version=version,
        created=created,
        figures=evaluate_instructed(causal, request.base, held, context=recipe.context, threads=request.threads),
        trials=run_instruct_trials(trials, causal, held, recipe.context, device),
        gain=_gain(causal, request, version, store, held, recipe, device),
    )
    write_result(request_path.parent / RESULT, answer.as_json())


def _read_rows(path: Path) -> list[Instruction]:
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise LabelsError(f"cannot read rows from {path}: {error}; write a Parquet file there") from error
    return instructions_from(table, Columns(**{role: role for role in ROLES}))


def _made(
    request: TuneRequest,
    rows: Sequence[Instruction],
    recipe: InstructRecipe,
    store: InstructedVersions,
    tell: Callable[[Taught | TuningStep], None],
) -> tuple[str, bool]:
    def make(states: ResumeStore[Taught]) -> Callable[[Mapping[str, Any], Path], None]:
        causal, told = instruct(
            rows, request.base, recipe, threads=request.threads, on_epoch=tell, on_step=tell, resume=states
        )
        return lambda record, folder: save_instructed(causal, {**told, **record}, folder)

    return found_or_made(request, store, instructing_key(rows, request.base, recipe), recipe.seed, Taught, make)


def _gain(
    causal: Causal,
    request: TuneRequest,
    version: str,
    store: InstructedVersions,
    held: Sequence[Instruction],
    recipe: InstructRecipe,
    device: Device,
) -> TunedGain | None:
    """Compare with the version in use on the rows that both have positions for, by whole responses: tokens may differ.

    Without such a row nothing is known, so nothing is gained.
    """
    if request.compare in ("", version):
        return None
    other = load_causal(store.folder(request.compare))
    positions: int = getattr(other.config, "max_position_embeddings", None) or recipe.context
    both = [row for row in held if _tokens(row, other) <= positions]
    if not both:
        return TunedGain("nats saved a response", 0.0, None, None, 0, 0)
    mine, theirs = encoded(both, causal.chat, recipe.context), encoded(both, other.chat, positions)
    losses = response_losses(causal, mine, device), response_losses(other, theirs, device)
    return gained(*losses, [row.group for row in both])


def _tokens(row: Instruction, causal: Causal) -> int:
    return len(causal.chat.prompt(row.asked)) + len(causal.chat.response(row.response))
