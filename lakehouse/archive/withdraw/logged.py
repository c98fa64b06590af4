"""Which statements of an event log go, by the ids that silver has for them, also where they gave themselves none."""

from collections import defaultdict
from collections.abc import Collection, Mapping

import pyarrow as pa

from lakehouse.archive.event_tables import made_id
from lakehouse.archive.withdraw.plan import Plan
from lakehouse.archive.withdraw.statements import actor_values, data_without, statement_id
from lakehouse.ports import Cleaned, TableStore

SILVER, BRONZE = "silver.", "bronze."


def statements_that_go(tables: TableStore, plan: Plan, table: str) -> Mapping[tuple[str, str, str], Collection[str]]:
    """Return the ids of the statements that leave a log in silver, by dataset, version and log, as bronze has them.

    Silver has no text of statements, so who else than their actor is in one is told by bronze alone, which must not be
    cleaned before. An id that the archive made follows from the file and line that bronze keeps, whatever has become of
    the lines of the file since.
    """
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    logs = [
        (dataset, name)
        for dataset, name, kind in plan.parts()
        if kind == "log" and table == f"{SILVER}{dataset}_{name}" and tables.exists(f"{BRONZE}{dataset}_{name}")
    ]
    for dataset, log in logs:
        actors = {one.version: actor_values(one.removal.actors) for one in plan.of(dataset) if one.removal.actors}

        def look(rows: pa.Table, dataset: str = dataset, log: str = log, actors: Actors = actors) -> Cleaned:
            for version, place, line, text in zip(*(rows.column(name).to_pylist() for name in READ), strict=True):
                if version in actors and data_without(text, actors[version]) is None:
                    found[dataset, version, log].add(statement_id(text) or made_id(place, line))
            return Cleaned(rows)

        if actors:
            tables.rewrite(f"{BRONZE}{dataset}_{log}", look, f"{plan.receipt} looks", str)  # changes nothing
    return found


Actors = Mapping[str, Collection[str]]
READ = ("_dataset_version", "_source_file", "_row_number", "statement")
