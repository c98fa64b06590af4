"""What the owner's rules for single tables name that is not there, or has no effect there."""

from collections.abc import Iterator, Sequence

from lakehouse.definition import LAYERS
from lakehouse.errors import NoReleaseError
from lakehouse.policy.decisions import Policy
from lakehouse.policy.rules import TableRule
from lakehouse.policy.terms import Part
from lakehouse.tables.write_audit_publish import Lakehouse


def without_effect(house: Lakehouse, policy: Policy, dataset: str | None = None) -> list[str]:
    """Return a sentence for each name in `policy.rules` that means nothing: a table, or a column of one.

    With a `dataset` only of its tables. A column may be called by any name that it had. Nothing before the first
    release, when no table is there yet.
    """
    try:
        published = house.releases.current().tables
    except NoReleaseError:
        return []
    parts = {
        f"{name}_{part.name}": (name, part) for name, terms in policy.terms.items() for part in terms.parts.values()
    }
    found: list[str] = []
    for table, rule in policy.rules.tables.items():
        of, part = parts.get(table, (None, None))
        if dataset is not None and of != dataset:
            continue
        pins = [(name, published[name]) for layer in LAYERS if (name := f"{layer}.{table}") in published]
        if part is None or not pins:
            found.append(f"tables.{table} names no table that is published")
            continue
        heads = (house.tables.head(name, 1, where={}, snapshot_id=pin.snapshot_id) for name, pin in pins)
        columns = list(dict.fromkeys(column for head in heads for column in head.column_names))
        found += [f"tables.{table}.{told}" for told in _of_table(rule, part, columns)]
    return found


def _of_table(rule: TableRule, part: Part, columns: Sequence[str]) -> Iterator[str]:
    there = {known for name in columns for known in part.names.all(name)}
    known = ", ".join(name for name in columns if not name.startswith("_"))
    filtered = {name: None for given in (rule.rows or {}).values() if not isinstance(given, str) for name in given}
    for what, names in (("dimensions", rule.dimensions), ("masks", rule.masks), ("rows", filtered)):
        for name in names:
            if name not in there:
                yield f"{what} names {name!r}, which is no column of it; there are {known}"
    for name in rule.dimensions:
        if set(part.hidden_columns) & part.names.all(name):
            yield f"dimensions names {name!r}, by which nothing is grouped: it is empty for whoever sees groups only"
        elif set(part.person_columns) & part.names.all(name):
            yield f"dimensions names {name!r}, by which nothing is grouped: it says who a row is about"
