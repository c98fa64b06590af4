"""The only way rows become visible: write to branches, audit them, then publish all tables of a call together.

The steps are write-audit-publish (WAP) over several tables: rows are staged on branches of the Iceberg tables; audits
read them there; an intent is logged; main of each table is fast-forwarded; one release pins them all. A crash at any
point leaves readers on the old release, and whoever writes next finishes an open intent before anything else.
"""

import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.definition import TableDefinition
from lakehouse.errors import (
    AuditError,
    CommitConflictError,
    LakehouseError,
    PermanentError,
    TransientError,
)
from lakehouse.ports import AnyWrite, ObjectStore, Provenance, StagedWrite, StoredWrite, TableStore
from lakehouse.tables.audits import Audit, broken_promises, broken_promises_of_new, broken_promises_of_stored
from lakehouse.tables.intents import Intent, IntentLog, Move
from lakehouse.tables.release import Pins, Release, ReleaseLog, View
from lakehouse.tables.stored_keys import repeated_keys

if TYPE_CHECKING:
    # Readers of tables need not load what judges them.
    from lakehouse.tables.expectations.book import Expectations

KEY = "lakehouse.key"
ATTEMPTS = 50


@dataclass(frozen=True)
class Lakehouse:
    """Where tables, objects and releases are, and what the tables promise; None holds them to nothing."""

    tables: TableStore
    objects: ObjectStore
    releases: ReleaseLog
    promised: "Callable[[], Expectations] | None" = None


@dataclass(frozen=True, slots=True)
class Published:
    """What a call left visible. `changed` is False when there was nothing to do; `release_number` 0 means none yet."""

    release_number: int
    snapshots: Mapping[str, int]
    changed: bool


def write_audit_publish(
    house: Lakehouse,
    writes: Sequence[AnyWrite],
    *,
    key: str,
    provenance: Provenance,
    audits: Sequence[Audit] = (),
    views: Mapping[str, View] | None = None,
    model_version: str | None = None,
) -> Published:
    """Make the rows visible exactly once per `key` and table, all tables together or none.

    Tables that already hold `key` are skipped, so the same call again changes nothing. A crash is repaired by the
    next call of any key.

    Raises:
        AuditError: a promise is broken; no branch is left and nothing became visible.
        CommitConflictError: other writers kept moving the tables; run the step again.
    """
    _refuse_repeated_tables(writes)
    with house.tables.turn():
        return _write_audit_publish(
            house, writes, key=key, provenance=provenance, audits=audits, views=views, model_version=model_version
        )


def _write_audit_publish(
    house: Lakehouse,
    writes: Sequence[AnyWrite],
    *,
    key: str,
    provenance: Provenance,
    audits: Sequence[Audit],
    views: Mapping[str, View] | None,
    model_version: str | None,
) -> Published:
    branch = f"audit-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    summary = {**provenance.summary(), KEY: key}
    for attempt in range(ATTEMPTS):
        number = recover(house)
        done = _committed(house, writes, key)
        todo = [write for write in writes if write.table.name not in done]
        if not todo:
            # Another run of the same key may have moved the tables a moment ago, and not have released them yet.
            number = recover(house)
        unpinned = _unpinned(house, done, branch)
        if not todo and not unpinned:
            return _publish_without_rows(house, provenance, done, views=views, model_version=model_version)
        try:
            moves = [*unpinned, *_stage_and_audit(house, todo, branch, summary, audits)]
        except AuditError:
            if _committed(house, todo, key):
                continue  # another run of the same key was faster: its rows are what these were found to repeat
            raise
        intent = Intent(key, tuple(moves), provenance, views, model_version)
        if IntentLog(house.objects).open(number + 1, intent) and (release := carry_out(house, number + 1, intent)):
            snapshots = {**done, **{move.table: move.snapshot_id for move in moves}}
            return Published(release.number, snapshots, changed=True)
        pause(attempt)
    raise CommitConflictError(f"other writers kept moving the tables of {key!r}; run the step again")


def recover(house: Lakehouse) -> int:
    """Finish the intent a crashed writer left open, if there is one; return the number of the newest intent."""
    number, intent = IntentLog(house.objects).newest()
    if intent is not None:
        carry_out(house, number, intent)
    return number


def _refuse_repeated_tables(writes: Sequence[AnyWrite]) -> None:
    repeated = sorted(name for name, count in Counter(write.table.name for write in writes).items() if count > 1)
    if repeated:
        raise PermanentError(f"one call writes {', '.join(repeated)} more than once; join those rows first")


def _committed(house: Lakehouse, writes: Sequence[AnyWrite], key: str) -> dict[str, int]:
    found = {write.table.name: house.tables.committed(write.table.name, key) for write in writes}
    return {name: snapshot_id for name, snapshot_id in found.items() if snapshot_id is not None}


def _unpinned(house: Lakehouse, done: Mapping[str, int], branch: str) -> list[Move]:
    """Return moves that pin tables which hold the key but are in no release, as after losing the release log."""
    if not done:
        return []
    pinned = house.releases.current_or_empty().tables
    return [Move(name, branch, snapshot_id, snapshot_id) for name, snapshot_id in done.items() if name not in pinned]


def _publish_without_rows(
    house: Lakehouse,
    provenance: Provenance,
    done: Mapping[str, int],
    *,
    views: Mapping[str, View] | None,
    model_version: str | None,
) -> Published:
    before = house.releases.current_or_empty().number
    if views is None and model_version is None and house.releases.views_for is None:
        return Published(before, done, changed=False)
    # The text of a view may have changed though no row has.
    after = house.releases.publish(provenance, views=views, model_version=model_version).number
    return Published(after, done, changed=after != before)


def _stage_and_audit(
    house: Lakehouse, writes: Sequence[AnyWrite], branch: str, summary: Mapping[str, str], audits: Sequence[Audit]
) -> list[Move]:
    try:
        staged = [_stage(house.tables, write, branch, summary) for write in writes]
        problems = [
            line for write, move in zip(writes, staged, strict=True) for line in _audit(house, write, move, audits)
        ]
        if problems:
            raise AuditError(
                f"nothing of {summary[KEY]!r} was published: {'; '.join(problems)}. Correct the rows, run again"
            )
    except LakehouseError as error:
        _discard(house.tables, [write.table for write in writes], branch, error)
        raise
    return staged


def _stage(tables: TableStore, write: AnyWrite, branch: str, summary: Mapping[str, str]) -> Move:
    tables.ensure(write.table)
    staged = tables.stage(write, branch, summary)
    return Move(write.table.name, branch, staged.snapshot_id, staged.base)


def _audit(house: Lakehouse, write: AnyWrite, move: Move, audits: Sequence[Audit]) -> list[str]:
    staged = StagedWrite(write.table, move.branch, move.snapshot_id, move.base)
    counts = house.tables.prove_staged(staged)
    if isinstance(write, StoredWrite):
        rows = house.tables.read_staged(staged) if audits else write.table.arrow_schema().empty_table()
        problems = broken_promises_of_stored(write.rows, counts)
        if not problems and write.rows.broken is None and write.table.key:
            problems += _repeated_keys(house.tables, write.table.key, staged)
        problems += [line for audit in audits for line in audit(write.table, rows)]
    elif audits:
        rows = house.tables.read_staged(staged)
        expected = write.rows.num_rows + (counts.before if write.mode == "append" else 0)
        problems = broken_promises(write.table, rows, expected_count=expected, audits=audits)
    else:
        keys = write.rows.select(list(write.table.key))
        alone = write.mode == "replace" or not write.table.key
        found = [] if alone else [*house.tables.similar(staged, keys)]
        before = pa.concat_tables([keys.schema.empty_table(), *found], promote_options="permissive")
        problems = broken_promises_of_new(write.table, write.rows, before, counts, mode=write.mode)
    return [f"{write.table.name}: {line}" for line in problems]


def _repeated_keys(tables: TableStore, key: Sequence[str], staged: StagedWrite) -> list[str]:
    return repeated_keys(key, lambda: tables.staged_columns(staged, key), lambda keys: tables.similar(staged, keys))


def _discard(tables: TableStore, staged: Sequence[TableDefinition], branch: str, error: LakehouseError) -> None:
    try:
        for table in staged:
            tables.discard(table.name, branch)
    except TransientError as second:
        error.add_note(f"branch {branch} stays behind ({second}); the next run with this key drops it")


def carry_out(house: Lakehouse, number: int, intent: Intent) -> Release | None:
    """Carry out an open intent; None when it was given up because main of a table moved since its branch was cut.

    While an intent is open nobody else moves these tables, so everyone who looks comes to the same decision.
    """
    log = IntentLog(house.objects)
    lost = [move for move in intent.moves if not house.tables.reachable(_staged(move))]
    if lost:
        _refuse_half(house.tables, number, intent, lost)
        log.close(number)
        return None
    for move in intent.moves:
        house.tables.advance(_staged(move))
    pins = Pins(house.tables, {move.table: move.snapshot_id for move in intent.moves})
    release = house.releases.publish(
        intent.provenance, pins=pins, views=intent.views, model_version=intent.model_version, intent=number
    )
    log.close(number)
    return release


def _refuse_half(tables: TableStore, number: int, intent: Intent, lost: Sequence[Move]) -> None:
    """Stop loudly when a writer outside this protocol moved a table after others of the intent had been moved."""
    half = [
        m for m in intent.moves if m.base != m.snapshot_id and tables.committed(m.table, intent.key) == m.snapshot_id
    ]
    if half:
        raise CommitConflictError(
            f"intent {number} of {intent.key!r} moved {', '.join(m.table for m in half)}, but a writer outside moved "
            f"{', '.join(m.table for m in lost)} meanwhile; readers stay on the last release. Roll main of the latter "
            "back to the snapshot in the intent's `base`, then run again"
        )


def _staged(move: Move) -> StagedWrite:
    return StagedWrite(
        TableDefinition(move.table, grain="", columns=(), key=()), move.branch, move.snapshot_id, move.base
    )


def pause(attempt: int) -> None:
    """Wait a little before the next attempt, longer each time."""
    # Full jitter, so that writers that collided once do not collide in step.
    time.sleep(random.uniform(0, min(1.0, 0.02 * 2**attempt)))  # noqa: S311 - no secret
