"""Which statements of an event log go, by the ids that silver has for them, also where they gave themselves none."""

from collections import defaultdict
from collections.abc import Collection, Mapping

import pyarrow as pa

from lakehouse.archive.event_tables import made_id
from lakehouse.archive.withdraw.plan import Plan
from lakehouse.archive.withdraw.statements import actor_values, data_without, statement_id
from lakehouse.ports import Cleaned, TableStore

READ = ("_dataset_version", "_source_file", "_row_number", "statement")


def statements_that_go(tables: TableStore, plan: Plan, table: str) -> Mapping[str, Collection[str]]:
    """Return the ids of the statements that leave a log's table in silver, by version; none for other tables.

    Silver has no text of statements, so who else than their actor is in one is told by bronze alone, which must not be
    cleaned before. An id that the archive made follows from the file and line that bronze keeps, whatever has become of
    the lines of the file since.
    """
    for dataset, log, kind in plan.parts():
        bronze = f"bronze.{dataset}_{log}"
        if kind == "log" and table == f"silver.{dataset}_{log}" and tables.exists(bronze):
            actors = {one.version: actor_values(one.removal.actors) for one in plan.of(dataset) if one.removal.actors}
            return _in_bronze(tables, bronze, actors, plan.receipt) if actors else {}
    return {}


def _in_bronze(
    tables: TableStore, bronze: str, actors: Mapping[str, Collection[str]], receipt: str
) -> Mapping[str, Collection[str]]:
    found: dict[str, set[str]] = defaultdict(set)

    def look(rows: pa.Table) -> Cleaned:
        for version, place, line, text in zip(*(rows.column(name).to_pylist() for name in READ), strict=True):
            if version in actors and data_without(text, actors[version]) is None:
                found[version].add(statement_id(text) or made_id(place, line))
        return Cleaned(rows)

    tables.rewrite(bronze, look, f"{receipt} looks", str)  # some rows at a time; changes nothing
    return found
