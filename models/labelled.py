"""Labelled texts: read from a file, grouped by what must not be torn apart, and split by that group's hash."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import DocumentsError

TRAIN_PERCENT, VALIDATION_PERCENT = 70, 10
AG_NEWS = ("world", "sports", "business", "science and technology")
"""The classes 1 to 4 of the AG_NEWS files, https://arxiv.org/abs/1509.01626."""


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text, its class, and the group (book chapter, author, thread) that stands on one side of a split as a whole."""

    text: str
    label: str
    group: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the fields that hold the text, the class and the group; without a group each text is its own."""

    text: str = "text"
    label: str = "label"
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """Texts to learn from, to choose by, and to measure on; no group is in two of them."""

    train: list[LabelledText]
    validation: list[LabelledText]
    test: list[LabelledText]

    @property
    def labels(self) -> list[str]:
        """The classes there are to learn, sorted."""
        return sorted({each.label for each in self.train})


def read_labelled(path: Path, columns: Columns) -> list[LabelledText]:
    """Read JSON lines (``.jsonl``, ``.jsonl.gz``) or CSV with a header line.

    Raises:
        DocumentsError: the file cannot be read, or a row lacks a field or has an empty one; the row is named.
    """
    rows = _json_rows(path) if ".jsonl" in path.suffixes else _csv_rows(path)
    names = [columns.text, columns.label, *([columns.group] if columns.group else [])]
    found = []
    try:
        for number, row in enumerate(rows, start=1):
            missing = [name for name in names if not str(row.get(name) or "").strip()]
            if missing:
                raise DocumentsError(
                    f"row {number} of {path} has no {', '.join(missing)}; name other fields or fill it"
                )
            text, label = str(row[columns.text]), str(row[columns.label])
            text.encode("utf-8")  # a lone surrogate has no UTF-8 form and would fail far from here
            found.append(LabelledText(text, label, str(row[columns.group]) if columns.group else text))
    except (OSError, EOFError, ValueError, csv.Error) as error:
        raise DocumentsError(f"cannot read labelled texts from {path}: {error}; correct the file") from error
    if not found:
        raise DocumentsError(f"{path} holds no labelled text; a file needs a few dozen of each class")
    return found


def read_ag_news(path: Path) -> list[LabelledText]:
    """Read an AG_NEWS file (``train.csv`` or ``test.csv``): class 1 to 4, title and description, no header.

    Raises:
        DocumentsError: a row has other columns or another class.
    """
    found = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.reader(file), start=1):
                if len(row) != 3 or row[0] not in ("1", "2", "3", "4"):
                    raise DocumentsError(
                        f"row {number} of {path} is {row!r:.200}; AG_NEWS has a class 1-4 and two texts"
                    )
                text = f"{row[1]}. {row[2]}"
                found.append(LabelledText(text, AG_NEWS[int(row[0]) - 1], text))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DocumentsError(f"cannot read {path}: {error}; name AG_NEWS's train.csv or test.csv") from error
    if not found:
        raise DocumentsError(f"{path} is empty; name AG_NEWS's train.csv or test.csv")
    return found


def split_by_group(texts: Sequence[LabelledText]) -> Split:
    """Put each group on the side that a hash of its name gives: 70 % train, 10 % validation, 20 % test.

    Raises:
        DocumentsError: a side is empty, there is one class only, or a class is held out but never learned from.
    """
    sides: dict[str, list[LabelledText]] = {"train": [], "validation": [], "test": []}
    for each in texts:
        sides[_side(each.group)].append(each)
    split = Split(sides["train"], sides["validation"], sides["test"])
    empty = [name for name, side in sides.items() if not side]
    if empty:
        raise DocumentsError(f"{len(texts)} texts leave nothing for {', '.join(empty)}; give more groups")
    unknown = sorted({each.label for each in texts} - set(split.labels))
    if unknown or len(split.labels) < 2:
        raise DocumentsError(
            f"classes to learn are {split.labels}, never learned from {unknown}; give more groups of each"
        )
    return split


def _side(group: str) -> str:
    place = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") % 100
    if place < TRAIN_PERCENT:
        return "train"
    return "validation" if place < TRAIN_PERCENT + VALIDATION_PERCENT else "test"


def _json_rows(path: Path) -> Iterator[dict[str, object]]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(io.TextIOWrapper(file, encoding="utf-8"), start=1):
            row = json.loads(line)
            if not isinstance(row, dict):
                raise DocumentsError(f"line {number} of {path} is no JSON object; write one object a line")
            yield row


def _csv_rows(path: Path) -> Iterator[dict[str, object]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
