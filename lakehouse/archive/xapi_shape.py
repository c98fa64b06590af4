"""The shape of xAPI statements as data, ``rules/xapi.yaml``, read into types."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lakehouse.archive.strict_yaml import read_yaml

SHAPE_FILE = Path(__file__).parent / "rules" / "xapi.yaml"
XapiVersion = Literal["1.0.3", "2.0.0"]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Format(_Data):
    """Text of a certain form: one pattern, or one for each version; `calendar` asks for a real day and time."""

    says: str
    pattern: str | None = None
    versions: Mapping[XapiVersion, str] = Field(default_factory=dict)
    calendar: bool = False

    def pattern_of(self, version: XapiVersion) -> str:
        """Return the pattern of a version."""
        return self.versions[version] if self.pattern is None else self.pattern


class Property(_Data):
    """What a property's value must be, and the number of the requirement that says so."""

    kind: str | None = Field(default=None, alias="is")
    each: str | None = None
    one_of: tuple[str, ...] = ()
    required: bool = False
    not_empty: bool = False
    requirement: str | None = None
    since: XapiVersion = "1.0.3"


class Shape(_Data):
    """A JSON object by its properties; `needs` names properties that others may not do without."""

    section: str
    requirement: str | None = None
    properties: Mapping[str, Property]
    needs: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)


class Shapes(_Data):
    """Everything a statement is made of."""

    formats: Mapping[str, Format]
    objects: Mapping[str, Shape]


@functools.cache
def shapes() -> Shapes:
    """Return the shapes, read once."""
    return Shapes.model_validate(read_yaml(SHAPE_FILE.read_bytes()))
