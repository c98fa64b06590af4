"""Documents that one of another split says almost word for word: they would measure memory, not learning."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.documents import Document

WORDS = 5
"""Words of one shingle."""
SHORTEST = 10
"""Shingles below which a document is compared as a whole: few short pieces agree by chance."""
ALIKE = 0.8
"""Share of a held-out document's shingles found in one training document from which the two are near-duplicates."""
COMMONEST = 1000
"""Shingles of more training documents than this say nothing about which document was copied."""

Hashes = npt.NDArray[np.uint64]
_WORD = re.compile(r"\w+")
_STEP = np.uint64(1_000_003)


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """A held-out document, the document of another split most like it, and the share of its shingles found there."""

    held: str
    learned: str
    share: float


def near_duplicates(documents: Sequence[Document]) -> list[NearDuplicate]:
    """Return the held-out documents (validation and test) that are near-duplicates of a training document.

    Case, punctuation and white space do not count. No documents give none.
    """
    return _near_duplicates(_of(documents, "validation", "test"), _of(documents, "train"))


def held_twins(documents: Sequence[Document]) -> list[NearDuplicate]:
    """Return the validation documents that are near-duplicates of a test document, which is `learned` here."""
    return _near_duplicates(_of(documents, "validation"), _of(documents, "test"))


def _of(documents: Sequence[Document], *splits: str) -> list[Document]:
    return [each for each in documents if each.split in splits and each.text]


def _near_duplicates(held: Sequence[Document], learned: Sequence[Document]) -> list[NearDuplicate]:
    if not learned or not held:
        return []
    known: dict[str, int] = {}
    shingles = [_shingles(each.text, known) for each in learned]
    hashes = np.concatenate(shingles)
    owners = np.repeat(np.arange(len(shingles)), [len(each) for each in shingles])
    order = np.argsort(hashes, kind="stable")
    hashes, owners = hashes[order], owners[order]
    found = []
    for document in held:
        own = _shingles(document.text, known)
        first, last = np.searchsorted(hashes, own, "left"), np.searchsorted(hashes, own, "right")
        rare = last - first <= COMMONEST
        places = [owners[start:end] for start, end in zip(first[rare], last[rare], strict=True)]
        if not rare.any() or not (shared := np.bincount(np.concatenate(places))).size:
            continue
        share = float(shared.max() / rare.sum())
        if share >= ALIKE:
            found.append(NearDuplicate(document.document_id, learned[int(shared.argmax())].document_id, share))
    return found


def _shingles(text: str, known: dict[str, int]) -> Hashes:
    """Distinct hashes of a text's runs of words; of a short text one hash of all its words."""
    words = np.array([known.setdefault(word, len(known) + 1) for word in _WORD.findall(text.casefold())], np.uint64)
    length = WORDS if len(words) >= WORDS + SHORTEST - 1 else max(len(words), 1)
    if not len(words):
        return np.zeros(1, np.uint64)
    count = len(words) - length + 1
    hashes = np.full(count, length, np.uint64)
    with np.errstate(over="ignore"):
        for at in range(length):
            hashes = (hashes ^ (words[at : at + count] * np.uint64(0x9E3779B97F4A7C15))) * _STEP
            hashes ^= hashes >> np.uint64(29)
    return np.unique(hashes)
