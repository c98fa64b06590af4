"""Races contenders in turns within one run and prints the rows as one Markdown table at the end."""

import gc
import importlib.util
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import pytest

from lakehouse.adapters import minio_server, seaweedfs
from lakehouse.archive.apart import SERVER

ROUNDS = 7
PACKAGES = ("dagster", "pyarrow", "pyiceberg", "duckdb", "torch", "transformers")
HEADER = "| measure | contender | wall ms | CPU ms | wall ratio | lowest - highest | CPU ratio | rounds |"


@dataclass(frozen=True)
class Spent:
    """Seconds of one timed call."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class OwnClock:
    """Returned by a contender that runs elsewhere and was timed there."""

    spent: Spent
    result: object


Prepare = Callable[[int], Callable[[], object]]
"""Given a round's number, do what is not timed and return what is."""


@dataclass
class Bench:
    """All rows of this run."""

    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    walls: dict[tuple[str, str], float] = field(default_factory=dict)
    cpus: dict[tuple[str, str], float] = field(default_factory=dict)
    peaks: dict[tuple[str, str], dict[int, list[float]]] = field(default_factory=dict)
    load: str = ""

    def race(
        self,
        measure: str,
        contenders: Mapping[str, Prepare],
        *,
        rounds: int = ROUNDS,
        pids=(),
        per: int = 1,
        untimed: int = 1,
    ):
        """Run all contenders in turns, the first one being the reference; return each one's last result.

        So many `untimed` turns come first. `pids` are servers whose CPU time counts; `per` divides the times shown.
        """
        results, spent = self.turns(contenders, rounds=rounds, pids=pids, untimed=untimed)
        self.add(measure, spent, per=per)
        return results

    def turns(self, contenders: Mapping[str, Prepare], *, rounds: int = ROUNDS, pids=(), untimed: int = 1):
        """Run all contenders in turns; return each one's last result and all its seconds, to be added to the table."""
        results: dict[str, object] = {}
        spent: dict[str, list[Spent]] = {name: [] for name in contenders}
        names = list(contenders)
        for turn in range(-untimed, rounds):
            # Nobody always comes right after the same other one.
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                run = contenders[name](turn)
                gc.collect()
                begun = _now(pids)
                results[name] = run()
                took = _since(begun, pids)
                if isinstance(results[name], OwnClock):
                    took, results[name] = results[name].spent, results[name].result
                if turn >= 0:
                    spent[name].append(took)
        return {name: results[name] for name in names}, spent

    def add(self, measure: str, spent: Mapping[str, list[Spent]], *, per: int = 1) -> None:
        """Add one row a contender; ratios are to the first one, turn by turn, and their median is shown."""
        reference = next(iter(spent.values()))
        for name, times in spent.items():
            pairs = list(zip(times, reference, strict=True))
            walls = [mine.wall / theirs.wall for mine, theirs in pairs]
            cpus = [mine.cpu / theirs.cpu for mine, theirs in pairs if theirs.cpu > 0]
            wall = self.walls[measure, name] = statistics.median(one.wall for one in times) / per * 1000
            cpu_seconds = statistics.median(one.cpu for one in times)
            cpu = cpu_seconds / per * 1000
            self.cpus[measure, name] = cpu_seconds
            ratio = f"{statistics.median(cpus):.2f}" if cpus else ""
            self.lines.append(
                f"| {measure} | {name} | {wall:.1f} | {cpu:.1f} | {statistics.median(walls):.2f} | "
                f"{min(walls):.2f} - {max(walls):.2f} | {ratio} | {len(times)} |"
            )

    def clock(self, run: Callable[[], object]) -> Spent:
        """Return the seconds of one call."""
        gc.collect()
        begun = _now(())
        run()
        return _since(begun, ())

    def spent(self, wall: float, cpu: float) -> Spent:
        """Return seconds that were measured elsewhere, to be added to the table."""
        return Spent(wall, cpu)

    def clocked_elsewhere(self, result: object, *, wall: float, cpu: float) -> OwnClock:
        """Return a contender's result with the seconds measured where it ran."""
        return OwnClock(Spent(wall, cpu), result)

    def note(self, line: str) -> None:
        """Add a line under the table."""
        self.notes.append(line)

    def text(self) -> str:
        """Return machine, table and notes."""
        versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        load = (
            f"load average {self.load} at the start, {os.getloadavg()[0]:.1f} at the end (the run's own work included)"
        )
        table = [HEADER, "|---|---|--:|--:|--:|--:|--:|--:|", *self.lines]
        notes = [f"- {line}" for line in self.notes]
        return "\n".join([f"{machine()}; {versions}; {load}", "", *table, "", *notes]) + "\n"


def machine() -> str:
    """Return processor, cores, memory and interpreter in words."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    name = models[0].split(":", 1)[1].strip() if models else platform.machine()
    return f"{os.cpu_count()} x {name}, {memory:.0f} GiB, Python {platform.python_version()}"


def _now(pids) -> Spent:
    wall = time.perf_counter()
    SERVER.close()  # what its tasks spent is counted once it has ended; each contender starts its own
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = time.process_time() + children.ru_utime + children.ru_stime
    return Spent(wall, own + sum(_cpu_of(pid) for pid in pids))


def _since(begun: Spent, pids) -> Spent:
    now = _now(pids)
    return Spent(now.wall - begun.wall, now.cpu - begun.cpu)


def _cpu_of(pid: int) -> float:
    """Return a server's CPU seconds, in nanoseconds and not in the ticks of /proc/PID/stat (see clock_getcpuclockid).

    Ticks of 10 ms made a group-by over 20,000 rows, 25 ms for five of them, look dearer from one run to the next.
    """
    return time.clock_gettime(~pid << 3 | 2)


INTERPRETERS = {
    "presidio": "presidio-analyzer, which is then raced as a peer",
    "frictionless": "frictionless, which is then raced as a peer",
    "great-expectations": "Great Expectations; without it one is installed for the run",
    "sklearn": "scikit-learn, whose TF-IDF with logistic regression is then the peer",
    "litgpt": "litgpt, whose pretraining is then raced as a peer",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("bench")
    group.addoption("--bench-out", type=Path, default=None, metavar="FILE", help="also write the table to FILE")
    group.addoption(
        "--large",
        action="store_true",
        help="also take what needs long: 100 million rows, appends of 4 million, and the 1,000th append",
    )
    for name, what in INTERPRETERS.items():
        told = f"an interpreter that has {what}"
        group.addoption(f"--{name}-python", type=Path, default=None, metavar="PYTHON", help=told)
    group.addoption(
        "--training-rounds",
        type=int,
        default=3,
        metavar="N",
        help="rounds of a training step beside its peers; one is enough for ratios of processor time on a busy machine",
    )
    group.addoption(
        "--nanogpt",
        type=Path,
        default=None,
        metavar="FOLDER",
        help="a checkout of github.com/karpathy/nanoGPT, whose CPU configuration is then trained as a peer",
    )


BENCH = pytest.StashKey[Bench]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[BENCH] = Bench(load=f"{os.getloadavg()[0]:.1f}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.bench)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    bench = config.stash[BENCH]
    if not bench.lines and not bench.notes:
        return
    terminalreporter.write_line("")
    terminalreporter.write(bench.text())
    out = config.getoption("bench_out")
    if out is not None:
        out.write_text(bench.text(), encoding="utf-8")


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Bench:
    return request.config.stash[BENCH]


@pytest.fixture
def here() -> Path:
    return Path(__file__).parent


def _loaded(name: str):
    """Return a module of this folder, which pytest's importlib mode leaves off the path."""
    spec = importlib.util.spec_from_file_location(f"bench_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def made_rows():
    """The module of made-up rows."""
    return _loaded("made_rows")


@pytest.fixture(scope="session")
def lakes():
    """The module that opens a lake and its plain peers."""
    return _loaded("lakes")


@pytest.fixture
def lake(request: pytest.FixtureRequest, tmp_path: Path, lakes):
    """A new lake in a folder, unless the test asks for one on MinIO or SeaweedFS."""
    place = getattr(request, "param", "local folder")
    if place == "MinIO":
        with request.getfixturevalue("run_minio")() as server:
            at = (server.root.endpoint, *server.keys["writer"])
            warehouse = f"s3://{minio_server.TABLES}/warehouse"
            where = (minio_server.RELEASES, warehouse, minio_server.TABLES, server.process.pid)
            yield lakes.Lake(place, str(tmp_path), lakes.Server(*at, *where))
    elif place == "SeaweedFS":
        with request.getfixturevalue("run_seaweed")() as server:
            bucket, catalog = seaweedfs.BUCKET, seaweedfs.catalog_uri(server.ports)
            at = (f"127.0.0.1:{server.ports.s3}", server.access_key, server.secret_key)
            where = (bucket, seaweedfs.WAREHOUSE, bucket, server.process.pid)
            yield lakes.Lake(place, str(tmp_path), lakes.Server(*at, *where, catalog))
    else:
        yield lakes.Lake(place, str(tmp_path))
    shutil.rmtree(tmp_path)  # pytest would keep these gigabytes for three runs


@pytest.fixture
def place(lake, lakes, made_rows):
    """The lake, open in this process."""
    opened = lakes.Place(lake, made_rows)
    yield opened
    opened.close()


@pytest.fixture
def start_job(here: Path):
    """Start a job over a lake in a process of its own: what, by whom, in which lake, on which table, how many rows."""

    def start(job, who, lake, name, *numbers):
        words = [job, who, lake.tell(), name, *map(str, numbers)]
        return subprocess.Popen(
            [sys.executable, str(here / "lake_jobs.py"), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def run_job(start_job):
    """Run such a job to its end; return what it says."""

    def run(*words):
        with start_job(*words) as process:
            said, _ = process.communicate()
        assert process.returncode == 0, f"the job {words} ended with {process.returncode}"
        done = json.loads(said.splitlines()[-1])
        return {**done, "clocks": [Spent(*clock) for clock in done["clocks"]]}

    return run
