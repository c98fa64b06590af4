"""What a language model learns from, made ready: a tokenizer, and documents as its tokens, kept to be used again.

Each lies in a folder named by what it is made of: the documents of a snapshot, the size of the vocabulary, the code
that makes it. A folder whose files are not those that were written is left aside and made again.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from models.batches import Packed, pack
from models.config import file_sha256
from models.documents import Document, of_split, snapshot_hash
from models.durable import SUMS, in_turn, read_json, seal, sync, unfinished, verify, write_json
from models.errors import CheckpointError
from models.token_file import TokenIndex, read_tokens, write_tokens
from models.tokenizer import FILE_NAME, Tokenizer, load_tokenizer, train_tokenizer

log = logging.getLogger(__name__)

Kind = Literal["tokenizer", "tokens"]
SPLITS = ("train", "validation")
"""The splits that are made ready; test documents are never learned from."""
KEPT = 4
"""Tokenizers, and tokens, that stay: those used last."""
ABOUT, INDEX = "about.json", "index.json"
FILES: dict[Kind, tuple[str, ...]] = {
    "tokenizer": (FILE_NAME, ABOUT),
    "tokens": (*(f"{split}.tokens" for split in SPLITS), INDEX, ABOUT),
}


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A tokenizer and the documents of two splits as its tokens; `mapped` are those that lie in files."""

    tokenizer: Tokenizer
    train: Packed
    validation: Packed
    mapped: bool = False


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A kept tokenizer or kept tokens: the folder, what is told of it, and the hash of the hashes of its files.

    `left_aside` says what was wrong with the one that was there before.
    """

    folder: Path
    sha256: str
    about: Mapping[str, Any]
    created: bool
    left_aside: str = ""


def prepare(documents: list[Document], vocabulary_size: int) -> Prepared:
    """Make all of it in memory."""
    learned = of_split(documents, "train")
    tokenizer = train_tokenizer((each.text for each in learned), vocabulary_size=vocabulary_size)
    return Prepared(tokenizer=tokenizer, train=pack(learned, tokenizer), validation=pack(_held(documents), tokenizer))


class PreparedStore:
    """Kept tokenizers and tokens under one folder, which may be deleted at any time: all can be made again."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, kind: Kind, documents: list[Document], vocabulary_size: int) -> Kept | None:
        """Return the kept one if its files are those that were written."""
        folder = self.root / _name(kind, documents, vocabulary_size)
        try:
            return _used(kind, folder) if folder.is_dir() else None
        except CheckpointError as error:
            log.warning("%s cannot be used: %s", folder, error)
            return None

    def keep(self, kind: Kind, documents: list[Document], vocabulary_size: int) -> Kept:
        """Return the kept tokenizer, or the kept tokens; make them where there are none, or others than were written.

        Of several processes that ask at once one makes them and the others wait.

        Raises:
            NoDocumentsError: there is no training text.
            NoRoomError: the disk is full.
        """
        with in_turn(self.root):
            return self._keep(kind, documents, vocabulary_size)

    def _keep(self, kind: Kind, documents: list[Document], vocabulary_size: int) -> Kept:
        folder, left_aside = self.root / _name(kind, documents, vocabulary_size), ""
        try:
            if folder.is_dir():
                return _used(kind, folder)
        except CheckpointError as error:
            left_aside = f"the {kind} kept before cannot be used and was made again: {error}"
            log.warning("%s", left_aside)
            shutil.rmtree(folder)
        make = self._tokenizer if kind == "tokenizer" else self._tokens
        make(folder, documents, vocabulary_size)
        self._drop_oldest(kind)
        return replace(_read(kind, folder, created=True), left_aside=left_aside)

    def open(self, documents: list[Document], vocabulary_size: int) -> Prepared:
        """Return the tokenizer and the tokens, made where they are not there."""
        tokenizer = load_tokenizer(self.keep("tokenizer", documents, vocabulary_size).folder)
        folder = self.keep("tokens", documents, vocabulary_size).folder
        index = read_json(folder / INDEX)
        train, validation = (read_tokens(folder / f"{split}.tokens", TokenIndex(**index[split])) for split in SPLITS)
        return Prepared(tokenizer=tokenizer, train=train, validation=validation, mapped=True)

    def _tokenizer(self, folder: Path, documents: list[Document], vocabulary_size: int) -> None:
        learned = of_split(documents, "train")

        def write(working: Path) -> dict[str, object]:
            tokenizer = train_tokenizer((each.text for each in learned), vocabulary_size=vocabulary_size)
            tokenizer.save(working)
            return {
                "vocabulary_size": tokenizer.size,
                "documents": len(learned),
                "bytes": sum(each.byte_count for each in learned),
            }

        self._write("tokenizer", folder, write)

    def _tokens(self, folder: Path, documents: list[Document], vocabulary_size: int) -> None:
        tokenizer = load_tokenizer(self._keep("tokenizer", documents, vocabulary_size).folder)
        splits = {"train": of_split(documents, "train"), "validation": _held(documents)}

        def write(working: Path) -> dict[str, object]:
            index = {name: write_tokens(each, tokenizer, working / f"{name}.tokens") for name, each in splits.items()}
            write_json(working / INDEX, {name: asdict(each) for name, each in index.items()})
            return {
                "vocabulary_size": tokenizer.size,
                "splits": {
                    name: {"documents": len(each.lengths), "tokens": sum(each.lengths), "bytes": each.byte_count}
                    for name, each in index.items()
                },
            }

        self._write("tokens", folder, write)

    def _write(self, kind: Kind, folder: Path, write: Callable[[Path], dict[str, object]]) -> None:
        with unfinished(self.root) as working:
            write_json(working / ABOUT, write(working))
            seal(working, FILES[kind])
            working.rename(folder)
            sync(self.root)

    def _drop_oldest(self, kind: Kind) -> None:
        for old in sorted(self.root.glob(f"{kind}-*"), key=lambda each: each.stat().st_mtime)[:-KEPT]:
            shutil.rmtree(old)


def _used(kind: Kind, folder: Path) -> Kept:
    """Read what is kept, and mark it as used now: the oldest goes first."""
    kept = _read(kind, folder, created=False)
    os.utime(folder)
    return kept


def _read(kind: Kind, folder: Path, *, created: bool) -> Kept:
    verify(folder, FILES[kind])
    return Kept(folder=folder, sha256=file_sha256(folder / SUMS), about=read_json(folder / ABOUT), created=created)


def _held(documents: list[Document]) -> list[Document]:
    return [document for document in documents if document.split == "validation" and document.text]


def _name(kind: Kind, documents: list[Document], vocabulary_size: int) -> str:
    """The tokenizer rests on the training documents, the tokens on those of both splits and on the tokenizer."""
    learned_from = snapshot_hash(documents, splits=("train",) if kind == "tokenizer" else SPLITS)
    parts = json.dumps([learned_from, vocabulary_size, _code()])
    return f"{kind}-{hashlib.sha256(parts.encode()).hexdigest()[:32]}"


def _code() -> str:
    """Name the code that all of it is made by."""
    files = (Path(__file__).with_name(name) for name in ("prepared.py", "token_file.py", "tokenizer.py"))
    return "-".join([metadata.version("tokenizers"), *(file_sha256(each) for each in files)])
