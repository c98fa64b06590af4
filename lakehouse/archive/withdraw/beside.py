"""Files of a version that hold no rows, documents or statements: which of them name a person, and taking them out."""

import codecs
import html
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.archive.eds import EVENTS_FOLDER, TABLES_FOLDER, TEXTS_FOLDER
from lakehouse.archive.event_files import is_event_file
from lakehouse.archive.leaves import column_leaves, fields_of, told_beside_rows
from lakehouse.archive.packed import PACKINGS, is_table_file, opened
from lakehouse.archive.plain_text import BYTEWISE, content, is_parquet, write_as_text
from lakehouse.archive.text_files import is_text_file
from lakehouse.archive.withdraw.files import passages_of
from lakehouse.errors import SchemaError
from lakehouse.masking import WITHDRAWN, Mask

READ = {TABLES_FOLDER: is_table_file, TEXTS_FOLDER: is_text_file, EVENTS_FOLDER: is_event_file}
PART_OF_DATA = 3
PARQUET_ROWS = 16_384
WINDOW_BYTES, OVERLAP_BYTES = 1 << 20, 1 << 12
LONGEST_LINE_BYTES = 64 << 20
MOST_UNZIPPED_BYTES = 1 << 30
# Shorter values stand in bytes that are no text by chance.
SHORTEST = 6


@dataclass(frozen=True, slots=True)
class Beside:
    """The files that belong to no table, collection or log.

    `words` are texts, plain or packed, in which a person can be masked. `holding` are other files that name the person,
    and pages that spell the name in entities. Of the `unread` it cannot be told: their bytes are packed or drawn.
    """

    words: tuple[Path, ...]
    holding: tuple[Path, ...]
    unread: tuple[Path, ...]


def beside(folder: Path, mask: Mask) -> Beside:
    """Look into every file of a version that is no data."""
    words: list[Path] = []
    holding: list[Path] = []
    unread: list[Path] = []
    bytes_mask = Mask(tuple(value for value in mask.values if len(value) >= SHORTEST)).loosely
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not _is_data(folder, path)):
        if _is_text(path):
            (holding if _names_by_entities(path, mask) else words).append(path)
            continue
        inside = _names_inside(path, mask)
        if inside is None:
            (holding if _names(path, bytes_mask) else unread).append(path)
        elif inside:
            holding.append(path)
    return Beside(tuple(words), tuple(holding), tuple(unread))


def without_names(folder: Path, mask: Mask) -> int:
    """Give files whose names hold the person other names, which are new in their folder; return how many."""
    found = [path for path in sorted(folder.rglob("*"), reverse=True) if mask.in_names.holds(path.name)]
    for path in found:
        name = mask.in_names.text(path.name).replace(WITHDRAWN, WITHDRAWN.strip("[]"))
        free = (f"{number}_{name}" if number else name for number in range(len(found) + 1))
        path.rename(next(new for one in free if not (new := path.with_name(one)).exists()))
    return len(found)


def _is_data(folder: Path, path: Path) -> bool:
    parts = path.relative_to(folder).parts
    return len(parts) == PART_OF_DATA and parts[0] in READ and READ[parts[0]](path.name)


def _is_text(path: Path) -> bool:
    """Say whether a file is UTF-8, plain or packed, in lines that are not too long to be read one by one."""
    decoder, in_line = codecs.getincrementaldecoder("utf-8")(), 0
    try:
        with opened(path) as stream:
            for chunk in iter(partial(stream.read, WINDOW_BYTES), b""):
                if b"\0" in chunk:
                    return False
                decoder.decode(chunk)
                in_line = len(chunk) - chunk.rfind(b"\n") - 1 if b"\n" in chunk else in_line + len(chunk)
                if in_line > LONGEST_LINE_BYTES:
                    return False
        decoder.decode(b"", final=True)
    except (UnicodeDecodeError, SchemaError):
        return False
    return True


def _names_by_entities(path: Path, mask: Mask) -> bool:
    """Say whether a page spells the person in entities, as ``J&ouml;rg``, which cannot be masked letter by letter."""
    passages = (passage for passage in passages_of(path, mask) if "&" in passage)
    return any(mask.count(html.unescape(passage)) > mask.count(passage) for passage in passages)


def _names_inside(path: Path, mask: Mask) -> bool | None:
    """Say whether a Parquet file, or a text in another encoding or packing, names the person; None for other bytes."""
    try:
        with content(path) as plain:
            if is_parquet(plain):
                return _names_in_parquet(plain, mask)
            text = plain.with_name("text")
            encoding = write_as_text(plain, text)
            found = any(mask.holds(passage) for passage in passages_of(text, mask))
            # In what was guessed a name may be spelled otherwise.
            return found or (None if encoding == BYTEWISE else False)
    except (SchemaError, pa.ArrowException, OSError):
        return None


def _names_in_parquet(path: Path, mask: Mask) -> bool:
    """Look at every value, however nested, and at what is written beside the rows."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        said = [*told_beside_rows(file.schema_arrow), *(one.name for one in fields_of(file.schema_arrow))]
        if any(map(mask.holds, said)):
            return True
        for batch in file.iter_batches(batch_size=PARQUET_ROWS, use_threads=False):
            for name, cells in zip(batch.schema.names, batch.columns, strict=True):
                for _, texts, _ in column_leaves(name, cells, np.arange(batch.num_rows)):
                    if any(mask.holds(text) for text in texts.to_pylist() if text):
                        return True
    return False


def _names(path: Path, mask: Mask) -> bool:
    """Say whether the bytes of a file, unpacked or as they are, spell out the person."""
    if mask.values and zipfile.is_zipfile(path) and _names_in_zip(path, mask):
        return True
    with path.open("rb") as stream:
        if mask.values and _spell(stream, mask):
            return True
    try:
        with opened(path) as stream:
            return path.suffix in PACKINGS and bool(mask.values) and _spell(stream, mask)
    except SchemaError:
        return False


def _names_in_zip(path: Path, mask: Mask) -> bool:
    """Look into the members of an office document or archive, up to a limit."""
    left = MOST_UNZIPPED_BYTES
    try:
        with zipfile.ZipFile(path) as packed:
            for member in packed.infolist():
                left -= member.file_size
                if left < 0:
                    return False
                with packed.open(member) as stream:
                    if mask.holds(member.filename) or _spell(stream, mask, member.file_size):
                        return True
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, OSError, EOFError, ValueError):
        return False  # damaged, encrypted or of another kind: it stays among those that cannot be read
    return False


def _spell(stream: IO[bytes], mask: Mask, most: int | None = None) -> bool:
    """Say whether bytes spell a value in UTF-8 or UTF-16; windows overlap, so that none is cut in two."""
    before = b""
    for chunk in _chunks(stream, most):
        window = before + chunk
        if any(mask.holds(text) for text in _readings(window)):
            return True
        before = window[-OVERLAP_BYTES:]
    return False


def _chunks(stream: IO[bytes], most: int | None) -> Iterator[bytes]:
    read = 0
    while (chunk := stream.read(WINDOW_BYTES)) and (most is None or read < most):
        read += len(chunk)
        yield chunk


def _readings(window: bytes) -> Iterator[str]:
    yield window.decode("utf-8", errors="replace")
    for encoding in ("utf-16-le", "utf-16-be"):
        for start in (0, 1):
            yield window[start:].decode(encoding, errors="replace")
