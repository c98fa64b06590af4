"""A version of a tuned model is found or made in the child process: classifiers and models that answer alike."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from models.classifier_versions import ClassifierVersions
from models.errors import NothingLearnedError
from models.hub import weights_sha256
from models.resume import Point, ResumeStore
from models.tuned_requests import TuneRequest

Made = Callable[[ResumeStore[Point]], Callable[[Mapping[str, Any], Path], None]]
"""Tunes, going on with kept states; returns what writes the model with a record to a folder."""


def found_or_made(
    request: TuneRequest, store: ClassifierVersions, key: str, seed: int, point: type[Point], make: Made[Point]
) -> tuple[str, bool]:
    """Return the version, and whether it was made now; a run that was killed is gone on with."""
    found = store.find(request.name, key)
    if found is not None:
        return found, False
    states = ResumeStore(request.texts.parent / "states", key, point)
    try:
        write = make(states)
    except NothingLearnedError:  # going on would end here again
        states.clear()
        raise
    record = {**request.origin, store.key: key, "base_weights_sha256": weights_sha256(request.base), "seed": seed}
    folder = store.next_folder(request.name)
    write(record, folder)
    states.clear()
    return folder.name, True
