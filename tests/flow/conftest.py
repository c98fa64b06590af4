"""The whole graph on plain folders: real Iceberg tables, real DataLad, a real Dagster instance, no server."""

import dataclasses
import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from assets.house import commit
from assets.workshop import Workshop
from dagster_project.code_location import build
from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.loop import Loop
from dagster_project.settings import PROJECT, Settings, load_settings, machine_environment
from dagster_project.wiring import ensure_folders, lakehouse, shelf, versions
from lakehouse.archive import inbox
from lakehouse.errors import NoReleaseError
from lakehouse.monitor.retraining import RetrainDecision, decisions_table
from lakehouse.ports import Provenance, TableWrite
from lakehouse.samples import college_scorecard
from lakehouse.tables.gold import RETRAIN_DECISIONS
from lakehouse.tables.write_audit_publish import Lakehouse
from models.config import TINY, Recipe

# Learns to copy from five bytes back, which takes about a hundred steps.
COPYIST = dataclasses.replace(TINY, vocabulary_size=257, context=48, batch=16, steps=120, validate_every=60)


def pytest_addoption(parser):
    parser.addoption(
        "--whole-loop", action="store_true", help="train models and run Dagster's parts in test_cluster.py"
    )


@dataclass
class Bench:
    """One lakehouse in a temporary folder, and what a test asks of it."""

    settings: Settings
    loop: Loop
    house: Lakehouse
    recipe: Recipe = TINY

    def arrive(self, folder: Path) -> str:
        return inbox.submit(folder, self.settings.home / "inbox").key

    def wave(self, year: int) -> str:
        scratch = self.settings.home / "scratch" / str(year)
        scratch.mkdir(parents=True)
        return self.arrive(college_scorecard.write(year, scratch))

    def state(self) -> dict[str, object]:
        """Everything that must not change when nothing changed."""
        house = lakehouse(self.settings)
        names = [name for space in ("archive", "bronze", "silver", "gold") for name in house.tables.tables(space)]
        try:
            release = house.releases.current().number
        except NoReleaseError:
            release = 0
        return {
            "release": release,
            "snapshots": {name: len(house.tables.summaries(name)) for name in names},
            "versions": [version.commit for version in versions(self.settings).versions("college_scorecard")],
            "models": self.workshop.checkpoints.versions(),
        }

    def rows(self, table: str) -> list[dict[str, object]]:
        return lakehouse(self.settings).tables.read(table).to_pylist()

    def learns_with(self, recipe: Recipe) -> None:
        """Train with this recipe from now on."""
        self.recipe = recipe
        self.house.tables.close()
        self.house = lakehouse(self.settings)
        self.loop = Loop(build(self.settings, workshop=self.workshop, house=self.house), self.loop.instance)

    def periodic_texts(self, *, seed: int = 1, name: str = "echoes", accumulates: str = "waves") -> str:
        """Hand in documents made of words said eight times: easy for attention, impossible for a trigram."""
        draw = random.Random(seed)
        folder = self.settings.home / "scratch" / f"{name}-{seed}"
        collection = folder / "texts" / "echoes"
        collection.mkdir(parents=True)
        (folder / "dataset.yaml").write_text(
            f'eds_version: "1.0"\nname: {name}\nversion: "{seed}"\ntitle: Echoes\ndescription: Echoes.\n'
            f"licence: CC0-1.0\naccumulates: {accumulates}\n"
        )
        (collection / "collection.yaml").write_text("title: Echoes\ndescription: Words said eight times.\n")
        with (collection / "documents.jsonl").open("w") as file:
            for number in range(160):
                words = ("".join(draw.choices("abcdefghijklmnop", k=5)) * 8 for _ in range(6))
                title = f"echo {seed} {number}"
                file.write(json.dumps({"id": f"{seed}-{number}", "title": title, "text": " ".join(words)}) + "\n")
        return self.arrive(folder)

    def decide(self, *decisions: RetrainDecision) -> None:
        rows = decisions_table(decisions, run_id="test", code_commit="0" * 40, recorded_at=datetime.now(UTC))
        key = "test:" + ",".join(one.cause_key for one in decisions)
        provenance = Provenance(run_id="test", code_commit="0" * 40)
        commit(lakehouse(self.settings), [TableWrite(RETRAIN_DECISIONS, rows)], key=key, provenance=provenance)

    def another(self, home: Path) -> "Bench":
        return open_bench(home)

    def close(self) -> None:
        self.loop.instance.dispose()
        self.house.tables.close()

    def shelf_rows(self, year: int) -> list[str]:
        """The data lines of a wave as it was handed in."""
        (file,) = self.shelf.landed(f"college_scorecard@{year}").folder.rglob("*.csv")
        return file.read_text().splitlines()[1:]

    @property
    def shelf(self):
        return shelf(self.settings)

    @property
    def workshop(self) -> Workshop:
        return Workshop(self.settings.home / "models", self.recipe)

    def runs(self) -> Counter:
        return Counter(run.job_name for run in self.loop.instance.get_runs())


def open_bench(home: Path) -> Bench:
    return open_with(
        load_settings({"LAKEHOUSE_HOME": str(home), "LAKEHOUSE_STORAGE": "folder", "LAKEHOUSE_MODEL_RECIPE": "tiny"})
    )


def open_with(settings: Settings) -> Bench:
    ensure_folders(settings)
    instance = dg.DagsterInstance.from_config(str(prepare_dagster_home(settings)))
    house = lakehouse(settings)
    return Bench(settings, Loop(build(settings, house=house), instance), house)


@dataclass
class Lakes:
    """Lakes filled once in a test process; each test that starts from one gets it back as it was filled.

    Iceberg's metadata hold absolute paths, so a lake stays in its folder, and what a test made of it is moved away.
    """

    root: Path
    folders: dict[Callable[[Bench], None], Path] = field(default_factory=dict)
    used: int = 0

    def open(self, fill: Callable[[Bench], None]) -> Bench:
        """Open a lake as `fill` leaves an empty one; whatever was open in its folder must be closed."""
        folder = self.folders.setdefault(fill, self.root / f"{fill.__name__}-{len(self.folders)}")
        lake, kept = folder / "lake", folder / "kept"
        if lake.exists():
            self.used += 1
            lake.rename(folder / f"used-{self.used}")
        if not kept.exists():
            self._fill(fill, lake, kept)
        else:
            shutil.copytree(kept, lake, symlinks=True)
        return open_bench(lake)

    def _fill(self, fill: Callable[[Bench], None], lake: Path, kept: Path) -> None:
        lake.mkdir(parents=True)
        made = open_bench(lake)
        try:
            fill(made)
        finally:
            made.close()
        # A copy that broke off is not taken for a whole one.
        half = kept.with_name("half")
        shutil.copytree(lake, half, symlinks=True)
        half.rename(kept)


def one_wave(bench: Bench) -> None:
    """College Scorecard of 2007 is stored."""
    outcome = bench.loop.ingest(bench.wave(2007))
    assert outcome.success, outcome.failure


def texts(bench: Bench) -> None:
    """One dataset of text is stored."""
    outcome = bench.loop.ingest(bench.periodic_texts())
    assert outcome.success, outcome.failure


def first_model(bench: Bench) -> None:
    """One dataset of text is stored, and the first model that learned from it is current."""
    texts(bench)
    bench.learns_with(COPYIST)
    outcome = bench.loop.learn("first")
    assert outcome.success, outcome.failure


@pytest.fixture(scope="session")
def lakes(tmp_path_factory):
    return Lakes(tmp_path_factory.mktemp("lakes"))


@dataclass
class Apart:
    """Runs jobs of a bench in processes of their own that kill themselves before durable change `point`."""

    parent: "subprocess.Popen[str]"
    folder: Path
    runs: int = 0

    def run(
        self, bench: Bench, job: str, key: str = "", *, point: int = -1, recipe: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a job, below zero to its end."""
        order = {"home": str(bench.settings.home), "job": job, "key": key, "point": point, "recipe": recipe}
        (done,) = self._run([order])
        return done

    def ingest_twice(self, bench: Bench, key: str) -> list[subprocess.CompletedProcess[str]]:
        """Ingest one arrival in two processes at once."""
        order = {"home": str(bench.settings.home), "job": "ingest", "key": key, "point": -1, "recipe": ""}
        return self._run([order, order])

    def _run(self, orders: list[dict[str, str | int]]) -> list[subprocess.CompletedProcess[str]]:
        said = []
        for _ in orders:
            self.runs += 1
            said.append([self.folder / f"{self.runs}.{stream}" for stream in ("out", "err")])
        told = [one | {"stdout": str(out), "stderr": str(err)} for one, (out, err) in zip(orders, said, strict=True)]
        self.parent.stdin.write(json.dumps(told) + "\n")
        self.parent.stdin.flush()
        ends = json.loads(self.parent.stdout.readline())
        texts = [[path.read_text(errors="replace") for path in paths] for paths in said]
        return [subprocess.CompletedProcess(*one[:2], *one[2]) for one in zip(orders, ends, texts, strict=True)]


@pytest.fixture(scope="session")
def apart(tmp_path_factory):
    command = [sys.executable, str(Path(__file__).with_name("killed_run.py"))]
    environment = machine_environment() | {"PYTHONPATH": str(PROJECT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=PROJECT, env=environment, **pipes) as parent:
        yield Apart(parent, tmp_path_factory.mktemp("apart"))


@pytest.fixture
def stored(lakes):
    """A bench that holds one wave of data."""
    made = lakes.open(one_wave)
    yield made
    made.close()


@pytest.fixture
def taught(lakes):
    """A bench that holds one dataset of text."""
    made = lakes.open(texts)
    yield made
    made.close()


@pytest.fixture
def learned(lakes):
    """A bench whose first model is current; it goes on with the same recipe."""
    made = lakes.open(first_model)
    made.learns_with(COPYIST)
    yield made
    made.close()


@pytest.fixture(scope="session")
def bench_with():
    """Open a lakehouse with other settings than those of plain folders."""
    return open_with


@pytest.fixture
def bench(tmp_path):
    made = open_bench(tmp_path)
    yield made
    made.close()


@pytest.fixture
def based(bench):
    """A bench with a language model to start from, which has learned from a dataset of its own."""
    # Torch takes seconds to load, and most flows do without it here.
    from models.checkpoint import Origin
    from models.documents import documents_from
    from models.train import train
    from tests.unit.models.conftest import rows, table

    origin = Origin(
        training_key="k",
        documents_snapshot="1",
        documents_sha256="d" * 64,
        dataset_commits={"letters@1": "e" * 40},
        code_commit="c" * 40,
        cause="first",
    )
    short = dataclasses.replace(TINY, steps=3, validate_every=3)
    bench.workshop.checkpoints.add(train(documents_from(table(rows())), short, threads=1), origin)
    return bench
