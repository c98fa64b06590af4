"""Teaches a language model to answer, from a published table of instructions that settings name."""

from collections.abc import Iterator

import dagster as dg

from assets.classify import checked, checks_of, told
from assets.gate import Gate
from assets.house import Origin, failures
from assets.instructing import Lessons, instructing, rows_of_table
from assets.learning import Permission
from assets.publish import release as published
from assets.store import silver_tables
from assets.tuning import tune
from assets.workshop import Workshop
from lakehouse.archive.shelf import Shelf
from lakehouse.ports import DatasetVersions
from lakehouse.tables.write_audit_publish import Lakehouse
from models.trials import SHIPPED_FOR_ANSWERS

CHECKS = list(checks_of("instructed_model", [SHIPPED_FOR_ANSWERS]))
"""The tests that are shipped; those of a file that settings name are rows of gold.instructed_results."""


@dg.asset(
    deps=[silver_tables, published],
    group_name="instruct",
    owners=["team:models"],
    kinds={"pytorch", "iceberg", "gold"},
    check_specs=CHECKS,
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
    gate: dg.ResourceParam[Gate],
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """A model that answers, taught from a table of instructions; unchanged rows, base and recipe give the same one."""
    with failures():
        rows = rows_of_table(lessons, house, shelf, versions, permission)
        task = instructing(house, workshop, lessons, rows)
        done = tune(house, workshop, task, gate, origin.provenance(context), context.log.info)
    yield told(done, task, "response_loss", "base_response_loss", "gain_over_base")
    yield from checked(done.answer, {each.name for each in CHECKS})
