"""Upkeep of the tables from the command line: what could go, or what went."""

import sys
from uuid import uuid4

from assets.house import commit
from dagster_project.settings import Settings, code_commit
from dagster_project.wiring import care, lakehouse, require_engine, upkeep
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.gold import MAINTENANCE
from lakehouse.tables.maintenance import maintain, maintenance_rows, survey
from lakehouse.tables.withdrawals import require_none_open


def show_surplus(settings: Settings) -> int:
    """Print what every published table is made of and could do without; return the exit code."""
    require_engine(settings)
    for table, state, surplus in survey(lakehouse(settings), care(settings), upkeep(settings)):
        sys.stdout.write(
            f"{table}: {state.data_files} data files ({surplus.small_files} to join), {state.snapshots} snapshots in "
            f"the metadata, {surplus.snapshots} to expire, {surplus.branches} dead branches; "
            f"{state.stored_files} files of {state.stored_bytes:,} bytes stored, "
            f"{surplus.orphan_files} of {surplus.orphan_bytes:,} bytes needed by nothing\n"
        )
    return 0


def maintain_now(settings: Settings) -> int:
    """Take care of every published table, print the numbers before and after, and return the exit code."""
    require_engine(settings)
    house = lakehouse(settings)
    require_none_open(house.objects)
    provenance = Provenance(run_id=f"maintain {uuid4()}", code_commit=code_commit())
    done = maintain(house, care(settings), upkeep(settings), provenance)
    rows = maintenance_rows(done, provenance)
    if rows.num_rows:
        commit(house, [TableWrite(MAINTENANCE, rows)], key=f"maintenance:{provenance.run_id}", provenance=provenance)
    for one in done:
        sys.stdout.write(
            f"{one.table}: data files {one.before.data_files} -> {one.after.data_files}, "
            f"stored {one.before.stored_files} files of {one.before.stored_bytes:,} bytes -> "
            f"{one.after.stored_files} of {one.after.stored_bytes:,}; {one.expired} snapshots expired, "
            f"{one.branches} branches dropped\n"
        )
    return 0
