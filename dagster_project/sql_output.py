"""How rows leave `lakehouse sql`: drawn for a terminal, or as CSV, JSON, Parquet and Arrow."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import click
import pyarrow as pa
import pyarrow.parquet as pq
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakehouse.archive.levels import printable, printable_json
from lakehouse.errors import OutputExistsError
from lakehouse.made_once import make_new
from lakehouse.policy.rules import GROUPS_OF
from lakehouse.spreadsheet import as_csv

Form = Literal["table", "csv", "json", "jsonl", "parquet", "arrow"]
FORMS: tuple[Form, ...] = ("table", "csv", "json", "jsonl", "parquet", "arrow")
BINARY: tuple[Form, ...] = ("parquet", "arrow")
WIDEST_CELL = 80
NARROWEST_CELL = 12
BORDER = 3


def drawn(rows: pa.Table, width: int) -> str:
    """Return rows as a table that fits a terminal of so many columns, or one value a line where no table does."""
    cells = [[_cell(value) for value in column.to_pylist()] for column in rows.columns]
    names = [printable(name) for name in rows.column_names]
    widths = [
        max((cell_len(text) for text in (name, *column)), default=0) for name, column in zip(names, cells, strict=True)
    ]
    fits = sum(widths) + BORDER * len(widths) + 1 <= width
    squeezed = sum(min(one, NARROWEST_CELL) for one in widths) + BORDER * len(widths) + 1 <= width
    counted = f"{rows.num_rows} row{'' if rows.num_rows == 1 else 's'}"
    if names and (fits or squeezed):
        return f"{_table(names, cells, _numbers(rows), width)}\n{counted}"
    return "\n".join([*_records(names, cells), counted])


def tell_remark(rows: pa.Table) -> None:
    """Say on standard error what to know of figures that are made of groups of people; of other rows nothing."""
    if (told := remark(rows)) is not None:
        click.echo(told, err=True)


def remark(rows: pa.Table) -> str | None:
    """Return what to know of figures that are made of groups of people, None for other rows."""
    least = (rows.schema.metadata or {}).get(GROUPS_OF.encode(), b"").decode()
    if not least.isdigit():
        return None
    return (
        f"note: people are counted in groups of at least {least}; 1 to {least} of each group are left out of every "
        "figure, so it is lower than the number of rows that are stored (docs/flow/policy.md, People in groups)"
    )


def _cell(value: object) -> str:
    text = "" if value is None else printable(str(value)[:WIDEST_CELL])
    return f"{text}..." if value is not None and len(str(value)) > WIDEST_CELL else text


def _numbers(rows: pa.Table) -> list[bool]:
    kinds = [field.type for field in rows.schema]
    return [pa.types.is_integer(k) or pa.types.is_floating(k) or pa.types.is_decimal(k) for k in kinds]


def _table(names: Sequence[str], cells: Sequence[Sequence[str]], numbers: Sequence[bool], width: int) -> str:
    table = Table()
    for name, number in zip(names, numbers, strict=True):
        # Text, not markup: a cell is drawn as it stands.
        table.add_column(Text(name), justify="right" if number else "left", overflow="fold")
    for row in zip(*cells, strict=True):
        table.add_row(*(Text(cell) for cell in row))
    file = io.StringIO()
    Console(file=file, width=width).print(table)
    return file.getvalue().rstrip()


def _records(names: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    longest = max((cell_len(name) for name in names), default=0)
    for number, row in enumerate(zip(*cells, strict=True), start=1):
        yield f"-- row {number} --"
        yield from (f"{name.ljust(longest)} | {cell}" for name, cell in zip(names, row, strict=True))


def as_text(rows: pa.Table, form: Form, *, width: int, spreadsheet: bool = False) -> str:
    """Return rows in a form of text, ending in one newline."""
    writers: dict[str, Callable[[], str]] = {
        "table": lambda: drawn(rows, width),
        "csv": lambda: _as_csv(rows, spreadsheet=spreadsheet),
        "json": lambda: _as_json(_records_of(rows), indent=1),
        "jsonl": lambda: "\n".join(_as_json(row) for row in _records_of(rows)),
    }
    text = writers[form]()
    return text if text.endswith("\n") or not text else f"{text}\n"


def _as_json(value: object, indent: int | None = None) -> str:
    return printable_json(json.dumps(_plain(value), default=str, ensure_ascii=False, indent=indent, allow_nan=False))


def _plain(value: object) -> object:
    """Return a value as JSON can say it: numbers that it has no words for as texts, bytes in hexadecimal digits."""
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case bytes():
            return value.hex()
        case list() | tuple():
            return [_plain(one) for one in value]
        case dict():
            return {name: _plain(one) for name, one in value.items()}
    return value


def _in_csv(value: object) -> object:
    return _as_json(value) if isinstance(value, list | dict) else value.hex() if isinstance(value, bytes) else value


def _records_of(rows: pa.Table) -> list[dict[str, object]]:
    """Return rows by column name; the second column of one name is called ``name:2``."""
    seen: dict[str, int] = {}
    names = []
    for name in rows.column_names:
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}:{seen[name]}")
    return rows.rename_columns(names).to_pylist()


def _as_csv(rows: pa.Table, *, spreadsheet: bool) -> str:
    values = zip(*([_in_csv(value) for value in column.to_pylist()] for column in rows.columns), strict=True)
    if spreadsheet:
        return as_csv(rows.column_names, values).replace("\r\n", "\n")
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(rows.column_names)
    writer.writerows(values)
    return file.getvalue()


def as_bytes(rows: pa.Table, form: Form, *, spreadsheet: bool = False) -> bytes:
    """Return rows in any form as the bytes of a file; Arrow is the stream format, text is UTF-8."""
    if form not in BINARY:
        return as_text(rows, form, width=WIDEST_CELL * 4, spreadsheet=spreadsheet).encode()
    sink = pa.BufferOutputStream()
    if form == "parquet":
        pq.write_table(rows, sink, write_page_checksum=True)
    else:
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
    return sink.getvalue().to_pybytes()


def save(path: Path, body: bytes) -> None:
    """Write a file that is whole or not there; raise OutputExistsError rather than overwrite one."""
    try:
        make_new(path, body)
    except FileExistsError as error:
        raise OutputExistsError(f"{path} is there already; name another file, or remove it first") from error
