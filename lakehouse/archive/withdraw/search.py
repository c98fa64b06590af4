"""Looks for a subject in every version of every dataset and in what was refused, and plans what to remove."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from lakehouse.archive.pseudonyms import Pseudonyms
from lakehouse.archive.shelf import Shelf
from lakehouse.archive.withdraw.exports import Exports
from lakehouse.archive.withdraw.finding import Found, removal_of
from lakehouse.archive.withdraw.identities import Identity, Sighted, follow
from lakehouse.archive.withdraw.matching import folded
from lakehouse.archive.withdraw.mentions import with_mentions
from lakehouse.archive.withdraw.names import names_in, told_apart
from lakehouse.archive.withdraw.places import Places
from lakehouse.archive.withdraw.plan import Plan, PlannedVersion, Removal
from lakehouse.archive.withdraw.pseudonymous import with_pseudonyms
from lakehouse.archive.withdraw.refused import kinds_refused, refused_with, reported_with
from lakehouse.archive.withdraw.sightings import Sightings, sight
from lakehouse.errors import AmbiguousSubjectError, CascadeError, UnknownSubjectError
from lakehouse.masking import Mask
from lakehouse.ports import DatasetVersion, DatasetVersions

PERSON = "person"
"""The kind of somebody who stands only in a submission that says of no column what it names."""


@dataclass(frozen=True, slots=True)
class Request:
    """Whom to withdraw: an identifier's value; `kind` and `dataset` narrow the search; why, and who asked.

    `cascade` names columns, as ``table.column``, whose rows shall go although they are about other people.
    `everywhere` asks to mask mentions in datasets as well in which the person is no subject.
    """

    subject: str
    kind: str | None = None
    dataset: str | None = None
    reason: str = ""
    by: str = ""
    cascade: tuple[str, ...] = ()
    everywhere: bool = False


@dataclass
class _Search:
    """One search: what is asked, the versions it looks through, and where they are written out."""

    request: Request
    exports: Exports
    known: list[DatasetVersion] = field(default_factory=list)

    def kinds(self) -> dict[str, list[Sighted]]:
        """Return by kind where the value itself was seen."""
        wanted = {folded(self.request.subject), self.request.subject.strip()}
        found: dict[str, list[Sighted]] = {}
        for version in self.known:
            with self.exports.content(version) as content:
                for kind in content.about.subjects:
                    if self.request.kind in (None, kind):
                        places = Places(content.about, kind)
                        seen = sight(content, places, wanted)
                        found.setdefault(kind, []).append(_sighted(version, places, seen))
        return found

    def look(self, kind: str, wanted: Collection[str]) -> list[Sighted]:
        """Return what every version that has the kind says of some values."""
        found = []
        for version in self.known:
            with self.exports.content(version) as content:
                if kind in content.about.subjects:
                    places = Places(content.about, kind)
                    found.append(_sighted(version, places, sight(content, places, wanted)))
        return found

    def removals(self, kind: str, wanted: Collection[str]) -> list[tuple[PlannedVersion, set[str], Mapping[str, int]]]:
        """Return what leaves each version, without mentions, the spellings seen there, and what would need more."""
        found = []
        for version in self.known:
            with self.exports.content(version) as content:
                places = Places(content.about, kind)
                seen = sight(content, places, wanted) if kind in content.about.subjects else Sightings()
                leaves = removal_of(content, places, seen, self.request.cascade) if seen.found else Found(Removal())
                planned = PlannedVersion(
                    version.dataset,
                    version.version,
                    version.commit,
                    version.content_sha256,
                    leaves.removal,
                    content.about,
                )
                found.append((planned, seen.spellings(), leaves.needs))
        return found

    def names(self, versions: DatasetVersions, shelf: Shelf) -> set[str]:
        """Return what datasets, their versions and parts are called, and the folder that all lie in."""
        found = {str(shelf.root.absolute())}
        for dataset in versions.datasets():
            found |= {dataset, *(one.version for one in versions.versions(dataset))}
        for version in self.known:
            with self.exports.content(version) as content:
                found |= names_in(content.about)
        return found

    def counted(self, planned: PlannedVersion, mask: Mask) -> PlannedVersion:
        """Count the mentions in what stays of a version, and note the files that cannot be read to tell."""
        version = next(one for one in self.known if (one.dataset, one.commit) == (planned.dataset, planned.commit))
        with self.exports.content(version) as content:
            removal = with_mentions(content, planned.removal, mask)
        return replace(planned, removal=removal)


def search(versions: DatasetVersions, shelf: Shelf, request: Request, pseudonyms: Pseudonyms | None = None) -> Plan:
    """Return the plan of the withdrawal; when nothing names the subject, one that has not `found` anything.

    The values that name the person are also the pseudonyms that silver has for them.

    Raises:
        AmbiguousSubjectError: subjects of several kinds have this value, or it is not one person's.
        UnknownSubjectError: the named dataset is unknown.
        CascadeError: rows of other people would have to go, which nobody has asked for.
    """
    names = versions.datasets() if request.dataset is None else [request.dataset]
    known = [version for name in names for version in versions.versions(name)]
    if request.dataset is not None and not known:
        raise UnknownSubjectError(f"no dataset {request.dataset!r} in the archive; it has {versions.datasets()}")
    with Exports.below(versions, shelf.root / ".withdrawing") as exports:
        return _plan(_Search(request, exports, known), versions, shelf, pseudonyms)


def _plan(looking: _Search, versions: DatasetVersions, shelf: Shelf, pseudonyms: Pseudonyms | None) -> Plan:
    request = looking.request
    seen = looking.kinds()
    kind = _kind_of({name for name, each in seen.items() if any(one.sightings.found for one in each)})
    if kind is None:
        kind = _kind_of(kinds_refused(shelf, versions, request)) or request.kind or PERSON
        identity = Identity({folded(request.subject)})
    else:
        identity = follow(folded(request.subject), seen[kind], lambda wanted: looking.look(kind, wanted))
    wanted = {*identity.known, request.subject.strip()}
    removals = looking.removals(kind, wanted)
    _require_asked(removals)
    spelled = {request.subject.strip()}.union(*(spellings for _, spellings, _ in removals))
    values, alike = told_apart(with_pseudonyms(spelled, pseudonyms), looking.names(versions, shelf))
    mask = Mask(values)
    planned = [looking.counted(one, mask) for one, _, _ in removals]
    holding = {one.dataset for one in planned if one.removal.found or (request.everywhere and one.removal.mentions)}
    left = [(one, part) for one in planned if one.dataset not in holding for part in one.removal.mentions]
    refused = refused_with(shelf, versions, kind, wanted, mask, request.dataset)
    reported = reported_with(shelf, mask, request.dataset)
    now = datetime.now(UTC)
    return Plan(
        receipt=f"w{now:%Y%m%d}-{secrets.token_hex(4)}",
        subject=request.subject.strip(),
        kind=kind,
        reason=request.reason,
        by=request.by,
        started_at=now.isoformat(timespec="seconds"),
        values=mask.values,
        versions=tuple(one for one in planned if one.dataset in holding),
        elsewhere={_place(one, part): one.removal.mentions[part] for one, part in left},
        elsewhere_spots={_place(one, part): one.removal.spots.get(part, ()) for one, part in left},
        everywhere=request.everywhere,
        refused=refused.holding,
        reported=tuple(reported),
        unread=refused.unread,
        followed=tuple(identity.followed),
        within=request.dataset,
        alike=alike,
    )


def _place(planned: PlannedVersion, part: str) -> str:
    return f"{planned.dataset}@{planned.version}: {part}"


def later_versions(versions: DatasetVersions, scratch: Path, plan: Plan, done: Collection[str]) -> Plan | None:
    """Return the plan with the versions that were saved while it was not finished; None when there are none.

    What writes is refused meanwhile, but a writer of before may have been on its way.
    """
    labels = {(one.dataset, one.version) for one in plan.versions}
    late = [
        version
        for dataset in plan.datasets
        if f"versions {dataset}" not in done
        for version in versions.versions(dataset)
        if (dataset, version.version) not in labels
    ]
    if not late:
        return None
    request = Request(plan.subject, plan.kind)
    wanted = {*plan.identifying, *(folded(value) for value in plan.identifying)}
    with Exports.below(versions, scratch) as exports:
        looking = _Search(request, exports, late)
        found = [one for one, _, _ in looking.removals(plan.kind, wanted)]
        planned = [looking.counted(one, Mask(plan.values)) for one in found]
    return replace(plan, versions=(*plan.versions, *planned))


def _sighted(version: DatasetVersion, places: Places, seen: Sightings) -> Sighted:
    return Sighted(version.dataset, f"{version.dataset}@{version.version}", places, seen)


def _kind_of(kinds: set[str]) -> str | None:
    if len(kinds) > 1:
        listed = ", ".join(sorted(kinds))
        raise AmbiguousSubjectError(f"the value names subjects of the kinds {listed}; say which with --kind")
    return next(iter(kinds), None)


def _require_asked(removals: list[tuple[PlannedVersion, set[str], Mapping[str, int]]]) -> None:
    """Raise CascadeError when rows of other people refer to the person's by a column that may not be empty."""
    needed = [
        (column, f"{column} in {count} rows of {planned.dataset}@{planned.version}")
        for planned, _, needs in removals
        for column, count in needs.items()
    ]
    if needed:
        asked = " ".join(f"--cascade {column}" for column in sorted({column for column, _ in needed}))
        raise CascadeError(
            f"rows about other people name the person where no cell may be empty: "
            f"{'; '.join(told for _, told in needed)}; say {asked} if those rows shall go as well, or let the data "
            "owner hand in a version in which the column is not required"
        )
