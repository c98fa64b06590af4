"""TF-IDF with logistic regression, run by an interpreter that has scikit-learn: `python peer_tfidf.py TEXTS.jsonl`.

Lines hold text, label and split. Plain (words, C=1) is what people try first; tuned takes pairs of words, damped counts
and the C that is best on validation texts. Prints one JSON object.
"""

import json
import sys
import time
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

ITERATIONS = 300


def main(path: str) -> None:
    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    parts = {split: [row for row in rows if row["split"] == split] for split in ("train", "validation", "test")}
    labels = {split: [row["label"] for row in part] for split, part in parts.items()}

    def fitted(costs, **options):
        began = time.process_time()
        words = TfidfVectorizer(**options)
        learned = words.fit_transform([row["text"] for row in parts["train"]])
        held = words.transform([row["text"] for row in parts["validation"]])
        tried = [LogisticRegression(C=cost, max_iter=ITERATIONS).fit(learned, labels["train"]) for cost in costs]
        scores = [model.score(held, labels["validation"]) for model in tried]
        best = scores.index(max(scores))
        told = tried[best].predict(words.transform([row["text"] for row in parts["test"]]))
        return {
            "cost": costs[best],
            "validation_accuracy": scores[best],
            "told": told.tolist(),
            "cpu_seconds": time.process_time() - began,
        }

    plain = fitted([1.0])
    tuned = fitted([4.0, 16.0], ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    sys.stdout.write(json.dumps({"plain": plain, "tuned": tuned}))


main(sys.argv[1])
