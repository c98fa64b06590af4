"""Published tests of language models, read from where the user has them: BLiMP, ARC and CyberSecEval's injections."""

import gzip
import hashlib
import io
import json
import lzma
import random
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from models.config import file_sha256
from models.errors import KnownTestsError

BLIMP, ARC, INJECTIONS = "blimp", "arc", "prompt_injection"
PAIRS, PUBLISHED = "pairs.tar.xz", "models_summary.jsonl"
PUBLISHED_MODELS = ("ngram", "lstm", "txl", "gpt2")
PARTS = ("easy", "challenge")
CASES = "purplellama_prompt_injection.jsonl"
_HASH_SHOWN = 12
_MOST_BYTES = 256_000_000
_QUOTED = re.compile(
    r"(?:contain|reveal|include)(?: the \w+| that the \w+ password is)? '(?P<word>[^']{2,})'"
    r"|contain (?P<bare>[A-Z][a-z]{3,})\?"
)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sentences that differ in little, of which one is grammatical, https://arxiv.org/abs/1912.00582."""

    paradigm: str
    term: str
    good: str
    bad: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answers and the place of the right one, https://arxiv.org/abs/1803.05457."""

    part: str
    question: str
    answers: tuple[str, ...]
    right: int


@dataclass(frozen=True, slots=True)
class Injection:
    """Instructions, what a user says against them, and the word an answer must not hold, where there is one."""

    system: str
    user: str
    forbidden: str | None


@dataclass(frozen=True)
class KnownTests:
    """The published tests of a folder, each with the hash of the files it was read from; absent ones are empty."""

    pairs: list[Pair] = field(default_factory=list)
    published: dict[str, dict[str, float]] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    injections: list[Injection] = field(default_factory=list)
    hashes: dict[str, str] = field(default_factory=dict)


def files_of(folder: Path) -> dict[str, list[Path]]:
    """Return the files of each published test that a folder holds.

    Raises:
        KnownTestsError: there is no such folder, it holds none of them, or one of ARC's two parts is missing.
    """
    if not folder.is_dir():
        raise KnownTestsError(f"there is no folder {folder} of published tests; set LAKEHOUSE_KNOWN_TESTS to one")
    arc = [folder / ARC / f"arc_{part}_dev.jsonl.gz" for part in PARTS]
    wanted = {
        BLIMP: [folder / BLIMP / PAIRS, folder / BLIMP / PUBLISHED],
        ARC: arc,
        INJECTIONS: [folder / INJECTIONS / CASES],
    }
    found = {name: [path for path in paths if path.is_file()] for name, paths in wanted.items()}
    found = {name: paths for name, paths in found.items() if paths and paths[0] == wanted[name][0]}
    if not found:
        names = ", ".join(str(paths[0].relative_to(folder)) for paths in wanted.values())
        raise KnownTestsError(f"{folder} holds no published test; put one of {names} there")
    if len(found.get(ARC, arc)) < len(arc):
        raise KnownTestsError(f"{folder / ARC} lacks {arc[1].name}; ARC has two parts")
    return found


def absent(folder: Path) -> list[str]:
    """Return the names of the published tests that a folder does not hold."""
    return [name for name in (BLIMP, ARC, INJECTIONS) if name not in files_of(folder)]


def content_name(folder: Path, most: int) -> str:
    """Return a short name of what is measured: the files' content, and how much of it is taken."""
    hashes = [file_sha256(path) for paths in files_of(folder).values() for path in paths]
    return hashlib.sha256(json.dumps([hashes, most]).encode()).hexdigest()[:8]


def read_known_tests(folder: Path, *, most: int = 0) -> KnownTests:
    """Read every published test that the folder holds.

    `most` limits pairs a paradigm, questions a part and injections, drawn by a fixed seed; 0 takes all.

    Raises:
        KnownTestsError: none is there, or a file is cut short or of another form; says which.
    """
    files = files_of(folder)
    return KnownTests(
        pairs=_blimp(files[BLIMP][0], most) if BLIMP in files else [],
        published=_published(files[BLIMP][1]) if len(files.get(BLIMP, [])) > 1 else {},
        questions=[
            each for path, part in zip(files.get(ARC, []), PARTS, strict=False) for each in _arc(path, part, most)
        ],
        injections=_injections(files[INJECTIONS][0], most) if INJECTIONS in files else [],
        hashes={name: file_sha256(paths[0])[:_HASH_SHOWN] for name, paths in files.items()},
    )


def _blimp(path: Path, most: int) -> list[Pair]:
    found: list[Pair] = []
    try:
        with lzma.open(path) as packed:
            content = packed.read(_MOST_BYTES + 1)  # to its end, or a cut or flipped byte behind the last file hides
        if len(content) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES:,} bytes unpacked")
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.name.endswith(".jsonl") else None
                if file is not None:
                    pairs = [_pair(row) for row in _rows(io.TextIOWrapper(file, encoding="utf-8"))]
                    found += _drawn(pairs, most, member.name)
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError, ValueError, KeyError, TypeError) as error:
        raise KnownTestsError(f"cannot read BLiMP from {path}: {error!r}; fetch it again") from error
    if not found:
        raise KnownTestsError(f"{path} holds no minimal pairs; fetch it again")
    return sorted(found, key=lambda each: (each.paradigm, each.good, each.bad))


def _pair(row: dict[str, Any]) -> Pair:
    return Pair(row["UID"], row["linguistics_term"], row["sentence_good"], row["sentence_bad"])


def _published(path: Path) -> dict[str, dict[str, float]]:
    """Return the published accuracies, 0 to 1, by paradigm and model."""
    try:
        rows = list(_rows(path.read_text(encoding="utf-8").splitlines()))
        return {row["UID"]: {name: float(row[name]) for name in PUBLISHED_MODELS} for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KnownTestsError(f"cannot read published accuracies from {path}: {error!r}; fetch it again") from error


def _arc(path: Path, part: str, most: int) -> list[Question]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            questions = [_question(part, row) for row in _rows(file)]
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise KnownTestsError(f"cannot read ARC from {path}: {error!r}; fetch it again") from error
    if not questions:
        raise KnownTestsError(f"{path} holds no questions; fetch it again")
    return _drawn(questions, most, path.name)


def _question(part: str, row: dict[str, Any]) -> Question:
    labels: Sequence[str] = [each["label"] for each in row["choices"]]
    answers = tuple(str(each["text"]) for each in row["choices"])
    return Question(part, str(row["question"]), answers, labels.index(row["answerKey"]))


def read_injections(folder: Path | None, most: int = 0) -> list[str]:
    """Return what users say in CyberSecEval's attacks; none without a folder, or where it does not hold them.

    Raises:
        KnownTestsError: the file is cut short or of another form.
    """
    found = [] if folder is None else files_of(folder)[INJECTIONS]
    return [each.user for each in _injections(found[0], most)] if found else []


def _injections(path: Path, most: int) -> list[Injection]:
    try:
        rows = list(_rows(path.read_text(encoding="utf-8").splitlines()))
        found = [
            Injection(str(row["test_case_prompt"]), str(row["user_input"]), _forbidden(row["judge_question"]))
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KnownTestsError(f"cannot read injections from {path}: {error!r}; fetch it again") from error
    if not found:
        raise KnownTestsError(f"{path} holds no injections; fetch it again")
    return _drawn(found, most, path.name)


def _forbidden(judge_question: str) -> str | None:
    """Return the word the judge is asked for; most questions need a reader and have none."""
    match = _QUOTED.search(judge_question)
    return None if match is None else match["word"] or match["bare"]


def _rows(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row = json.loads(line)
        if not isinstance(row, dict):
            raise TypeError(f"line {number} is no JSON object: {line[:60]!r}")
        yield row


def _drawn(items: list[Item], most: int, name: str) -> list[Item]:
    if not most or len(items) <= most:
        return items
    return random.Random(name).sample(items, most)  # noqa: S311 - the same ones every time, no secret
