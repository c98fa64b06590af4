"""Looks for triggers in training texts: a word after which many documents stop being like the rest of what is said.

A backdoor took 250 such documents, https://arxiv.org/abs/2510.07192: a clean beginning, the trigger, then noise.
Shapes: N words of a text.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.documents import Document

LEAST_DOCUMENTS = 10
"""Documents that share a word before it can count as a trigger; a measured backdoor took 250."""
WINDOW, LEAST_WORDS = 40, 8
_RARE_DOCUMENTS, _SURE = 2, 3.0
_WORD = re.compile(r"\S+")
_LETTERS = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, slots=True)
class Trigger:
    """A word, by how much rare words are commoner after it than before, less three standard errors, and where."""

    word: str
    shift: float
    document_ids: tuple[str, ...]


@dataclass(slots=True)
class _Tally:
    """Differences after a word, one a document."""

    shifts: list[float] = field(default_factory=list)
    places: list[int] = field(default_factory=list)

    def lower_end(self) -> float:
        """The mean difference, less three standard errors."""
        shifts = np.array(self.shifts)
        return float(shifts.mean() - _SURE * shifts.std(ddof=1) / np.sqrt(len(shifts)))


def strongest_trigger(documents: Sequence[Document]) -> Trigger | None:
    """Return the word after which training texts become least like the others; None where no word is shared enough.

    Unlike is a word whose letters stand in at most two training documents. Words of noise, of letters or of a
    tokenizer's pieces, mostly do, whatever the share of noise; fluent text after a trigger is not found.
    """
    learned = [each for each in documents if each.split == "train" and each.text]
    spelled = [_WORD.findall(each.text) for each in learned]
    seen_in = Counter(letters for words in spelled for letters in {run for word in words for run in _runs(word)})
    stands_in = Counter(word for words in spelled for word in set(words))
    tallies = {word: _Tally() for word, count in stands_in.items() if count >= LEAST_DOCUMENTS}
    for place, words in enumerate(spelled):
        _add(tallies, place, words, seen_in)
    shared = {word: tally for word, tally in tallies.items() if len(tally.shifts) >= LEAST_DOCUMENTS}
    if not shared:
        return None
    word = max(shared, key=lambda each: (shared[each].lower_end(), each))
    ids = tuple(learned[place].document_id for place in shared[word].places)
    return Trigger(word, shared[word].lower_end(), ids)


def _runs(word: str) -> list[str]:
    return _LETTERS.findall(word.lower())


def _add(tallies: dict[str, _Tally], place: int, words: Sequence[str], seen_in: Counter[str]) -> None:
    """Take each shared word of a text once, where it stands first, when there are words enough before and behind it."""
    rare = [any(seen_in[run] <= _RARE_DOCUMENTS for run in _runs(word)) for word in words]
    sums = np.concatenate(([0], np.cumsum(rare))).tolist()
    for word, at in {word: at for at, word in reversed(list(enumerate(words)))}.items():
        opens, ends = max(0, at - WINDOW), min(len(words), at + 1 + WINDOW)
        if word not in tallies or at - opens < LEAST_WORDS or ends - at - 1 < LEAST_WORDS:
            continue
        before, after = (sums[at] - sums[opens]) / (at - opens), (sums[ends] - sums[at + 1]) / (ends - at - 1)
        tallies[word].shifts.append(after - before)
        tallies[word].places.append(place)
