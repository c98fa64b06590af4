"""Carries out a plan: a new submission folder, written file by file in bounded memory, that records every step."""

import io
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import yaml

from lakehouse.archive import eds
from lakehouse.archive.arrays import Cells
from lakehouse.archive.privacy import json_lines
from lakehouse.archive.privacy.described import protected_dictionary
from lakehouse.archive.privacy.groups import GroupScan
from lakehouse.archive.privacy.kinds import identifiers
from lakehouse.archive.privacy.plan import Drop, Plan, Redact, Step, Suppress
from lakehouse.archive.privacy.steps import Protector, count_changed, redacted
from lakehouse.archive.strict_yaml import read_yaml
from lakehouse.errors import ProtectionError

PACKED = {".gz": "gzip", ".zst": "zstd"}
BLOCK_BYTES = 8 << 20
DELIMITERS = {".tsv": "\t", ".csv": ","}


@dataclass(slots=True)
class Record:
    """What was done: how many values each step changed, by place. Never a value."""

    values: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, place: str, step: str, count: int) -> None:
        """Count changed values of one step at one place."""
        self.values[place, step] += count

    def sentences(self) -> list[str]:
        """Return the record as words for the provenance, in order of places."""
        return [f"{place}: {step}, {count} values" for (place, step), count in sorted(self.values.items())]


@dataclass(frozen=True, slots=True)
class Protection:
    """One run: the folder, the plan, what takes the steps, and the record."""

    source: Path
    plan: Plan
    protector: Protector
    record: Record = field(default_factory=Record)
    missing_codes: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)


def protect(
    source: Path, plan: Plan, target: Path, protector: Protector, progress: Callable[[str], object] = str
) -> Record:
    """Write the protected dataset to a new folder; again with the same result changes nothing.

    `progress` is told of each file before it is opened.

    Raises:
        ProtectionError: the plan does not fit the dataset, a file cannot be read, or `target` holds something else.
    """
    job = Protection(source, plan, protector, missing_codes=_missing_codes(source))
    dictionaries = _fitting(job)
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".protecting-", dir=target.parent))
    try:
        for path in sorted(p for p in source.rglob("*") if p.is_file()):
            place = path.relative_to(source)
            progress(place.as_posix())
            (work / place).parent.mkdir(parents=True, exist_ok=True)
            _file(job, dictionaries, place, work / place)
        _describe(job, work)
        put_in_place(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return job.record


def put_in_place(work: Path, target: Path) -> None:
    """Move a finished folder to where it shall be, or raise ProtectionError when something else is there."""
    if target.exists():
        _compare(work, target)
    else:
        work.rename(target)


def _missing_codes(source: Path) -> dict[str, dict[str, tuple[str, ...]]]:
    tables = eds.read_description(source).tables
    return {name: {c: one.missing_codes for c, one in table.columns.items()} for name, table in tables.items()}


def _fitting(job: Protection) -> dict[str, dict[str, Any]]:
    """Return the new dictionaries of the tables in the plan; say what in the plan is not in the dataset."""
    reading = eds.read_description(job.source)
    for kind, named, known in (
        ("table", {*job.plan.tables, *job.plan.groups}, reading.tables),
        ("text collection", set(job.plan.texts), reading.texts),
        ("event log", set(job.plan.events), reading.events),
    ):
        for name in sorted(named - set(known)):
            raise ProtectionError(f"the plan names a {kind} {name!r} that the dataset does not describe; correct it")
    planned = (*job.plan.tables.values(), *job.plan.events.values())
    for redact in (s for steps in planned for s in steps.values() if isinstance(s, Redact)):
        _known_kinds(redact)
    for redact in job.plan.texts.values():
        _known_kinds(redact)
    return protected_dictionary(job.source, job.plan, reading.tables)


def _known_kinds(redact: Redact) -> None:
    for kind in redact.kinds:
        if kind not in identifiers():
            raise ProtectionError(f"the plan redacts {kind!r}, which is no kind; kinds are {', '.join(identifiers())}")


def _file(job: Protection, dictionaries: Mapping[str, dict[str, Any]], place: Path, target: Path) -> None:
    folder, name = (place.parts[0], place.parts[1]) if len(place.parts) == 3 else ("", "")
    touched = folder == eds.TABLES_FOLDER and name in {*job.plan.tables, *job.plan.groups}
    if touched and place.name == eds.DICTIONARY_FILE:
        target.write_text(yaml.safe_dump(dictionaries[name], sort_keys=False, allow_unicode=True), encoding="utf-8")
    elif touched and _plain_name(place).suffix == ".jsonl":
        _json_table(job, name, place, target)
    elif touched:
        _table(job, name, place, target)
    elif folder == eds.EVENTS_FOLDER and name in job.plan.events and _plain_name(place).suffix == ".jsonl":
        _log(job, name, place, target)
    elif folder == eds.TEXTS_FOLDER and name in job.plan.texts and place.name != eds.COLLECTION_FILE:
        _text(job, name, place, target)
    else:
        shutil.copyfile(job.source / place, target)


def _table(job: Protection, table: str, place: Path, target: Path) -> None:
    steps, suppress = job.plan.tables.get(table, {}), job.plan.groups.get(table)
    small = _small_groups(job, table, steps, suppress) if suppress is not None else None
    writer: pacsv.CSVWriter | pq.ParquetWriter | None = None
    stream = _opened(target)
    try:
        for batch in _batches(job, table, place):
            changed = _changed(job, table, steps, batch)
            if suppress is not None and small is not None:
                changed = _suppressed(job, table, suppress, small, changed)
            writer = writer or _writer(job, table, place, stream, changed.schema)
            writer.write_batch(changed)
        if writer is not None:
            writer.close()
    finally:
        stream.close()


def _json_table(job: Protection, table: str, place: Path, target: Path) -> None:
    steps, suppress = job.plan.tables.get(table, {}), job.plan.groups.get(table)
    small = _small_groups(job, table, steps, suppress) if suppress is not None else None
    with _opened(target) as out:
        for rows in json_lines.rows_of(job.source / place, str(place)):
            changed = _changed(job, table, steps, json_lines.as_batch(rows, _named(job, table)))
            if suppress is not None and small is not None:
                changed = _suppressed(job, table, suppress, small, changed)
            json_lines.put_back(rows, changed, steps)
            for row in rows:
                out.write(json_lines.as_line(row))


def _named(job: Protection, table: str) -> list[str]:
    """Return the columns of a table that the plan names."""
    groups = job.plan.groups[table].columns if table in job.plan.groups else ()
    return list(dict.fromkeys((*job.plan.tables.get(table, {}), *groups)))


def _log(job: Protection, log: str, place: Path, target: Path) -> None:
    steps = job.plan.events[log]
    with _opened(target) as out:
        for rows in json_lines.rows_of(job.source / place, str(place)):
            for row in rows:
                statement, counts = json_lines.protected_statement(row, steps, job.protector)
                for path, count in counts.items():
                    job.record.add(f"events/{log}.{path}", steps[path].step, count)
                out.write(json_lines.as_line(statement))


def _changed(job: Protection, table: str, steps: Mapping[str, Step], batch: pa.RecordBatch) -> pa.RecordBatch:
    columns: dict[str, Cells] = {}
    codes = job.missing_codes.get(table, {})
    for name in batch.schema.names:
        cells, step = batch.column(name), steps.get(name)
        if step is None:
            columns[name] = cells
            continue
        place = f"{table}.{name}"
        if isinstance(step, Drop):
            job.record.add(place, step.step, len(cells) - cells.null_count)
            continue
        plain = cells.cast(pa.string())
        columns[name] = job.protector.changed(step, plain, codes.get(name, ()))
        job.record.add(place, step.step, count_changed(plain, columns[name]))
    return pa.RecordBatch.from_pydict(columns)


def _small_groups(job: Protection, table: str, steps: Mapping[str, Step], suppress: Suppress) -> GroupScan:
    """Look through all files of the table as they will be, and count who shares what."""
    scan, quiet = GroupScan(), Protection(job.source, job.plan, job.protector, missing_codes=job.missing_codes)
    for path in sorted((job.source / eds.TABLES_FOLDER / table).iterdir()):
        if path.name != eds.DICTIONARY_FILE:
            for batch in _batches(job, table, path.relative_to(job.source)):
                changed = _changed(quiet, table, steps, batch)
                scan.add(_chosen(changed, suppress), {}, 0)
    if scan.small(suppress.least).sampled > 1:
        raise ProtectionError(
            f"{table} has too many different groups to suppress; make {suppress.columns} coarser first"
        )
    return scan


def _chosen(batch: pa.RecordBatch, suppress: Suppress) -> dict[str, Cells]:
    return {name: batch.column(name).cast(pa.string()) for name in suppress.columns}


def _suppressed(
    job: Protection, table: str, suppress: Suppress, scan: GroupScan, batch: pa.RecordBatch
) -> pa.RecordBatch:
    few = scan.is_small(_chosen(batch, suppress), suppress.least)
    columns = {name: batch.column(name) for name in batch.schema.names}
    for name in suppress.columns:
        plain = columns[name].cast(pa.string())
        columns[name] = pa.array(plain.to_numpy(zero_copy_only=False), pa.string(), mask=few)
        job.record.add(f"{table}.{name}", f"suppress below {suppress.least}", int(few.sum()))
    return pa.RecordBatch.from_pydict(columns)


def _plain_name(place: Path) -> Path:
    return place.with_suffix("") if place.suffix in PACKED else place


def _delimiter(job: Protection, table: str, place: Path) -> str:
    described = eds.read_description(job.source).tables[table].delimiter
    return "\t" if _plain_name(place).suffix == ".tsv" else described


def _batches(job: Protection, table: str, place: Path) -> Iterator[pa.RecordBatch]:
    suffix = _plain_name(place).suffix
    if suffix == ".jsonl":
        rows = json_lines.rows_of(job.source / place, str(place))
        yield from (json_lines.as_batch(some, _named(job, table)) for some in rows)
        return
    if suffix not in (".csv", ".tsv", ".parquet"):
        raise ProtectionError(f"{place} cannot be protected, only .csv, .tsv, .parquet and .jsonl tables can")
    try:
        if suffix == ".parquet":
            yield from pq.ParquetFile(job.source / place, page_checksum_verification=True).iter_batches()
            return
        names = _header(job, table, place)
        options = pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, null_values=[]
        )
        parse = pacsv.ParseOptions(delimiter=_delimiter(job, table, place), newlines_in_values=True)
        read = pacsv.ReadOptions(block_size=BLOCK_BYTES)
        with (
            pa.input_stream(str(job.source / place)) as stream,
            closing(_csv(stream, read, parse, options)) as reader,
        ):
            yield from reader
    except (pa.ArrowInvalid, OSError):
        # Not `from error`: Arrow quotes the row at fault, which may hold personal values.
        raise ProtectionError(
            f"{place} is no sound table; `lakehouse validate` names what is wrong, mend it first"
        ) from None


def _header(job: Protection, table: str, place: Path) -> list[str]:
    parse = pacsv.ParseOptions(delimiter=_delimiter(job, table, place), newlines_in_values=True)
    with (
        pa.input_stream(str(job.source / place)) as stream,
        closing(_csv(stream, pacsv.ReadOptions(), parse, pacsv.ConvertOptions())) as reader,
    ):
        return reader.schema.names


def _csv(
    stream: pa.NativeFile, read: pacsv.ReadOptions, parse: pacsv.ParseOptions, convert: pacsv.ConvertOptions
) -> pacsv.CSVStreamingReader:
    # The stubs know paths and Python's own files only.
    return pacsv.open_csv(stream, read_options=read, parse_options=parse, convert_options=convert)  # type: ignore[arg-type]


def _opened(target: Path) -> pa.NativeFile:
    # Arrow packs as the file's name says.
    return pa.output_stream(str(target))


def _writer(
    job: Protection, table: str, place: Path, stream: pa.NativeFile, schema: pa.Schema
) -> pacsv.CSVWriter | pq.ParquetWriter:
    if _plain_name(place).suffix == ".parquet":
        return pq.ParquetWriter(stream, schema, write_page_checksum=True)
    return pacsv.CSVWriter(
        stream,  # type: ignore[arg-type]  # as above
        schema,
        write_options=pacsv.WriteOptions(delimiter=_delimiter(job, table, place), quoting_style="needed"),
    )


def _text(job: Protection, name: str, place: Path, target: Path) -> None:
    redact = job.plan.texts[name]
    lines = _plain_name(place).suffix == ".jsonl"
    with pa.input_stream(str(job.source / place)) as raw, _opened(target) as out:
        if not lines:
            out.write(_redacted(job, name, redact, raw.read().decode("utf-8")).encode())
            return
        for number, line in enumerate(io.BufferedReader(raw), 1):  # type: ignore[type-var]  # it reads as files do
            out.write(_document(job, name, redact, line, f"{place}:{number}"))


def _document(job: Protection, name: str, redact: Redact, line: bytes, place: str) -> bytes:
    if not line.strip():
        return line
    try:
        document = json.loads(line)
        before = json.dumps(document)
        document["text"] = redacted(document["text"], redact.kinds)
        for key in document.keys() - {"id", "text"}:
            value = document[key]
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                said = json_lines.as_text(value) or ""
                new = json_lines.without_persons(said, key, redact.kinds)
                document[key] = value if new == said else new
        job.record.add(f"texts/{name}", redact.step, int(json.dumps(document) != before))
    except (ValueError, KeyError, TypeError):
        # Not `from error`: the JSON error holds the line.
        raise ProtectionError(f"{place} is no document; `lakehouse validate` says why, mend it first") from None
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def _redacted(job: Protection, name: str, redact: Redact, text: str) -> str:
    changed = redacted(text, redact.kinds)
    job.record.add(f"texts/{name}", redact.step, int(changed != text))
    return changed


def _describe(job: Protection, work: Path) -> None:
    path = work / eds.DESCRIPTION_FILE
    described = read_yaml(path.read_bytes())
    assert isinstance(described, dict), "it was read before"
    making = described.get("provenance") or {}
    said = "Protected step by step: " + "; ".join(job.record.sentences()) + "."
    before = making.get("how_made", "").strip()
    if said not in before:
        stop = "" if not before or before.endswith((".", "!", "?", ":", ";")) else "."
        making["how_made"] = f"{before}{stop} {said}".strip()
    described["provenance"] = making
    path.write_text(yaml.safe_dump(described, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _compare(work: Path, target: Path) -> None:
    def content(folder: Path) -> dict[str, bytes]:
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    if not target.is_dir() or content(work) != content(target):
        raise ProtectionError(f"{target} is there already and holds something else; name a new folder with --out")
