"""Reads a Table Schema as the columns of an EDS table."""

from collections.abc import Mapping
from typing import Any

from lakehouse.archive.metadata.incoming import Incoming, IncomingTable, mappings_of, text_of, texts_of
from lakehouse.archive.metadata.stated_shapes import shape_of

EDS_TYPES = ("string", "integer", "number", "boolean", "date", "datetime")
# Types that the EDS has under another name, and can read as they are written.
SAME = {"year": "integer"}
TRUTHS = frozenset({"true", "false", "1", "0"})
LIMITED = ("integer", "number")

Node = Mapping[str, Any]


def read_schema(package: Incoming, table: IncomingTable, stated: object) -> None:
    """Add the columns and the primary key of a schema to a table; without a schema the header will name them."""
    if stated is None:
        package.say("value_assumed", f"tables/{table.name}", "without a schema every column is text")
        return
    if not isinstance(stated, Mapping):
        package.say("part_left_out", f"tables/{table.name}", "a schema that lies in a file of its own is not followed")
        return
    missing = [text for text in _missing(stated.get("missingValues")) if text]
    for field in mappings_of(stated.get("fields")):
        label = text_of(field.get("name"))
        if label is None:
            package.say("descriptor_invalid", f"tables/{table.name}", "a field has no name")
            continue
        name = package.column_name(label, table.name, table.columns)
        table.labels[label] = name
        table.columns[name] = _column(package, f"tables/{table.name}: {name}", field, missing)
    keys = stated.get("primaryKey")
    wanted = [keys] if isinstance(keys, str) else texts_of(keys)
    table.primary_key = [table.labels[key] for key in wanted if key in table.labels]
    for key in mappings_of(stated.get("foreignKeys") or []):
        _foreign_key(package, table, key)


def _column(package: Incoming, place: str, field: Node, missing: list[str]) -> dict[str, Any]:
    kind = _type(package, place, field)
    said = text_of(field.get("description")) or text_of(field.get("title"))
    if said is None:
        package.say(
            "value_assumed", place.partition(":")[0], "names of columns stand for descriptions that are not there"
        )
    codes = [text for text in _missing(field.get("missingValues")) if text] or missing
    column: dict[str, Any] = {
        "type": kind,
        "description": said or text_of(field.get("name")),
        "unit": text_of(field.get("unit")),
        "role": text_of(field.get("role")),
        "missing_codes": codes,
        "levels": _levels(field) if kind == "string" else None,
        "pattern": _shape(field) if kind == "string" else None,
        **_constraints(package, place, field, kind),
    }
    return {name: value for name, value in column.items() if value not in (None, [], {})}


def _missing(stated: object) -> list[str]:
    listed = stated if isinstance(stated, list) else []
    values = [each.get("value") if isinstance(each, Mapping) else each for each in listed]
    return [value for value in values if isinstance(value, str)]


def _type(package: Incoming, place: str, field: Node) -> str:
    stated = text_of(field.get("type")) or "any"
    reason = _why_text(stated, field)
    if reason:
        looks = " that must look like one" if _shape(field) else ""
        package.say("type_widened", place, f"{reason} is kept as text{looks}")
        return "string"
    return SAME.get(stated, stated)


def _why_text(stated: str, field: Node) -> str | None:
    """Return why a field cannot have its own type in the EDS; None when it can."""
    form = text_of(field.get("format")) or "default"
    if stated not in (*EDS_TYPES, *SAME):
        return f"the type {stated}"
    if stated == "date" and form != "default":
        return f"a date in the format {form}"
    if stated == "datetime" and form not in ("default", "any"):
        return f"a time in the format {form}"
    if stated in LIMITED and _is_dressed(field):
        return "a number with another sign for decimals or groups, or with letters around it"
    if stated == "boolean" and not {t.lower() for t in _truths(field)} <= TRUTHS:
        return "a truth value in other words than true and false"
    return None


def _shape(field: Node) -> str | None:
    """Return what a value that is kept as text must look like."""
    return shape_of(text_of(field.get("type")) or "any", text_of(field.get("format")) or "default")


def _is_dressed(field: Node) -> bool:
    point = field.get("decimalChar", ".")
    return point != "." or bool(field.get("groupChar")) or field.get("bareNumber") is False


def _truths(field: Node) -> list[str]:
    return texts_of(field.get("trueValues")) + texts_of(field.get("falseValues"))


def _levels(field: Node) -> dict[str, str] | list[str] | None:
    categories = field.get("categories")
    labelled = mappings_of(categories) if isinstance(categories, list) else []
    if labelled and all(isinstance(each.get("value"), str) for each in labelled):
        return {each["value"]: text_of(each.get("label")) or each["value"] for each in labelled}
    constraints = field.get("constraints")
    listed = categories or (constraints.get("enum") if isinstance(constraints, Mapping) else None)
    return listed if isinstance(listed, list) and all(isinstance(each, str) for each in listed) else None


def _constraints(package: Incoming, place: str, field: Node, kind: str) -> dict[str, Any]:
    stated = field.get("constraints")
    if not isinstance(stated, Mapping):
        return {}
    found: dict[str, Any] = {"required": True} if stated.get("required") is True else {}
    if kind in LIMITED:
        limits = {name: _number(stated.get(name)) for name in ("minimum", "maximum")}
        found.update({name: number for name, number in limits.items() if number is not None})
    # A column has one pattern, and the note on its type promises that of the type.
    if kind == "string" and "pattern" in stated and _shape(field) is None:
        found["pattern"] = text_of(stated["pattern"])
    kept = {*found, "required"} | ({"enum"} if kind == "string" and _levels(field) is not None else set())
    dropped = [name for name in stated if name not in kept]
    if dropped:
        package.say("constraint_dropped", place, ", ".join(dropped))
    return found


def _number(value: object) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _foreign_key(package: Incoming, table: IncomingTable, key: Node) -> None:
    reference = key.get("reference")
    fields = [key["fields"]] if isinstance(key.get("fields"), str) else texts_of(key.get("fields"))
    other = reference if isinstance(reference, Mapping) else {}
    targets = [other["fields"]] if isinstance(other.get("fields"), str) else texts_of(other.get("fields"))
    if len(fields) != 1 or len(targets) != 1 or fields[0] not in table.labels:
        package.say("constraint_dropped", f"tables/{table.name}", "a foreign key of several columns or of none")
        return
    # The resource's own name, until every resource is read.
    table.columns[table.labels[fields[0]]]["references"] = (text_of(other.get("resource")) or "", targets[0])


def resolve_references(package: Incoming, resources: Mapping[str, IncomingTable | None]) -> None:
    """Turn the references between resources into references between tables."""
    for table in package.tables:
        for name, column in table.columns.items():
            if "references" not in column:
                continue
            resource, label = column.pop("references")
            target = resources.get(resource) if resource else table
            if target is None or label not in target.labels:
                place = f"tables/{table.name}: {name}"
                package.say(
                    "constraint_dropped", place, f"a reference to '{label}' of '{resource}', which is not there"
                )
            else:
                column["references"] = f"{target.name}.{target.labels[label]}"
