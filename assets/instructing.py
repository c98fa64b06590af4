"""How the model that answers is taught: which rows may be learned from, from which base, and what is told of it."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.families import INSTRUCTED
from assets.learning import Permission, labelled_snapshot, recorded_rows
from assets.tuning import Base, Task, current_base
from assets.workshop import Workshop
from lakehouse.archive.shelf import Shelf
from lakehouse.errors import NoReleaseError
from lakehouse.ports import DatasetVersions
from lakehouse.tables.write_audit_publish import Lakehouse
from models.classifier_versions import is_instructed
from models.classifiers import INSTRUCTED as NAME
from models.hub import base_name, hub_record
from models.instruct_recipe import InstructRecipe
from models.instructions import INPUT, ROLES, Columns, Instruction, instructions_from, require_splits, rows_sha256
from models.progress import Taught, tuning_line
from models.trials import SHIPPED_FOR_ANSWERS

MEANS = (
    "Answers questions like those it was taught, in their language. It writes what is likely, is no source of "
    "facts, and what it was not taught it makes up."
)


@dataclass(frozen=True, slots=True)
class Lessons:
    """The table of instructions that settings name, which of its columns say what, how to learn, and from what.

    Without a dataset nobody is taught. Without a `base` it is the current language model. Base and recipe are asked for
    when somebody is taught: what is at fault there is no fault of other work, and the hub is not asked before.
    """

    dataset: str
    table: str
    columns: Columns
    recipe: Callable[[], InstructRecipe]
    base: Callable[[], Path] | None = None
    trials: tuple[Path, ...] = (SHIPPED_FOR_ANSWERS,)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one snapshot that may be learned from, and where they come from."""

    rows: list[Instruction]
    origin: dict[str, Any]


def rows_of_table(
    lessons: Lessons, house: Lakehouse, shelf: Shelf, versions: DatasetVersions, permission: Permission
) -> Rows:
    """Return the rows that may be learned from, with their split.

    Raises:
        LabelsError: rows cannot be used, or there is nothing to learn or to measure.
        PurposeError: the table may not be learned from.
        NoReleaseError: the table is not published, or settings name none.
        BusyError: another release of the table came meanwhile; read it again.
    """
    if not lessons.dataset:
        raise NoReleaseError("no table of instructions is named; set LAKEHOUSE_INSTRUCT_TABLE=dataset.table")
    rows, origin = labelled_snapshot(house, shelf, versions, permission, lessons.dataset, lessons.table)
    columns = lessons.columns
    if columns.input is None and INPUT in rows.column_names:
        columns = replace(columns, input=INPUT)
    found = instructions_from(rows, columns)
    require_splits(found)
    read_as = {"dataset": lessons.dataset, "table": lessons.table, **asdict(columns)}
    return Rows(found, origin | {"read_as": read_as})


def rows_as_recorded(
    training: Mapping[str, Any], house: Lakehouse, shelf: Shelf, versions: DatasetVersions, permission: Permission
) -> list[Instruction]:
    """Return the rows of the snapshot that a version learned from, as the terms and subjects of today permit them.

    Raises:
        LabelsError: rows cannot be used.
        PurposeError: the table may not be learned from any more.
        NoReleaseError: the dataset is not published any more.
        NoTableError: the snapshot is gone; WithdrawnError when a withdrawal removed it.
    """
    rows = recorded_rows(training, house, shelf, versions, permission)
    columns = {name: value for name, value in training["read_as"].items() if name not in ("dataset", "table")}
    return instructions_from(rows, Columns(**columns))


def instructing(house: Lakehouse, workshop: Workshop, lessons: Lessons, learnable: Rows) -> Task:
    """Return how the model that answers is made of rows that may be learned from."""
    recipe, work = asdict(lessons.recipe()), workshop.root / "work" / "instruct"
    return Task(
        family=INSTRUCTED,
        name=NAME,
        verb="instruct",
        means=MEANS,
        trials=lessons.trials,
        recipe=recipe,
        origin=learnable.origin,
        work=work,
        written=partial(_written, learnable.rows, work),
        store=workshop.instructed,
        gain="gain_over_base",
        against="its base, in nats a token of responses",
        line=partial(tuning_line, Taught),
        own=_own,
        base=partial(_base, house, workshop, lessons),
    )


def _own(training: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "recipe": json.dumps(training["recipe"], sort_keys=True),
        "train_texts": training["train_rows"],
        "base_weights_sha256": training["base_weights_sha256"],
        "base_licence": training.get("base_hub", {}).get("licence") or None,
    }


def _base(house: Lakehouse, workshop: Workshop, lessons: Lessons) -> Base:
    """A version of this lake's own that a folder names is known by its name, a checkpoint of the hub by its commit."""
    if lessons.base is None:
        return current_base(house, workshop)
    named = lessons.base().resolve()
    store = workshop.instructed if is_instructed(named.name) else workshop.checkpoints
    if named.parent == store.root.resolve():
        return Base(named, named.name, workshop.learned_from(named.name))
    return Base(named, base_name(named) if hub_record(named) else str(named), {})


@contextmanager
def _written(rows: list[Instruction], folder: Path) -> Iterator[Path]:
    """Write rows for the child process, and delete them: they may be about people, and can be read again."""
    file = folder / f"rows-{rows_sha256(rows)[:16]}.parquet"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_rows(rows, file)
        yield file
    finally:
        file.unlink(missing_ok=True)


def write_rows(rows: list[Instruction], file: Path) -> None:
    """Write rows where a child process reads them."""
    columns = {role: [getattr(each, role) for each in rows] for role in ROLES}
    pq.write_table(pa.table(columns), file, write_page_checksum=True)
