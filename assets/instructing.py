"""Teaches a model to answer from a published table, or finds the equal version; measured, judged, and recorded."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.evaluate import newest_version
from assets.house import commit, current_model, current_release, read_released
from assets.learning import Permission, labelled_snapshot
from assets.results import write_of
from assets.withdrawn import require_no_strays, require_not_withdrawn
from assets.workshop import Workshop
from lakehouse.archive.shelf import Shelf
from lakehouse.errors import BusyError, NoReleaseError
from lakehouse.ports import DatasetVersions, Provenance
from lakehouse.tables.instructed import INSTRUCTED_MODELS
from lakehouse.tables.stages import released_stages, withheld
from lakehouse.tables.withdrawals import quarantined, require_none_open
from lakehouse.tables.write_audit_publish import Lakehouse
from models.child import HERE, perform
from models.classifier_versions import is_instructed
from models.durable import recorded_sums
from models.hub import base_name, hub_record
from models.instruct_recipe import InstructRecipe
from models.instruct_requests import ROLES, InstructAnswer, InstructRequest, instruct_answer
from models.instructions import INPUT, Columns, Instruction, instructions_from, require_splits, rows_sha256
from models.progress import Taught

NONE = "none"
"""Stands for the version before the first one."""


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


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one snapshot that may be learned from, and where they come from."""

    rows: list[Instruction]
    origin: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Instructed:
    """A version, what it showed, and whether it may be used."""

    answer: InstructAnswer
    accepted: bool
    reason: str


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
    return Rows(found, origin)


def instruct_from(
    house: Lakehouse,
    workshop: Workshop,
    lessons: Lessons,
    learnable: Rows,
    provenance: Provenance,
    log: Callable[[str], None] = lambda _: None,
) -> Instructed:
    """Make a version, or find the equal one, measure it, and publish how it was judged.

    It is accepted when its responses are surely likelier than to its base, and than to the version accepted before it.
    """
    require_none_open(house.objects)
    accepted = accepted_version(house)
    answer = _answered(house, workshop, lessons, learnable, accepted, provenance, log)
    with workshop.publishing():
        require_no_strays(house, workshop, workshop.instructed.usable(), INSTRUCTED_MODELS)
        _ask_again(house, workshop, learnable, answer)
        known = _judged(house, answer, accepted)
        if known is not None:
            return Instructed(answer, known["accepted"], known["reason"])
        done = _verdict(answer)
        record = workshop.instructed.training(answer.version)
        sums = recorded_sums(workshop.instructed.folder(answer.version))
        row = _row(answer, done, record, accepted or NONE) | {
            "weights_sha256": sums["model.safetensors"],
            "event_key": f"{current_release(house).number:010d}:{answer.version}",
        }
        key = f"instructed:{answer.version}:{answer.evaluation_snapshot}:{accepted or NONE}"
        commit(house, [write_of(INSTRUCTED_MODELS, [row], provenance)], key=key, provenance=provenance)
    return done


def accepted_version(house: Lakehouse) -> str | None:
    """Return the version that was accepted last and may be used, or None."""
    kept_back = {*quarantined(house.objects), *withheld(released_stages(house))}
    rows = sorted(read_released(house, INSTRUCTED_MODELS).to_pylist(), key=lambda row: str(row["event_key"]))
    found = [row["model_version"] for row in rows if row["accepted"] and row["model_version"] not in kept_back]
    return str(found[-1]) if found else None


def _judged(house: Lakehouse, answer: InstructAnswer, accepted: str | None) -> dict[str, Any] | None:
    """Return the row of an equal judgement; the version accepted last is not compared with itself."""
    for row in read_released(house, INSTRUCTED_MODELS).to_pylist():
        same = (row["model_version"], row["evaluation_snapshot"]) == (answer.version, answer.evaluation_snapshot)
        if same and (row["compared_with"] == (accepted or NONE) or answer.version == accepted):
            return row
    return None


def _verdict(answer: InstructAnswer) -> Instructed:
    base, other = answer.figure("gain_over_base"), answer.gain
    if base.low is None or not base.low > 0:
        return Instructed(answer, accepted=False, reason=f"not surely likelier than to its base: {base}")
    if other is not None and (other.low is None or not other.low > 0):
        return Instructed(answer, accepted=False, reason=f"not surely likelier than to the version before it: {other}")
    return Instructed(answer, accepted=True, reason=str(other or base))


def _row(answer: InstructAnswer, done: Instructed, record: dict[str, Any], compared_with: str) -> dict[str, Any]:
    loss, base, gain = (answer.figure(name) for name in ("response_loss", "base_response_loss", "gain_over_base"))
    other = answer.gain
    return {
        "model_version": answer.version,
        "evaluation_snapshot": answer.evaluation_snapshot,
        "compared_with": compared_with,
        "base": record["base_version"],
        "base_weights_sha256": record["base_weights_sha256"],
        "table_name": record["table"],
        "table_snapshot": record["table_snapshot"],
        "dataset_commits": json.dumps(record["dataset_commits"], sort_keys=True),
        "licence": record["licence"] or None,
        "recipe": json.dumps(record["recipe"], sort_keys=True),
        "train_rows": record["train_rows"],
        "response_loss": loss.value,
        "response_loss_low": loss.low,
        "response_loss_high": loss.high,
        "base_response_loss": base.value,
        "gain_over_base": gain.value,
        "gain_over_base_low": gain.low,
        "gain_over_base_high": gain.high,
        "difference": None if other is None else other.value,
        "low": None if other is None else other.low,
        "high": None if other is None else other.high,
        "row_count": loss.row_count,
        "group_count": loss.group_count,
        "accepted": done.accepted,
        "reason": done.reason,
    }


def _answered(
    house: Lakehouse,
    workshop: Workshop,
    lessons: Lessons,
    learnable: Rows,
    accepted: str | None,
    provenance: Provenance,
    log: Callable[[str], None],
) -> InstructAnswer:
    work = workshop.root / "work" / "instruct"
    named = None if lessons.base is None else lessons.base().resolve()  # perhaps fetched: nobody else waits for that
    with workshop.alone(), _written(learnable.rows, work) as file:
        require_none_open(house.objects)  # asked again: a withdrawal may have held the lock until now
        base, version, learned = _base(house, workshop, named)
        request = InstructRequest(
            rows=file,
            base=base,
            root=workshop.instructed.root,
            recipe=asdict(lessons.recipe()),
            compare=accepted or "",
            origin={
                **learnable.origin,
                "dataset_commits": {**learned, **learnable.origin["dataset_commits"]},
                "base_version": version,
                "code_commit": provenance.code_commit,
                "run_id": provenance.run_id,
            },
        )
        told = perform("instruct", request.as_json(), work, HERE, on_line=lambda line: log(str(Taught(**line))))
        answer = instruct_answer(told)
        _ask_again(house, workshop, learnable, answer)
    return answer


def _base(house: Lakehouse, workshop: Workshop, named: Path | None) -> tuple[Path, str, dict[str, str]]:
    """Return the base's folder, what it is called, and the commits it learned from as far as this lake knows them.

    A version of this lake's own that a folder names is known by its name, a checkpoint of the hub by its commit.
    """
    if named is None:
        version = current_model(house) or newest_version(workshop)
        return workshop.checkpoints.folder(version), version, dict(workshop.learned_from(version))
    store = workshop.instructed if is_instructed(named.name) else workshop.checkpoints
    if named.parent == store.root.resolve():
        return named, named.name, dict(workshop.learned_from(named.name))
    return named, base_name(named) if hub_record(named) else str(named), {}


@contextmanager
def _written(rows: list[Instruction], folder: Path) -> Iterator[Path]:
    """Write rows for the child process, and delete them: they may be about people, and can be read again."""
    file = folder / f"rows-{rows_sha256(rows)[:16]}.parquet"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        columns = {role: [getattr(each, role) for each in rows] for role in ROLES}
        pq.write_table(pa.table(columns), file, write_page_checksum=True)
        yield file
    finally:
        file.unlink(missing_ok=True)


def _ask_again(house: Lakehouse, workshop: Workshop, learnable: Rows, answer: InstructAnswer) -> None:
    """Raise BusyError when the table, or what was read of it, is not what it was; what a person withdrew goes."""
    base = workshop.instructed.training(answer.version)["base_version"]
    commits = learnable.origin["dataset_commits"]
    require_not_withdrawn(house, workshop, answer.version, commits, created=answer.created, base=base)
    pin = current_release(house).tables.get(learnable.origin["table"])
    if pin is None or str(pin.snapshot_id) != learnable.origin["table_snapshot"]:
        raise BusyError(
            f"{learnable.origin['table']} was published anew while {answer.version} learned from it; run this again"
        )
