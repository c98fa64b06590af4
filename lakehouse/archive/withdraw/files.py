"""Takes lines, statements, documents and mentions out of text files; what stays keeps its bytes where it can."""

import gzip
import io
import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import zstandard

from lakehouse.archive.content_hash import content_sha256, file_sha256
from lakehouse.archive.csv_files import BOM
from lakehouse.archive.eds import DESCRIPTION_FILE
from lakehouse.archive.packed import plain_name
from lakehouse.archive.withdraw.statements import data_without, statement_masked
from lakehouse.masking import WITHDRAWN, Mask

PACKED = (".gz", ".zst")
LARGEST_JSON_BYTES = 16 << 20
PASSAGE_CHARACTERS, LONGEST_VALUE = 1 << 20, 1 << 12
LineChange = Callable[[str], str | None]


def hash_of(folder: Path) -> tuple[str, int, int]:
    """Return a folder's content hash, its number of files and their bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    hashes = {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}
    description = folder / DESCRIPTION_FILE
    body = description.read_bytes() if description.is_file() else None
    return content_sha256(hashes, body), len(files), sum(path.stat().st_size for path in files)


def lines_of(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, plain or packed, with their endings and without a byte order mark."""
    with _opened(path, "rb") as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        yield from text


def passages_of(path: Path, mask: Mask) -> Iterator[str]:
    """Yield a text, plain or packed, in whole lines and at most some megabytes, with no value of the person cut.

    A name may begin on one line and end on the next. Small texts are one passage.
    """
    read: list[str] = []
    size = 0
    for line in lines_of(path):
        read.append(line)
        size += len(line)
        if size >= PASSAGE_CHARACTERS:
            text = "".join(read)
            # What is nearer to the end may go on there.
            cut = mask.line_before(text, len(text) - LONGEST_VALUE)
            if cut:
                yield text[:cut]
            # Counted anew, or what is a long line would be looked through again with each short one after it.
            read, size = [text[cut:]], 0
    if read:
        yield "".join(read)


def document_goes(line: str, fields: Mapping[str, Collection[str]]) -> bool:
    """Say whether a line of JSON is a document whose id or title is among the person's values."""
    if not fields or line[:1] != "{":
        return False
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return any(document.get(name) in values for name, values in fields.items())


def file_goes(path: Path, fields: Mapping[str, Collection[str]]) -> bool:
    """Say whether a file is one whole document, whose name is its id and title, and which goes."""
    name = plain_name(path.name)
    return is_one_document(path) and any(name.removesuffix(".txt") in values for values in fields.values())


def is_one_document(path: Path) -> bool:
    """Say whether a file of a collection is one text, and not a document a line."""
    return plain_name(path.name).endswith(".txt")


def change_statements(path: Path, actors: Collection[str], mask: Mask) -> None:
    """Take a person's statements out of a log's file, and the person out of those of others."""
    change_lines(path, lambda line: statement_without(line, actors, mask))


def statement_without(line: str, actors: Collection[str], mask: Mask) -> str | None:
    """Return a line of a log without the person, None if it goes; a line that does not name them as it is."""
    if not line.strip():
        return line
    left = data_without(line, actors)
    if left is None:
        return None
    ending = "" if left is line else "\n"
    if not mask.says(left):
        return left + ending
    body = left.rstrip("\r\n")
    return statement_masked(body, mask) + left[len(body) :] + ending


def change_documents(path: Path, fields: Mapping[str, Collection[str]], mask: Mask) -> None:
    """Take documents of the person out of a collection's file, and mask the person in those that stay."""
    if file_goes(path, fields):
        path.unlink()
        return
    if is_one_document(path):
        rewrite(path, (mask.data(passage) for passage in passages_of(path, mask)))
        return
    change_lines(path, lambda line: None if document_goes(line, fields) else data_masked(line, mask))


def data_masked(line: str, mask: Mask) -> str:
    """Return a line of data with the person masked and its ending kept."""
    if not mask.says(line):
        return line
    body = line.rstrip("\r\n")
    return mask.data(body) + line[len(body) :]


def mask_words(path: Path, mask: Mask) -> None:
    """Mask the person in a description or another text; brackets would be a list to YAML.

    A file of JSON that spells the person by escapes is written anew.
    """
    if spelled := escaped(path, mask):
        rewrite(path, iter((json.dumps(mask.structure(json.loads(spelled)), ensure_ascii=False, indent=1) + "\n",)))
    rewrite(path, (mask.text(one).replace(WITHDRAWN, WITHDRAWN.strip("[]")) for one in passages_of(path, mask)))


def escaped(path: Path, mask: Mask) -> str:
    """Return the text of a file of JSON that names the person by escapes alone; empty for every other file."""
    if not plain_name(path.name).endswith(".json") or path.stat().st_size > LARGEST_JSON_BYTES:
        return ""
    text = "".join(lines_of(path))
    return text if not mask.holds(text) and mask.says(text) else ""


def change_lines(path: Path, change: LineChange) -> None:
    """Write a text file again, line by line; None leaves a line out."""
    rewrite(path, (change(line) for line in lines_of(path)))


def rewrite(path: Path, lines: Iterator[str | None]) -> None:
    """Write the lines beside the file and put them in its place if they differ from it."""
    partial = path.with_name(f"{path.name}.part")
    packed = path.suffix if path.suffix in PACKED else ""
    with _opened(path, "rb") as old:
        mark = BOM if old.read(len(BOM)) == BOM else b""
    with _opened(partial, "wb", packed) as out:
        out.write(mark)
        for line in lines:
            if line is not None:
                out.write(line.encode())
    with _opened(path, "rb") as old, _opened(partial, "rb", packed) as new:
        same = _equal(old, new)
    if same:
        partial.unlink()
    else:
        partial.replace(path)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Give the file, or its content beside it where it is packed; what was changed there is packed in its place."""
    if path.suffix not in PACKED:
        yield path
        return
    plain, partial = path.with_name(f"{path.name}.plain"), path.with_name(f"{path.name}.part")
    try:
        with _opened(path, "rb") as old, plain.open("wb") as out:
            shutil.copyfileobj(old, out)
        before = file_sha256(plain)
        yield plain
        if file_sha256(plain) != before:
            with plain.open("rb") as new, _opened(partial, "wb", path.suffix) as out:
                shutil.copyfileobj(new, out)
            partial.replace(path)
    finally:
        plain.unlink(missing_ok=True)


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
