"""The description files as JSON Schema (2020-12), made from the types that the archive itself reads them with."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from lakehouse.archive import eds
from lakehouse.archive.strict_yaml import read_yaml

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MEANINGS_FILE = Path(__file__).parent / "eds_fields.yaml"
FILES: Mapping[str, type[BaseModel]] = {
    "dataset.schema.json": eds.DatasetFile,
    "columns.schema.json": eds.TableFile,
    "collection.schema.json": eds.CollectionFile,
    "log.schema.json": eds.LogFile,
}
NUMERIC = ("integer", "number")
TOGETHER = ("table", "subject", "purpose", "given")
# What the types check over several fields at once, as far as JSON Schema can say it.
MORE: Mapping[str, Mapping[str, Any]] = {
    "Consent": {
        "anyOf": [
            {"required": list(TOGETHER), "properties": {name: {"type": "string"} for name in TOGETHER}},
            {"properties": {name: {"type": "null"} for name in TOGETHER}},
        ]
    },
    "ColumnDescription": {
        "allOf": [
            {
                "if": {
                    "anyOf": [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in names]
                },
                "then": {"properties": {"type": {"enum": list(types)}}},
            }
            for names, types in ((("minimum", "maximum"), NUMERIC), (("levels", "pattern"), ("string",)))
        ]
    },
}
NOT_SAID = (
    "`formerly` names no column that the table has, and none that another one was",
    "the end of a period does not lie before its start",
    "a minimum is not above its maximum",
    "`primary_key` names columns of the table",
    "`dataset_version` and `dataset_commit` are no names of columns",
    "`retention_until` is a day of the calendar",
)
"""What the archive checks and the schemas do not."""


@functools.cache
def meanings() -> dict[str, dict[str, str]]:
    """Return what each field means, by type and field."""
    read = read_yaml(MEANINGS_FILE.read_bytes())
    assert isinstance(read, dict)
    return read


def schema(name: str) -> dict[str, Any]:
    """Return the schema of a description file by the name of the schema's file."""
    model = FILES[name]
    made = model.model_json_schema()
    for title, part in ((model.__name__, made), *made.get("$defs", {}).items()):
        for field, about in part["properties"].items():
            about["description"] = meanings()[title][field]
        part.update(MORE.get(title, {}))
    _tidy(made)
    return {"$schema": DIALECT, "$id": f"urn:eds:{eds.EDS_VERSION}:{name}", **made}


def _tidy(part: object) -> None:
    """Close every object to unknown names, and leave out the titles that only repeat the names of fields."""
    if isinstance(part, list):
        for one in part:
            _tidy(one)
    if not isinstance(part, dict):
        return
    if "patternProperties" in part:
        part["additionalProperties"] = False
    for about in part.get("properties", {}).values():
        if isinstance(about, dict):
            about.pop("title", None)
    for one in part.values():
        _tidy(one)


def text(name: str) -> str:
    """Return a schema as it stands in its file."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"
