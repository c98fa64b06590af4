"""The intent log: what a writer is about to make visible, so that anyone can finish it after a crash.

Intents are numbered objects. Number n+1 can only be created once n is done, so at most one is open at a time: an open
intent is a lock on the visible state, and at the same time all that a stranger needs to carry it out. Whoever finds
one open carries it out first; every step of that may be repeated, by several processes at once.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from lakehouse.errors import NoObjectError, ObjectExistsError
from lakehouse.ports import ObjectStore, Provenance
from lakehouse.tables.release import View
from lakehouse.tables.sealed_json import seal, unseal
from lakehouse.tables.sealed_objects import create

PREFIX = "intents/"
OPEN = ".json"
DONE = ".done"


@dataclass(frozen=True, slots=True)
class Move:
    """One table's part of an intent: main shall go from `base` to `snapshot_id`, which lies on `branch`."""

    table: str
    branch: str
    snapshot_id: int
    base: int


@dataclass(frozen=True, slots=True)
class Intent:
    """Everything that becomes visible together."""

    key: str
    moves: tuple[Move, ...]
    provenance: Provenance
    views: Mapping[str, View] | None = None
    model_version: str | None = None

    def to_json(self) -> bytes:
        """Return the canonical JSON form, with the hash of its content."""
        return seal(asdict(self))

    @classmethod
    def from_json(cls, body: bytes) -> "Intent":
        """Read what `to_json` wrote; raise ChecksumError when it is damaged."""
        raw = unseal(body, "an intent")
        views = raw["views"]
        return cls(
            key=raw["key"],
            moves=tuple(Move(**move) for move in raw["moves"]),
            provenance=Provenance(**raw["provenance"]),
            views=None if views is None else {name: View(**view) for name, view in views.items()},
            model_version=raw["model_version"],
        )


@dataclass(frozen=True, slots=True)
class IntentLog:
    """All intents in one object store; only the newest may be open."""

    objects: ObjectStore

    def newest(self) -> tuple[int, Intent | None]:
        """Return the newest number (0 before the first) and its intent, None when that is done."""
        while True:
            names = {key.removeprefix(PREFIX) for key in self.objects.keys(PREFIX)}
            number = max((int(name.split(".")[0]) for name in names), default=0)
            if not number or f"{number:010d}{DONE}" in names:
                return number, None
            with contextlib.suppress(NoObjectError):  # done and swept away since it was listed: look again
                return number, Intent.from_json(self.objects.get(self._key(number, OPEN)))

    def open(self, number: int, intent: Intent) -> bool:
        """Create intent `number`, the one after a done newest; False when other writers were faster."""
        try:
            create(self.objects, self._key(number, OPEN), intent.to_json())
        except ObjectExistsError:
            return False
        # A writer that slept through several intents finds its number free again, for they were swept away. The newest
        # never is, so whoever is not the newest now was too late; once it is, nobody opens a later one.
        if self._numbers()[-1] == number:
            return True
        self.objects.delete(self._key(number, OPEN))
        return False

    def _numbers(self) -> list[int]:
        return sorted(int(key.removeprefix(PREFIX).split(".")[0]) for key in self.objects.keys(PREFIX))

    def close(self, number: int) -> None:
        """Mark the intent done, carried out or given up, and sweep away all older ones.

        Where a power cut takes the mark, whoever comes next does again what is done already, and marks it.
        """
        self.objects.note(self._key(number, DONE), b"")
        older = [key for key in self.objects.keys(PREFIX) if key < self._key(number, "")]
        # An intent goes before its mark: without the mark it would look open again.
        for key in sorted(older, key=lambda key: key.endswith(DONE)):
            self.objects.delete(key)

    def _key(self, number: int, ending: str) -> str:
        return f"{PREFIX}{number:010d}{ending}"
