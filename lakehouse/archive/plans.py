"""What is asked of each table's columns, in which order tables are read, and the references left for the end."""

from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive.column_checks import ColumnPlan, Plan
from lakehouse.archive.eds import ColumnDescription, TableDescription
from lakehouse.archive.table_files import cell_of
from lakehouse.archive.table_scan import TableSeen
from lakehouse.archive.values import ARROW_TYPES
from lakehouse.keys import absent

Tables = Mapping[str, TableDescription]


def target_of(column: ColumnDescription, tables: Tables) -> tuple[str, str] | None:
    """Return the table and column that a column refers to; None without one of the same type."""
    table, _, name = (column.references or "").partition(".")
    target = tables[table].columns.get(name) if table in tables else None
    if target is None or ARROW_TYPES[target.type] != ARROW_TYPES[column.type]:
        return None
    return table, name


def compiles(pattern: str) -> bool:
    """Say whether RE2 understands a pattern."""
    try:
        pc.match_substring_regex(pa.array([""]), _whole(pattern))
    except pa.ArrowInvalid:
        return False
    return True


def _whole(pattern: str) -> str:
    return f"^(?:{pattern})$"


def scan_order(tables: Tables, names: Iterable[str]) -> list[str]:
    """Return the names with every table after those it refers to, where they do not refer to each other in a ring."""
    order: list[str] = []
    entered: set[str] = set()
    for start in names:
        # Tables still to be left, each after what it refers to.
        pending = [start]
        while pending:
            name = pending[-1]
            ahead = [other for other in _targets(name, tables) if other not in entered] if name not in order else []
            entered.add(name)
            if ahead:
                pending.append(ahead[0])
                continue
            pending.pop()
            if name not in order:
                order.append(name)
    return order


def _targets(name: str, tables: Tables) -> list[str]:
    columns = tables[name].columns.values() if name in tables else ()
    targets = (target_of(column, tables) for column in columns)
    return list(dict.fromkeys(target[0] for target in targets if target is not None and target[0] != name))


def plans(name: str, tables: Tables, seen: Mapping[str, TableSeen]) -> Plan:
    """Return what is asked of a table; the tables in `seen` have been read."""
    if name not in tables:
        return Plan()
    table = tables[name]
    referred = {
        target[1]
        for other in tables.values()
        for column in other.columns.values()
        if (target := target_of(column, tables)) and target[0] == name
    }
    columns = tuple(
        _plan(column_name, table, tables, seen, collected=column_name in referred) for column_name in table.columns
    )
    return Plan(columns, table.primary_key)


def _plan(
    name: str, table: TableDescription, tables: Tables, seen: Mapping[str, TableSeen], *, collected: bool
) -> ColumnPlan:
    column = table.columns[name]
    target = target_of(column, tables)
    known = None
    if target is not None and target[0] in seen:
        values = seen[target[0]].known[target[1]]
        known = values.values if values.store is None else None
        if known is None and values.store is None:
            known = pa.array([], ARROW_TYPES[column.type])
    return ColumnPlan(
        name,
        column,
        missing_counts=column.required or name in table.primary_key,
        known=known,
        deferred=target is not None and known is None,
        collected=collected,
        pattern=_whole(column.pattern) if column.pattern is not None and compiles(column.pattern) else None,
    )


def resolve(tables: Tables, seen: Mapping[str, TableSeen]) -> None:
    """Compare the references that were collected with the values they refer to, after all tables have been read."""
    for table_name, table in seen.items():
        for name, store in table.references.items():
            column = next(c.description for c in table.plan.columns if c.name == name)
            target = target_of(column, tables)
            assert target is not None, "only references with a target are deferred"
            for broken in absent(store, seen[target[0]].known[target[1]].as_store()):
                table.add_broken(name, broken)
            store.close()
            _name_first(table, tables[table_name], name)
    for table in seen.values():
        for known in table.known.values():
            if known.store is not None:
                known.store.close()


def _name_first(seen: TableSeen, table: TableDescription, column: str) -> None:
    """Read again which key the first broken row of each file has: of keys compared by their hashes none was kept."""
    paths = {file.place: file.path for file in seen.files}
    for tally in seen.tally(column, "broken"):
        tally.example = cell_of(paths[tally.place], table, column, min(tally.rows))
