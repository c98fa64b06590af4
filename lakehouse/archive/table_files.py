"""The files of a table: which names are read in which format."""

from collections.abc import Iterator
from pathlib import Path

from lakehouse.archive.batches import Piece
from lakehouse.archive.csv_files import csv_pieces
from lakehouse.archive.eds import TableDescription
from lakehouse.archive.json_rows import json_pieces
from lakehouse.archive.packed import is_parquet, is_table_file, plain_name
from lakehouse.archive.parquet_files import parquet_pieces


def table_files(folder: Path) -> list[Path]:
    """Return the files with rows in a table's folder, sorted by name."""
    return sorted(p for p in folder.iterdir() if p.is_file() and is_table_file(p.name))


def pieces(path: Path, table: TableDescription | None) -> Iterator[Piece]:
    """Yield the file's rows piece by piece, in the format that its name says; `table` tells a CSV file's delimiter.

    Raises:
        SchemaError: the file is not of its format, is broken, or passes a limit; a piece may raise it as well.
        EncodingError: raised by a piece whose bytes are not UTF-8.
    """
    name = plain_name(path.name)
    if is_parquet(name):
        return parquet_pieces(path)
    if name.endswith(".jsonl"):
        return json_pieces(path)
    if name.endswith(".tsv"):
        return csv_pieces(path, "\t")
    return csv_pieces(path, table.delimiter if table else ",")


def cell_of(path: Path, table: TableDescription | None, column: str, row: int) -> str | None:
    """Return a cell of a file that was read before, by the number of its row; None where there is none."""
    before = 0
    for piece in pieces(path, table):
        batch = piece()
        if row <= before + batch.span:
            found = [at for at, number in enumerate(batch.numbers.tolist()) if before + number == row]
            return str(batch.columns[column][found[0]].as_py()) if found and column in batch.columns else None
        before += batch.span
    return None
