"""Withdraws a subject from everything this machine keeps, while nothing else writes."""

import json
import os
import pwd
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg

from dagster_project.dagster_home import database_url, prepare_dagster_home, superset_database_url
from dagster_project.dead_runs import end_dead_runs
from dagster_project.identifying import KeptBooks
from dagster_project.people import users_file
from dagster_project.sensors import UNFINISHED
from dagster_project.settings import Settings, code_commit
from dagster_project.wiring import lakehouse, record_folders, shelf, uploads, versions, workshop
from lakehouse.adapters.object_versions import VersionedBuckets
from lakehouse.adapters.seaweedfs import PlainDisk, SeaweedDisk, SeaweedPorts
from lakehouse.adapters.traces import DatabaseTraces, FileTraces
from lakehouse.archive.levels import counted, printable_json
from lakehouse.archive.pseudonyms import SilverKey
from lakehouse.archive.withdraw.archive import Archive
from lakehouse.archive.withdraw.plan import Followed, Plan, PlannedVersion
from lakehouse.archive.withdraw.receipt import PUBLIC_KEY, Signer, verify
from lakehouse.archive.withdraw.retract import Order
from lakehouse.archive.withdraw.run import Outcome, finish, pseudonymise, retract, withdraw
from lakehouse.archive.withdraw.search import Request
from lakehouse.archive.withdraw.uploaded import UploadBin
from lakehouse.errors import BusyError, ReceiptError, RetainedError
from lakehouse.storage_ports import Storage
from lakehouse.tables.lock import archive_lock

LOCK_SECONDS = 60.0
OWNED = (
    "archive/datasets", "archive/submissions", "archive/reports", "archive/acceptances",
    "archive/withdrawals", "inbox", "objects", "tables", "models/versions",
    "models/forms", "models/classifiers", "models/instructed", "models/hub", "models/archive", "keys", "local.env",
    "venv", "superset-venv", "tools", "policy.yaml",
)  # fmt: skip
"""What below the home is searched by its own means, or made of what is; traces may lie in all the rest."""


def withdraw_subject(settings: Settings, request: Request, *, dry_run: bool) -> str:
    """Withdraw a subject; return what to tell the person who asked.

    Raises:
        BusyError: runs are active, and this is no dry run; or another withdrawal goes on.
        RetainedError: a lock of the storage keeps older versions of objects; the message tells what was done.
    """
    with _looking(settings) if dry_run else _alone(settings):
        outcome = withdraw(archive(settings), request, dry_run=dry_run)
    return or_retained(outcome, told(outcome))


def retract_version(settings: Settings, order: Order, *, dry_run: bool) -> str:
    """Remove the data of a version; return what to tell.

    Raises:
        BusyError: runs are active, and this is no dry run; or another withdrawal goes on.
        RetainedError: a lock of the storage keeps older versions of objects; the message tells what was done.
    """
    with _looking(settings) if dry_run else _alone(settings):
        outcome = retract(archive(settings), order, dry_run=dry_run)
    return or_retained(outcome, told_of_version(outcome, order.key))


def pseudonymise_dataset(settings: Settings, dataset: str) -> str:
    """Give a dataset's silver tables pseudonyms where they were stored without; return what to tell.

    Raises:
        BusyError: runs are active.
        RetainedError: a lock of the storage keeps older versions of objects; the message tells what was done.
    """
    with _alone(settings):
        outcome = pseudonymise(archive(settings), dataset)
    if outcome.plan is None:
        return f"silver names nobody of {dataset}; nothing was changed"
    tables = ", ".join(outcome.plan.as_submitted)
    return or_retained(outcome, f"gave pseudonyms to {tables}; the signed receipt: {outcome.file}")


def finish_open(settings: Settings) -> str:
    """Finish the withdrawal or retraction that a killed call left; return what to tell."""
    with _alone(settings):
        plan = finish(archive(settings))
    if plan is None:
        return "nothing was left unfinished"
    left = [*_of_alike(plan), *_warning(plan.elsewhere, first=False)]
    return "\n".join([f"finished {plan.act} {plan.receipt}", *left])


def or_retained(outcome: Outcome, words: str) -> str:
    """Return the words for an outcome, or raise RetainedError with them when a lock keeps older versions."""
    if not outcome.retained:
        return words
    kept = [
        f"s3://{one.bucket}/{one.key} version {one.version}: not removed until {one.until}" for one in outcome.retained
    ]
    raise RetainedError(
        "\n".join([words, *kept, "a lock of the storage keeps these; run `lakehouse withdraw --finish` after that"])
    )


def verify_receipt(settings: Settings, path: Path, public_key: Path | None) -> str:
    """Check a receipt against the archive's public key, or another; return what it says."""
    if not path.is_file():
        raise ReceiptError(f"{path} is no file; name the receipt's JSON file")
    receipt = verify(path.read_bytes(), public_key or keys(settings) / PUBLIC_KEY)
    return f"the signature is good\n{printable_json(json.dumps(receipt, indent=1, sort_keys=True, ensure_ascii=False))}"


def archive(settings: Settings) -> Archive:
    """Return everything of this machine that a person may be found in."""
    home = settings.home
    signer = Signer(keys(settings))
    signer.public_key()
    return Archive(
        house=lakehouse(settings),
        versions=versions(settings),
        shelf=shelf(settings),
        models=workshop(settings),
        traces=FileTraces(
            home,
            owned=[*(home / name for name in OWNED), users_file(settings).path],
            drop=[home / "scratch"],
            databases=databases(settings),
            told=[users_file(settings).path],
            unfinished=[home / "objects", home / "tables", *record_folders(settings)],
        ),
        storage=storage(settings),
        signer=signer,
        receipts=home / "archive" / "withdrawals",
        code_commit=code_commit(),
        silver_key=SilverKey(keys(settings)),
        books=KeptBooks(settings),
        uploads=_upload_bin(settings),
    )


def _upload_bin(settings: Settings) -> UploadBin | None:
    if not settings.s3_inbox:
        return None
    return UploadBin(settings.s3_inbox, uploads(settings), versioned(settings, settings.s3_inbox))


def databases(settings: Settings) -> list[DatabaseTraces]:
    """Return the databases of other programs that the settings name: Dagster's and Superset's, if in PostgreSQL."""
    named = []
    if settings.dagster_database:
        named.append(DatabaseTraces("dagster's database", database_url(settings, prepare_dagster_home(settings))))
    if settings.superset_database:
        named.append(DatabaseTraces("superset's database", superset_database_url(settings)))
    return named


def keys(settings: Settings) -> Path:
    """Return the folder of the signing key."""
    return settings.home / "keys"


def storage(settings: Settings) -> Storage:
    """Return what stands under objects and tables: folders, our own SeaweedFS, or buckets that may keep versions."""
    if settings.storage == "folder":
        return PlainDisk()
    if settings.storage == "bundled" and settings.storage_ports:
        return SeaweedDisk(SeaweedPorts(**json.loads(settings.storage_ports)))
    return versioned(settings, settings.s3_bucket)


def versioned(settings: Settings, bucket: str) -> VersionedBuckets:
    """Return a bucket whose older versions the steward's account may delete, else the usual one."""
    steward = settings.s3_steward_access_key.get_secret_value()
    named = (settings.s3_steward_access_key, settings.s3_steward_secret_key)
    access_key, secret_key = named if steward else (settings.s3_access_key, settings.s3_secret_key)
    return VersionedBuckets(
        settings.s3_endpoint,
        access_key.get_secret_value(),
        secret_key.get_secret_value(),
        bucket,
        secure=settings.s3_secure,
        ca_file=settings.s3_ca_file,
    )


def user_name() -> str:
    """Return the name of the account that runs this."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


def told(outcome: Outcome) -> str:
    """Return an outcome in words; the values of a person only before anything is done."""
    plan = outcome.plan
    unread = [
        f"{key}: refused submission, cannot be read to tell whether it holds the person" for key in outcome.unread
    ]
    if plan is not None:
        unread += [f"{name!a}: upload, cannot be read to tell" for name in plan.uploads_unread]
    if plan is None:
        known = f"nothing found; withdrawn before, receipt {outcome.receipt}: {outcome.file}"
        left = [f"{place}: {counted(count, 'mention')} LEFT" for place, count in outcome.left.items()]
        return "\n".join([known, *unread, *left, *_warning(outcome.left, first=False)])
    lines = [_of_version(one) for one in plan.versions]
    lines += [f"{key}: refused submission, removed as a whole" for key in plan.refused]
    lines += [f"{key}: its report, masked" for key in plan.reported]
    lines += [f"{len(plan.uploads)} uploads, removed from their bucket"] * bool(plan.uploads)
    lines += _of_alike(plan)
    left = [
        f"{place}: {counted(count, 'mention')} LEFT, {_spots(plan.elsewhere_spots.get(place, ()), count)}"
        for place, count in plan.elsewhere.items()
    ]
    if not outcome.carried_out:
        lines += [_of_identifier(one) for one in plan.followed]
        return "\n".join(
            [f"would remove a {plan.kind} and rewrite:", *lines, *unread, *left, *_warning(plan.elsewhere, first=True)]
        )
    receipt = f"receipt {outcome.receipt}: {outcome.file}"
    left += _of_files(outcome)
    return "\n".join(
        [f"removed a {plan.kind} from:", *lines, *unread, *left, *_warning(plan.elsewhere, first=False), receipt]
    )


def _of_files(outcome: Outcome) -> list[str]:
    """Say which files of this machine were not touched, and why, as the receipt does."""
    assert outcome.file is not None, "it was carried out"
    told = json.loads(outcome.file.read_bytes())["receipt"]["also"]["traces"]["skipped"]
    return [f"{ascii(name)[1:-1]}: {why}" for name, why in sorted(told.items())]


def _of_alike(plan: Plan) -> list[str]:
    """Say that texts were left in which a value of the person cannot be told from what something is called."""
    if not plan.alike:
        return []
    what = counted(len(plan.alike), "identifier")
    return [
        f"NOT MASKED IN TEXTS: {what} of the person also {'stands' if len(plan.alike) == 1 else 'stand'} in what a "
        "dataset, version, table, column, code, or a word of this program is called. Rows, documents and statements of "
        "the person are found by it as by any other; texts that say it, and cells of columns with levels, stay as they "
        "are: look into them, and hand in a version without it where it means the person"
    ]


def _warning(left: Mapping[str, int], *, first: bool) -> list[str]:
    """Say in so many words that the person can still be read, where mentions are left; `first` before anything went."""
    if not left:
        return []
    hint = " (best at once, while all identifiers of the person are known)" if first else " (for each identifier)"
    return [
        f"NOT FORGOTTEN EVERYWHERE: {counted(sum(left.values()), 'mention')} of the person stay readable, also in old "
        "versions and clones, in datasets that declare no such subject. Look whether they mean this person; if so, the "
        f"same command with --everywhere masks them there too{hint}."
    ]


def told_of_version(outcome: Outcome, key: str) -> str:
    """Return in words what became of a version."""
    plan = outcome.plan
    if plan is None:
        return f"{key} was removed before, receipt {outcome.receipt}: {outcome.file}"
    rows = next(_counts(one.removal.rows) for one in plan.versions if one.removal.whole)
    if not outcome.carried_out:
        return f"would remove the data of {key} ({rows}) and keep its metadata and a tombstone"
    return f"removed the data of {key} ({rows})\nreceipt {outcome.receipt}: {outcome.file}"


def _of_version(one: PlannedVersion) -> str:
    said = [_counts(one.removal.rows) or "no rows"]
    if one.removal.blanked:
        said.append(f"cells emptied in rows of others: {_counts(one.removal.blanked)}")
    if one.removal.mentions:
        spots = [spot for part in sorted(one.removal.spots) for spot in one.removal.spots[part]]
        where = f" ({_spots(spots, sum(one.removal.mentions.values()))})" if spots else ""
        said.append(f"mentions masked: {_counts(one.removal.mentions)}{where}")
    if one.removal.near:
        said.append(f"joined with other letters, so perhaps somebody else's, LEFT: {_counts(one.removal.near)}")
    if one.removal.unread:
        said.append(f"cannot be read to tell: {', '.join(ascii(name) for name in one.removal.unread)}")
    return f"{one.dataset}@{one.version}: {'; '.join(said)}"


def _spots(spots: Sequence[str], count: int) -> str:
    """Return the first places of so many mentions."""
    return "at " + "; ".join(ascii(spot)[1:-1] for spot in spots) + ("; ..." if count > len(spots) else "")


def _of_identifier(one: Followed) -> str:
    return f"{'followed' if one.followed else 'not followed'}: {one.value!r} ({one.place} of {one.seen}) {one.why}"


def _counts(counts: object) -> str:
    assert isinstance(counts, dict), "rows or mentions by place"
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


@contextmanager
def _looking(settings: Settings) -> Iterator[None]:
    """Hold off withdrawals and retractions, which change what a dry run reads; runs only add to it."""
    with archive_lock(settings.home / "run" / "withdraw.lock", timeout_s=LOCK_SECONDS):
        yield


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold every lock that a run would take, and refuse to start while one goes on."""
    models = workshop(settings)
    with ExitStack() as held:
        held.enter_context(_looking(settings))
        with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
            end_dead_runs(instance)
            active = instance.get_runs(filters=dg.RunsFilter(statuses=list(UNFINISHED)))
        if active:
            names = ", ".join(sorted({run.job_name for run in active}))
            are = f"{counted(len(active), 'run')} {'is' if len(active) == 1 else 'are'} not finished"
            raise BusyError(f"{are} ({names}); wait for that, then do this again")
        held.enter_context(archive_lock(models.root / "workshop.lock", timeout_s=LOCK_SECONDS))
        held.enter_context(archive_lock(models.root / "publishing.lock", timeout_s=LOCK_SECONDS))
        yield
