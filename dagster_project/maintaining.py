"""Upkeep of the tables from the command line: what could go, or what went."""

import sys
from uuid import uuid4

from assets.maintain import record_maintenance
from dagster_project.settings import Settings, code_commit
from dagster_project.wiring import care, lakehouse, require_engine, upkeep
from lakehouse.ports import Provenance
from lakehouse.tables.maintenance import Maintained, maintain, survey
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
    """Take care of every published table, print the numbers before and after, and return the exit code.

    Raises the error of a table that could not be looked after, once the numbers of the others are told and published.
    """
    require_engine(settings)
    house = lakehouse(settings)
    require_none_open(house.objects)
    provenance = Provenance(run_id=f"maintain {uuid4()}", code_commit=code_commit())

    def record(done: list[Maintained]) -> None:
        _tell(done)
        record_maintenance(house, done, provenance)

    maintain(house, care(settings), upkeep(settings), provenance, record=record)
    return 0


def _tell(done: list[Maintained]) -> None:
    for one in done:
        sys.stdout.write(
            f"{one.table}: data files {one.before.data_files} -> {one.after.data_files}, "
            f"stored {one.before.stored_files} files of {one.before.stored_bytes:,} bytes -> "
            f"{one.after.stored_files} of {one.after.stored_bytes:,}; {one.expired} snapshots expired, "
            f"{one.branches} branches dropped\n"
        )
