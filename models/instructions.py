"""Rows of instruction data: what is asked, what is given with it, and the wished response; checked, split by group."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

import pyarrow as pa

from models.errors import LabelsError
from models.labelled import Split, is_unicode, refuse, refuse_leaks, split_of

INSTRUCTION, INPUT, RESPONSE = "instruction", "input", "response"
ROLES = (INSTRUCTION, INPUT, RESPONSE, "group", "split")
"""Columns of a file of rows for a child process."""
LEAST_GROUPS = 2
"""Of validation rows: a gain is averaged over groups, and its interval drawn from how they differ."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One row. `input` may be empty. Rows of one group (a lesson, a writer) never stand in different splits."""

    row_id: str
    instruction: str
    input: str
    response: str
    group: str
    split: Split

    @property
    def asked(self) -> str:
        """What a person says: the instruction, and the input below it where there is one."""
        return f"{self.instruction}\n\n### Input:\n{self.input}" if self.input else self.instruction


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns of a table say what; without `group` rows that ask the same belong together."""

    instruction: str = INSTRUCTION
    input: str | None = None
    response: str = RESPONSE
    group: str | None = None
    split: str | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """All columns that are used."""
        every = (self.instruction, self.input, self.response, self.group, self.split)
        return tuple(name for name in every if name is not None)

    @property
    def texts(self) -> tuple[str, ...]:
        """Those that hold texts."""
        return tuple(name for name in (self.instruction, self.input, self.response) if name is not None)


def instructions_from(table: pa.Table, columns: Columns) -> list[Instruction]:
    """Return a table's rows, in the table's order; the split is drawn by a hash of the group where no column says it.

    Raises:
        LabelsError: a column is missing or there twice, an instruction or response is empty, or a text is none or no
            valid Unicode; says which rows.
    """
    missing = [name for name in columns.named if name not in table.column_names]
    if missing:
        raise LabelsError(f"the table lacks the columns {missing}; it has {table.column_names}")
    twice = sorted({name for name in columns.named if table.column_names.count(name) > 1})
    if twice:
        raise LabelsError(f"the table names the columns {twice} more than once; rename all but one of each")
    values = {name: table.column(name).to_pylist() for name in columns.named}
    found, faults = [], list[str]()
    for at in range(table.num_rows):
        row = {name: each[at] for name, each in values.items()}
        if fault := _fault(row, columns):
            faults.append(f"row {at + 1}: {fault}")
            continue
        found.append(_made(str(at + 1), row, columns))
    refuse(faults, "the table")
    return found


def _fault(row: dict[str, object], columns: Columns) -> str:
    for name in columns.texts:
        value = row[name]
        if name != columns.input and (value is None or not str(value).strip()):
            return f"its {name} is empty"
        if value is not None and not isinstance(value, str):
            return f"its {name} is {str(value)[:40]!r}, which is no text"
        if value is not None and not is_unicode(value):
            return f"its {name} has a lone surrogate and so no UTF-8 form"
    if columns.group is not None and (row[columns.group] is None or not str(row[columns.group]).strip()):
        return "its group is empty"
    if columns.split is not None and row[columns.split] not in get_args(Split):
        return f"its split is {row[columns.split]!r}, none of {', '.join(get_args(Split))}"
    return ""


def _made(row_id: str, row: dict[str, object], columns: Columns) -> Instruction:
    given = "" if columns.input is None or row[columns.input] is None else str(row[columns.input])
    asked = str(row[columns.instruction])
    group = f"{asked}\n{given}" if columns.group is None else str(row[columns.group])
    split: Split = next(
        (each for each in get_args(Split) if columns.split and row[columns.split] == each), split_of(group)
    )
    return Instruction(row_id, asked, given, str(row[columns.response]), group, split)


def require_splits(rows: Sequence[Instruction]) -> None:
    """Raise LabelsError when a split is empty, or a group, or what is asked, stands in several splits.

    Also when validation rows are of one group: a gain on them would have no interval.
    """
    counts = Counter(each.split for each in rows)
    empty = [split for split in get_args(Split) if not counts[split]]
    if empty:
        raise LabelsError(f"no rows in split {', '.join(empty)} of {len(rows)}; add rows, or groups to draw from")
    if len(groups := {each.group for each in rows if each.split == "validation"}) < LEAST_GROUPS:
        raise LabelsError(
            f"all validation rows are of the group {next(iter(groups))[:60]!r}, and how sure a gain is shows only "
            "between groups; add rows of others"
        )
    refuse_leaks(rows, "question", lambda each: each.asked)


def rows_of(rows: Iterable[Instruction], split: Split) -> list[Instruction]:
    """Return the rows of one split."""
    return [each for each in rows if each.split == split]


def parts(row: Instruction) -> tuple[str, ...]:
    """What makes a row another one."""
    return row.split, row.group, row.instruction, row.input, row.response


def answer_name(version: str, asked: str, response: str) -> str:
    """What an answer is called: its version, and the first digits of the SHA-256 of what was asked and of the response.

    Texts may be about people, so they are not told; who has them can tell that they are meant.
    """
    return "/".join((version, *(hashlib.sha256(each.encode()).hexdigest()[:12] for each in (asked, response))))


def rows_sha256(rows: Iterable[Instruction]) -> str:
    """Name of rows: SHA-256 over their sorted parts."""
    digest = hashlib.sha256()
    for each in sorted(map(parts, rows)):
        digest.update("\0".join(each).encode() + b"\n")
    return digest.hexdigest()
