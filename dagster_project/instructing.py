"""Instruction tuning from the command line: rows in, a model's folder and its figures out."""

import dataclasses
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dagster_project.labelled_files import read_rows
from lakehouse.archive.levels import printable_json
from models.durable import held_alone
from models.errors import LabelsError, NothingLearnedError
from models.instruct import answer, evaluate_instructed, instruct, instructing_key
from models.instruct_recipe import InstructRecipe
from models.instruct_store import Causal, load_causal, save_instructed
from models.instructions import INPUT, Columns, Instruction, answer_name, instructions_from, rows_of
from models.labelled import is_unicode
from models.progress import Taught, TuningStep
from models.resume import ResumeStore
from models.tuned_requests import TunedFigure

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Which table of a dataset, and which of its columns say what."""

    table: str | None
    named: Columns

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that are used; that of inputs is where it is there."""
        return (*self.named.named, *(() if self.named.input else (INPUT,)))

    @property
    def texts(self) -> tuple[str, ...]:
        """Those of texts."""
        return (*self.named.texts, *(() if self.named.input else (INPUT,)))


def read_instructions(path: Path, rows: Rows) -> list[Instruction]:
    """Read instruction data from a dataset's folder (EDS), or from a CSV, JSON Lines (.gz too) or Parquet file.

    Raises:
        LabelsError: the file or a row cannot be used, or the file is part of a dataset, whose terms must be asked.
        PurposeError: the dataset's terms do not permit learning from the table.
        NoDescriptionError: the folder has no usable description.
    """
    read, named = read_rows(path, rows), rows.named
    if named.input is None and INPUT in read.column_names:
        named = dataclasses.replace(named, input=INPUT)
    return instructions_from(read, named)


def instructed(
    rows: Sequence[Instruction], base: Path, recipe: InstructRecipe, out: Path, *, threads: int | None
) -> Iterator[str]:
    """Learn responses, measure them beside the base, keep the model, and yield what to tell; a killed run goes on.

    Raises:
        ModelError: as the tuning raises it; nothing was written then.

    A fault while measuring is raised as it is; the model was written without figures then.
    """
    if out.exists():
        raise LabelsError(f"{out} is there already and stays as it is; name another folder with --out")
    if not out.absolute().parent.is_dir():
        raise LabelsError(f"there is no folder for {out}; make it, or name another with --out")
    states = ResumeStore(out.parent / f".{out.name}.states", instructing_key(rows, base, recipe), Taught)
    with held_alone(states.root):
        causal, record = _learned(rows, base, recipe, states, threads)
        figures = _kept(causal, record, rows, base, recipe, out, threads)
        states.clear()
    yield f"wrote {out}: {record['train_rows']} rows learned, {record['train_tokens']} tokens of responses"
    yield from map(str, figures)


def _learned(
    rows: Sequence[Instruction], base: Path, recipe: InstructRecipe, states: ResumeStore[Taught], threads: int | None
) -> tuple[Causal, dict[str, Any]]:
    if states.newest_step():
        sys.stderr.write(f"going on from step {states.newest_step()} of the run that was not finished\n")
    try:
        return instruct(rows, base, recipe, threads=threads, on_epoch=_tell, on_step=_tell, resume=states)
    except NothingLearnedError:  # going on would end here again
        states.clear()
        raise


def _kept(
    causal: Causal,
    record: dict[str, Any],
    rows: Sequence[Instruction],
    base: Path,
    recipe: InstructRecipe,
    out: Path,
    threads: int | None,
) -> list[TunedFigure]:
    """Measure a model and write it with its figures; return them."""
    held = rows_of(rows, "test")
    try:
        figures = evaluate_instructed(causal, base, held, context=recipe.context, threads=threads)
    except BaseException:  # a fault here is no reason to lose the hours of learning
        save_instructed(causal, record, out)
        log.warning("measuring failed, the model was kept without figures folder=%s", out)
        raise
    save_instructed(causal, record | {"figures": [asdict(each) for each in figures]}, out)
    return figures


def answered(folder: Path, version: str, asked: str, given: str, *, most: int, threads: int | None) -> str:
    """Return one JSON object: what was asked, and the likeliest response of a kept model.

    The answer of a version has a name, by which it can be explained.

    Raises:
        LabelsError: the question has a lone surrogate and so no UTF-8 form.
    """
    question = Instruction("", asked, given, "", "", "test").asked
    if not is_unicode(question):
        raise LabelsError("the question has a lone surrogate and so no UTF-8 form; correct it")
    told = {"asked": question, "response": answer(load_causal(folder), question, most=most, threads=threads)}
    if version:
        told["prediction"] = answer_name(version, question, told["response"])
    return printable_json(json.dumps(told, ensure_ascii=False))


def _tell(point: Taught | TuningStep) -> None:
    sys.stderr.write(f"{point}\n")
    sys.stderr.flush()
