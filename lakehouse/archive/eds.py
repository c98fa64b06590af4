"""The Educational Data Structure (EDS) 1.0 as types: a dataset's description, its tables, texts and event logs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, ValidationError, model_validator

from lakehouse.archive.field_faults import reason
from lakehouse.archive.layout import COLLECTION_FILE as COLLECTION_FILE
from lakehouse.archive.layout import DESCRIPTION_FILE as DESCRIPTION_FILE
from lakehouse.archive.layout import DICTIONARY_FILE as DICTIONARY_FILE
from lakehouse.archive.layout import EVENTS_FOLDER as EVENTS_FOLDER
from lakehouse.archive.layout import LOG_FILE as LOG_FILE
from lakehouse.archive.layout import RESERVED_COLUMNS as RESERVED_COLUMNS
from lakehouse.archive.layout import TABLES_FOLDER as TABLES_FOLDER
from lakehouse.archive.layout import TEXTS_FOLDER as TEXTS_FOLDER
from lakehouse.archive.strict_yaml import YamlFaultError, read_yaml
from lakehouse.errors import NoDescriptionError

EDS_VERSION = "1.0"
DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def _written_day(value: object) -> object:
    if isinstance(value, date) or (isinstance(value, str) and re.fullmatch(DAY, value)):
        return value
    raise ValueError("a day is written as 2031-12-31")


SLUG = r"^[a-z][a-z0-9_]{0,62}$"  # SQL names are made of these: `<dataset>_<table>`

MAX_PATTERN_LETTERS = 500
Slug = Annotated[str, Field(pattern=SLUG)]
VersionLabel = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Words = Annotated[str, Field(min_length=1, max_length=10_000)]
Bound = StrictInt | Annotated[float, Field(strict=True, ge=-1e300, le=1e300)]
ColumnType = Literal["string", "integer", "number", "boolean", "date", "datetime"]
ColumnRole = Literal["none", "direct_identifier", "quasi_identifier", "sensitive"]
Day = Annotated[date, BeforeValidator(_written_day), Field(json_schema_extra={"pattern": DAY})]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
PurposeCode = Annotated[str, Field(pattern=SLUG)]
SubjectPlace = Annotated[str, Field(pattern=r"^(events/)?[a-z][a-z0-9_]{0,62}\.[a-z][a-z0-9_]{0,62}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Creator(_Part):
    """A person or organisation that made the data."""

    name: Words
    identifier: str | None = Field(default=None, description="ORCID, ROR or another URL that names it for good")
    affiliation: str | None = None


class Contact(_Part):
    """Whom to ask about the data."""

    name: Words
    email: str | None = Field(default=None, pattern=r"^[^@\s]+@[^@\s]+$")
    url: str | None = Field(default=None, pattern=r"^https?://\S+$")


class Period(_Part):
    """From when to when the data speak; years, months or days, both ends included."""

    start: str = Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")
    end: str = Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end[: len(self.start)] < self.start[: len(self.end)]:
            raise ValueError(f"the end {self.end} lies before the start {self.start}")
        return self


class Software(_Part):
    """A program that made or changed the data."""

    name: Words
    version: Words


class Making(_Part):
    """How the data came to be."""

    how_made: Words
    software: tuple[Software, ...] = ()


class Terms(_Part):
    """What the data may be used for, by the codes of ``purposes.yaml``; without any, the licence decides."""

    purposes: tuple[PurposeCode, ...] = ()
    forbidden: tuple[PurposeCode, ...] = ()
    access: Literal["open", "registered", "restricted"] = "open"
    attribution: Words | None = Field(default=None, description="The sentence that users must print")
    conditions: Words | None = Field(default=None, description="What else users agree to")
    retention_until: Day | None = Field(default=None, description="Day after which the data must be gone")


class Consent(_Part):
    """Why personal data may be held, and the table that says which subject agreed to which purpose.

    `subject`, `purpose` and `given` (boolean) are columns of `table`, which has one row per subject and purpose.
    """

    basis: Literal["consent", "public_task", "legitimate_interest", "contract", "not_personal"]
    table: Slug | None = None
    subject: Slug | None = None
    purpose: Slug | None = None
    given: Slug | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        named = [name for name in ("table", "subject", "purpose", "given") if getattr(self, name) is not None]
        if named and len(named) < 4:
            raise ValueError(f"table, subject, purpose and given belong together; only {', '.join(named)} given")
        return self


class SubjectKind(_Part):
    """A kind of person the data speak of, and every column whose value names one."""

    description: Words
    identifiers: tuple[SubjectPlace, ...] = Field(min_length=1, description="`table.column` or `events/log.actor`")


class Funding(_Part):
    """Who paid for the data."""

    funder: Words
    award: str | None = None
    identifier: str | None = Field(default=None, description="ROR or Crossref Funder ID of the funder")


class Related(_Part):
    """Another resource, by its identifier, and how this dataset relates to it."""

    identifier: Words
    relation: Literal[
        "IsCitedBy",
        "Cites",
        "IsSupplementTo",
        "IsSupplementedBy",
        "IsDescribedBy",
        "Describes",
        "IsNewVersionOf",
        "IsPreviousVersionOf",
        "IsPartOf",
        "HasPart",
        "IsReferencedBy",
        "References",
        "IsDocumentedBy",
        "Documents",
        "IsDerivedFrom",
        "IsSourceOf",
        "IsVariantFormOf",
        "IsIdenticalTo",
    ]


class DatasetFile(_Part):
    """The fields of ``dataset.yaml``."""

    eds_version: Literal["1.0"]
    name: Slug
    version: VersionLabel
    title: Words
    description: Words
    accumulates: Literal["waves", "snapshots"]
    licence: str | None = Field(default=None, description="SPDX licence expression")
    creators: tuple[Creator, ...] = ()
    contact: Contact | None = None
    publisher: str | None = None
    keywords: tuple[Words, ...] = ()
    source_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    derived_from: tuple[Words, ...] = ()
    temporal_coverage: Period | None = None
    spatial_coverage: tuple[Words, ...] = ()
    language: Language | None = None
    provenance: Making | None = None
    terms: Terms | None = None
    consent: Consent | None = None
    subjects: Mapping[Slug, SubjectKind] = Field(default_factory=dict)
    disciplines: Mapping[Slug, Mapping[str, Any]] = Field(default_factory=dict, description="Fields of rule packs")
    funding: tuple[Funding, ...] = ()
    related: tuple[Related, ...] = ()


class ColumnDescription(_Part):
    """One entry of the data dictionary."""

    type: ColumnType
    description: Words
    unit: str | None = None
    required: bool = Field(default=False, strict=True)
    minimum: Bound | None = None
    maximum: Bound | None = None
    levels: Mapping[str, str] | tuple[str, ...] | None = None
    pattern: str | None = Field(default=None, max_length=MAX_PATTERN_LETTERS)
    missing_codes: tuple[str, ...] = ()
    role: ColumnRole = "none"
    references: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")
    formerly: tuple[Slug, ...] = Field(default=())

    @model_validator(mode="after")
    def _limits_fit_the_type(self) -> Self:
        limited = self.minimum is not None or self.maximum is not None
        if limited and self.type not in ("integer", "number"):
            raise ValueError(f"minimum and maximum need type integer or number, not {self.type}")
        if (self.levels is not None or self.pattern is not None) and self.type != "string":
            raise ValueError(f"levels and pattern need type string, not {self.type}")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}")
        return self

    def level_names(self) -> tuple[str, ...]:
        """Return the allowed values; empty when any value is allowed."""
        return tuple(self.levels) if self.levels is not None else ()


class TableFile(_Part):
    """The fields of ``columns.yaml``."""

    description: Words
    grain: Words
    primary_key: tuple[str, ...] = ()
    delimiter: Literal[",", ";", "\t", "|"] = Field(default=",", description="What separates the cells of a .csv file")
    columns: Mapping[Slug, ColumnDescription] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        for name in self.primary_key:
            if name not in self.columns:
                raise ValueError(
                    f"primary_key names '{name}', which is not among the columns {', '.join(self.columns)}"
                )
        for name, column in self.columns.items():
            self._require_former_names(name, column)
        taken = RESERVED_COLUMNS.intersection(self.columns)
        if taken:
            raise ValueError(f"the column names {', '.join(sorted(taken))} are reserved; choose others")
        return self

    def _require_former_names(self, name: str, column: ColumnDescription) -> None:
        for former in column.formerly:
            others = [other for other, each in self.columns.items() if other != name and former in each.formerly]
            if former in self.columns:
                raise ValueError(
                    f"'{name}' was formerly '{former}', which is a column of the table still; columns that swap names "
                    "both need new ones"
                )
            if others:
                raise ValueError(f"'{name}' and '{others[0]}' cannot both have been '{former}'")
            if former in RESERVED_COLUMNS:
                raise ValueError(f"'{former}' is reserved and was never a column")


class TableDescription(TableFile):
    """A table of the dataset: its name is its folder's name."""

    name: Slug


class CollectionFile(_Part):
    """The fields of ``collection.yaml``."""

    title: Words
    description: Words
    language: Language | None = None
    licence: str | None = Field(default=None, description="SPDX expression, when it differs from the dataset's")


class CollectionDescription(CollectionFile):
    """A text collection of the dataset: its name is its folder's name."""

    name: Slug


class LogFile(_Part):
    """The fields of ``log.yaml``."""

    title: Words
    description: Words
    xapi_version: Literal["1.0.3", "2.0.0"]
    language: Language | None = None
    licence: str | None = Field(default=None, description="SPDX expression, when it differs from the dataset's")


class LogDescription(LogFile):
    """An event log of the dataset: its name is its folder's name."""

    name: Slug


class Description(DatasetFile):
    """Everything a submission says about itself: ``dataset.yaml`` and the files beside its tables, texts and logs."""

    tables: Mapping[str, TableDescription] = Field(default_factory=dict)
    texts: Mapping[str, CollectionDescription] = Field(default_factory=dict)
    events: Mapping[str, LogDescription] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a description file; `kind` is a check's name, `field` a dotted path in the file."""

    kind: Literal["missing", "unreadable", "field_missing", "field_unknown", "field_invalid"]
    file: str
    field: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What could be read of a folder's description files, and every fault met on the way.

    `dataset` is None when ``dataset.yaml`` is missing or at fault; tables, texts and events hold only
    faultless entries. `at_fault` has what the other description files say, by their places.
    """

    dataset: DatasetFile | None
    raw: Mapping[str, Any]
    tables: Mapping[str, TableDescription]
    texts: Mapping[str, CollectionDescription]
    faults: tuple[Fault, ...]
    events: Mapping[str, LogDescription] = field(default_factory=dict)
    at_fault: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def description(self) -> Description | None:
        """Return the description, or None when ``dataset.yaml`` itself cannot be used."""
        return None if self.dataset is None else self.described_by(self.dataset)

    def described_by(self, dataset: DatasetFile) -> Description:
        """Return the description with these fields of ``dataset.yaml``."""
        return Description.model_construct(
            **dict(dataset), tables=dict(self.tables), texts=dict(self.texts), events=dict(self.events)
        )


def read_description(folder: Path) -> Reading:
    """Read all description files of a folder and collect their faults instead of stopping at the first."""
    faults: list[Fault] = []
    at_fault: dict[str, Mapping[str, Any]] = {}
    raw = _read_mapping(folder / DESCRIPTION_FILE, DESCRIPTION_FILE, faults)
    dataset = _fit(DatasetFile, raw, DESCRIPTION_FILE, faults) if raw is not None else None
    tables = _read_parts(TableDescription, folder, TABLES_FOLDER, DICTIONARY_FILE, faults, at_fault)
    texts = _read_parts(CollectionDescription, folder, TEXTS_FOLDER, COLLECTION_FILE, faults, at_fault)
    events = _read_parts(LogDescription, folder, EVENTS_FOLDER, LOG_FILE, faults, at_fault)
    return Reading(dataset, raw or {}, tables, texts, tuple(faults), events, at_fault)


def load_description(folder: Path) -> Description:
    """Return the description of a folder.

    Raises:
        NoDescriptionError: a description file is missing or at fault; the message lists every fault.
    """
    reading = read_description(folder)
    description = reading.description()
    if description is None or reading.faults:
        listed = "; ".join(f"{f.file} {f.field} {f.kind} {f.reason}".strip() for f in reading.faults)
        raise NoDescriptionError(f"{folder.name} has no usable description: {listed}; see docs/eds/")
    return description


Part = TypeVar("Part", bound=_Part)


def folders(folder: Path) -> list[str]:
    """Return the names of the sub-folders, sorted; empty when `folder` is absent."""
    return sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []


def _read_mapping(path: Path, place: str, faults: list[Fault]) -> dict[str, Any] | None:
    if not path.is_file():
        faults.append(Fault("missing", place))
        return None
    try:
        value = read_yaml(path.read_bytes())
    except YamlFaultError as error:
        faults.append(Fault("unreadable", place, reason=str(error)))
        return None
    if not isinstance(value, dict):
        faults.append(Fault("unreadable", place, reason="the file must hold fields, `name: value`"))
        return None
    return value


def _read_parts(
    model: type[Part], folder: Path, kind: str, file: str, faults: list[Fault], at_fault: dict[str, Mapping[str, Any]]
) -> dict[str, Part]:
    read: dict[str, Part] = {}
    for name in folders(folder / kind):
        place = f"{kind}/{name}/{file}"
        raw = _read_mapping(folder / place, place, faults)
        part = _read_part(model, raw, place, name, faults) if raw is not None else None
        if part is not None:
            read[name] = part
        elif raw is not None:
            at_fault[place] = raw
    return read


def _read_part(model: type[Part], raw: Mapping[str, Any], place: str, name: str, faults: list[Fault]) -> Part | None:
    if "name" in raw:
        faults.append(Fault("field_unknown", place, "name"))
        raw = {key: value for key, value in raw.items() if key != "name"}
    return _fit(model, {**raw, "name": name}, place, faults)


def _fit(model: type[Part], raw: Mapping[str, Any], place: str, faults: list[Fault]) -> Part | None:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        for problem in error.errors():
            why = reason(problem["msg"], problem["input"])
            faults.append(_fault(place, problem["type"], problem["loc"], why))
        return None


def _fault(place: str, problem: str, location: tuple[int | str, ...], why: str) -> Fault:
    field = ".".join(str(part) for part in location if part != "[key]")
    if problem == "missing":
        return Fault("field_missing", place, field)
    if problem == "extra_forbidden":
        return Fault("field_unknown", place, field)
    return Fault("field_invalid", place, field or "(whole file)", why)
