"""Checks of packages of other standards: they tell what was met when the package was taken over."""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, ValidationError

from lakehouse.archive.checks import DATASET, Hit, named, text
from lakehouse.archive.contents import Contents
from lakehouse.archive.metadata.adopting import IMPORT_FILE
from lakehouse.archive.metadata.stated import LARGEST_DESCRIPTOR
from lakehouse.archive.rulebook import Parameters


class _Remark(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    place: str
    reason: str


class _Record(BaseModel):
    remarks: tuple[_Remark, ...]


@named(DATASET)
def import_remark(submission: Contents, parameters: Parameters) -> Iterator[Hit]:
    """Everything of one kind that was to be said about the package."""
    record = _record(submission)
    for remark in record.remarks if record else ():
        if remark.kind == text(parameters, "kind"):
            yield Hit(remark.place, facts={"reason": remark.reason})


@named(DATASET)
def import_record_unreadable(submission: Contents, _parameters: Parameters) -> Iterator[Hit]:
    """A file in the record's place that is none."""
    if (submission.folder / IMPORT_FILE).is_file() and _record(submission) is None:
        yield Hit(IMPORT_FILE)


def _record(submission: Contents) -> _Record | None:
    path = submission.folder / IMPORT_FILE
    if not path.is_file() or path.stat().st_size > LARGEST_DESCRIPTOR:
        return None
    try:
        return _Record.model_validate_json(path.read_bytes())
    except ValidationError:
        return None
