"""Where labelled texts come from: a table in a dataset's folder, a single file, or AG_NEWS."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv, json

from lakehouse.archive.eds import Description, load_description
from lakehouse.archive.reading import raw_batches, typed
from lakehouse.archive.terms import terms_rows
from lakehouse.errors import PurposeError
from lakehouse.policy.terms import read_terms
from lakehouse.ports import DatasetVersion
from models.errors import LabelsError
from models.labelled import LabelledText, Split, labelled_from, read_ag_news

PURPOSE = "model_training"


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which table of a dataset, and which of its columns say what."""

    table: str | None = None
    text: str = "text"
    label: str = "label"
    group: str | None = None
    split: str | None = None


def read_labelled(path: Path, where: Where) -> list[LabelledText]:
    """Read labelled texts from a dataset's folder (EDS) or from a CSV, JSON Lines (.gz too) or Parquet file.

    Raises:
        LabelsError: the file or a row cannot be used.
        PurposeError: the dataset's terms do not permit learning from the table.
        NoDescriptionError: the folder has no usable description.
    """
    rows = _of_dataset(path, where) if path.is_dir() else _of_file(path)
    return labelled_from(rows, text=where.text, label=where.label, group=where.group, split=where.split)


def read_news(path: Path) -> list[LabelledText]:
    """Read AG_NEWS: a file, or a folder with train.csv and test.csv, whose articles then keep the authors' test split.

    A text of the test file that the training file has too is left to the test file.
    """
    if not path.is_dir():
        return read_ag_news(path)
    held = read_ag_news(path / "test.csv", "test")
    known = {each.text for each in held}
    learned = [each for each in read_ag_news(path / "train.csv") if each.text not in known]
    # What a hash would hold out for the test is for validation here: the authors' own test is the test.
    kept: dict[Split, Split] = {"train": "train", "validation": "validation", "test": "validation"}
    return [
        *(LabelledText(e.text_id, e.text, e.label, e.group, kept[e.split]) for e in learned),
        *held,
    ]


def _of_file(path: Path) -> pa.Table:
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind not in _READERS:
        raise LabelsError(f"{path} is none of .csv, .jsonl, .jsonl.gz, .parquet; name such a file or a dataset")
    try:
        with _opened(path) as file:
            return _READERS[kind](file)
    except (OSError, EOFError, pa.ArrowException) as error:
        raise LabelsError(f"cannot read labelled texts from {path}: {error}; correct the file") from error


def _csv(file: IO[bytes]) -> pa.Table:
    return csv.read_csv(file, parse_options=csv.ParseOptions(newlines_in_values=True))


_READERS: dict[str, Callable[[IO[bytes]], pa.Table]] = {
    "csv": _csv,
    "jsonl": json.read_json,
    "parquet": lambda file: pq.read_table(file),
}


def _opened(path: Path) -> IO[bytes]:
    """Open a file, or what a gzip file holds."""
    return cast(IO[bytes], gzip.open(path) if path.suffix == ".gz" else path.open("rb"))


def _of_dataset(folder: Path, where: Where) -> pa.Table:
    description = load_description(folder)
    if where.table is None or where.table not in description.tables:
        raise LabelsError(
            f"{folder} has the tables {sorted(description.tables)}, not {where.table!r}; name one: --table"
        )
    require_permitted(description, where.table)
    table = description.tables[where.table]
    batches = list(raw_batches(folder, table))
    if not batches:
        raise LabelsError(f"table {where.table} of {folder} has no rows; add some")
    return typed(pa.concat_tables(batches), table)  # a code of missing values is no label


def require_permitted(description: Description, table: str) -> None:
    """Raise PurposeError unless the dataset's own terms, or else its licence, permit learning from a table.

    Where people must agree one by one the rows are not chosen here, so such a dataset is refused.
    """
    now = datetime.now(UTC)
    here = DatasetVersion(description.name, description.version, "", "", "", now)
    terms = read_terms(terms_rows(description, here).to_pylist())[description.name]
    if terms.consent is not None:
        raise PurposeError(
            f"{description.name} asks its subjects one by one, which fine-tuning from a folder does not; take the rows "
            "of those who agreed into a file"
        )
    if not terms.permits(PURPOSE, table):
        raise PurposeError(f"{description.name} does not permit {PURPOSE} with {table}; ask its owner for other terms")
