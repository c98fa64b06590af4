"""Trains the tagger of names in running text and writes its weights as text.

    python tests/privacy/train_names.py PARAGRAPHS PRESIDIO

It learns from made-up sentences (the ones for tuning), from textbook sentences in which no word is a name
(openstax_paragraphs/paragraphs.jsonl.gz) and from the half of the sentence patterns of Microsoft's synthetic corpus
(pii_presidio/synth_dataset_v2.json.gz, MIT licence) that is not kept for measuring.
"""

import collections
import gzip
import importlib.util
import json
import random
import re
import sys
from pathlib import Path

from lakehouse.archive.privacy import names
from lakehouse.archive.privacy.kinds import RULES_FOLDER, word_list

PUT_TOGETHER = 25_000
ROUNDS = 5
PRESIDIO_TIMES = 4
MADE_UP, UNPERSONAL, FROM_BOOKS = 12_000, 14_000, 12_000
LEAST_WEIGHT = 0.15
LEFT_OUT = 0.4


def corpus():
    spec = importlib.util.spec_from_file_location("privacy_corpus", Path(__file__).with_name("corpus.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def book_sentences(paragraphs: Path, count: int, seed: int) -> list[str]:
    """Return sentences in which no capitalised word is a rare name, so that none is a person's."""
    rare = (word_list("given_names") | word_list("surnames")) - word_list("common_words")
    found = []
    with gzip.open(paragraphs, "rt", encoding="utf-8") as lines:
        for line in lines:
            for sentence in re.split(r"(?<=[.!?]) (?=[A-Z])", json.loads(line)["text"]):
                capitals = re.findall(r"[A-Z][^\W\d_]+", sentence)
                if len(capitals) > 1 and len(sentence) < 300 and not any(word.lower() in rare for word in capitals):
                    found.append(sentence)
    return random.Random(seed).sample(found, min(count, len(found)))


def presidio_half(made, corpus_file: Path):
    """Return the sentences for tuning; the others are for measuring only."""
    with gzip.open(corpus_file, "rt", encoding="utf-8") as lines:
        return [
            made.Labelled(
                one["full_text"],
                tuple(
                    ("person_name", span["start_position"], span["end_position"])
                    for span in one["spans"]
                    if span["entity_type"] == "PERSON"
                ),
            )
            for one in json.load(lines)
            if not made.is_for_measuring(one["template_id"])
        ]


def examples(made_up, from_books):
    """Yield tokens and the right tag of each."""
    for labelled in made_up:
        tokens = list(names.TOKEN.finditer(labelled.text))
        bounds = [(start, end) for kind, start, end in labelled.spans if kind == "person_name"]
        yield tokens, [any(start <= token.start() and token.end() <= end for start, end in bounds) for token in tokens]
    for text in from_books:
        tokens = list(names.TOKEN.finditer(text))
        yield tokens, [False] * len(tokens)


def train(data, seed: int) -> dict[str, float]:
    """Return the averaged weights after a few rounds over the data."""
    weights: dict[str, float] = collections.defaultdict(float)
    summed: dict[str, float] = collections.defaultdict(float)
    changed: dict[str, int] = collections.defaultdict(int)
    step = 0
    order = random.Random(seed)
    for _ in range(ROUNDS):
        order.shuffle(data)
        for tokens, right in data:
            tags: list[bool] = []
            words = [token[0] for token in tokens]
            for position, word in enumerate(words):
                step += 1
                if not names.may_be_name(word):
                    tags.append(False)
                    continue
                # Some words around are left out, so that it learns from each of its clues alone too.
                found = [
                    one
                    for one in names.features(words, position, tags)
                    if one[0] in "ks" or one == "bias" or order.random() > LEFT_OUT
                ]
                guess = sum(weights[one] for one in found) > 0
                if guess != right[position]:
                    for one in found:
                        summed[one] += (step - changed[one]) * weights[one]
                        changed[one] = step
                        weights[one] += 1.0 if right[position] else -1.0
                tags.append(guess)
    return {one: (summed[one] + (step - changed[one]) * weight) / step for one, weight in weights.items()}


if __name__ == "__main__":
    made = corpus()
    maker = made.Maker(made.TUNING_SEED, strange=0.3, lower=0.08)
    sentences = presidio_half(made, Path(sys.argv[2])) * PRESIDIO_TIMES
    data = list(
        examples(
            sentences
            + maker.sentences(made.SENTENCES["tuning"], MADE_UP)
            + maker.sentences(made.SENTENCES["unpersonal"], UNPERSONAL)
            + maker.put_together(PUT_TOGETHER),
            book_sentences(Path(sys.argv[1]), FROM_BOOKS, made.TUNING_SEED),
        )
    )
    learned = {one: weight for one, weight in train(data, made.TUNING_SEED).items() if abs(weight) >= LEAST_WEIGHT}
    lines = [f"{one}\t{weight:.2f}" for one, weight in sorted(learned.items())]
    head = "# Weights of the tagger of names in running text; made by tests/privacy/train_names.py."
    (RULES_FOLDER / names.WEIGHTS_FILE).write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(lines)} weights\n")
