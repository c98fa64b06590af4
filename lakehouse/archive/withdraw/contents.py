"""Takes a person, or everything, out of the content of one version."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakehouse.archive.arrays import flat
from lakehouse.archive.csv_blocks import LARGEST_ROW_BYTES
from lakehouse.archive.eds import EVENTS_FOLDER, TABLES_FOLDER, TEXTS_FOLDER
from lakehouse.archive.event_files import event_files
from lakehouse.archive.packed import plain_name
from lakehouse.archive.table_files import table_files
from lakehouse.archive.text_files import document_files
from lakehouse.archive.withdraw.beside import beside, without_names
from lakehouse.archive.withdraw.described import DESCRIPTIONS, without_addresses, without_spellings
from lakehouse.archive.withdraw.files import (
    change_documents,
    change_lines,
    change_statements,
    hash_of,
    lines_of,
    mask_words,
    rewrite,
    unpacked,
)
from lakehouse.archive.withdraw.matching import is_free_text, mask_of, masked
from lakehouse.archive.withdraw.plan import PlannedVersion
from lakehouse.archive.withdraw.statements import actor_values
from lakehouse.archive.withdraw.whose import Row, Rule
from lakehouse.masking import Mask

Masks = Mapping[str, Mask]
"""What masks each column of text."""
PARQUET_ROWS = 65_536
REMOVED_FILE = "REMOVED.md"


def remove_from_folder(folder: Path, planned: PlannedVersion, mask: Mask) -> str:
    """Take the person out of a version's content; return the hash of what is left."""
    about, removal = planned.description, planned.removal
    for name in about.tables:
        _change_table(folder, name, planned, mask)
    actors = actor_values(removal.actors)
    for name in about.events:
        for path in event_files(folder / EVENTS_FOLDER / name):
            change_statements(path, actors, mask)
    for name in about.texts:
        for path in document_files(folder / TEXTS_FOLDER / name):
            change_documents(path, removal.documents.get(name, {}), mask)
    _change_others(folder, mask)
    return hash_of(folder)[0]


def _change_others(folder: Path, mask: Mask) -> None:
    """Mask the person in descriptions and texts beside the data; files that are no text and name them go."""
    others = beside(folder, mask)
    for path in others.words:
        if path.name in DESCRIPTIONS:
            without_addresses(path, mask)
        mask_words(path, mask)
        if path.name in DESCRIPTIONS:
            without_spellings(path, mask)
    for path in others.holding:
        path.unlink()
    without_names(folder, mask)


def remove_data(folder: Path, *, told: str) -> str:
    """Leave the descriptions of a version only, and a file that tells what became of the rest; return the new hash."""
    descriptions = {folder / "dataset.yaml", *folder.glob("*/*/*.yaml")}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in descriptions:
            path.unlink()
    (folder / REMOVED_FILE).write_text(told, encoding="utf-8")
    return hash_of(folder)[0]


def _change_table(folder: Path, name: str, planned: PlannedVersion, mask: Mask) -> None:
    about = planned.description
    rule = Rule.of(about.tables[name], planned.removal)
    masks = {column: mask_of(mask, about, name, column) for column in _free(rule)}
    for path in table_files(folder / TABLES_FOLDER / name):
        _change_table_file(path, rule, mask, masks)


def _change_table_file(path: Path, rule: Rule, mask: Mask, masks: Masks) -> None:
    name = plain_name(path.name)
    if name.endswith(".parquet"):
        with unpacked(path) as plain:
            _change_parquet(plain, rule, mask, masks)
    elif name.endswith(".jsonl"):
        change_lines(path, lambda line: _json_row(line, rule, masks))
    elif name.endswith((".csv", ".tsv")):
        delimiter = "\t" if name.endswith(".tsv") else rule.table.delimiter
        rewrite(path, _csv_lines(lines_of(path), delimiter, rule, masks))


def _change_parquet(path: Path, rule: Rule, mask: Mask, masks: Masks) -> None:
    """Write a Parquet file again, some rows at a time, and keep the old one where nothing changed."""
    partial = path.with_name(f"{path.name}.part")
    with ExitStack() as opened:
        old = opened.enter_context(pq.ParquetFile(path, page_checksum_verification=True))
        schema = _unnamed(old.schema_arrow, mask)
        changed = not schema.equals(old.schema_arrow, check_metadata=True)
        new = opened.enter_context(pq.ParquetWriter(partial, schema, compression="zstd", write_page_checksum=True))
        for batch in old.iter_batches(batch_size=PARQUET_ROWS, use_threads=False):
            rows = pa.Table.from_batches([batch])
            kept, count = rule.emptied_rows(rows.filter(pc.invert(rule.rows_that_go(rows))), blank=None)
            for name, mine in masks.items():
                if name in kept.column_names:
                    column, named = masked(flat(kept.column(name)), mine, mine.data)
                    kept = kept.set_column(kept.column_names.index(name), kept.field(name), column)
                    count += named
            changed = changed or count > 0 or kept.num_rows != rows.num_rows
            new.write_table(kept)
    if changed:
        partial.replace(path)
    else:
        partial.unlink()


def _unnamed(schema: pa.Schema, mask: Mask) -> pa.Schema:
    """Return a schema with the person masked in what is written beside it, as labels of rows or remarks of a tool."""
    fields = [one.with_metadata(_masked_facts(one.metadata, mask)) for one in schema]
    return pa.schema(fields, _masked_facts(schema.metadata, mask))


def _masked_facts(facts: Mapping[bytes, bytes] | None, mask: Mask) -> dict[bytes | str, bytes | str]:
    return {_masked_bytes(name, mask): _masked_bytes(fact, mask) for name, fact in (facts or {}).items()}


def _masked_bytes(body: bytes, mask: Mask) -> bytes:
    text = body.decode(errors="surrogateescape")
    return mask.data(text).encode(errors="surrogateescape") if mask.holds(text) else body


def _csv_lines(lines: Iterator[str], delimiter: str, rule: Rule, masks: Masks) -> Iterator[str | None]:
    """Yield every record that stays as it stood in the file, or written anew where a cell was changed."""
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
        if rule.row_goes(cells):
            continue
        new = _changed_cells(cells, rule, masks)
        yield raw if new is None else _csv_record([new[name] or "" for name in header], delimiter, ending)


def _csv_record(cells: list[str], delimiter: str, ending: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=ending).writerow(cells)
    return out.getvalue()


def _json_row(line: str, rule: Rule, masks: Masks) -> str | None:
    if not line.strip():
        return line
    row: dict[str, Any] = json.loads(line)
    cells = {name: None if value is None else str(value) for name, value in row.items()}
    if rule.row_goes(cells):
        return None
    new = _changed_cells(cells, rule, masks)
    if new is None:
        return line
    row |= {name: new[name] for name in masks if isinstance(row.get(name), str)}
    row = {name: value for name, value in row.items() if value is None or new[name] is not None}
    return json.dumps(row, ensure_ascii=False) + "\n"


def _free(rule: Rule) -> list[str]:
    return [name for name, column in rule.table.columns.items() if name not in rule.named and is_free_text(column)]


def _changed_cells(cells: Row, rule: Rule, masks: Masks) -> dict[str, str | None] | None:
    """Return the cells with mentions masked and the person's emptied, or None when there are none."""
    named = {
        name: mask.data(cell)
        for name, mask in masks.items()
        if (cell := cells.get(name)) is not None and mask.holds(cell)
    }
    emptied = dict.fromkeys(rule.emptied_row(cells))
    return {**cells, **named, **emptied} if named or emptied else None
