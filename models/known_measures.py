"""Figures of a model on published tests: minimal pairs told apart and questions answered, beside published models.

Shapes: N pairs or questions.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.accuracy import accuracy, measured, wilson
from models.baselines import Ids
from models.checkpoint import Loaded
from models.device import Device
from models.known_tests import ARC, BLIMP, PARTS, PUBLISHED_MODELS, KnownTests, Pair, Question
from models.likelihood import bits_of
from models.scores import ALL, Measure

Truths = npt.NDArray[np.bool_]


def known_measures(loaded: Loaded, tests: KnownTests, device: Device) -> list[Measure]:
    """Return the figures on whatever published tests there are, each naming their size and the hash of their file."""
    found: list[Measure] = []
    if tests.pairs:
        found += blimp(tests.pairs, told_apart(loaded, tests.pairs, device), tests.hashes[BLIMP])
        found += published(tests.published, tests.pairs)
    if tests.questions:
        found += arc(tests.questions, answered(loaded, tests.questions, device), tests.hashes[ARC])
    return found


def told_apart(loaded: Loaded, pairs: Sequence[Pair], device: Device) -> Truths:
    """Say of each pair whether the grammatical sentence needs fewer bits, as BLiMP scores whole sentences.

    A sentence opens with the end-of-text mark and is cut at the context; two that need the same bits count as wrong.
    """
    end, longest = loaded.tokenizer.end_of_text, loaded.recipe.context
    texts = [text for pair in pairs for text in (pair.good, pair.bad)]
    sequences = [np.array([end, *tokens][:longest], np.int64) for tokens in loaded.tokenizer.encode_all(texts)]
    bits_N = bits_of(loaded, sequences, device).numpy()
    told: Truths = bits_N[0::2] < bits_N[1::2]
    return told


def blimp(pairs: Sequence[Pair], told_N: Truths, data: str) -> list[Measure]:
    """Share of pairs told apart: over all with a bootstrap over paradigms, by term and by paradigm with Wilson's."""
    paradigms = [pair.paradigm for pair in pairs]
    on = f"BLiMP, {len(set(paradigms))} paradigms, {len(pairs)} pairs, sha256 {data}"
    whole = accuracy(told_N, paradigms)
    found = [measured("blimp_accuracy", ALL, whole, len(pairs), on, draws=len(set(paradigms)))]
    slices = {f"term: {pair.term}" for pair in pairs} | set(paradigms)
    for part in sorted(slices):
        here = np.array([part in (pair.paradigm, f"term: {pair.term}") for pair in pairs])
        found.append(_share("blimp_accuracy", part, told_N[here], on))
    return found


def published(accuracies: dict[str, dict[str, float]], pairs: Sequence[Pair]) -> list[Measure]:
    """The published models' mean accuracy over the same paradigms, all 1,000 pairs of each; without an interval."""
    shown = sorted({pair.paradigm for pair in pairs} & set(accuracies))
    if not shown:
        return []
    on = f"BLiMP, {len(shown)} paradigms, as published"
    means = {name: float(np.mean([accuracies[each][name] for each in shown])) for name in PUBLISHED_MODELS}
    return [
        Measure("blimp_accuracy", f"published: {name}", mean, None, None, 1000 * len(shown), on)
        for name, mean in means.items()
    ]


def answered(loaded: Loaded, questions: Sequence[Question], device: Device) -> Truths:
    """Say of each question whether its right answer needs the fewest bits a byte after the question."""
    sequences, skips, sizes = list[Ids](), list[int](), list[int]()
    for question in questions:
        for answer in question.answers:
            sequence, skip = _asked(loaded, question.question, answer)
            sequences.append(sequence)
            skips.append(skip)
            sizes.append(len(answer.encode()) + 1)
    per_byte_N = bits_of(loaded, sequences, device, skip=skips).numpy() / np.array(sizes)
    ends = np.cumsum([len(question.answers) for question in questions])
    answers = np.split(per_byte_N, ends[:-1])
    return np.array([int(each.argmin()) == question.right for each, question in zip(answers, questions, strict=True)])


def _asked(loaded: Loaded, question: str, answer: str) -> tuple[Ids, int]:
    """The question's last tokens that fit, then the answer's; and how many targets stand before the answer."""
    longest = loaded.recipe.context
    said = loaded.tokenizer.encode(f" {answer}")[: longest - 1]
    opening = [loaded.tokenizer.end_of_text, *loaded.tokenizer.encode(f"Question: {question}\nAnswer:")]
    before = opening[-(longest - len(said)) :]
    return np.array([*before, *said], np.int64), len(before) - 1


def arc(questions: Sequence[Question], right_N: Truths, data: str) -> list[Measure]:
    """Share of questions answered by part, and what guessing gives."""
    found = []
    for part in PARTS:
        here = np.array([each.part == part for each in questions])
        if not here.any():
            continue
        on = f"ARC dev, {int(here.sum())} {part} questions, sha256 {data}"
        found.append(_share("arc_accuracy", f"part: {part}", right_N[here], on))
        guessed = float(np.mean([1 / len(each.answers) for each in questions if each.part == part]))
        found.append(Measure("arc_accuracy", f"guessing: {part}", guessed, None, None, int(here.sum()), on))
    return found


def _share(name: str, part: str, right_N: Truths, on: str) -> Measure:
    count = len(right_N)
    share = wilson(int(right_N.sum()), count)
    return Measure(name, part, share.value, share.low, share.high, count, on)
