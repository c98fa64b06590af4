"""Takes care of the tables that are published: few files, few snapshots, nothing left lying about."""

import dagster as dg

from assets.house import Origin, commit, failures, preview
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.gold import MAINTENANCE
from lakehouse.tables.maintenance import Maintained, Upkeep, maintain, maintenance_rows
from lakehouse.tables.withdrawals import require_none_open
from lakehouse.tables.write_audit_publish import Lakehouse
from lakehouse.upkeep_ports import TableUpkeep


@dg.asset(group_name="maintain", owners=["team:data"], kinds={"iceberg", "gold"})
def maintenance(
    context: dg.AssetExecutionContext,
    house: dg.ResourceParam[Lakehouse],
    care: dg.ResourceParam[TableUpkeep],
    upkeep: dg.ResourceParam[Upkeep],
    origin: dg.ResourceParam[Origin],
) -> dg.MaterializeResult[None]:
    """Files joined, snapshots expired, dead branches and orphans removed, with numbers before and after."""
    with failures():
        require_none_open(house.objects)
        provenance = origin.provenance(context)
        done = maintain(
            house, care, upkeep, provenance, record=lambda done: record_maintenance(house, done, provenance)
        )
    changed = preview(maintenance_rows(done, provenance), limit=50)
    return dg.MaterializeResult(metadata={**_totals(done), "tables": len(done), "changed": changed})


def record_maintenance(house: Lakehouse, done: list[Maintained], provenance: Provenance) -> None:
    """Publish the numbers before and after, once a run; nothing where nothing was done."""
    rows = maintenance_rows(done, provenance)
    if rows.num_rows:
        commit(house, [TableWrite(MAINTENANCE, rows)], key=f"maintenance:{provenance.run_id}", provenance=provenance)


def _totals(done: list[Maintained]) -> dict[str, int]:
    return {
        "data_files_before": sum(one.before.data_files for one in done),
        "data_files_after": sum(one.after.data_files for one in done),
        "data_bytes_before": sum(one.before.data_bytes for one in done),
        "data_bytes_after": sum(one.after.data_bytes for one in done),
        "stored_files_before": sum(one.before.stored_files for one in done),
        "stored_files_after": sum(one.after.stored_files for one in done),
        "stored_bytes_before": sum(one.before.stored_bytes for one in done),
        "stored_bytes_after": sum(one.after.stored_bytes for one in done),
        "branches_dropped": sum(one.branches for one in done),
        "compactions": sum(one.compactions for one in done),
        "snapshots_expired": sum(one.expired for one in done),
        "orphan_files": sum(one.orphan_files for one in done),
    }
