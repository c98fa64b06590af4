"""One ingest of a small real submission in a lake of plain folders, in a process that may be killed in its middle."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import dagster as dg

from dagster_project.code_location import build
from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.dead_runs import end_dead_runs
from dagster_project.loop import Loop
from dagster_project.settings import Settings, load_settings
from dagster_project.wiring import ensure_folders, lakehouse
from lakehouse.archive import inbox, shelf
from lakehouse.archive.landing import land
from lakehouse.archive.rule_packs import load_packs
from lakehouse.archive.validate import validate
from lakehouse.samples import college_scorecard
from tests import named_people

ROWS = 100


@dataclass(frozen=True)
class Submission:
    """A submission with its key; `write` makes its files in a folder that is there and returns the one to hand in."""

    key: str
    write: Callable[[Path], Path]


def _wave(year: int) -> Submission:
    def write(folder: Path) -> Path:
        submission = college_scorecard.write(year, folder)
        (rows,) = submission.rglob("*.csv")
        rows.write_text("".join(rows.read_text().splitlines(keepends=True)[: ROWS + 1]))
        return submission

    return Submission(f"college_scorecard@{year}", write)


SCENES = {
    "first": (_wave(2009),),
    "second": (_wave(2007), _wave(2009)),
    "named": (
        Submission("choir@1", partial(named_people.unnamed, label="1")),
        Submission("choir@2", partial(named_people.named, label="2")),
    ),
}
"""What is ingested: into an empty lake, beside an older version, and the first version that names somebody."""


@dataclass(frozen=True)
class Scene:
    """A lake in `folder`, of whose submissions the last is to be ingested."""

    folder: Path
    submissions: tuple[Submission, ...]

    @property
    def settings(self) -> Settings:
        return load_settings({"LAKEHOUSE_HOME": str(self.folder), "LAKEHOUSE_STORAGE": "folder"})

    def prepare(self) -> None:
        """Hand in all submissions and ingest all but the last."""
        ensure_folders(self.settings)
        for number, submission in enumerate(self.submissions):
            scratch = self.folder / "scratch" / str(number)
            scratch.mkdir(parents=True)
            key = inbox.submit(submission.write(scratch), self.settings.home / "inbox").key
            assert key == submission.key
            if submission != self.submissions[-1]:
                self.ingest(key)

    def ingest(self, key: str = "") -> None:
        """Ingest a submission, or the last one, as the daemon does that finds it in the inbox."""
        settings = self.settings
        with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
            end_dead_runs(instance)
            house = lakehouse(settings)
            outcome = Loop(build(settings, house=house), instance).ingest(key or self.submissions[-1].key)
            house.tables.close()
        assert outcome.success, outcome.failure

    def copy_of(self, other: Path) -> None:
        """Make the lake what it is in another folder; its tables know their files by absolute paths."""
        self.clear()
        shutil.copytree(other, self.folder, symlinks=True)

    def move_to(self, other: Path) -> None:
        """Keep the lake in another folder."""
        self.folder.rename(other)

    def clear(self) -> None:
        """Take the lake away."""
        if self.folder.exists():
            shutil.rmtree(self.folder)


def stay_here() -> None:
    """Land and judge submissions in this process, where its points are counted, not in children that are shut in."""
    shelf.land_in_child = lambda source, into: land(source, into)
    shelf.judge_in_child = lambda folder, packs=None, **named: validate(folder, packs=packs or load_packs(), **named)
