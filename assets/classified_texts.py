"""Labelled texts of a published table for a classifier: those that may be learned from, now or as it was recorded."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.learning import Permission, labelled_snapshot, recorded_rows
from assets.workshop import Workshop
from lakehouse.archive.shelf import Shelf
from lakehouse.ports import DatasetVersions
from lakehouse.tables.write_audit_publish import Lakehouse
from models.classifiers import ROLES, Declared
from models.labelled import LabelledText, label_names, labelled_from, snapshot


@dataclass(frozen=True, slots=True)
class Learnable:
    """Labelled texts of one snapshot, the folder where a child process finds them, and where they come from."""

    texts: Sequence[LabelledText]
    folder: Path
    origin: dict[str, Any]


def texts_of(
    declared: Declared,
    house: Lakehouse,
    shelf: Shelf,
    versions: DatasetVersions,
    workshop: Workshop,
    permission: Permission,
) -> Learnable:
    """Return the texts of a classifier's table that may be learned from, with their split.

    Raises:
        LabelsError: rows cannot be used, or there is nothing to learn or to measure.
        PurposeError: the table may not be learned from.
        NoReleaseError: the table is not published.
        BusyError: another release of the table came meanwhile; read it again.
    """
    rows, origin = labelled_snapshot(house, shelf, versions, permission, declared.dataset, declared.table)
    read_as = {name: getattr(declared, name) for name in ("dataset", "table", *ROLES)}
    texts = labelled_from(rows, **{role: read_as[role] for role in ROLES})
    label_names(texts)
    return Learnable(texts, workshop.root / "work" / "classify" / declared.name, origin | {"read_as": read_as})


def texts_as_recorded(
    training: Mapping[str, Any], house: Lakehouse, shelf: Shelf, versions: DatasetVersions, permission: Permission
) -> list[LabelledText]:
    """Return the texts of the snapshot that a version learned from, as the terms and subjects of today permit them.

    Raises:
        LabelsError: rows cannot be used.
        PurposeError: the table may not be learned from any more.
        NoReleaseError: the dataset is not published any more.
        NoTableError: the snapshot is gone; WithdrawnError when a withdrawal removed it.
    """
    rows = recorded_rows(training, house, shelf, versions, permission)
    return labelled_from(rows, **{role: training["read_as"][role] for role in ROLES})


@contextmanager
def written(learnable: Learnable) -> Iterator[Path]:
    """Write texts for the child process, and delete them: they may be about people, and can be read again."""
    file = learnable.folder / f"texts-{snapshot(learnable.texts)[:16]}.parquet"
    try:
        write_texts(learnable.texts, file)
        yield file
    finally:
        file.unlink(missing_ok=True)


def write_texts(texts: Sequence[LabelledText], file: Path) -> None:
    """Write texts where a child process reads them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = pa.table({role: [getattr(each, role) for each in texts] for role in ROLES})
    pq.write_table(rows, file, write_page_checksum=True)
