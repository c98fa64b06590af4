"""The main job on real data, from nothing to a system that is up, with progress and one table at the end."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from assets.house import read_released
from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.doing import being_done, doing
from dagster_project.loop import Loop, RunOutcome, open_loop
from dagster_project.services import (
    services,
    superset_environment,
    superset_venv,
)
from dagster_project.settings import PROJECT, Settings
from dagster_project.steps import Beside, Steps, TrainingBar, as_markdown, held_out, kept_back
from dagster_project.supervisor import Supervisor
from dagster_project.wiring import ensure_folders, lakehouse, shelf
from lakehouse.adapters import superset
from lakehouse.adapters.catalog_address import shown
from lakehouse.archive import inbox
from lakehouse.errors import NoReleaseError, ServiceUnavailableError
from lakehouse.samples import college_scorecard, course_records, python_docs
from lakehouse.tables.gold import EVALUATIONS, PROMOTIONS
from lakehouse.tables.release import Release

Writer = Callable[[Path], Path]

DEMO, DEMO_STEPS = "demo", 7
REFUSED = "course_records@1"
TABLE_WIDTH = 165
GOES_ON = "`{}` goes on from here; `make down` stops the servers that were started."
console = Console()


def run_demo(settings: Settings) -> int:
    """Run the whole loop; return 0 when everything is up, accepted as it should be, and refused as it should be."""
    begun = time.monotonic()
    ensure_folders(settings)
    supervisor = Supervisor(settings.home)
    supervisor.require_ports(services(settings))
    with doing(settings.home, DEMO) as say, _goes_on("make demo"):
        steps = Steps(DEMO_STEPS, console, say)
        outcomes = _all_steps(settings, supervisor, steps)
    console.print()
    show_status(settings)
    code = _verdict(outcomes, time.monotonic() - begun)
    console.print("\nThe steps, as docs/benchmarks.md has them:\n")
    told = as_markdown(steps.seconds, "lakehouse demo", time.monotonic() - begun)
    console.print(told, soft_wrap=True, markup=False, highlight=False)
    return code


@contextmanager
def _goes_on(command: str) -> Iterator[None]:
    """Have whoever stops the block told how to go on, and that servers stay."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        raise KeyboardInterrupt(f"{str(stopped) or 'stopped'}\n{GOES_ON.format(command)}") from stopped


def _all_steps(settings: Settings, supervisor: Supervisor, steps: Steps) -> list[RunOutcome]:
    with steps.step("Starting the object store and the table catalog (SeaweedFS)"):
        _up(supervisor, settings, "storage")
    writers = demo_submissions()
    datasets = {key.partition("@")[0] for key, _ in writers}
    with steps.step(f"Putting {len(writers)} submissions of {len(datasets)} datasets into the inbox"):
        keys = fill_inbox(settings, writers)
    bar = TrainingBar(console, _progress(), steps.tell)
    with ExitStack() as beside:
        loop = beside.enter_context(open_loop(settings, prepare_dagster_home(settings), listen=bar.hear))
        with steps.step(f"Checking, versioning and storing {len(keys)} submissions"):
            outcomes = _ingest_all(loop, settings, keys, steps.tell)
        # Not before: Dagster's daemon would take up the same submissions from the inbox.
        with steps.step("Starting SQL, catalogue and Dagster; the dashboards' set-up (Superset) beside the next step"):
            _up(supervisor, settings, "sql")
            provisioning = beside.enter_context(_start_provisioning(settings, supervisor))
            _up(supervisor, settings, "catalogue", "dagster")
            _tell_open(settings)
        with steps.step("Training, evaluating and publishing the language model"):
            learned = _learn(loop, settings)
        with steps.step("Waiting for the dashboards' set-up") as told:
            _finish_provisioning(supervisor, provisioning)
            told.append(f"{provisioning.seconds:.1f} s in all, beside the training")
    with steps.step("Starting Superset"):
        _up(supervisor, settings, "superset")
    return [*outcomes, learned]


def _tell_open(settings: Settings) -> None:
    """Say which pages can be looked at while the model trains."""
    for what, address in (
        ("Dagster", _asset_graph(settings)),
        ("the catalogue", settings.url(settings.catalogue_port)),
    ):
        console.print(f"  open already: {what} at {address}", soft_wrap=True, markup=False)


def run_graph(settings: Settings) -> int:
    """Run every submission through the graph again and then learn; return 0 when all ends as it should."""
    supervisor = Supervisor(settings.home)
    _up(supervisor, settings, "storage")
    begun = time.monotonic()
    archive = shelf(settings)
    keys = sorted({*archive.landed_keys(), *(arrival.key for arrival in archive.waiting())})
    with (
        doing(settings.home, "run") as say,
        open_loop(settings, prepare_dagster_home(settings), listen=TrainingBar(console, _progress(), say).hear) as loop,
    ):
        outcomes = _ingest_all(loop, settings, keys, say)
        outcomes.append(_learn(loop, settings))
    return _verdict(outcomes, time.monotonic() - begun)


def start_servers(settings: Settings) -> None:
    """Start all servers that do not run, and wait until each is well."""
    ensure_folders(settings)
    supervisor = Supervisor(settings.home)
    supervisor.require_ports(services(settings))
    with doing(settings.home, "up") as say, _goes_on("make up"):
        say("starting the servers")
        _up(supervisor, settings, "storage")
        _up(supervisor, settings, "sql")
        say("setting up the dashboards (Superset), then starting the other servers")
        with _start_provisioning(settings, supervisor) as provisioning:
            _finish_provisioning(supervisor, provisioning)
        _up(supervisor, settings, "catalogue", "dagster", "superset")
    show_status(settings)


def show_status(settings: Settings) -> int:
    """Print the table of addresses and logins; return 0 when every server is well, else 1."""
    supervisor, run_here = Supervisor(settings.home), services(settings)
    wells = {service.name: supervisor.pid(service.name) is not None and service.healthy() for service in run_here}
    work = being_done(settings.home)
    down = "[yellow]not yet[/yellow] " if work else "[red]down[/red] "
    marks = {name: "[green]up[/green] " if well else down for name, well in wells.items()}
    _show_addresses([(f"{marks.get(name, '')}{what}", *cells) for name, what, *cells in _rows(settings)], console)
    for line in work:
        console.print(f"Being done now: {line}", style="yellow", soft_wrap=True, markup=False)
    console.print(
        f"The command is {Path(sys.executable).with_name('lakehouse')}; its --help lists the verbs.", soft_wrap=True
    )
    console.print(
        f"Passwords are in {settings.env_file} (readable by you only): LAKEHOUSE_SUPERSET_PASSWORD and "
        "LAKEHOUSE_SQL_PASSWORD. Stop with: make down",
        soft_wrap=True,
    )
    for service in run_here:
        if changed := supervisor.outdated(service):
            kept = " and ".join(f"the {name}" for name in changed)
            told = f"{service.name} still runs with {kept} of its start; renew with: make down && make up"
            console.print(told, style="yellow", soft_wrap=True)
    return 0 if all(wells.values()) else 1


def _show_addresses(rows: Sequence[tuple[str, ...]], there: Console) -> None:
    """Print what is where: as a table, or in lines on a terminal that is too narrow for one."""
    if there.is_terminal and there.width < TABLE_WIDTH:
        for what, address, login, look in rows:
            there.print(f"[bold]{what}[/bold]")
            there.print(f"  {address}", soft_wrap=True)  # whole, for people copy it
            for line in filter(None, (login and f"login: {login}", look)):
                there.print(Padding(line, (0, 0, 0, 2)))
        return
    table = Table("What", title="Education lakehouse")
    table.add_column("Address", no_wrap=True)
    table.add_column("Login", no_wrap=True)
    table.add_column("Look at")
    for row in rows:
        table.add_row(*row)
    Console(file=there.file, width=max(there.width, TABLE_WIDTH)).print(table)


def demo_submissions() -> list[tuple[str, Writer]]:
    """Return the demo's submissions in the order in which they arrive: each one's key, and what writes it."""
    writers: list[tuple[str, Writer]] = [
        (f"college_scorecard@{wave}", _wave_writer(wave)) for wave in college_scorecard.WAVES
    ]
    return [
        *writers,
        (f"python_docs@{python_docs.version_label()}", python_docs.write),
        (REFUSED, course_records.write),
    ]


def fill_inbox(settings: Settings, writers: Sequence[tuple[str, Writer]]) -> list[str]:
    """Put submissions into the inbox that are not known yet, in their order; return all their keys."""
    box = settings.home / "inbox"
    known = set(shelf(settings).landed_keys()) | {arrival.key for arrival in inbox.arrivals(box)}
    new = [write for key, write in writers if key not in known]
    for write in new:
        _write_submission(write, box)
    if not new:
        console.print("  unchanged: all of them were put there before")
    return [key for key, _ in writers]


def _wave_writer(wave: int) -> Writer:
    return lambda into: college_scorecard.write(wave, into)


def _write_submission(write: Writer, box: Path) -> None:
    scratch = box.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    folder = write(scratch)
    inbox.submit(folder, box)
    shutil.rmtree(folder)


def _ingest_all(loop: Loop, settings: Settings, keys: Sequence[str], tell: Callable[[str], None]) -> list[RunOutcome]:
    outcomes, changed, releases = [], set(), lakehouse(settings).releases
    newest = releases.current_or_empty().number
    with _progress() as progress:
        task = progress.add_task("submissions", total=len(keys))
        for number, key in enumerate(keys, start=1):
            progress.update(task, description=key)
            tell(f"{key}, {number} of {len(keys)}")
            outcomes.append(loop.store(key))
            before, newest = newest, releases.current_or_empty().number
            if newest != before:
                changed.add(key)
            progress.advance(task)
    for outcome in outcomes:
        done = "stored" if outcome.name in changed else "unchanged"
        word = done if outcome.success else "refused" if outcome.name == REFUSED else "failed"
        console.print(f"  {outcome.name}: {word} in {outcome.seconds:.1f} s")
    return outcomes


def _learn(loop: Loop, settings: Settings) -> RunOutcome:
    release, began = _release(settings), datetime.now(UTC)
    outcome = loop.learn("request" if release and release.model_version else "first")
    told = _learned(settings, began)
    done = "trained" if told.kept_back else "unchanged" if _release(settings) == release else "published"
    console.print(f"  {done if outcome.success else 'failed: ' + str(outcome.failure)}")
    for line in filter(None, told):
        console.print(f"  {line}", soft_wrap=True, markup=False)
    return outcome


class _Told(NamedTuple):
    """What is said of a training; empty where there is nothing to say."""

    held_out: str
    kept_back: str


def _learned(settings: Settings, began: datetime) -> _Told:
    release, house = _release(settings), lakehouse(settings)
    if release is None:
        return _Told("", "")
    current = release.model_version
    scores = held_out(read_released(house, EVALUATIONS).to_pylist(), current) if current else ""
    return _Told(scores, kept_back(read_released(house, PROMOTIONS).to_pylist(), began))


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
        console=console,
    )


def _up(supervisor: Supervisor, settings: Settings, *names: str) -> None:
    """Start the named services, those of them that run here, and wait until each is well."""
    wanted = [service for service in services(settings) if service.name in names]
    supervisor.require_ports(wanted)
    for service in wanted:
        supervisor.start(service)
    for service in wanted:
        with console.status(f"waiting for {service.name}: {service.needed_for}"):
            supervisor.wait(service)


def _start_provisioning(settings: Settings, supervisor: Supervisor) -> Beside:
    supervisor.logs.mkdir(parents=True, exist_ok=True)
    with supervisor.log("provision").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - fixed program and arguments
            superset.provision_command(superset_venv(settings)),
            cwd=PROJECT / "superset",
            env=superset_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return Beside(process)


def _finish_provisioning(supervisor: Supervisor, provisioning: Beside) -> None:
    with console.status("waiting for Superset's set-up"):
        code = provisioning.ended()
    if code:
        raise ServiceUnavailableError(
            f"Superset's set-up ended with {code}; read {supervisor.log('provision')} and run `lakehouse up` again"
        )


def _verdict(outcomes: Sequence[RunOutcome], seconds: float) -> int:
    bad = [outcome for outcome in outcomes if outcome.success == (outcome.name == REFUSED)]
    for outcome in bad:
        console.print(f"[red]{outcome.name}[/red] {outcome.failure or 'was accepted, though it must be refused'}")
    on_purpose = f"; {REFUSED} is refused on purpose" if any(each.name == REFUSED for each in outcomes) else ""
    console.print(f"{len(outcomes)} runs in {seconds:.1f} s{on_purpose}.")
    return bad[0].exit_code or 1 if bad else 0


def _rows(settings: Settings) -> list[tuple[str, ...]]:
    release = _release(settings)
    model = "told while storage is up" if release is None else release.model_version or "none yet"
    return [
        (
            "dagster",
            "Dagster",
            _asset_graph(settings),
            "none (this machine only)",
            "The graph of all assets; Runs (course_records@1 is refused)",
        ),
        (
            "superset",
            "Superset",
            f"{settings.url(settings.superset_port)}/superset/dashboard/education-lakehouse/",
            f"{settings.superset_user} / see below",
            "Dashboard with tabs: datasets, model, rights, fine-tuning",
        ),
        (
            "catalogue",
            "Catalogue",
            settings.url(settings.catalogue_port),
            "none (this machine only)",
            "Find, cite and get a dataset; try typing `college`",
        ),
        (
            "sql",
            "SQL (Dremio's protocol)",
            settings.sql_uri,
            f"{settings.sql_user} / see below",
            'lakehouse sql "select submission, verdict from kpi.submissions"',
        ),
        *_storage(settings),
        *_receiver(settings),
        ("", "Files", str(settings.home), "", f"inbox/ archive/ models/ (current: {model}) logs/"),
    ]


def _asset_graph(settings: Settings) -> str:
    """Return the address of all assets: Dagster's first page shows runs of the last hours only, and no asset."""
    return f"{settings.url(settings.dagster_port)}/asset-groups"


def _storage(settings: Settings) -> list[tuple[str, ...]]:
    if settings.storage == "folder":
        return []  # objects and tables are plain files there
    address, catalog = f"http://{settings.s3_endpoint}", f"Iceberg at {shown(settings.catalog_uri)}"
    return [("storage", "S3 API", address, "keys: see below", catalog)]


def _receiver(settings: Settings) -> list[tuple[str, ...]]:
    if not settings.s3_inbox:
        return []
    address = f"{settings.url(settings.uploads_port)}/uploads"
    return [
        ("uploads", "Uploads", address, f"token in {settings.env_file.name}", f"told of bucket {settings.s3_inbox}")
    ]


def _release(settings: Settings) -> Release | None:
    try:
        return lakehouse(settings).releases.current()
    except (NoReleaseError, ServiceUnavailableError):
        return None
