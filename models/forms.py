"""Smaller forms of a model as data: how each is made, and what the gate asks of it; read from YAML."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from models.entries import Entries
from models.errors import FormError

SHIPPED = Path(__file__).with_name("forms.yaml")

Method = Literal["integers", "onnx", "distilled"]

# Raised whenever the same form of the same weights would hold other bytes.
FORMS_VERSION = "1"


@dataclass(frozen=True, kw_only=True)
class Form:
    """One form; fields of other methods stay at zero.

    `bits` 4 or 8 and `group`, neighbours that share a scale (0: the whole row), belong to integers; `layer_share` of
    the layers, `steps`, `rate` (share of the parent's learning rates) and `teacher_share` of the loss to distilled.
    """

    name: str
    method: Method
    worse_at_most: float
    size_at_most: float
    owner: str
    means: str
    bits: int = 0
    group: int = 0
    layer_share: float = 0.0
    steps: int = 0
    rate: float = 0.0
    teacher_share: float = 0.0

    def key(self, parent_sha256: str) -> str:
        """Name of what making this form of these weights gives; what the gate asks is no part of it."""
        made_by = {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if name not in ("worse_at_most", "size_at_most", "owner", "means")
        }
        parts = json.dumps([made_by, parent_sha256, FORMS_VERSION], sort_keys=True)
        return hashlib.sha256(parts.encode()).hexdigest()


def read_forms(path: Path = SHIPPED) -> dict[str, Form]:
    """Read forms by name.

    Raises:
        FormError: the file is unreadable, or a form lacks a field, has one too many or a value that cannot work.
    """
    return _ENTRIES.read(path)


def form_named(name: str, path: Path = SHIPPED) -> Form:
    """Return one form; raise FormError when the file names no such one."""
    return _ENTRIES.one(path, name)


def _faults(form: Form) -> list[str]:
    faults = []
    if not form.name.isidentifier():
        faults.append("a name is letters, digits and _")
    if form.method not in get_args(Method):
        faults.append(f"method {form.method!r} is none of {', '.join(get_args(Method))}")
    for field in ("worse_at_most", "size_at_most"):
        if not _is_number(getattr(form, field)) or getattr(form, field) < 0:
            faults.append(f"{field}={getattr(form, field)!r} is no number of at least 0")
    if form.method == "integers" and (form.bits not in (4, 8) or form.group % 2 or form.group < 0):
        faults.append(f"bits={form.bits!r} is not 4 or 8, or group={form.group!r} is odd or negative")
    if form.method == "distilled" and not _can_teach(form):
        faults.append("layer_share and rate lie above 0 up to 1, teacher_share from 0 to 1, steps is a whole number")
    if not str(form.owner).strip():
        faults.append("it has no owner")
    return faults


def _form(name: str, given: dict[str, Any]) -> Form:
    return Form(name=name, **given)


_ENTRIES = Entries("form", "no form", "forms of models", _form, _faults, FormError, SHIPPED)


def _can_teach(form: Form) -> bool:
    shares = (form.layer_share, form.rate, form.teacher_share)
    inside = all(_is_number(share) and 0 <= share <= 1 for share in shares)
    return inside and form.layer_share > 0 and form.rate > 0 and type(form.steps) is int and form.steps > 0


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and value == value
