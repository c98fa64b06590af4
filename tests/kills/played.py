"""A lake before an ingest, what an undisturbed ingest makes of it, and what one that is killed at a point leaves."""

import gc
import importlib
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dagster_project.wiring import lakehouse
from tests.kills import judge
from tests.kills.child import Stop, in_child, stopping
from tests.kills.ingest import Scene, Submission, stay_here
from tests.kills.opened import watched
from tests.kills.points import ALONE, TOGETHER, Points, counted
from tests.kills.states import State, States

LATE = 3
"""How many of the last points one run may meet less than another; those not met are told."""
AT_ONCE = 400
"""At how many points one process stops before what it left is judged."""
NOT_MET = "not met"


class Played:
    """A lake before the ingest, kept beside its place, and what an undisturbed ingest makes of it."""

    def __init__(self, folder: Path, submissions: tuple[Submission, ...]) -> None:
        self.folder, self.scene, self.before = folder, Scene(folder / "lake", submissions), folder / "before"
        ended, told = in_child(self.scene.prepare)
        if ended != 0:
            raise RuntimeError(f"there is no lake to begin with:\n{told}")
        self.scene.move_to(self.before)
        self.scene.copy_of(self.before)
        ended, told = in_child(self._undisturbed)
        if ended != 0:
            raise RuntimeError(f"an undisturbed ingest does not pass:\n{told}")
        self.undisturbed: dict[str, Any] = told
        _load(self.undisturbed.pop("modules"))
        self.verdicts: dict[str, str | None] = {}
        self.distinct = 0

    @property
    def points(self) -> list[str]:
        """The points of an undisturbed ingest."""
        names: list[str] = self.undisturbed["points"]
        return names

    def killed(self, numbers: Sequence[int], *, alone: bool) -> Iterator[tuple[int, str | None]]:
        """Yield points and what did not hold once the next ingest had run on what a kill there leaves.

        One process goes through many points: it stops at each, and what a kill would leave is kept. Where a child is at
        work a process of its own is killed, and at every point where each is to be met `alone`.
        """
        for start in range(0, len(numbers), AT_ONCE):
            some = numbers[start : start + AT_ONCE]
            with tempfile.TemporaryDirectory(prefix="left-", dir=self.folder) as folder:
                states = States(Path(folder) / "store")
                seen = {} if alone else dict(self._left(some, states))
                for number in some:
                    yield number, self.judged(seen[number], states) if number in seen else self.kill_at(number)

    def kill_at(self, number: int) -> str | None:
        """Kill an ingest at a point and let the next one complete; return what did not hold."""
        self.scene.copy_of(self.before)
        ended, told = in_child(lambda: self._ingest(Points(self.scene.folder, number, self._seconds())))
        if ended == 0 and number >= len(self.points) - LATE:
            return NOT_MET
        if ended == 0:
            return "the process met fewer points than before"
        if ended != -signal.SIGKILL or told:
            return f"the ingest failed instead of being killed ({ended}):\n{told}"
        return self._completed()

    def judged(self, left: State, states: States) -> str | None:
        """Let the next ingest complete what a kill left; return what did not hold.

        What is the same as something judged before is not judged again, nor what differs from it in the bytes of
        files alone that nobody opened meanwhile: whatever read none of them cannot have done otherwise.
        """
        for judged in (left.same, left.alike):
            if judged in self.verdicts:
                return self.verdicts[judged]
        self.distinct += 1
        self.scene.clear()
        states.restore(left, self.scene.folder)
        with watched([self.scene.folder / name for name in left.partials]) as opened:
            fault = self._completed()
        self.verdicts[left.same] = fault
        if not opened:
            self.verdicts[left.alike] = fault
        return fault

    def _left(self, numbers: Sequence[int], states: States) -> Iterator[tuple[int, State]]:
        """Yield what a kill at each of these points leaves, looked at while the process stands still there."""
        only_killed = [number for number in numbers if self.points[number].startswith((ALONE, TOGETHER))]
        stops = frozenset(numbers).difference(only_killed)
        if not stops:
            return
        self.scene.copy_of(self.before)

        def ingest(stop: Stop) -> None:
            self._ingest(Points(self.scene.folder, stops=stops, stop=stop))

        with stopping(ingest) as reached:
            for number, cut in reached:
                yield number, states.look(self.scene.folder, cut)
                if number == max(stops):
                    return

    def _completed(self) -> str | None:
        ended, told = in_child(self._after)
        return None if ended == 0 and not told else f"the ingest after it ({ended}):\n{told}"

    def _undisturbed(self) -> dict[str, Any]:
        house = lakehouse(self.scene.settings)
        before = house.releases.current_or_empty().number
        house.tables.close()
        points = self._ingest(Points(self.scene.folder))
        house = lakehouse(self.scene.settings)
        states = judge.releases(self.scene, house, before)
        house.tables.close()
        return {
            "points": points.met,
            "seconds": points.child_seconds,
            "releases": states,
            "end": judge.end_state(self.scene),
            "modules": sorted(set(sys.modules) - {"__main__"}),
        }

    def _ingest(self, points: Points) -> Points:
        stay_here()
        with counted(points):
            self.scene.ingest()
        return points

    def _seconds(self) -> dict[str, float]:
        return dict(self.undisturbed["seconds"])

    def _after(self) -> list[str]:
        house = lakehouse(self.scene.settings)
        seen = judge.current(self.scene, house)
        house.tables.close()
        stay_here()
        half = [] if seen in self.undisturbed["releases"] else ["no release from the one before the ingest on"]
        self.scene.ingest()
        return half + judge.differences(judge.end_state(self.scene), self.undisturbed["end"])


def _load(modules: Sequence[str]) -> None:
    """Load code that its children would each load anew; a quarter of their time went there.

    None of it is run here: threads of Polars that were started once would be missed by a process that is forked.
    """
    for name in modules:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # what a collector never looks at stays shared
