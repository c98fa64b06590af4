"""The rules as data: every file under ``rules/`` read once into rules, identifiers and lists, with one version hash."""

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from lakehouse.archive.levels import Level, Principle, Priority
from lakehouse.archive.privacy.kinds import word_list
from lakehouse.archive.strict_yaml import read_yaml
from lakehouse.policy import purposes

RULES_FOLDER = Path(__file__).parent / "rules"
POLICY_FOLDER = Path(purposes.__file__).parent
RULE_FILES = (
    "description.yaml",
    "files.yaml",
    "tables.yaml",
    "texts.yaml",
    "events.yaml",
    "disciplines.yaml",
    "privacy.yaml",
    "terms.yaml",
    "imports.yaml",
)

Selector = Literal["dataset", "file", "table", "column", "text", "event", "pack"]
Code = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]+$")]
Parameter = str | int | float | tuple[str, ...]
Parameters = Mapping[str, Parameter]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Data):
    """One rule: which items it looks at, which check it runs on them, and what to say about a hit.

    `counts` is what its occurrences are, for rules of personal data, of which only values are added up. `needs` are
    the fields of ``dataset.yaml`` without which it cannot be judged; `judged_in_part_without` are those of which it
    looks at what is right: both as dotted paths, `*` for any name.
    """

    selector: Selector
    check: str
    parameters: Parameters = Field(default_factory=dict)
    level: Level
    exit_code: int = Field(default=18, ge=10, le=18)
    message: str
    how_to_fix: str
    reason: str = ""
    counts: Literal["values", "rows", "files"] = "values"
    needs: tuple[str, ...] = ()
    judged_in_part_without: tuple[str, ...] = ()


class FairRule(_Data):
    """One FAIR indicator: its question, and the check that answers it with what to do for full points.

    Instead of a check it may say what answers it `after_publication`; it is then not counted.
    """

    principle: Principle
    priority: Priority
    question: str
    fuji: str | None = Field(default=None, pattern=r"^FsF-[FAIR][0-9.]+-[0-9]{2}(M|D|MD)$")
    check: str | None = None
    parameters: Parameters = Field(default_factory=dict)
    points: float = Field(default=0, ge=0)
    next_action: str = ""
    after_publication: str = ""

    @model_validator(mode="after")
    def _judged_one_way(self) -> Self:
        by_check = self.check is not None and self.points > 0 and bool(self.next_action)
        if by_check == bool(self.after_publication):
            raise ValueError("an indicator needs either a check with points and next_action, or after_publication")
        return self


def _read(name: str) -> object:
    return read_yaml((RULES_FOLDER / name).read_bytes())


@functools.cache
def rules() -> dict[str, Rule]:
    """Return all rules by code, in the order of the files."""
    found: dict[str, Rule] = {}
    for name in RULE_FILES:
        for code, rule in TypeAdapter(dict[Code, Rule]).validate_python(_read(name)).items():
            assert code not in found, f"{code} is defined twice"
            found[code] = rule
    return found


@functools.cache
def fair_rules() -> dict[str, FairRule]:
    """Return the FAIR indicators by RDA identifier, in the order of the file."""
    return TypeAdapter(dict[str, FairRule]).validate_python(_read("fair.yaml"))


words = word_list


@functools.cache
def rules_version() -> str:
    """Return the hash of all rules, purposes and licences: verdicts with the same version were given by the same."""
    digest = hashlib.sha256()
    files = [*RULES_FOLDER.iterdir(), *POLICY_FOLDER.iterdir()]
    for path in sorted(p for p in files if p.suffix in (".yaml", ".txt", ".csv")):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
