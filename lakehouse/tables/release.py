"""A release: the one pointer that decides what SQL and dashboards see, moved for many tables at once.

Each release is an immutable object ``releases/<number>.json`` that pins every published table to a snapshot and names
every view and the current model. The newest number is the current one. A writer creates the next number with a
create-only write, so two writers can never both win, and a crash before that write changes nothing that is visible.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from lakehouse.errors import (
    ChecksumError,
    CommitConflictError,
    NoObjectError,
    NoReleaseError,
    NoTableError,
    ObjectExistsError,
    WithdrawnError,
)
from lakehouse.ports import ObjectStore, Provenance, TablePointer, TableStore
from lakehouse.tables.sealed_json import seal, unseal
from lakehouse.tables.sealed_objects import create

PREFIX = "releases/"
STORED_AT = "stored_at"
HINT = "newest/release"
MAX_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class View:
    """One published view: ``space.name`` and its single SQL statement in Dremio's dialect."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Release:
    """What is published: pinned tables by name, views by name, and the current model version.

    `withdrawn` names what an old release lost to a withdrawal, with its receipt.
    """

    number: int
    created_at: str
    tables: Mapping[str, TablePointer] = field(default_factory=dict)
    views: Mapping[str, View] = field(default_factory=dict)
    model_version: str | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    intent: int = 0
    withdrawn: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Return the canonical JSON form, with the hash of its content."""
        named = {"tables": _plain(self.tables), "views": _plain(self.views)}
        return seal({one.name: named.get(one.name, getattr(self, one.name)) for one in fields(self)})

    @classmethod
    def from_json(cls, body: bytes) -> "Release":
        """Read what `to_json` wrote; raise ChecksumError when it is damaged."""
        raw = unseal(body, "a release")
        return cls(
            number=raw["number"],
            created_at=raw["created_at"],
            tables={name: TablePointer(**value) for name, value in raw["tables"].items()},
            views={name: View(**value) for name, value in raw["views"].items()},
            model_version=raw["model_version"],
            provenance=raw["provenance"],
            intent=raw.get("intent", 0),
            withdrawn=raw.get("withdrawn", {}),
        )

    def pin(self, table: str) -> TablePointer:
        """Return where a table stood in this release; raise WithdrawnError or NoTableError when it has none."""
        if table in self.withdrawn:
            raise WithdrawnError(
                f"{table} of release {self.number} was removed by withdrawal {self.withdrawn[table]}; "
                "read a later release"
            )
        if table not in self.tables:
            raise NoTableError(f"release {self.number} holds no {table}; read a release that does")
        return self.tables[table]


def _plain(named: "Mapping[str, TablePointer] | Mapping[str, View]") -> dict[str, dict[str, Any]]:
    # What `asdict` does, which copies every value: of many tables that was most of making a release.
    return {name: {part.name: getattr(one, part.name) for part in fields(one)} for name, one in named.items()}


@dataclass(frozen=True, slots=True)
class Pins:
    """Snapshots that must be visible, by table, and the store that knows where those tables stand."""

    store: TableStore
    snapshots: Mapping[str, int]

    def over(self, old: Mapping[str, TablePointer]) -> dict[str, TablePointer]:
        """Return `old` with every table moved up to its snapshot; a pin that already has it stays where it is."""
        moved = {
            name: self.store.pointer(name)
            for name, snapshot_id in self.snapshots.items()
            if not (name in old and self._holds(old[name], snapshot_id))
        }
        return {**old, **moved}

    def _holds(self, pin: TablePointer, snapshot_id: int) -> bool:
        if pin.snapshot_id == snapshot_id:
            return True
        history = [int(summary["snapshot-id"]) for summary in self.store.summaries(pin.name)]
        if pin.snapshot_id not in history:
            return False
        # A snapshot that expired was on main long before any that is still there.
        return snapshot_id not in history or history.index(snapshot_id) < history.index(pin.snapshot_id)


def rewrite_release(objects: ObjectStore, key: str, new: Mapping[str, Any]) -> None:
    """Put a changed release in the place of the old one, with a note of when that was stored: it is no younger."""
    noted = new.get(STORED_AT) or objects.stored_at(key).isoformat()
    objects.put(key, seal({**new, STORED_AT: noted}))


@dataclass(frozen=True, slots=True)
class ReleaseLog:
    """All releases in one object store.

    `views_for` names the views that a set of published tables carries. With it every release has exactly those, and
    the views a writer hands in count for nothing: it chose them before it knew what others publish meanwhile.
    """

    objects: ObjectStore
    views_for: Callable[[Collection[str]], Mapping[str, View]] | None = None

    def current(self) -> Release:
        """Return the newest release; raise NoReleaseError before the first."""
        newest = self._after(self._hinted())
        if newest is None:
            keys = self.objects.keys(PREFIX)
            if not keys:
                raise NoReleaseError("nothing is published yet; run `make demo` or `lakehouse run` first")
            newest = self._read(keys[-1])
        return newest

    def _hinted(self) -> int:
        """Return the number of a release that was the newest once; 0 when nobody left one behind."""
        try:
            body = self.objects.get(HINT)
        except NoObjectError:
            return 0
        return int(body) if body.isdigit() else 0

    def _noted(self) -> Release | None:
        """Return the release that was once noted as the newest, if it is there.

        Whoever makes the one after it need not look whether there is one: creating it fails then.
        """
        number = self._hinted()
        try:
            return self.numbered(number) if number else None
        except NoObjectError:
            return None

    def _after(self, number: int) -> Release | None:
        """Return the last of the unbroken line of releases from `number` on; None when that one is not there."""
        found = None
        while number:
            try:
                found, number = self.numbered(number), number + 1
            except NoObjectError:
                break
        return found

    def numbered(self, number: int) -> Release:
        """Return an old release; raise NoObjectError when there is none of that number."""
        return self._read(self._key(number))

    def stored_at(self, number: int) -> datetime:
        """Return when a release came (UTC), by the storage's clock; its own `created_at` is its writer's."""
        key = self._key(number)
        noted = unseal(self.objects.get(key), "a release").get(STORED_AT)
        return datetime.fromisoformat(noted) if noted else self.objects.stored_at(key)

    @staticmethod
    def _key(number: int) -> str:
        return f"{PREFIX}{number:010d}.json"

    def _read(self, key: str) -> Release:
        release = Release.from_json(self.objects.get(key))
        if key != self._key(release.number):
            raise ChecksumError(f"{key} holds release {release.number}; restore it from a backup or a replica")
        return release

    def publish(
        self,
        provenance: Provenance,
        *,
        pins: Pins | None = None,
        views: Mapping[str, View] | None = None,
        model_version: str | None = None,
        intent: int = 0,
        retracted: Mapping[str, str | None] | None = None,
    ) -> Release:
        """Make the pinned tables, the views (all of them when given) and the model visible together.

        What is not named stays as it is; a change of nothing writes nothing and returns the current release. Where
        tables stand is read after the old release, so the create-only write below fails for whoever knows less, and
        no pin ever moves backwards. Neither do views and model: those of an `intent` (its number, 0 for none) that
        the release already holds, or that is older, are left out, for whoever carries an intent out may come late.
        A current model that is `retracted` gives way to the one named for it, or to none.
        """
        noted = self._noted() if pins else None
        for _ in range(MAX_ATTEMPTS):
            old, certain = noted or self.current_or_empty(), noted is None
            noted = None
            tables = pins.over(old.tables) if pins else old.tables
            changed = self._changed(old, tables, views, model_version, intent, retracted or {})
            if changed == old and old.number:
                if certain:
                    return old
                continue
            new = replace(
                changed,
                number=old.number + 1,
                created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
                provenance=provenance.summary(),
            )
            try:
                create(self.objects, self._key(new.number), new.to_json())
            except ObjectExistsError:
                continue
            # All releases are found by listing them, which takes the longer the more there are. It is but a hint:
            # it may be lost or late, and numbers are tried from there on.
            self.objects.note(HINT, str(new.number).encode())
            return new
        raise CommitConflictError(f"another writer published {MAX_ATTEMPTS} releases meanwhile; run the step again")

    def _changed(
        self,
        old: Release,
        tables: Mapping[str, TablePointer],
        views: Mapping[str, View] | None,
        model_version: str | None,
        intent: int,
        retracted: Mapping[str, str | None],
    ) -> Release:
        """Return what a release shows after a change; without views and model where its intent comes late."""
        late = 0 < intent <= old.intent
        given = None if late else views
        model = old.model_version if late else model_version or old.model_version
        return replace(
            old,
            tables=tables,
            views=self._views(tables, old.views if given is None else given),
            model_version=retracted.get(str(model), model),
            withdrawn={},
            intent=max(intent, old.intent),
        )

    def _views(self, tables: Mapping[str, TablePointer], otherwise: Mapping[str, View]) -> dict[str, View]:
        return dict(otherwise if self.views_for is None else self.views_for(tables.keys()))

    def current_or_empty(self) -> Release:
        """Return the current release; an empty one, number 0, before the first."""
        try:
            return self.current()
        except NoReleaseError:
            return Release(number=0, created_at="")
