"""The plan to protect a dataset: which step is taken on which column and text, read from YAML or suggested."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lakehouse.archive.privacy.groups import quasi_kind
from lakehouse.archive.privacy.scan import Suspicion
from lakehouse.archive.strict_yaml import YamlFaultError, read_yaml
from lakehouse.errors import ProtectionError

PLAN_VERSION = "1"
DROPPED = frozenset(
    {"person_name", "name_column", "maiden_name", "phone", "fax", "street_address", "profile_url", "photo", "biometric",
     "payment_card", "iban", "account", "ip_address", "coordinates", "licence", "vehicle", "birth_place"}
)  # fmt: skip
FEW = 0.5


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Drop(_Part):
    """The column goes."""

    step: Literal["drop"]


class Mask(_Part):
    """Every value becomes the same sign; that there was one stays visible."""

    step: Literal["mask"]


class Pseudonymise(_Part):
    """Every value becomes a keyed hash: the same value the same one, in every table."""

    step: Literal["pseudonymise"]


class Redact(_Part):
    """What is found inside the text becomes a placeholder such as <email>; of `kinds`, or of every direct kind."""

    step: Literal["redact"]
    kinds: tuple[str, ...] = ()


class Generalise(_Part):
    """Values become coarser: a date its year, a number its band of `width`, a word its first `keep` letters."""

    step: Literal["generalise"]
    to: Literal["year"] | None = None
    width: int | None = Field(default=None, ge=2, le=1_000_000)
    keep: int | None = Field(default=None, ge=1, le=20)

    @model_validator(mode="after")
    def _one_way(self) -> "Generalise":
        if sum(way is not None for way in (self.to, self.width, self.keep)) != 1:
            raise ValueError("say exactly one of `to: year`, `width` and `keep`")
        return self


Step = Annotated[Drop | Mask | Pseudonymise | Redact | Generalise, Field(discriminator="step")]


class Suppress(_Part):
    """Quasi-identifiers of rows that fewer than `least` rows share are emptied, after the other steps."""

    columns: tuple[str, ...] = Field(min_length=1)
    least: int = Field(default=5, ge=2, le=1_000)


class Plan(_Part):
    """What is done to a dataset, by table and column, table's groups, text collection, and event log and path."""

    protect: Literal["1"]
    tables: Mapping[str, Mapping[str, Step]] = Field(default_factory=dict)
    groups: Mapping[str, Suppress] = Field(default_factory=dict)
    texts: Mapping[str, Redact] = Field(default_factory=dict)
    events: Mapping[str, Mapping[str, Step]] = Field(default_factory=dict)


def read_plan(path: Path) -> Plan:
    """Return a plan from its file.

    Raises:
        ProtectionError: it is not there, is no YAML, or says something else than steps.
    """
    if not path.is_file():
        raise ProtectionError(f"{path} is no file; write a plan with `lakehouse protect PATH --suggest > plan.yaml`")
    try:
        return Plan.model_validate(read_yaml(path.read_bytes()))
    except YamlFaultError as error:
        raise ProtectionError(f"{path.name} cannot be read: {error}; mend it") from error
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the plan"
        raise ProtectionError(f"{path.name}: {place}: {first['msg']}; see docs/flow/privacy.md") from error


def suggested(
    tables: Mapping[str, Iterable[tuple[str, Suspicion]]],
    groups: Mapping[str, tuple[str, ...]],
    texts: Iterable[str],
    events: Iterable[str] = (),
) -> Plan:
    """Return a plan for what was found: suspicions by table, columns of small groups by table, collections, logs."""
    steps: dict[str, dict[str, Step]] = {}
    for table, found in tables.items():
        for column, suspicion in found:
            step = _step(suspicion)
            if step is not None and column not in steps.get(table, {}):
                steps.setdefault(table, {})[column] = step
    for table, columns in groups.items():
        for column in columns:
            coarser = _COARSER.get(quasi_kind(column) or "")
            if coarser is not None and column not in steps.get(table, {}):
                steps.setdefault(table, {})[column] = coarser
    kept = {
        t: tuple(c for c in columns if not isinstance(steps.get(t, {}).get(c), Drop)) for t, columns in groups.items()
    }
    return Plan(
        protect=PLAN_VERSION,
        tables=steps,
        groups={table: Suppress(columns=columns) for table, columns in kept.items() if columns},
        texts={name: Redact(step="redact") for name in texts},
        events={name: {"actor": Pseudonymise(step="pseudonymise"), "*": Redact(step="redact")} for name in events},
    )


_COARSER: dict[str, Step] = {
    "birth": Generalise(step="generalise", to="year"),
    "postcode": Generalise(step="generalise", keep=2),
}


def _step(found: Suspicion) -> Step | None:
    if found.kind in ("email", "student_number", "account_name", "social_security", "national_id", "medical_record",
                      "health_plan", "device"):  # fmt: skip
        return Pseudonymise(step="pseudonymise") if found.share >= FEW else Redact(step="redact")
    if found.kind == "birth_date":
        return Generalise(step="generalise", to="year")
    if found.kind == "postcode":
        return Generalise(step="generalise", keep=2)
    if found.kind in DROPPED:
        return Drop(step="drop") if found.personal and found.share >= FEW else Redact(step="redact")
    return None


def as_yaml(plan: Plan) -> str:
    """Return a plan as the YAML that `read_plan` reads."""
    plain = plan.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return yaml.safe_dump({"protect": PLAN_VERSION, **plain}, sort_keys=False, allow_unicode=True)
