"""What runs inside the child process, without torch, to make a tokenizer or tokens ready for a model to learn from."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from models.documents import read_documents
from models.errors import RequestError
from models.prepared import Kept, Kind, PreparedStore
from models.requests import RESULT, write_result


@dataclass(frozen=True, kw_only=True)
class PrepareRequest:
    """Make a tokenizer, or tokens, of a documents file (Parquet) and keep them in the folder `prepared`."""

    documents: Path
    prepared: Path
    vocabulary_size: int


def as_json(request: PrepareRequest) -> dict[str, object]:
    """A request as JSON values, with paths that mean the same in the child, whose working folder differs."""
    values = asdict(request)
    return {name: str(value.resolve()) if isinstance(value, Path) else value for name, value in values.items()}


def run_prepare(kind: Kind, request_path: Path) -> None:
    """Make it, or find it, and answer with what is kept."""
    request = _read(request_path)
    documents = read_documents(request.documents)
    kept = PreparedStore(request.prepared).keep(kind, documents, request.vocabulary_size)
    write_result(request_path.parent / RESULT, {**vars(kept), "folder": str(kept.folder)})


def kept_from(answer: dict[str, object]) -> Kept:
    """An answer read back."""
    values: dict[str, object] = {**answer, "folder": Path(str(answer["folder"]))}
    return Kept(**values)  # type: ignore[arg-type]  # as `run_prepare` wrote it


def _read(path: Path) -> PrepareRequest:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        places = {name: Path(values[name]) for name in ("documents", "prepared")}
        return PrepareRequest(**{**values, **places})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{path} is no request to make tokens ready: {error}") from error
