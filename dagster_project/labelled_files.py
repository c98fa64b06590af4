"""Where labelled texts come from: a table in a dataset's folder, a single file, or AG_NEWS."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol, cast

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from lakehouse.archive.eds import Description, load_description
from lakehouse.archive.layout import DESCRIPTION_FILE
from lakehouse.archive.reading import raw_batches, typed
from lakehouse.archive.terms import terms_rows
from lakehouse.errors import PurposeError
from lakehouse.policy.terms import read_terms
from lakehouse.ports import DatasetVersion
from models.errors import LabelsError
from models.labelled import LabelledText, Split, is_unicode, labelled_from, read_ag_news, refuse

PURPOSE = "model_training"


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which table of a dataset, and which of its columns say what."""

    table: str | None = None
    text: str = "text"
    label: str = "label"
    group: str | None = None
    split: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are used, the texts' first."""
        return tuple(name for name in (self.text, self.label, self.group, self.split) if name is not None)

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns that hold texts."""
        return (self.text,)


class Wanted(Protocol):
    """Which table of a dataset, which of its columns are used, and which of these hold texts."""

    @property
    def table(self) -> str | None:
        """A table of a dataset; a file has none."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that are used."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Those of texts."""


def read_labelled(path: Path, where: Where) -> list[LabelledText]:
    """Read labelled texts from a dataset's folder (EDS) or from a CSV, JSON Lines (.gz too) or Parquet file.

    Labels and groups are taken as they are written: 001 is no 1, true no True.

    Raises:
        LabelsError: the file or a row cannot be used, or the file is part of a dataset, whose terms must be asked.
        PurposeError: the dataset's terms do not permit learning from the table.
        NoDescriptionError: the folder has no usable description.
    """
    rows = read_rows(path, where)
    return labelled_from(rows, text=where.text, label=where.label, group=where.group, split=where.split)


def read_rows(path: Path, wanted: Wanted) -> pa.Table:
    """Read the columns that are wanted from a dataset's folder (EDS), or from a file; values are taken as written.

    Raises:
        LabelsError: the file cannot be used, or is part of a dataset, whose terms must be asked.
        PurposeError: the dataset's terms do not permit learning from the table.
        NoDescriptionError: the folder has no usable description.
    """
    return _of_dataset(path, wanted) if path.is_dir() else _of_file(path, wanted)


def read_news(path: Path) -> list[LabelledText]:
    """Read AG_NEWS: a file, or a folder with train.csv and test.csv, whose articles then keep the authors' test split.

    A text of the test file that the training file has too is left to the test file.

    Raises:
        LabelsError: a file or a row cannot be used, or is part of a dataset, whose terms must be asked.
    """
    _refuse_part_of_dataset(path)
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


def _refuse_part_of_dataset(path: Path) -> None:
    """Raise LabelsError for what lies in a dataset's folder: named by itself, it would be read without its terms."""
    for folder in (path.absolute(), *path.absolute().parents, path.resolve(), *path.resolve().parents):
        if (folder / DESCRIPTION_FILE).is_file():
            raise LabelsError(f"{path} is part of a dataset, whose terms count; name {folder} and a --table of it")


def _of_file(path: Path, where: Wanted) -> pa.Table:
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind not in _READERS:
        raise LabelsError(f"{path} is none of .csv, .jsonl, .jsonl.gz, .parquet; name such a file or a dataset")
    _refuse_part_of_dataset(path)
    try:
        with _opened(path) as file:
            rows = _READERS[kind](file, where)
    except (OSError, EOFError, ValueError, RecursionError, zlib.error, pa.ArrowException) as error:
        raise LabelsError(f"cannot read texts from {path}: {error}; correct the file") from error
    if not rows.num_rows:
        raise LabelsError(f"{path} has no rows; add some, or name another file")
    return rows


def _csv(file: IO[bytes], where: Wanted) -> pa.Table:
    # Guessed types would rewrite labels: 001 to 1, true to True, and 10 to 10.0 beside 1e1.
    as_written = csv.ConvertOptions(column_types=dict.fromkeys(where.columns, pa.string()))
    return csv.read_csv(file, parse_options=csv.ParseOptions(newlines_in_values=True), convert_options=as_written)


def _json_lines(file: IO[bytes], where: Wanted) -> pa.Table:
    rows = list(_objects(file))
    faults = [f"line {at}: {fault}" for at, row in rows if (fault := _fault(row, where))]
    refuse(faults, "the file")
    there = {name for _, row in rows for name in row}
    strings = {
        name: pa.array([None if row.get(name) is None else str(row[name]) for _, row in rows], pa.string())
        for name in sorted(there & set(where.columns))
    }
    others = sorted(there - set(strings))  # named where a column is missing
    return pa.table(strings | {name: pa.nulls(len(rows)) for name in others})


class _AsWritten(str):
    """A JSON number or boolean in the file's own spelling; text it is not."""

    __slots__ = ()


def _objects(file: IO[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each line's number and object; empty lines are skipped."""
    decoder = json.JSONDecoder(parse_int=_AsWritten, parse_float=_AsWritten, parse_constant=_no_value)
    for at, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = decoder.decode(line.decode("utf-8"))
        except ValueError as error:
            raise ValueError(f"line {at} is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {at} holds no JSON object but {str(row)[:40]!r}")
        yield at, {name: _AsWritten(json.dumps(each)) if isinstance(each, bool) else each for name, each in row.items()}


def _no_value(name: str) -> str:
    raise ValueError(f"{name} is no value of JSON")


def _fault(row: dict[str, Any], where: Wanted) -> str:
    for name in where.texts:
        if isinstance(row.get(name), _AsWritten):
            return f"its {name} is {str(row[name])[:40]!r}, which is no text"
    for name in where.columns:
        value = row.get(name)
        if value is not None and not isinstance(value, str):
            return f"its {name} is {json.dumps(value)[:40]}, not one value"
        if value is not None and not is_unicode(value):
            return f"its {name} has a lone surrogate and so no UTF-8 form"
        if value is not None and "\0" in value:
            return f"its {name} has a NUL, which no text has"
    return ""


_READERS: dict[str, Callable[[IO[bytes], Wanted], pa.Table]] = {
    "csv": _csv,
    "jsonl": _json_lines,
    "parquet": lambda file, _: pq.read_table(file, page_checksum_verification=True),
}


def _opened(path: Path) -> IO[bytes]:
    """Open a file, or what a gzip file holds."""
    return cast(IO[bytes], gzip.open(path) if path.suffix == ".gz" else path.open("rb"))


def _of_dataset(folder: Path, where: Wanted) -> pa.Table:
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
