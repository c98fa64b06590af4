"""Published tests of language models, read from where the user has them: BLiMP's minimal pairs, ARC's questions."""

import gzip
import json
import lzma
import random
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import DocumentsError

PAIRS, PUBLISHED = "pairs.tar.xz", "models_summary.jsonl"
PUBLISHED_MODELS = ("ngram", "lstm", "txl", "gpt2")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sentences that differ in little, of which one is grammatical, https://arxiv.org/abs/1912.00582."""

    paradigm: str
    good: str
    bad: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answers and the place of the right one, https://arxiv.org/abs/1803.05457."""

    part: str
    question: str
    answers: tuple[str, ...]
    right: int


def read_blimp(folder: Path, *, per_paradigm: int) -> list[Pair]:
    """Return so many pairs of each paradigm, drawn by a fixed seed, or all where there are fewer.

    Raises:
        DocumentsError: the archive is missing or holds no pairs.
    """
    found = []
    try:
        with tarfile.open(folder / PAIRS, "r:xz") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.name.endswith(".jsonl") else None
                if file is not None:
                    pairs = [_pair(json.loads(line)) for line in file]
                    found += random.Random(member.name).sample(pairs, min(per_paradigm, len(pairs)))  # noqa: S311 - no secret
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError, ValueError, KeyError) as error:
        raise DocumentsError(f"cannot read BLiMP from {folder / PAIRS}: {error}; name its folder") from error
    if not found:
        raise DocumentsError(f"{folder / PAIRS} holds no minimal pairs; name BLiMP's folder")
    return sorted(found, key=lambda each: (each.paradigm, each.good))


def published_blimp(folder: Path) -> dict[str, dict[str, float]]:
    """Return the published accuracies, 0 to 1, by paradigm and model."""
    try:
        rows = [json.loads(line) for line in (folder / PUBLISHED).read_text(encoding="utf-8").splitlines() if line]
        return {row["UID"]: {name: float(row[name]) for name in PUBLISHED_MODELS} for row in rows}
    except (OSError, ValueError, KeyError) as error:
        raise DocumentsError(f"cannot read {folder / PUBLISHED}: {error}; name BLiMP's folder") from error


def read_arc(folder: Path, *, split: str = "dev", most: int) -> list[Question]:
    """Return at most so many questions of each part (``easy``, ``challenge``), drawn by a fixed seed.

    Raises:
        DocumentsError: a file is missing or faulty.
    """
    found: list[Question] = []
    for part in ("easy", "challenge"):
        path = folder / f"arc_{part}_{split}.jsonl.gz"
        try:
            questions = [_question(part, row) for row in _lines(path)]
        except (OSError, EOFError, ValueError, KeyError) as error:
            raise DocumentsError(f"cannot read ARC from {path}: {error}; name its folder") from error
        found += random.Random(path.name).sample(questions, min(most, len(questions)))  # noqa: S311 - no secret
    return found


def _pair(row: dict[str, Any]) -> Pair:
    return Pair(row["UID"], row["sentence_good"], row["sentence_bad"])


def _question(part: str, row: dict[str, Any]) -> Question:
    labels: Sequence[str] = [each["label"] for each in row["choices"]]
    return Question(
        part, row["question"], tuple(each["text"] for each in row["choices"]), labels.index(row["answerKey"])
    )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
