"""Drafts the description files of a dataset by looking at its data, and marks what only a person can say."""

import codecs
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from lakehouse.archive.arrays import Cells
from lakehouse.archive.child import reading
from lakehouse.archive.commas import said_of_commas
from lakehouse.archive.contents import Progress
from lakehouse.archive.dated import said_of_dates, shown
from lakehouse.archive.drafting_apart import FILL_IN
from lakehouse.archive.eds import TableDescription
from lakehouse.archive.entries import DEFAULT_LIMITS, Budget
from lakehouse.archive.guessing import Guess, TableLook, candidate_key, suspicious_name
from lakehouse.archive.joining import (
    JoinLook,
    Looked,
    Reference,
    Repeated,
    Room,
    Together,
    composite_key,
    references,
    repeated_key,
    repeats,
    strangers,
)
from lakehouse.archive.landing import copy_into
from lakehouse.archive.layout import (
    COLLECTION_FILE,
    DESCRIPTION_FILE,
    DICTIONARY_FILE,
    EVENTS_FOLDER,
    LOG_FILE,
    TABLES_FOLDER,
    TEXTS_FOLDER,
)
from lakehouse.archive.letters import spelled
from lakehouse.archive.metadata.adopting import arrange
from lakehouse.archive.metadata.incoming import DELIMITERS, Incoming, IncomingTable, Layout, slug
from lakehouse.archive.metadata.rewriting import UnreadableFileError, header_of, is_utf8
from lakehouse.archive.metadata.stated import is_package
from lakehouse.archive.other_programs import to_do_about
from lakehouse.archive.packed import is_table_file, plain_name
from lakehouse.archive.table_files import pieces, table_files
from lakehouse.archive.unpacking import stem_of
from lakehouse.errors import EncodingError, SchemaError, UnreadableSubmissionError

HEAD_BYTES = 1 << 16
MOST_SHOWN = 3
# What programs write that do not write UTF-8; every byte means something in it.
OTHER_ENCODING = "cp1252"
PERCENT_NAME = re.compile(r"(^|_)(percent|percentage|pct|perc)(_|$)")
SHARE_NAME = re.compile(r"(^|_)(rate|share|ratio|proportion|fraction)(_|$)")
Referring = Mapping[tuple[str, str], Reference]
NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")


def draft_here(source: str, into: str | None, progress: Progress = reading) -> dict[str, object]:
    """Return the description files that a dataset lacks, as texts by place, and what was noticed.

    A folder laid out as a dataset is only read. Of anything else the tables are copied into their places below `into`.

    Raises:
        UnreadableSubmissionError: there is no table to describe.
        UnsafeArchiveError: as in landing.
    """
    path = Path(source)
    progress(path.name)
    root = Path(into) if into is not None else path
    notes = _lay_out(path, root) if into is not None else []
    title = stem_of(path).partition(".")[0]
    name, former = slug(title, (), "dataset", spelled), slug(title, (), "dataset")
    if former != name and not (root / DESCRIPTION_FILE).exists():
        notes.append(f"'{title}' is called '{name}'; where it is stored as '{former}', call it so")
    files = {place: text for place, text in _drafts(root, name, notes, progress) if not (root / place).exists()}
    return {"files": files, "notes": notes}


def _lay_out(source: Path, into: Path) -> list[str]:
    """Copy the tables of a bare folder, archive or file into the places of a dataset; return what was noticed."""
    copied = into / ".copied"
    copied.mkdir()
    if source.is_file() and is_table_file(source.name.lower()):
        with source.open("rb") as stream:
            Budget(DEFAULT_LIMITS).write(stream, copied, source.name)
    else:
        copy_into(source, copied, DEFAULT_LIMITS)
    children = list(copied.iterdir())
    root = children[0] if len(children) == 1 and children[0].is_dir() else copied
    if is_package(root):
        raise UnreadableSubmissionError(f"{source.name} describes itself as a package; hand it in as it is")
    package, left = Incoming(plain=spelled), []
    for path in sorted(each for each in root.rglob("*") if each.is_file()):
        if is_table_file(path.name.lower()):
            package.tables.append(_incoming(package, path))
        else:
            left.append(path.relative_to(root).as_posix())
    notes = [f"{place} was left out: it is {to_do_about(place)}" for place in left]
    if not package.tables:
        held = "; ".join(notes[:MOST_SHOWN]) or "name a folder or file that does"
        raise UnreadableSubmissionError(f"{source.name} holds no CSV, TSV, Parquet or JSON Lines file; {held}")
    arrange(package, root)
    notes[:0] = [f"{remark.place}: {remark.reason}" for remark in package.remarks]
    (root / TABLES_FOLDER).rename(into / TABLES_FOLDER)
    shutil.rmtree(copied)
    return notes


def _incoming(package: Incoming, path: Path) -> IncomingTable:
    name = package.part_name(plain_name(path.name).rpartition(".")[0] or path.stem, path.name)
    table = IncomingTable(name, "", "", [path])
    if path.suffix.lower() not in (".csv", ".tsv"):
        return table
    table.layout = _layout(path)
    try:
        labels = header_of(path, table.layout)
    except UnreadableFileError:
        return table
    if labels and all(NUMBER.fullmatch(label) for label in labels):
        package.say("value_assumed", path.name, "its first row, all numbers, was taken for the names of the columns")
    for label in labels:
        if label not in table.labels:
            table.labels[label] = package.column_name(label, name, table.labels.values())
    return table


def _layout(path: Path) -> Layout:
    """Return how a delimited file is written: its separator by the first line, its encoding by its bytes."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    wide = next((name for mark, name in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
                 if head.startswith(mark)), None)  # fmt: skip
    encoding = wide or ("utf-8" if is_utf8(path) else OTHER_ENCODING)
    line = head.decode(encoding, errors="replace").partition("\n")[0]
    tabbed = path.suffix.lower() == ".tsv"
    return Layout(delimiter="\t" if tabbed else max(DELIMITERS, key=line.count), encoding=encoding)


def _drafts(root: Path, name: str, notes: list[str], progress: Progress) -> Iterator[tuple[str, str]]:
    yield DESCRIPTION_FILE, _dataset(name)
    room, drafts = Room(), []
    for folder in sorted((root / TABLES_FOLDER).iterdir()) if (root / TABLES_FOLDER).is_dir() else ():
        if folder.is_dir() and not (folder / DICTIONARY_FILE).exists():
            drafts.append((folder, _looked(folder, room, notes, progress)))
    by_name = {looked.table: looked for _, looked in drafts}
    referring = references(list(by_name.values()))
    for folder, looked in drafts:
        notes += _mistakes(folder, looked, referring, by_name)
        progress(f"{TABLES_FOLDER}/{folder.name}")
        lines = [*_dictionary(folder, looked, referring), ""]
        yield f"{TABLES_FOLDER}/{folder.name}/{DICTIONARY_FILE}", "\n".join(lines)
    for part, file, text in ((TEXTS_FOLDER, COLLECTION_FILE, _COLLECTION), (EVENTS_FOLDER, LOG_FILE, _LOG)):
        for folder in sorted((root / part).iterdir()) if (root / part).is_dir() else ():
            if folder.is_dir():
                yield f"{part}/{folder.name}/{file}", text


def _separator(folder: Path) -> str:
    return next((_layout(path).delimiter for path in table_files(folder) if path.suffix == ".csv"), ",")


def _looked(folder: Path, room: Room, notes: list[str], progress: Progress) -> Looked:
    """Read a table's files to their end, or as far as they can be read."""
    place = f"{TABLES_FOLDER}/{folder.name}"
    look, joins, described = TableLook(), JoinLook(room), _separated(_separator(folder))
    for path in table_files(folder):
        progress(f"{place}/{path.name}")
        try:
            for piece in pieces(path, described):
                batch = piece()
                look.add(batch)
                joins.add(batch.columns, len(batch.numbers))
        except (SchemaError, EncodingError) as error:
            notes.append(f"{place}/{path.name} could not be read to its end: {error}")
    guesses = look.guesses()
    if candidate_key(guesses):
        joins.forget_rows()
    return Looked(folder.name, look, joins, guesses)


def _mistakes(folder: Path, looked: Looked, referring: Referring, tables: Mapping[str, Looked]) -> Iterator[str]:
    """Yield what in the data seems to be wrong; values of keys stand here only, and in no file that is handed in."""
    for name, guess in looked.guesses.items():
        if said := _mistaken(guess):
            yield f"{TABLES_FOLDER}/{looked.table}, {name}: {said}"
        reference = referring.get((looked.table, name))
        if reference is not None and reference.strangers:
            table, _, key = reference.target.partition(".")
            found = _strangers(folder, looked, name, tables[table], key)
            some = ", ".join(map(shown, found[:MOST_SHOWN]))
            yield f"{TABLES_FOLDER}/{looked.table}, {name}: {_lacking(reference)}: {some}; mend them or add their rows"
    repeated = repeated_key(looked, referring)
    if repeated is not None:
        some = ", ".join(map(shown, _repeats(folder, looked, repeated)))
        said = f"{_repeating(repeated)}: {some}; mend them, or is it no key?"
        yield f"{TABLES_FOLDER}/{looked.table}, {repeated.column}: {said}"


def _repeats(folder: Path, looked: Looked, repeated: Repeated) -> list[str]:
    """Read a table again for the first values of what seems to be its key that come again."""
    found, seen = dict[str, None](), set[int]()
    for cells in _cells(folder, repeated.column):
        found |= dict.fromkeys(repeats(cells, seen, looked.guesses[repeated.column].codes))
        if len(found) >= MOST_SHOWN:
            break
    return list(found)[:MOST_SHOWN]


def _strangers(folder: Path, looked: Looked, name: str, target: Looked, key: str) -> list[str]:
    """Read a table again for the first values of a column that are not in the key that it seems to refer to."""
    found = dict[str, None]()
    for cells in _cells(folder, name):
        found |= dict.fromkeys(strangers(looked, name, target, key, cells))
        if len(found) > MOST_SHOWN:
            break
    return list(found)


def _cells(folder: Path, name: str) -> Iterator[Cells]:
    """Yield a column of a table's files, some rows at a time."""
    described = _separated(_separator(folder))
    for path in table_files(folder):
        with suppress(SchemaError, EncodingError):  # it was said before how far the file can be read
            for piece in pieces(path, described):
                batch = piece()
                if name in batch.columns:
                    yield batch.columns[name]


def _dictionary(folder: Path, looked: Looked, referring: Referring) -> Iterator[str]:
    guesses, separator = looked.guesses, _separator(folder)
    key = candidate_key(guesses)
    yield _HEAD
    yield f'description: ""  # {FILL_IN}: what the table holds'
    yield f'grain: ""  # {FILL_IN}: what one row stands for, such as "one row per pupil and test"'
    yield _key(looked, key, referring)
    if separator not in (",", "\t") or (separator == "\t" and any(p.suffix == ".csv" for p in table_files(folder))):
        yield f"delimiter: {json.dumps(separator)}"
    yield "columns:"
    for name, guess in guesses.items():
        yield from _column(name, guess, is_key=name == key)
        if (looked.table, name) in referring:
            yield _referring(referring[looked.table, name])


def _key(looked: Looked, key: str | None, referring: Referring) -> str:
    repeated = repeated_key(looked, referring)
    together = composite_key(looked, referring) if key is None else None
    if repeated is None or (together is not None and together.named):
        return _composite(looked, together) if key is None else _single(looked, key)
    others = [key] if key else together.columns if together else ()
    instead = f", such as {', '.join(others)}, which never repeat{'' if others[1:] else 's'}" if others else ""
    mend = f"mend the data and take away the first #, or name what tells the rows apart{instead}"
    return f"# primary_key: [{_word(repeated.column)}]  # {FILL_IN}: {_repeating(repeated)}; {mend}"


def _repeating(repeated: Repeated) -> str:
    verb = "repeats" if repeated.repeats == 1 else "repeat"
    return f"it is called like the key, and {repeated.repeats:,} of {repeated.values:,} values {verb} an earlier one"


def _single(looked: Looked, key: str) -> str:
    return f"primary_key: [{_word(key)}]  # CHECK: it is complete and never repeats in these {looked.look.rows:,} rows"


def _composite(looked: Looked, together: Together | None) -> str:
    if together is None:
        return f"# primary_key: []  # {FILL_IN}: the columns that together tell the rows apart; no single one does"
    line = f"primary_key: [{', '.join(map(_word, together.columns))}]"
    said = f"together they never repeat in these {looked.look.rows:,} rows, no single one does so"
    return (
        f"{line}  # CHECK: {said}" if together.named else f"# {line}  # {FILL_IN}: {said}; by chance, or is it the key?"
    )


def _referring(reference: Reference) -> str:
    line, said = f"references: {reference.target}", f"all {reference.values:,} different values stand there"
    if reference.strangers:
        return f"    # {line}  # {FILL_IN}: {_lacking(reference)}; mend the data and take away the first #, or the line"
    return f"    {line}  # CHECK: {said}" if reference.named else f"    # {line}  # {FILL_IN}: {said}; is it meant?"


def _lacking(reference: Reference) -> str:
    return f"{reference.strangers:,} of {reference.values:,} different values are not in {reference.target}"


def _column(name: str, guess: Guess, *, is_key: bool) -> Iterator[str]:
    yield f"  {_word(name)}:"
    yield f"    type: {guess.type}{_told(guess)}"
    yield f'    description: ""  # {FILL_IN}: what it holds, in a sentence'
    if guess.type in ("integer", "number") and not is_key:
        yield _unit(name, guess)
    if guess.complete:
        yield "    required: true  # CHECK: no row lacks it here"
    if guess.codes:
        yield f"    missing_codes: {_listed(guess.codes)}  # CHECK: taken for missing, not for values"
    if guess.suspect is not None:
        yield f'    # missing_codes: ["{guess.suspect}"]  # {FILL_IN}: is {guess.suspect} a value, or none?'
    if guess.levels:
        yield f"    levels: {_listed(guess.levels)}  # CHECK: all there may be? Better: {{code: meaning}}"
    for role in suspicious_name(name):
        if is_key and role == "sensitive":
            continue  # mark_id numbers the marks
        yield f"    # role: {role}  # {FILL_IN}: if the rows are about persons"


def _unit(name: str, guess: Guess) -> str:
    if PERCENT_NAME.search(name):
        return '    unit: "%"  # CHECK: told by its name'
    if SHARE_NAME.search(name) and guess.low is not None and guess.low >= 0 and (guess.high or 0) <= 1:
        return '    unit: "1"  # CHECK: a share of 1, told by its name and values'
    return f'    # unit: ""  # {FILL_IN}: such as h, EUR, points; "1" for plain counts'


def _told(guess: Guess) -> str:
    if not guess.rows or guess.rows == guess.empty:
        return "  # CHECK: there is no value to tell it by"
    if guess.percent:
        return '  # CHECK: every value ends in %: write the numbers alone, with type: number and unit: "%"'
    if said := _mistaken(guess):
        return f"  # CHECK: {said}"
    empty = f", {guess.empty:,} of {guess.rows:,} empty" if guess.empty else ""
    span = f"{guess.low:g} to {guess.high:g}" if guess.low is not None else ""
    said = f"{span}{empty}".removeprefix(", ")
    return f"  # {said}" if said else ""


def _mistaken(guess: Guess) -> str:
    """Return what in a column of text seems to be a mistake, or to be written otherwise than the standard reads it."""
    if guess.dated is not None:
        return said_of_dates(guess.dated)
    if guess.commas is not None:
        return said_of_commas(guess.commas)
    if not guess.odd:
        return ""
    share = f"{guess.rows - guess.empty - guess.odd:,} of {guess.rows - guess.empty:,} values are numbers"
    return f"{share}, and {shown(guess.odd_one)} is none: is this a mistake? Then mend it and write integer or number"


def _word(name: str) -> str:
    return name if slug(name, (), "") == name else json.dumps(name, ensure_ascii=True)


def _listed(values: Iterable[str]) -> str:
    return f"[{', '.join(json.dumps(value, ensure_ascii=True) for value in values)}]"


def _separated(delimiter: str) -> TableDescription:
    """Return a description of a table of which only the separator is known."""
    column = {"type": "string", "description": "-"}
    fields = {"name": "t", "description": "-", "grain": "-", "delimiter": delimiter, "columns": {"c": column}}
    return TableDescription.model_validate(fields)


_HEAD = f"# Drafted by `lakehouse describe`: {FILL_IN} marks what only a person knows, CHECK what was guessed."


def _dataset(name: str) -> str:
    return f"""\
{_HEAD}
eds_version: "1.0"
name: {name}
version: "1"
title: ""  # {FILL_IN}: what a person would search for
description: ""  # {FILL_IN}: what the data are, of whom or what, collected how and why
accumulates: snapshots  # CHECK: snapshots, each version replaces the one before; waves, each adds to it
# licence: CC-BY-4.0  # {FILL_IN}: an SPDX licence; without one nobody may use the data
# terms: {{access: registered}}  # {FILL_IN}: who may read, open, registered or restricted; without it everybody may
# creators: [{{name: "", identifier: "https://orcid.org/"}}]  # {FILL_IN}: who made the data
# contact: {{name: "", email: ""}}  # {FILL_IN}: whom to ask
# keywords: []  # {FILL_IN}: words that a person would search for
# language: en  # {FILL_IN}: of the texts and values, such as en or de
# temporal_coverage: {{start: "2024-09", end: "2025-07"}}  # {FILL_IN}: from when to when the data speak
# provenance: {{how_made: ""}}  # {FILL_IN}: how the data came to be
# subjects: {{student: {{description: "", identifiers: [table.column]}}}}  # {FILL_IN}: if the data name persons
"""


_COLLECTION = f"""\
{_HEAD}
title: ""  # {FILL_IN}: what a person would search for
description: ""  # {FILL_IN}: what the texts are
"""
_LOG = f"""\
{_HEAD}
title: ""  # {FILL_IN}: what a person would search for
description: ""  # {FILL_IN}: what was recorded
xapi_version: "1.0.3"  # CHECK: 1.0.3 or 2.0.0
"""
