"""Teaches a language model to answer, from a published table of instructions that settings name."""

import dagster as dg

from assets.house import Origin, failures
from assets.instructing import Lessons, instruct_from, rows_of_table
from assets.learning import Permission
from assets.publish import release as published
from assets.store import silver_tables
from assets.workshop import Workshop
from lakehouse.archive.shelf import Shelf
from lakehouse.ports import DatasetVersions
from lakehouse.tables.write_audit_publish import Lakehouse


@dg.asset(
    deps=[silver_tables, published],
    group_name="instruct",
    owners=["team:models"],
    kinds={"pytorch", "iceberg", "gold"},
)
def instructed_model(
    context: dg.AssetExecutionContext,
    house: dg.ResourceParam[Lakehouse],
    shelf: dg.ResourceParam[Shelf],
    versions: dg.ResourceParam[DatasetVersions],
    workshop: dg.ResourceParam[Workshop],
    origin: dg.ResourceParam[Origin],
    permission: dg.ResourceParam[Permission],
    lessons: dg.ResourceParam[Lessons],
) -> dg.MaterializeResult[None]:
    """A model that answers, taught from a table of instructions; unchanged rows, base and recipe give the same one."""
    with failures():
        rows = rows_of_table(lessons, house, shelf, versions, permission)
        done = instruct_from(house, workshop, lessons, rows, origin.provenance(context), context.log.info)
    answer = done.answer
    return dg.MaterializeResult(
        metadata={
            "model_version": answer.version,
            "new": answer.created,
            "accepted": done.accepted,
            "decision": done.reason,
            "evaluation_snapshot": answer.evaluation_snapshot,
            **{each.name: each.value for each in answer.figures},
            "folder": dg.MetadataValue.path(str(workshop.instructed.folder(answer.version))),
        },
        data_version=dg.DataVersion(f"{answer.version}:{answer.evaluation_snapshot}"),
    )
