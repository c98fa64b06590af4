"""What the child process is asked about smaller forms: make one, or measure one beside the whole version."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from models.errors import RequestError


@dataclass(frozen=True, kw_only=True)
class ShrinkRequest:
    """Make the form `form` of `forms_file` from a checkpoint; only distilling reads the documents."""

    documents: Path
    checkpoint: Path
    forms: Path
    form: str
    forms_file: Path
    code_commit: str = "unknown"
    run_id: str = ""
    threads: int | None = None


@dataclass(frozen=True, kw_only=True)
class MeasureRequest:
    """Measure the folder `made`, a form or a version, and time it in turns with the version `whole`."""

    documents: Path
    made: Path
    whole: Path
    scores: Path


Request = TypeVar("Request", ShrinkRequest, MeasureRequest)


def as_json(request: ShrinkRequest | MeasureRequest) -> dict[str, object]:
    """A request as JSON values, with paths that mean the same in the child, whose working folder differs."""
    values = asdict(request)
    return {name: str(value.resolve()) if isinstance(value, Path) else value for name, value in values.items()}


def read_request(path: Path, kind: type[Request]) -> Request:
    """Read a request; raise RequestError when it is none of this kind."""
    try:
        values: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        paths = {each.name: Path(values[each.name]) for each in fields(kind) if each.type is Path}
        return kind(**{**values, **paths})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{path} is no {kind.__name__}: {error}") from error
