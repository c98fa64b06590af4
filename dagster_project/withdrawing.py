"""Withdraws a subject from everything this machine keeps, while nothing else writes."""

import json
import os
import pwd
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg

from dagster_project.dead_runs import end_dead_runs
from dagster_project.identifying import record_again
from dagster_project.sensors import UNFINISHED
from dagster_project.services import prepare_dagster_home
from dagster_project.settings import Settings, code_commit
from dagster_project.wiring import lakehouse, shelf, versions, workshop
from lakehouse.adapters.seaweedfs import PlainDisk, SeaweedDisk, SeaweedPorts
from lakehouse.adapters.traces import FileTraces
from lakehouse.archive.withdraw.receipt import PUBLIC_KEY, Signer, verify
from lakehouse.archive.withdraw.run import Outcome, withdraw
from lakehouse.archive.withdraw.search import Request
from lakehouse.archive.withdraw.steps import Archive
from lakehouse.errors import BusyError, ReceiptError
from lakehouse.ports import Storage
from lakehouse.tables.lock import archive_lock

LOCK_SECONDS = 60.0


def withdraw_subject(settings: Settings, request: Request, *, dry_run: bool) -> str:
    """Withdraw a subject; return what to tell the person who asked.

    Raises:
        BusyError: runs are active.
    """
    with _alone(settings):
        outcome = withdraw(archive(settings), request, dry_run=dry_run)
        if outcome.carried_out and outcome.plan is not None:
            rewritten = [f"{one.dataset}@{one.version}" for one in outcome.plan.versions]
            record_again(settings, rewritten, run_id=f"withdrawal {outcome.receipt}")
    return told(outcome)


def verify_receipt(settings: Settings, path: Path, public_key: Path | None) -> str:
    """Check a receipt against the archive's public key, or another; return what it says."""
    if not path.is_file():
        raise ReceiptError(f"{path} is no file; name the receipt's JSON file")
    receipt = verify(path.read_bytes(), public_key or keys(settings) / PUBLIC_KEY)
    return f"the signature is good\n{json.dumps(receipt, indent=1, sort_keys=True, ensure_ascii=False)}"


def archive(settings: Settings) -> Archive:
    """Return everything of this machine that a person may be found in."""
    home = settings.home
    owned = [home / name for name in ("archive/datasets", "archive/submissions", "archive/withdrawals", "inbox")]
    owned += [home / name for name in ("objects", "tables", "models/versions", "keys", "local.env")]
    owned += [home / name for name in ("venv", "superset-venv", "tools")]
    signer = Signer(keys(settings))
    signer.public_key()
    return Archive(
        house=lakehouse(settings),
        versions=versions(settings),
        shelf=shelf(settings),
        models=workshop(settings),
        traces=FileTraces(home, owned=owned, drop=[home / "scratch"]),
        storage=storage(settings),
        signer=signer,
        receipts=home / "archive" / "withdrawals",
        code_commit=code_commit(),
    )


def keys(settings: Settings) -> Path:
    """Return the folder of the signing key."""
    return settings.home / "keys"


def storage(settings: Settings) -> Storage:
    """Return what stands under objects and tables: SeaweedFS when it is ours, else nothing that we could compact."""
    if settings.storage == "bundled" and settings.storage_ports:
        return SeaweedDisk(SeaweedPorts(**json.loads(settings.storage_ports)))
    return PlainDisk()


def user_name() -> str:
    """Return the name of the account that runs this."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


def told(outcome: Outcome) -> str:
    """Return an outcome in words."""
    plan = outcome.plan
    if plan is None:
        return f"nothing found; withdrawn before, receipt {outcome.receipt}: {outcome.file}"
    lines = [
        f"{one.dataset}@{one.version}: {_counts(one.removal.rows) or 'no rows'}"
        + (f"; mentions masked: {_counts(one.removal.mentions)}" if one.removal.mentions else "")
        for one in plan.versions
    ]
    lines += [
        f"{place}: {count} mentions left, for it names no such subject" for place, count in plan.elsewhere.items()
    ]
    if not outcome.carried_out:
        return "\n".join([f"would remove a {plan.kind} and rewrite:", *lines])
    return "\n".join([f"removed a {plan.kind} from:", *lines, f"receipt {outcome.receipt}: {outcome.file}"])


def _counts(counts: object) -> str:
    assert isinstance(counts, dict), "rows or mentions by place"
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold every lock that a run would take, and refuse to start while one goes on."""
    models = workshop(settings)
    with ExitStack() as held:
        held.enter_context(archive_lock(settings.home / "run" / "withdraw.lock", timeout_s=LOCK_SECONDS))
        with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
            end_dead_runs(instance)
            active = instance.get_runs(filters=dg.RunsFilter(statuses=list(UNFINISHED)))
        if active:
            names = ", ".join(sorted({run.job_name for run in active}))
            raise BusyError(f"{len(active)} runs are not finished ({names}); wait for them, then withdraw")
        held.enter_context(archive_lock(models.root / "workshop.lock", timeout_s=LOCK_SECONDS))
        held.enter_context(archive_lock(models.root / "publishing.lock", timeout_s=LOCK_SECONDS))
        yield
