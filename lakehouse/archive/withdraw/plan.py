"""What a withdrawal or retraction will remove: by dataset, version, table and column. Deleted when it is done."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lakehouse.archive.eds import Description

PartKind = Literal["table", "text", "log"]
Act = Literal["withdrawal", "retraction", "pseudonymisation"]
Values = Mapping[str, tuple[str, ...]]
LISTS = ("values", "alike", "refused", "reported", "unread", "uploads", "uploads_unread")


@dataclass(frozen=True, slots=True)
class Others:
    """How one table names the person in rows that may be about somebody else; all values by column.

    A row with one of `yields` goes unless it names another subject in one of the columns of `people`, which are given
    with the person's own values. In rows that stay, the cells of `yields` and `keeps` become empty.
    """

    yields: Values = field(default_factory=dict)
    keeps: Values = field(default_factory=dict)
    people: Values = field(default_factory=dict)


NOBODY = Others()


@dataclass(frozen=True, slots=True)
class Removal:
    """What leaves one version.

    `columns` holds, by table and column, the values whose rows go, and `others` what is to be done by table where rows
    may be about other people. `documents` holds by text collection and field (id or title) the values whose documents
    go. `actors` are the values whose statements go from the event logs. `rows`, `blanked` and `mentions` count what
    goes, the cells emptied in rows that stay, and the places in running text, by table, collection or log. `whole` says
    that nothing but the descriptions stays. `statements` are by log the ids of those that go, since silver has no text
    of theirs that would say so. `near` counts by part the places where a value of the person is joined with other
    letters or signs, and stays. `unread` are the files that are no data and cannot be read to tell whether they name
    the person. `spots` say of each of the `mentions` where the first ones stand.
    """

    columns: Mapping[str, Values] = field(default_factory=dict)
    actors: tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    mentions: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, Others] = field(default_factory=dict)
    blanked: Mapping[str, int] = field(default_factory=dict)
    documents: Mapping[str, Values] = field(default_factory=dict)
    whole: bool = False
    unread: tuple[str, ...] = ()
    spots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    statements: Values = field(default_factory=dict)
    near: Mapping[str, int] = field(default_factory=dict)

    @property
    def found(self) -> bool:
        """Whether rows, documents or statements of the subject are there, or cells that name it."""
        return self.whole or any(self.rows.values()) or any(self.blanked.values())


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
class Followed:
    """Another identifier that stood in a row of the person: where, whether it was followed, and why or why not."""

    place: str
    seen: str
    value: str
    followed: bool
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A withdrawal: whose, why, and every version of the datasets that hold the person. `values` name the person.

    With `everywhere` these are also the datasets that only mention the person; else those mentions stay and are counted
    in `elsewhere`, by version and part, and `elsewhere_spots` say where the first of each stand.

    `refused` are the keys of submissions that never became a version and hold the person, with the folder where other
    content has the key, `reported` those whose report alone does, `unread` those of refused submissions that cannot be
    read to tell. `uploads` are the names of uploads that go from their bucket, `uploads_unread` of those that cannot be
    read to tell. `within` is the dataset that the search was narrowed to. `alike` are values that name the person and
    stand in what a dataset, part, column or code is called: what holds them goes as with the others, and texts that say
    them stay. In a retraction `subject` is ``dataset@version`` and `values` are empty. In a pseudonymisation it is a
    dataset; `pseudonyms` are by part the columns that have them in silver afterwards, `as_submitted` by silver table
    and column the versions that get them.
    """

    receipt: str
    subject: str
    kind: str
    reason: str
    by: str
    started_at: str
    values: tuple[str, ...]
    versions: tuple[PlannedVersion, ...]
    elsewhere: Mapping[str, int] = field(default_factory=dict)
    elsewhere_spots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    everywhere: bool = False
    refused: tuple[str, ...] = ()
    reported: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    uploads: tuple[str, ...] = ()
    uploads_unread: tuple[str, ...] = ()
    followed: tuple[Followed, ...] = ()
    act: Act = "withdrawal"
    within: str | None = None
    alike: tuple[str, ...] = ()
    pseudonyms: Values = field(default_factory=dict)
    as_submitted: Mapping[str, Values] = field(default_factory=dict)

    @property
    def identifying(self) -> tuple[str, ...]:
        """All values that name the person, sorted."""
        return tuple(sorted({*self.values, *self.alike}))

    @property
    def found(self) -> bool:
        """Whether anything holds the person or tells of them."""
        return bool(self.versions or self.refused or self.reported)

    @property
    def datasets(self) -> list[str]:
        """The datasets whose versions hold the person, sorted."""
        return sorted({version.dataset for version in self.versions})

    @property
    def held_by(self) -> list[str]:
        """The datasets whose versions or refused submissions hold the person, sorted."""
        return sorted({*self.datasets, *(key.partition("@")[0] for key in self.refused)})

    @property
    def told_of(self) -> list[str]:
        """The datasets of which the house's own tables may tell the person's values, sorted."""
        return sorted({*self.held_by, *(key.partition("@")[0] for key in self.reported)})

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
        raw = {name: getattr(self, name) for name in self.__slots__ if name not in ("versions", "followed")}
        versions = [
            {
                **{name: getattr(one, name) for name in ("dataset", "version", "commit", "content_sha256")},
                "removal": asdict(one.removal),
                "description": one.description.model_dump(mode="json"),
            }
            for one in self.versions
        ]
        followed = [asdict(one) for one in self.followed]
        return json.dumps({**raw, "versions": versions, "followed": followed}, sort_keys=True).encode()

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
        lists: dict[str, Any] = {name: tuple(raw.get(name, ())) for name in LISTS}
        lists["elsewhere_spots"] = _values(raw.get("elsewhere_spots", {}))  # plans of earlier versions have none
        lists["pseudonyms"] = _values(raw.get("pseudonyms", {}))
        lists["as_submitted"] = {table: _values(each) for table, each in raw.get("as_submitted", {}).items()}
        followed = tuple(Followed(**one) for one in raw["followed"])
        return cls(**{**raw, **lists, "versions": versions, "followed": followed})


def _removal(raw: Mapping[str, Any]) -> Removal:
    return Removal(
        columns={table: _values(each) for table, each in raw["columns"].items()},
        actors=tuple(raw["actors"]),
        rows=raw["rows"],
        mentions=raw["mentions"],
        others={
            table: Others(**{name: _values(each) for name, each in others.items()})
            for table, others in raw["others"].items()
        },
        blanked=raw["blanked"],
        documents={name: _values(each) for name, each in raw["documents"].items()},
        whole=raw["whole"],
        unread=tuple(raw.get("unread", ())),  # plans of earlier versions have none
        spots=_values(raw.get("spots", {})),
        statements=_values(raw.get("statements", {})),
        near=raw.get("near", {}),
    )


def _values(raw: Mapping[str, Any]) -> Values:
    return {column: tuple(values) for column, values in raw.items()}
