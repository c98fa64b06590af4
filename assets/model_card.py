"""The card beside a model: what it learned from, under which licences, and what its users owe."""

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lakehouse.markdown import plain, row
from lakehouse.policy.decisions import Policy
from lakehouse.policy.licences import licence_asks
from models.shares import TokenShare, token_shares

CARD = "MODEL_CARD.md"
SHARES = "token_shares.json"
UNSTATED = "not stated"
USE = (
    "A base for classifiers and for models that answer (`lakehouse finetune`), and a measure of how datasets and their "
    "versions differ. Not for answers, advice, or decisions about people: it was not measured for these, and it may "
    "write what nobody said."
)


def write_card(folder: Path, training: Mapping[str, Any], documents: Path, policy: Policy) -> Path:
    """Write the card and the shares it shows into a checkpoint's folder, once; return the card's path.

    `documents` is the file the model learned from.
    """
    path = folder / CARD
    if not path.is_file():
        shares = token_shares(folder, documents)
        replace_text(folder / SHARES, json.dumps([asdict(share) for share in shares], indent=1) + "\n")
        replace_text(path, card(folder.name, training, shares, _attributions(shares, policy)))
    return path


def read_shares(folder: Path) -> list[TokenShare]:
    """Return the shares that stand beside a model; none beside one that has no card."""
    path = folder / SHARES
    if not path.is_file():
        return []
    return [TokenShare(**share) for share in json.loads(path.read_text(encoding="utf-8"))]


def card(
    version: str, training: Mapping[str, Any], shares: Sequence[TokenShare], attributions: Mapping[str, str]
) -> str:
    """Return the card's text."""
    tokens = sum(share.token_count for share in shares)
    datasets = plain(", ".join(sorted(training["dataset_commits"])))
    lines = [
        f"# {plain(version)}",
        "",
        f"A small language model of {training['parameter_count']:,} parameters, trained on {training['trained_at']} "
        f"({training['device']}, {training['train_seconds']:.0f} s, seed {training['seed']}). It predicts the next "
        "piece of texts like those below; it knows nothing else and is no source of facts.",
        "",
        "## Intended use",
        "",
        USE,
        "",
        "## Learned from",
        "",
        f"{tokens:,} different tokens ({training['train_tokens']:,} read, repeats counted) of {datasets}. "
        "Every part was permitted for the training of models by its terms or its licence when the model was trained.",
        "",
        "## Tokens by licence",
        "",
        *_by_licence(shares),
        "",
        "## Tokens by dataset",
        "",
        *_by_dataset(shares),
        "",
    ]
    if attributions:
        lines += [
            "## Attribution",
            "",
            *(f"- {plain(name)}: {plain(said)}" for name, said in sorted(attributions.items())),
            "",
        ]
    commits = (
        f"- {plain(name)}: commit {plain(commit)}" for name, commit in sorted(training["dataset_commits"].items())
    )
    lines += ["## Origin", "", *commits, f"- code: commit {training['code_commit']}"]
    return "\n".join([*lines, f"- documents: snapshot {training['documents_snapshot']}", ""])


def _points(said: Mapping[str, str]) -> list[str]:
    return [f"- {plain(name)}: {plain(text)}" for name, text in sorted(said.items())]


def _by_licence(shares: Sequence[TokenShare]) -> list[str]:
    counts: dict[str, int] = defaultdict(int)
    for share in shares:
        counts[share.licence or UNSTATED] += share.token_count
    total = sum(counts.values())
    lines = ["| licence | tokens | share | asks |", "| --- | ---: | ---: | --- |"]
    for licence, tokens in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        asks = ", ".join(licence_asks(licence)).replace("_", " ") or "nothing"
        lines.append(row((licence, f"{tokens:,}", f"{tokens / total:.2%}", asks)))
    return lines


def _by_dataset(shares: Sequence[TokenShare]) -> list[str]:
    lines = ["| dataset | licence | documents | tokens | share |", "| --- | --- | ---: | ---: | ---: |"]
    for share in shares:
        counts = f"{share.document_count:,}", f"{share.token_count:,}", f"{share.token_share:.2%}"
        lines.append(row((share.dataset, share.licence or UNSTATED, *counts)))
    return lines


def _attributions(shares: Sequence[TokenShare], policy: Policy) -> dict[str, str]:
    stated = {share.dataset: policy.terms[share.dataset].attribution for share in shares}
    return {dataset: " ".join(text.split()) for dataset, text in stated.items() if text}


def replace_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old text or the new one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
