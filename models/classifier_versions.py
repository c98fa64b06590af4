"""Versions of classifiers on disk, NAME-0001 and so on: immutable folders; nothing here says which one is in use."""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from models.archive import forget, opened
from models.checkpoint import QUARANTINE, WEIGHTS
from models.classifiers import INSTRUCTED, NO_CLASSIFIERS
from models.durable import ARCHIVED, read_json, recorded_sums, sync, those_there, verify, write_json
from models.errors import CheckpointError

CLASSIFIER, TRAINING = "classifier.json", "finetuning.json"
FILES = (WEIGHTS, "tokenizer.json", CLASSIFIER, TRAINING)
INSTRUCTED_RECORD = "instruct.json"
INSTRUCTED_FILES = (
    WEIGHTS,
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    INSTRUCTED_RECORD,
)
_VERSION = re.compile(r"([A-Za-z_]\w*)-(\d{4,})")


class ClassifierVersions:
    """Versions of all classifiers under one folder."""

    kind = "classifier"
    files: tuple[str, ...] = FILES
    record, key = TRAINING, "finetuning_key"

    def __init__(self, root: Path) -> None:
        self.root = root

    def versions(self, name: str = "") -> list[str]:
        """All versions, or those of one classifier, oldest first within a name."""
        if not self.root.is_dir():
            return []
        found = [match for path in self.root.iterdir() if path.is_dir() and (match := _VERSION.fullmatch(path.name))]
        return [each[0] for each in sorted(found, key=lambda each: (each[1], int(each[2]))) if name in ("", each[1])]

    def usable(self) -> list[str]:
        """Versions of all classifiers that are not in quarantine."""
        return [version for version in self.versions() if not (self.root / version / QUARANTINE).is_file()]

    def folder(self, version: str) -> Path:
        """Folder of a version; raise CheckpointError when there is none."""
        path = self.root / version
        if not _VERSION.fullmatch(version) or not path.is_dir():
            raise CheckpointError(f"no {self.kind} {version!r} under {self.root}; {those_there(self.versions())}")
        return path

    def next_folder(self, name: str) -> Path:
        """Where the next version of a classifier goes."""
        numbers = [int(version.rpartition("-")[2]) for version in self.versions(name)]
        return self.root / f"{name}-{max(numbers, default=0) + 1:04d}"

    def training(self, version: str) -> dict[str, Any]:
        """What is recorded about a version."""
        return read_json(self.folder(version) / self.record)

    def weights_sha256(self, version: str) -> str:
        """SHA-256 of a version's file of weights, as it was written down."""
        return recorded_sums(self.folder(version))[WEIGHTS]

    def find(self, name: str, key: str) -> str | None:
        """The newest version with this key whose files are whole, or None; none in quarantine.

        One in the archive is found, too: what was retired is not to come back by being tuned again.
        """
        for version in reversed(self.versions(name)):
            folder = self.folder(version)
            if not (folder / QUARANTINE).is_file() and self.training(version).get(self.key) == key:
                if not (folder / ARCHIVED).is_file():
                    verify(folder, self.files)
                return version
        return None

    def opened(self, version: str) -> AbstractContextManager[Path]:
        """Give a version's files to read; of one in the archive a copy for as long as that takes."""
        return opened(self.folder(version), self.root.parent)

    def quarantine(self, version: str, reason: Mapping[str, str]) -> None:
        """Destroy what a version learned, so that it is neither found nor chosen again; the record of it stays."""
        folder = self.folder(version)
        write_json(folder / QUARANTINE, reason)
        for name in self.files:
            if name != self.record:
                (folder / name).unlink(missing_ok=True)
        forget(folder, self.root.parent)
        sync(folder)


class InstructedVersions(ClassifierVersions):
    """Versions of the model that answers instructions: folders that transformers opens."""

    kind = "model that answers"
    files = INSTRUCTED_FILES
    record, key = INSTRUCTED_RECORD, "instructing_key"


def is_classifier(version: str) -> bool:
    """Say whether a name is that of a classifier's version, gpt-0001 and instructed-0001 being none."""
    match = _VERSION.fullmatch(version)
    return match is not None and match[1] not in NO_CLASSIFIERS


def is_tuned(version: str) -> bool:
    """Say whether a name is that of a version which was tuned from a base: a classifier's, or one that answers."""
    return is_classifier(version) or is_instructed(version)


def is_instructed(version: str) -> bool:
    """Say whether a name is that of a version of the model that answers instructions."""
    match = _VERSION.fullmatch(version)
    return match is not None and match[1] == INSTRUCTED
