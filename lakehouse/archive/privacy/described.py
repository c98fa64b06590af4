"""How a table's data dictionary reads after a plan was carried out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakehouse.archive import eds
from lakehouse.archive.privacy.plan import Drop, Generalise, Plan, Redact, Step
from lakehouse.archive.strict_yaml import read_yaml
from lakehouse.errors import ProtectionError

# What is said about values that are no longer there.
OF_VALUES = ("unit", "minimum", "maximum", "levels", "pattern")


def protected_dictionary(
    source: Path, plan: Plan, tables: Mapping[str, eds.TableDescription]
) -> dict[str, dict[str, Any]]:
    """Return the new data dictionary of every table in the plan.

    Raises:
        ProtectionError: a column is not there, or a key would no longer be one.
    """
    _references_hold(plan, tables)
    return {
        table: _table(
            source,
            table,
            tables[table],
            plan.tables.get(table, {}),
            plan.groups[table].columns if table in plan.groups else (),
        )
        for table in {*plan.tables, *plan.groups}
    }


def _references_hold(plan: Plan, tables: Mapping[str, eds.TableDescription]) -> None:
    for table, description in tables.items():
        for name, column in description.columns.items():
            if column.references is None:
                continue
            other, _, key = column.references.partition(".")
            mine, theirs = plan.tables.get(table, {}).get(name), plan.tables.get(other, {}).get(key)
            if mine != theirs and not isinstance(mine, Drop):
                raise ProtectionError(
                    f"{table}.{name} refers to {column.references}; the plan must take the same step on both"
                )


def _table(
    source: Path, table: str, description: eds.TableDescription, steps: Mapping[str, Step], suppressed: tuple[str, ...]
) -> dict[str, Any]:
    raw = read_yaml((source / eds.TABLES_FOLDER / table / eds.DICTIONARY_FILE).read_bytes())
    assert isinstance(raw, dict), "it was read before"
    for name in (*steps, *suppressed):
        if name not in description.columns:
            raise ProtectionError(f"the plan names {table}.{name}, which columns.yaml does not describe; correct it")
    for name, step in steps.items():
        if name in description.primary_key and not _stays_a_key(step):
            raise ProtectionError(f"{table}.{name} is part of the primary key; only pseudonymise it")
        if isinstance(step, Drop):
            if name in suppressed:
                raise ProtectionError(f"the plan drops {table}.{name} and suppresses its groups; do one of them")
            del raw["columns"][name]
        else:
            raw["columns"][name] = _column(raw["columns"][name], step)
    for name in suppressed:
        raw["columns"][name].pop("required", None)
    return raw


def _stays_a_key(step: Step) -> bool:
    return step.step == "pseudonymise"


def _column(raw: Mapping[str, Any], step: Step) -> dict[str, Any]:
    kept = (
        dict(raw) if isinstance(step, Redact) else {name: said for name, said in raw.items() if name not in OF_VALUES}
    )
    for name in ("levels", "pattern"):
        kept.pop(name, None)
    year = isinstance(step, Generalise) and step.to == "year"
    kept["type"] = "integer" if year else "string"
    if isinstance(step, Generalise):
        kept.pop("required", None)
        kept["role"] = "quasi_identifier"
    kept["description"] = f"{raw['description']} (protected: {step.step})"
    return kept
