"""Texts with a label and a group: read from tables and from AG_NEWS files, checked, and split by group."""

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar, get_args

import pyarrow as pa

from models.errors import LabelsError

Split = Literal["train", "validation", "test"]

AG_NEWS_LABELS = ("World", "Sports", "Business", "Sci/Tech")
"""Classes 1 to 4 of https://arxiv.org/abs/1509.01626, section 4."""

_SHOWN = 5
_SPLITS: dict[str, Split] = {"train": "train", "validation": "validation", "test": "test"}


@dataclass(frozen=True, slots=True)
class LabelledText:
    """One text. Texts of one group (a chapter, a course, a writer) never stand in different splits."""

    text_id: str
    text: str
    label: str
    group: str
    split: Split


def split_of(group: str, *, test_share: float = 0.2, validation_share: float = 0.15) -> Split:
    """Return the split that a stable hash of the group's name gives: the same on every machine and in every order."""
    place = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64
    if place < test_share:
        return "test"
    return "validation" if place < test_share + validation_share else "train"


def labelled_from(
    table: pa.Table, *, text: str, label: str, group: str | None = None, split: str | None = None
) -> list[LabelledText]:
    """Return a table's rows as labelled texts, in the table's order.

    `group` and `split` name columns; without them each text is a group of its own, and the split is drawn by group.

    Raises:
        LabelsError: a column is missing or there twice, a text, label or group is empty, or a text no valid Unicode;
            says which rows.
    """
    named = [name for name in (text, label, group, split) if name is not None]
    missing = [name for name in named if name not in table.column_names]
    if missing:
        raise LabelsError(f"the table lacks the columns {missing}; it has {table.column_names}")
    twice = sorted({name for name in named if table.column_names.count(name) > 1})
    if twice:
        raise LabelsError(f"the table names the columns {twice} more than once; rename all but one of each")
    columns = {name: table.column(name).to_pylist() for name in named}
    found, faults = [], list[str]()
    for at in range(table.num_rows):
        row = {name: values[at] for name, values in columns.items()}
        fault = _fault(row[text], row[label], None if split is None else row[split])
        if not fault and group is not None and (row[group] is None or not str(row[group]).strip()):
            fault = "its group is empty"  # such rows belong together no more than any others
        if fault:
            faults.append(f"row {at + 1}: {fault}")
            continue
        said = str(row[text])
        of = said if group is None else str(row[group])
        drawn: Split = split_of(of) if split is None else _SPLITS[str(row[split])]
        found.append(LabelledText(str(at + 1), said, str(row[label]), of, drawn))
    refuse(faults, "the table")
    return found


def _fault(text: object, label: object, split: object) -> str:
    if text is None or not str(text).strip():
        return "its text is empty"
    if not isinstance(text, str):
        return f"its text is {str(text)[:40]!r}, which is no text"
    if label is None or not str(label).strip():
        return "its label is empty"
    if split is not None and split not in get_args(Split):
        return f"its split is {split!r}, none of {', '.join(get_args(Split))}"
    return "" if is_unicode(text) else "its text has a lone surrogate and so no UTF-8 form"


def is_unicode(text: str) -> bool:
    """Say whether a text has a UTF-8 form; one with a lone surrogate has none."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def refuse(faults: Sequence[str], where: str) -> None:
    """Raise LabelsError with the first faults, when there are any."""
    if faults:
        more = f" and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise LabelsError(f"{where} has rows that cannot be used: {'; '.join(faults[:_SHOWN])}{more}; correct them")


def read_ag_news(path: Path, split: Split | None = None) -> list[LabelledText]:
    """Read a file of AG_NEWS as its authors give it: CSV of class (1 to 4), title and description, with no header.

    Each article is a group of its own. `split` puts all into one split, as the file's own name says (train.csv,
    test.csv); without it the split is drawn by a hash of the text.

    Raises:
        LabelsError: the file is unreadable, holds nothing, or rows have another form; says which lines.
    """
    found, faults = [], list[str]()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.reader(file, strict=True), start=1):
                if len(row) != 3 or row[0] not in ("1", "2", "3", "4") or not f"{row[1]}{row[2]}".strip():
                    faults.append(f"row {number} is {','.join(row)[:60]!r}, not class 1 to 4, title, description")
                    continue
                text = f"{row[1]} {row[2]}".replace("\\", " ").strip()
                drawn = split or split_of(text)
                found.append(LabelledText(str(number), text, AG_NEWS_LABELS[int(row[0]) - 1], text, drawn))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelsError(f"cannot read AG_NEWS from {path}: {error}; name train.csv or test.csv of it") from error
    refuse(faults, str(path))
    if not found:
        raise LabelsError(f"{path} holds no articles; name train.csv or test.csv of AG_NEWS")
    return found


def of_split(texts: Iterable[LabelledText], split: Split) -> list[LabelledText]:
    """Return the texts of one split."""
    return [each for each in texts if each.split == split]


def label_names(texts: Sequence[LabelledText]) -> tuple[str, ...]:
    """Return the labels to learn, sorted, after asking whether there is anything to learn and to measure.

    Raises:
        LabelsError: a split is empty, training has one label, a group or text stands in several splits, or a label
            is held out that training never shows.
    """
    counts = Counter(each.split for each in texts)
    empty = [split for split in get_args(Split) if not counts[split]]
    if empty:
        raise LabelsError(f"no texts in split {', '.join(empty)} of {len(texts)}; add texts, or groups to draw from")
    learned = sorted({each.label for each in texts if each.split == "train"})
    if len(learned) < 2:
        raise LabelsError(f"all training texts have the label {learned[0]!r}; a classifier needs two or more")
    unknown = sorted({each.label for each in texts} - set(learned))
    if unknown:
        raise LabelsError(f"no training text has the labels {unknown}, which are held out; add some or take them out")
    refuse_leaks(texts, "text", lambda each: each.text)
    return tuple(learned)


class InSplit(Protocol):
    """What is learned from or held out, and belongs to a group."""

    @property
    def group(self) -> str:
        """What it belongs to."""

    @property
    def split(self) -> Split:
        """Where it stands."""


Held = TypeVar("Held", bound=InSplit)


def refuse_leaks(rows: Sequence[Held], what: str, said: Callable[[Held], str]) -> None:
    """Raise LabelsError when a group, or what rows say (`what` in words), stands in several splits."""
    split_by: dict[tuple[str, str], Split] = {}
    for each in rows:
        for kind, value in (("group", each.group), (what, said(each))):
            if split_by.setdefault((kind, value), each.split) != each.split:
                raise LabelsError(
                    f"the {kind} {value[:60]!r} stands in the splits {split_by[kind, value]} and {each.split}; "
                    "put it in one, or what is measured is memory"
                )


def snapshot(texts: Sequence[LabelledText]) -> str:
    """Name of labelled texts: SHA-256 over their sorted parts."""
    digest = hashlib.sha256()
    for each in sorted(texts, key=lambda one: (one.split, one.group, one.text, one.label)):
        digest.update("\0".join((each.split, each.group, each.label, each.text)).encode() + b"\n")
    return digest.hexdigest()
