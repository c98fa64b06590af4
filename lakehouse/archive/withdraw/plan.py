"""What a withdrawal will remove: by dataset, version, table and column. Deleted when the withdrawal is done."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lakehouse.archive.eds import Description

PartKind = Literal["table", "text", "log"]


@dataclass(frozen=True, slots=True)
class Removal:
    """What leaves one version.

    `columns` holds, by table and column, the values whose rows go. `actors` are the values whose statements go from
    the event logs. `rows` and `mentions` count both and the places in running text, by table, collection or log.
    """

    columns: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    actors: tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    mentions: Mapping[str, int] = field(default_factory=dict)

    @property
    def found(self) -> bool:
        """Whether rows or statements of the subject are there."""
        return any(self.rows.values())


@dataclass(frozen=True, slots=True)
class PlannedVersion:
    """A version as it was when the withdrawal began, what leaves it, and its description."""

    dataset: str
    version: str
    commit: str
    content_sha256: str
    removal: Removal
    description: Description


@dataclass(frozen=True, slots=True)
class Plan:
    """A withdrawal: whose, why, and every version of the datasets that hold the person. `values` name the person."""

    receipt: str
    subject: str
    kind: str
    reason: str
    by: str
    started_at: str
    values: tuple[str, ...]
    versions: tuple[PlannedVersion, ...]
    elsewhere: Mapping[str, int] = field(default_factory=dict)

    @property
    def datasets(self) -> list[str]:
        """The datasets that hold the person, sorted."""
        return sorted({version.dataset for version in self.versions})

    def of(self, dataset: str) -> list[PlannedVersion]:
        """Return a dataset's versions, oldest first."""
        return [version for version in self.versions if version.dataset == dataset]

    def parts(self) -> Iterator[tuple[str, str, PartKind]]:
        """Yield dataset, name and kind of every table, text collection and event log of these datasets."""
        seen: dict[tuple[str, str, PartKind], None] = {}
        for version in self.versions:
            about = version.description
            seen |= {(version.dataset, name, "table"): None for name in about.tables}
            seen |= {(version.dataset, name, "text"): None for name in about.texts}
            seen |= {(version.dataset, name, "log"): None for name in about.events}
        yield from seen

    def to_json(self) -> bytes:
        """Return what `from_json` reads. It names the person: keep it no longer than the withdrawal takes."""
        raw = {name: getattr(self, name) for name in self.__slots__ if name != "versions"}
        versions = [
            {
                **{name: getattr(one, name) for name in ("dataset", "version", "commit", "content_sha256")},
                "removal": asdict(one.removal),
                "description": one.description.model_dump(mode="json"),
            }
            for one in self.versions
        ]
        return json.dumps({**raw, "versions": versions}, sort_keys=True).encode()

    @classmethod
    def from_json(cls, body: bytes) -> "Plan":
        """Read what `to_json` wrote."""
        raw: dict[str, Any] = json.loads(body)
        versions = tuple(
            PlannedVersion(
                **{
                    **one,
                    "removal": _removal(one["removal"]),
                    "description": Description.model_validate(one["description"]),
                }
            )
            for one in raw["versions"]
        )
        return cls(**{**raw, "values": tuple(raw["values"]), "versions": versions})


def _removal(raw: Mapping[str, Any]) -> Removal:
    columns = {
        table: {column: tuple(values) for column, values in each.items()} for table, each in raw["columns"].items()
    }
    return Removal(columns, tuple(raw["actors"]), raw["rows"], raw["mentions"])
