"""Plays one history from its seed: writers, maintenance and readers among faults, then calm; each promise is judged."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.iceberg_upkeep import IcebergUpkeep
from lakehouse.errors import AuditError, ClockError, NoReleaseError, TransientError
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.intents import IntentLog
from lakehouse.tables.maintenance import Upkeep, maintain
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse, Published, write_audit_publish
from tests.simulation import storage
from tests.simulation.oracle import BOARD, MARKS, NOTES, TABLES, Oracle, Submission
from tests.simulation.world import DAY_S, Violation, World

AGAIN = 12
"""How often a caller does what an error tells it to do, before it leaves the rest to the next run."""
OLD_SHARE = 0.4
"""How many of the histories end with years passing and maintenance; that is most of what they cost."""
CARE = Upkeep(keep_days=0, keep_releases=3, abandoned_hours=24)


@dataclass(frozen=True)
class Played:
    """What a history was, in numbers, and the hash of everything that happened."""

    seed: int
    ticks: int
    releases: int
    kills: int
    trace: str


def play(seed: int, *, torn: bool = False) -> Played:
    """Play the history of a seed inside `simulated()`; raise Violation, naming it, when a promise is broken."""
    world = World(seed, torn=torn)
    storage.NOW.append(world)
    storage.empty_catalog()
    try:
        return History(world).play()
    except Exception as error:
        raise Violation(f"seed {seed}, point {world.ticks} of {world.traits}: {error!r}") from error
    finally:
        storage.NOW.pop()


class History:
    """One history."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.kills = 0
        self.oracle = Oracle(world, _submissions(world))
        world.written = self.oracle.release_came
        world.restarted = self._restarted

    def play(self) -> Played:
        world, draw = self.world, self.world.draw
        queue = [*self.oracle.submissions.values()]
        queue += [draw.choice(queue) for _ in range(draw.randrange(3))]  # events come twice
        draw.shuffle(queue)
        world.calm = False
        writers = draw.randrange(1, 4)
        for number in range(writers):
            mine = queue[number::writers]
            world.start(f"writer {number}", lambda mine=mine: self._write(mine))
        if draw.random() < 0.6:
            world.start("upkeep", lambda: self._maintain(draw.randrange(1, 3)))
        if draw.random() < 0.3:
            world.start("reader", self._read)
        world.run()
        world.calm = True
        self._end()
        return Played(world.seed, world.ticks, len(self.oracle.shown), self.kills, world.trace.hexdigest())

    def _restarted(self, process: object) -> Callable[[], None] | None:
        """Let the next run of the same work follow, or not."""
        self.kills += 1
        if self.world.draw.random() < 0.5:
            return None
        work, name = process.work, process.name
        return lambda: self.world.start(name, work)

    def house(self) -> Lakehouse:
        """Return the lakehouse as a process sees it that has just started."""
        objects = storage.SimObjects(self.world)
        tables = IcebergTables("simulated", lambda: storage.SimCatalog(self.world))
        return Lakehouse(tables, objects, ReleaseLog(objects))

    def _write(self, submissions: list[Submission]) -> None:
        house = self.house()
        for one in submissions:
            for _ in range(AGAIN):
                try:
                    self.submit(house, one)
                except TransientError:
                    self.world.wait()
                else:
                    break

    def submit(self, house: Lakehouse, one: Submission) -> Published | None:
        try:
            done = write_audit_publish(house, _writes(one), key=one.key, provenance=Provenance(one.key, "code"))
        except AuditError as error:
            if not one.bad:
                raise Violation(f"{one.key} was refused, though it breaks no promise: {error}") from error
            return None
        if one.bad:
            raise Violation(f"{one.key} was taken, though it breaks a promise")
        self.world.serve(lambda: self.oracle.acknowledge(one, done.release_number))
        return done

    def _maintain(self, times: int) -> None:
        house = self.house()
        for _ in range(times):
            for _ in range(self.world.draw.randrange(60)):
                self.world.wait()
            for _ in range(AGAIN):
                try:
                    self.care(house)
                except TransientError:
                    self.world.wait()
                except ClockError:
                    break  # it is for a person to set the clock
                else:
                    break

    def care(self, house: Lakehouse) -> None:
        maintain(house, IcebergUpkeep(house.tables), CARE, Provenance("upkeep", "code"))
        self.world.serve(lambda: self.oracle.needed(*self._roots(self.oracle.newest().number)))

    def _read(self) -> None:
        house = self.house()
        for _ in range(5):
            try:
                release = house.releases.current()
                for name, pin in release.tables.items():
                    found = house.tables.read(name, snapshot_id=pin.snapshot_id)
                    self._same(release.number, name, found)
            except (TransientError, NoReleaseError):
                pass
            self.world.wait()

    def _same(self, number: int, name: str, found: pa.Table) -> None:
        wanted = self.oracle.shown[number][name]
        rows = list(zip(*(found[column].to_pylist() for column in found.column_names), strict=True))
        if sorted(rows) != sorted(wanted):
            raise Violation(f"a reader of release {number} saw {rows} in {name}, not {wanted}")

    def _roots(self, newest: int) -> tuple[set[str], set[str]]:
        """Return the pins that must stay since release `newest`, and where the catalog's tables stand."""
        pins: set[str] = set()
        for number in range(max(1, newest - CARE.keep_releases + 1), self.oracle.newest().number + 1):
            release = self.house().releases.numbered(number)
            pins.update(pin.metadata_location for pin in release.tables.values())
        catalog = storage.SimCatalog(self.world)
        found = {
            catalog.load_table(f"{space}.{name}").metadata_location
            for space in ("silver", "gold")
            for space, name in (catalog.list_tables(space) if catalog.namespace_exists(space) else [])
        }
        return pins, found

    def _end(self) -> None:
        """Hand everything in once more without faults, look after the tables, and judge what is left."""
        house = self.house()
        for one in self.oracle.submissions.values():
            acknowledged = one.key in self.oracle.acknowledged
            done = self.submit(house, one)
            if acknowledged and done is not None and done.changed:
                raise Violation(f"{one.key} was acknowledged, yet handing it in again changed something")
        self._judge_calm(house)
        if self.world.draw.random() < OLD_SHARE:
            self._age(house)

    def _age(self, house: Lakehouse) -> None:
        """Let years pass, and see that maintenance leaves all that is needed, nothing else, and every key."""
        self.world.storage_s += 4000 * DAY_S  # more than any clock was ahead
        if not self.oracle.shown or self.world.draw.random() < 0.5:  # or nobody writes to these tables any more
            last = Submission("last", {MARKS.name: 1, NOTES.name: 1}, "last")
            self.submit(house, self.oracle.submissions.setdefault("last", last))
        newest = self.oracle.newest().number
        self.care(house)
        self._judge_files(newest)
        for one in (one for one in self.oracle.submissions.values() if not one.bad):
            done = self.submit(house, one)
            if done is not None and done.changed:
                raise Violation(f"{one.key} came again after maintenance, and was not known")
        self._judge_calm(house)

    def _judge_calm(self, house: Lakehouse) -> None:
        if IntentLog(house.objects).newest()[1] is not None:
            raise Violation("an intent is left open")
        good = {key for key, one in self.oracle.submissions.items() if not one.bad}
        if not good:
            return
        release = house.releases.current()
        shown = self.oracle.whole(release.number, self.oracle.shown[release.number])
        if good - shown:
            raise Violation(f"the last release shows {sorted(shown)}, not {sorted(good)}")
        for name, pin in release.tables.items():
            self._same(release.number, name, house.tables.read(name, snapshot_id=pin.snapshot_id))

    def _judge_files(self, newest: int) -> None:
        """See that nothing is left that is old and that nothing needs, and that all is there that something does."""
        needed = self.oracle.needed(*self._roots(newest))
        limit = self.world.storage_s - DAY_S - 3600
        left = [
            path
            for path, file in self.world.files.items()
            if path not in needed and file.time_s < limit and "/past-" not in path and "/key-" not in path
        ]
        if left:
            raise Violation(f"{len(left)} orphans are left, e.g. {left[:3]}")


def _submissions(world: World) -> dict[str, Submission]:
    draw = world.draw
    made = {}
    for number in range(draw.randrange(2, 6)):
        key = f"s{number}"
        rows = {name: draw.randrange(1, 4) for name in (MARKS.name, NOTES.name) if draw.random() < 0.7}
        if not rows:
            rows = {MARKS.name: 1}
        word = draw.choice((None, "yes", "no"))
        made[key] = Submission(key, rows, word, bad=MARKS.name in rows and draw.random() < 0.15)
    return made


def _writes(one: Submission) -> list[TableWrite]:
    writes = []
    for name, count in one.rows.items():
        parts = [*range(count), *([0] if one.bad else [])]
        rows = pa.table({"key": pa.array([one.key] * len(parts), pa.string()), "part": pa.array(parts, pa.int64())})
        writes.append(TableWrite(TABLES[name], rows))
    if one.word:
        writes.append(TableWrite(BOARD, pa.table({"key": [one.word]}), "replace"))
    return writes
