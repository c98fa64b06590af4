"""Upkeep of every published table: what is done in which order, what must stay, and the numbers before and after."""

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa

from lakehouse.definition import HOUSE, LAYERS, TableDefinition
from lakehouse.errors import BusyError, CommitConflictError, LakehouseError, NoReleaseError, PermanentError
from lakehouse.ports import Provenance, StagedWrite
from lakehouse.tables.classifiers import CLASSIFIER_VERSIONS
from lakehouse.tables.clocks import agreed_time
from lakehouse.tables.gold import DOCUMENTS, MAINTENANCE, MODEL_VERSIONS
from lakehouse.tables.instructed import INSTRUCTED_VERSIONS
from lakehouse.tables.intents import Intent, IntentLog, Move
from lakehouse.tables.release import Release
from lakehouse.tables.stages import released_stages
from lakehouse.tables.withdrawals import quarantined, require_none_open
from lakehouse.tables.write_audit_publish import KEY, Lakehouse, carry_out, pause, recover
from lakehouse.upkeep_ports import Retention, Surplus, TableState, TableUpkeep

log = logging.getLogger(__name__)

ATTEMPTS = 20
BRANCH = "compaction"


@dataclass(frozen=True, slots=True)
class Upkeep:
    """How long old things are kept: snapshots and releases for `keep_days`, but always the newest releases.

    What lies about unused goes after `abandoned_hours`; that must be longer than any step takes to write its rows.
    """

    keep_days: float = 30.0
    keep_releases: int = 10
    abandoned_hours: float = 24.0


@dataclass(frozen=True, slots=True)
class Maintained:
    """What was done to one table."""

    table: str
    before: TableState
    after: TableState
    branches: int
    compactions: int
    expired: int
    orphan_files: int
    orphan_bytes: int


def maintain(
    house: Lakehouse,
    care: TableUpkeep,
    upkeep: Upkeep,
    provenance: Provenance,
    *,
    now: datetime | None = None,
    record: Callable[[list[Maintained]], None] | None = None,
) -> list[Maintained]:
    """Take care of every table of the current release; other writers may go on meanwhile.

    Compaction is published like any write: on a branch, proved to hold the same rows, by an intent, in a release.
    Tables that only refused submissions filled, so that nothing was ever published in them, lose what they left there.
    What time it is the storage and this machine must agree on, where the caller does not say it (`now`).
    A table that is damaged, or that others write to all the time, stops no care of the rest: its error is raised last,
    after `record` was told what was done to the others.

    Raises ClockError when the clocks do not agree; nothing was changed then.
    """
    at = now or agreed_time(house.objects)
    recover(house)
    if left := care.remove_unfinished(upkeep.abandoned_hours * 3600):
        log.info("removed what killed writes left files=%d", left)
    kept = _kept(house, upkeep, at)
    learned = _learned_from(house, kept)
    done: list[Maintained] = []
    failed: list[LakehouseError] = []
    for table in _tables(house, kept):
        released = bool(kept) and table in kept[0].tables
        retention = _retention(table, kept, upkeep, at, learned.get(table, frozenset()))
        joins = partial(_compact, house, care, table, provenance) if released else None
        try:
            done.append(_look_after(house, care, table, retention, joins, failed))
        except (PermanentError, CommitConflictError) as error:
            log.warning("table=%s was not looked after: %s", table, error)
            failed.append(error)
    if record is not None:
        record(done)
    if failed:
        for other in failed[1:]:
            failed[0].add_note(f"and: {other}")
        raise failed[0]
    return done


def _look_after(
    house: Lakehouse,
    care: TableUpkeep,
    table: str,
    retention: Retention,
    joins: Callable[[], int] | None,
    failed: list[LakehouseError],
) -> Maintained:
    """Take care of one table; when others were faster than its `joins`, `failed` is told and the rest is done."""
    before = care.state(table)
    branches = care.drop_dead_branches(table, retention)
    compactions = 0
    try:
        compactions = joins() if joins else 0
    except CommitConflictError as error:
        failed.append(error)
    expired = care.expire(table, retention)
    files, size = care.remove_orphans(table, _with_newest(house, table, retention))
    return Maintained(table, before, care.state(table), branches, compactions, expired, files, size)


def survey(house: Lakehouse, care: TableUpkeep, upkeep: Upkeep) -> list[tuple[str, TableState, Surplus]]:
    """Return what every table that `maintain` cares for is made of and could do without; nothing is changed."""
    now = datetime.now(UTC)
    kept = _kept(house, upkeep, now)
    tables, learned = _tables(house, kept), _learned_from(house, kept)
    retained = {one: _retention(one, kept, upkeep, now, learned.get(one, frozenset())) for one in tables}
    return [(one, care.state(one), care.surplus(one, retained[one])) for one in tables]


def maintenance_rows(done: Sequence[Maintained], provenance: Provenance) -> pa.Table:
    """Return one row a table for `gold.maintenance`; none when nothing was done."""
    run = {"run_id": provenance.run_id, "code_commit": provenance.code_commit, "recorded_at": datetime.now(UTC)}
    rows = [
        {
            "table_name": one.table,
            "data_files_before": one.before.data_files,
            "data_files_after": one.after.data_files,
            "data_bytes": one.after.data_bytes,
            "data_bytes_before": one.before.data_bytes,
            "snapshots_before": one.before.snapshots,
            "snapshots_after": one.after.snapshots,
            "stored_files_before": one.before.stored_files,
            "stored_files_after": one.after.stored_files,
            "stored_bytes_before": one.before.stored_bytes,
            "stored_bytes_after": one.after.stored_bytes,
            "branches_dropped": one.branches,
            "compactions": one.compactions,
            "snapshots_expired": one.expired,
            "orphan_files": one.orphan_files,
            "orphan_bytes": one.orphan_bytes,
            **run,
        }
        for one in done
        if one.branches or one.compactions or one.expired or one.orphan_files
    ]
    return pa.Table.from_pylist(rows, schema=MAINTENANCE.arrow_schema())


def _kept(house: Lakehouse, upkeep: Upkeep, now: datetime) -> list[Release]:
    """Return the releases that must stay readable, newest first; none before the first release."""
    try:
        newest = house.releases.current()
    except NoReleaseError:
        return []
    since = now - timedelta(days=upkeep.keep_days)
    kept = [newest]
    for number in range(newest.number - 1, 0, -1):
        release = house.releases.numbered(number)
        if len(kept) >= upkeep.keep_releases and house.releases.stored_at(number) < since:
            break
        kept.append(release)
    return kept


def _tables(house: Lakehouse, kept: Sequence[Release]) -> list[str]:
    """Return the tables of the current release, and those in our namespaces in which nothing was ever published.

    Others that it does not name are not touched: somebody else may have pinned what they hold.
    """
    known = set(kept[0].tables) if kept else set()
    others = {name for space in (*LAYERS, *HOUSE) for name in house.tables.tables(space)} - known
    return sorted(known | {name for name in others if _unpublished(house, name)})


def _unpublished(house: Lakehouse, table: str) -> bool:
    try:
        return not any(map(_published, house.tables.summaries(table)))
    except LakehouseError as error:  # nobody reads it, so it stops no care of the others
        log.warning("passed over a table of no release: %s", error)
        return False


def _published(summary: Mapping[str, str]) -> bool:
    """Say whether a snapshot of main is more than the empty one that branches start from."""
    return KEY in summary or summary.get("total-records", "0") != "0"


def _learned_from(house: Lakehouse, kept: Sequence[Release]) -> dict[str, frozenset[int]]:
    """Return the snapshots that models learned from which can be made again: neither retired nor in quarantine."""
    retired = {name for name, row in released_stages(house).items() if row["stage"] == "retired"} if kept else set()
    left_out = retired | quarantined(house.objects)
    used: dict[str, set[int]] = {}
    for row in _rows(house, kept, MODEL_VERSIONS, "documents_snapshot"):
        if row["model_version"] not in left_out and row["documents_snapshot"].isdigit():
            used.setdefault(DOCUMENTS.name, set()).add(int(row["documents_snapshot"]))
    for table in (CLASSIFIER_VERSIONS, INSTRUCTED_VERSIONS):
        for row in _rows(house, kept, table, "table_name", "table_snapshot"):
            if row["model_version"] not in left_out:
                used.setdefault(row["table_name"], set()).add(int(row["table_snapshot"]))
    return {name: frozenset(snapshots) for name, snapshots in used.items()}


def _rows(house: Lakehouse, kept: Sequence[Release], table: TableDefinition, *columns: str) -> list[dict[str, Any]]:
    """Return what the newest release shows of versions of models; none before it shows the table."""
    pin = kept[0].tables.get(table.name) if kept else None
    if pin is None or pin.snapshot_id is None:
        return []
    named = ["model_version", *columns]
    return house.tables.read(table.name, columns=named, snapshot_id=pin.snapshot_id).to_pylist()


def _retention(
    table: str, kept: Sequence[Release], upkeep: Upkeep, now: datetime, learned: frozenset[int]
) -> Retention:
    pins = [release.tables[table] for release in kept if table in release.tables]
    return Retention(
        snapshots_before=now - timedelta(days=upkeep.keep_days),
        abandoned_seconds=upkeep.abandoned_hours * 3600,
        pinned=learned.union(pin.snapshot_id for pin in pins if pin.snapshot_id is not None),
        pins=frozenset(pin.metadata_location for pin in pins),
    )


def _with_newest(house: Lakehouse, table: str, retention: Retention) -> Retention:
    """Return the retention with the pin of the release that is current by now: compaction made a new one."""
    pin = house.releases.current_or_empty().tables.get(table)
    if pin is None:
        return retention
    return Retention(
        retention.snapshots_before,
        retention.abandoned_seconds,
        retention.pinned,
        retention.pins | {pin.metadata_location},
    )


def _compact(house: Lakehouse, care: TableUpkeep, table: str, provenance: Provenance) -> int:
    """Join small files, group by group, until they are few; return how many groups were published."""
    count = 0
    while count < ATTEMPTS and _compact_once(house, care, table, provenance):
        count += 1
    return count


def _unless_withdrawn(house: Lakehouse, table: str) -> None:
    """Discard what was staged while a withdrawal began: it holds rows that were read before it."""
    try:
        require_none_open(house.objects)
    except BusyError:
        house.tables.discard(table, BRANCH)
        raise


def _compact_once(house: Lakehouse, care: TableUpkeep, table: str, provenance: Provenance) -> bool:
    summary = {**provenance.summary(), "lakehouse.maintenance": BRANCH}
    staged: StagedWrite | None = None
    for attempt in range(ATTEMPTS):
        # Joining may take long, so other writers are held back only once it is done and somebody was faster.
        with house.tables.turn() if attempt else contextlib.nullcontext():
            number = recover(house)
            require_none_open(house.objects)
            staged = care.stage_compaction(table, BRANCH, summary, lost=staged)
            if staged is None:
                return False
            if _publish_compaction(house, table, number + 1, staged, provenance):
                return True
        pause(attempt)
    raise CommitConflictError(f"other writers kept moving {table}; run maintenance again when there are fewer")


def _publish_compaction(house: Lakehouse, table: str, number: int, staged: StagedWrite, provenance: Provenance) -> bool:
    """Make joined files visible by the intent of that number; False when another writer was faster."""
    _unless_withdrawn(house, table)
    counts = house.tables.prove_staged(staged)
    if counts.before != counts.after:
        house.tables.discard(table, BRANCH)
        raise CommitConflictError(f"compaction of {table} would leave {counts.after} of {counts.before} rows")
    # Its own snapshot is its key: it is nothing that anybody would do again under the same name.
    key = f"{BRANCH}:{table}:{staged.snapshot_id}"
    intent = Intent(key, (Move(table, BRANCH, staged.snapshot_id, staged.base),), provenance)
    return IntentLog(house.objects).open(number, intent) and carry_out(house, number, intent) is not None
