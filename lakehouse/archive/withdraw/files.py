"""Takes rows, statements and mentions out of the files of a dataset; what stays keeps its bytes where it can."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from lakehouse.archive.arrays import flat
from lakehouse.archive.content_hash import content_sha256, file_sha256
from lakehouse.archive.csv_blocks import LARGEST_ROW_BYTES
from lakehouse.archive.eds import DESCRIPTION_FILE, EVENTS_FOLDER, TABLES_FOLDER, TEXTS_FOLDER, TableDescription
from lakehouse.archive.withdraw.matching import (
    actor_values,
    canonical,
    is_free_text,
    masked,
    names_actor,
    rows_to_remove,
)
from lakehouse.archive.withdraw.plan import PlannedVersion
from lakehouse.masking import WITHDRAWN, Mask

PACKED = (".gz", ".zst")
DATA_FOLDERS = (TABLES_FOLDER, TEXTS_FOLDER, EVENTS_FOLDER)
LineChange = Callable[[str], str | None]
Cells = Mapping[str, str | None]


def remove_from_folder(folder: Path, planned: PlannedVersion, mask: Mask) -> str:
    """Take the person out of a version's content; return the hash of what is left."""
    about, removal = planned.description, planned.removal
    for path in sorted(folder.glob(f"{TABLES_FOLDER}/*/*")):
        table = about.tables.get(path.parent.name)
        if table is not None and path.name != "columns.yaml":
            _change_table_file(path, table, removal.columns.get(table.name, {}), mask)
    actors = actor_values(removal.actors)
    for path in sorted(folder.glob(f"{EVENTS_FOLDER}/*/*.jsonl*")):
        _change_lines(path, lambda line: _statement(line, actors, mask))
    for path in sorted(folder.glob(f"{TEXTS_FOLDER}/*/*")):
        if path.name != "collection.yaml":
            _change_lines(path, lambda line: _masked_line(line, mask))
            _rename(path, mask)
    for path in words_about(folder):
        # Brackets would be a list to YAML.
        _change_lines(path, lambda line: mask.text(line).replace(WITHDRAWN, WITHDRAWN.strip("[]")))
    return hash_of(folder)[0]


def words_about(folder: Path) -> list[Path]:
    """Return the descriptions and whatever text belongs to no table, text collection or log."""
    data = {f"{kind}/{path.name}" for kind in DATA_FOLDERS for path in (folder / kind).glob("*")}
    found = []
    for path in sorted(folder.rglob("*")):
        inside = "/".join(path.relative_to(folder).parts[:2]) in data
        if path.is_file() and (not inside or path.suffix == ".yaml") and _is_text(path):
            found.append(path)
    return found


def hash_of(folder: Path) -> tuple[str, int, int]:
    """Return a folder's content hash, its number of files and their bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    hashes = {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}
    description = folder / DESCRIPTION_FILE
    body = description.read_bytes() if description.is_file() else None
    return content_sha256(hashes, body), len(files), sum(path.stat().st_size for path in files)


def lines_of(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, plain or packed, with their endings."""
    with _opened(path, "rb") as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as text:
        yield from text


def _change_table_file(path: Path, table: TableDescription, columns: Mapping[str, tuple[str, ...]], mask: Mask) -> None:
    inner = _inner_suffix(path)
    if inner == ".parquet":
        _change_parquet(path, table, columns, mask)
    elif inner == ".jsonl":
        _change_lines(path, lambda line: _json_row(line, table, columns, mask))
    elif inner in (".csv", ".tsv"):
        delimiter = "\t" if inner == ".tsv" else table.delimiter
        _rewrite(path, _csv_lines(lines_of(path), delimiter, table, columns, mask))


def _change_parquet(path: Path, table: TableDescription, columns: Mapping[str, tuple[str, ...]], mask: Mask) -> None:
    rows = pq.read_table(path)
    kept = rows.filter(pc.invert(rows_to_remove(rows, table, columns)))
    changed = kept.num_rows != rows.num_rows
    for name in _free(table, columns):
        if name in kept.column_names:
            column, count = masked(flat(kept.column(name)), mask)
            kept = kept.set_column(kept.column_names.index(name), kept.field(name), column)
            changed = changed or count > 0
    if changed:
        pq.write_table(kept, path, compression="zstd")


def _csv_lines(
    lines: Iterator[str], delimiter: str, table: TableDescription, columns: Mapping[str, tuple[str, ...]], mask: Mask
) -> Iterator[str | None]:
    """Yield every record that stays as it stood in the file, or written anew where a cell was masked."""
    csv.field_size_limit(LARGEST_ROW_BYTES)  # what validation takes, this must be able to read
    seen: list[str] = []

    def remembered() -> Iterator[str]:
        for line in lines:
            seen.append(line)
            yield line

    header: list[str] | None = None
    for record in csv.reader(remembered(), delimiter=delimiter):
        raw, ending = "".join(seen), "\r\n" if seen[-1].endswith("\r\n") else "\n"
        seen.clear()
        if header is None:
            header = [name.removeprefix("\ufeff") for name in record]
            yield raw
            continue
        cells = dict(zip(header, record, strict=False))
        if _goes(cells, table, columns):
            continue
        new = _masked_cells(cells, _free(table, columns), mask)
        yield raw if new is None else _csv_record([new[name] or "" for name in header], delimiter, ending)


def _csv_record(cells: list[str], delimiter: str, ending: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=ending).writerow(cells)
    return out.getvalue()


def _json_row(line: str, table: TableDescription, columns: Mapping[str, tuple[str, ...]], mask: Mask) -> str | None:
    if not line.strip():
        return line
    row: dict[str, Any] = json.loads(line)
    cells = {name: None if value is None else str(value) for name, value in row.items()}
    if _goes(cells, table, columns):
        return None
    new = _masked_cells(cells, _free(table, columns), mask)
    if new is None:
        return line
    row |= {name: new[name] for name in _free(table, columns) if isinstance(row.get(name), str)}
    return json.dumps(row, ensure_ascii=False) + "\n"


def _goes(cells: Cells, table: TableDescription, columns: Mapping[str, tuple[str, ...]]) -> bool:
    for name, values in columns.items():
        cell = cells.get(name)
        if cell is not None and canonical(cell, table.columns[name].type) in values:
            return True
    return False


def _free(table: TableDescription, columns: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [name for name, column in table.columns.items() if name not in columns and is_free_text(column)]


def _masked_cells(cells: Cells, free: list[str], mask: Mask) -> dict[str, str | None] | None:
    """Return the cells with mentions masked, or None when there are none."""
    named = [name for name in free if (cell := cells.get(name)) is not None and mask.holds(cell)]
    return {**cells, **{name: mask.text(str(cells[name])) for name in named}} if named else None


def _statement(line: str, actors: frozenset[str], mask: Mask) -> str | None:
    if not line.strip():
        return line
    return None if names_actor(json.loads(line), actors) else _masked_line(line, mask)


def _masked_line(line: str, mask: Mask) -> str:
    if not mask.holds(line):
        return line
    body = line.rstrip("\r\n")
    return mask.document(body) + line[len(body) :]


def _change_lines(path: Path, change: LineChange) -> None:
    _rewrite(path, (change(line) for line in lines_of(path)))


def _rewrite(path: Path, lines: Iterator[str | None]) -> None:
    """Write the lines beside the file and put them in its place if they differ from it."""
    partial = path.with_name(f"{path.name}.part")
    packed = path.suffix if path.suffix in PACKED else ""
    with _opened(partial, "wb", packed) as out:
        for line in lines:
            if line is not None:
                out.write(line.encode())
    with _opened(path, "rb") as old, _opened(partial, "rb", packed) as new:
        same = _equal(old, new)
    if same:
        partial.unlink()
    else:
        partial.replace(path)


def _equal(old: IO[bytes], new: IO[bytes]) -> bool:
    while True:
        one, other = old.read(1 << 20), new.read(1 << 20)
        if one != other:
            return False
        if not one:
            return True


@contextmanager
def _opened(path: Path, mode: str, packed: str | None = None) -> Iterator[IO[bytes]]:
    suffix = path.suffix if packed is None else packed
    if suffix == ".gz":
        # No time in the header: the same rows always give the same bytes.
        with path.open(mode) as raw, gzip.GzipFile("", mode, fileobj=raw, mtime=0) as file:
            yield file  # type: ignore[misc]
    elif suffix == ".zst":
        with zstandard.open(path, mode) as file:
            yield file
    else:
        with path.open(mode) as file:
            yield file


def _is_text(path: Path) -> bool:
    try:
        return "\0" not in path.read_bytes().decode()
    except UnicodeDecodeError:
        return False


def _inner_suffix(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix in PACKED else path.suffix


def _rename(path: Path, mask: Mask) -> None:
    if mask.holds(path.name):
        path.rename(path.with_name(mask.text(path.name).replace("[", "").replace("]", "")))
