"""The description of the JSON API as OpenAPI 3.1."""

from typing import Any

from lakehouse.catalogue.asking import LARGEST_PAGE, LARGEST_SIZE, LONGEST_VALUE, LONGEST_WORDS, MOST_VALUES, SORTS
from lakehouse.catalogue.index import FACETS

API_VERSION = "1.0.0"
Part = dict[str, Any]


def document(base_url: str) -> Part:
    """Return the whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Dataset catalogue",
            "version": API_VERSION,
            "description": "What the archive holds: datasets, versions, identifiers and first rows. Read only.",
            "license": {"name": "CC0-1.0", "identifier": "CC0-1.0"},
        },
        "servers": [{"url": base_url}],
        "paths": {
            "/api/v1/datasets": {"get": _search()},
            "/api/v1/datasets/{dataset}": {
                "get": _get("getDataset", "A dataset and its versions", "Dataset", ("dataset",), (404,))
            },
            "/api/v1/datasets/{dataset}/versions/{version}": {
                "get": _get("getVersion", "All that is known of a version", "Version", ("dataset", "version"), (404,))
            },
            "/api/v1/datasets/{dataset}/versions/{version}/rows/{part}": {
                "get": _get(
                    "getRows",
                    "The first rows of a table, if anyone may see them",
                    "Rows",
                    ("dataset", "version", "part"),
                    (403, 404, 410),
                )
            },
            "/datasets/{dataset}/{version}/rows/{part}.csv": {"get": _csv()},
            "/api/v1/identifiers/{identifier}": {
                "get": _get("getIdentifier", "What an identifier names", "Named", ("identifier",), (404,))
            },
            "/health": {"get": _get("getHealth", "Whether the newest release is shown", "Health", (), (503,))},
        },
        "components": {"schemas": SCHEMAS},
    }


def _search() -> Part:
    facet = {"type": "array", "maxItems": MOST_VALUES, "items": {"type": "string", "maxLength": LONGEST_VALUE}}
    parameters = [
        _query("q", {"type": "string", "maxLength": LONGEST_WORDS}, "Words; each must begin a word of the dataset."),
        _query("sort", {"enum": list(SORTS)}, "Order of the results."),
        _query("page", {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}, "Page, counted from 1."),
        _query("size", {"type": "integer", "minimum": 1, "maximum": LARGEST_SIZE}, "Datasets a page."),
        *(_query(name, facet, f"Only datasets whose {name} is one of these.") for name in FACETS),
    ]
    found = _get("searchDatasets", "Search datasets", "Found", (), (400,))
    return {**found, "parameters": parameters}


def _csv() -> Part:
    told = _get("getCsv", "All rows of a table, if anyone may see them", "Rows", ("dataset", "version", "part"), ())
    exact = _query("exact", {"enum": ["yes", "no"]}, "Whether text that a spreadsheet would run stays as it is stored.")
    errors = {str(status): {"description": ERRORS[status]} for status in (400, 403, 404, 410, 413)}
    errors["503"] = {"description": "Enough tables are being sent already; Retry-After says when to try again"}
    rows = {"description": told["summary"], "content": {"text/csv": {"schema": TEXT}}}
    return {**told, "parameters": [*told["parameters"], exact], "responses": {"200": rows, **errors}}


def _query(name: str, schema: Part, description: str) -> Part:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _get(operation: str, summary: str, schema: str, path: tuple[str, ...], errors: tuple[int, ...]) -> Part:
    responses: Part = {"200": _content(summary, schema)}
    responses |= {str(status): _content(ERRORS[status], "Health" if status == 503 else "Error") for status in errors}
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in path]
    return {"operationId": operation, "summary": summary, "parameters": parameters, "responses": responses}


def _content(description: str, schema: str) -> Part:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": description, "content": {"application/json": {"schema": reference}}}


def _object(required: Part, optional: Part | None = None) -> Part:
    return {"type": "object", "required": list(required), "properties": required | (optional or {})}


def _list(items: Part) -> Part:
    return {"type": "array", "items": items}


ERRORS = {
    400: "A parameter is out of bounds",
    403: "The policy shows them to nobody who has not said who they are",
    404: "There is no such thing",
    410: "The data were removed",
    413: "The table is too large to be sent as one file",
    503: "The archive cannot be read; an older release is shown",
}
TEXT: Part = {"type": "string"}
MAYBE_TEXT: Part = {"type": ["string", "null"]}
COUNT: Part = {"type": "integer", "minimum": 0}
MAYBE_COUNT: Part = {"type": ["integer", "null"]}
SHARE: Part = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
REMOVED: Part = {
    "anyOf": [_object({"reason": TEXT, "decided_by": TEXT, "removed_at": TEXT}), {"type": "null"}],
}
CONTACT: Part = {"anyOf": [_object({"name": TEXT, "email": MAYBE_TEXT, "url": MAYBE_TEXT}), {"type": "null"}]}
REQUEST: Part = {
    "anyOf": [
        _object(
            {
                "access": {"enum": ["registered", "restricted"]},
                "who_may": TEXT,
                "contact": CONTACT,
                "mail": MAYBE_TEXT,
                "otherwise": MAYBE_TEXT,
                "say": TEXT,
            }
        ),
        {"type": "null"},
    ],
}
SUMMARY: Part = {
    "dataset": TEXT,
    "url": TEXT,
    "identifier": TEXT,
    "title": TEXT,
    "description": TEXT,
    "version": TEXT,
    "versions": COUNT,
    "saved_at": TEXT,
    "licence": MAYBE_TEXT,
    "keywords": _list(TEXT),
    "creators": _list(TEXT),
    "first_year": MAYBE_COUNT,
    "last_year": MAYBE_COUNT,
    "access": TEXT,
    "personal": {"type": "boolean"},
    "fair_score": SHARE,
    "rows": MAYBE_COUNT,
    "bytes": MAYBE_COUNT,
    "removed": REMOVED,
}
SCHEMAS: Part = {
    "Error": _object({"error": _object({"status": COUNT, "message": TEXT})}),
    "Health": _object({"status": {"enum": ["ok", "stale"]}, "release": COUNT, "datasets": COUNT}),
    "Named": _object({"dataset": TEXT, "version": MAYBE_TEXT, "url": TEXT}),
    "Summary": _object(SUMMARY),
    "Found": _object(
        {
            "total": COUNT,
            "page": COUNT,
            "size": COUNT,
            "datasets": _list({"$ref": "#/components/schemas/Summary"}),
            "facets": {
                "type": "object",
                "additionalProperties": _list(
                    _object({"value": TEXT, "count": COUNT, "chosen": {"type": "boolean"}}),
                ),
            },
        }
    ),
    "Dataset": _object(
        {
            **SUMMARY,
            "all_versions": _list(
                _object({"version": TEXT, "url": TEXT, "identifier": TEXT, "saved_at": TEXT, "removed": REMOVED})
            ),
        }
    ),
    "Rows": _object(
        {"table": TEXT, "columns": _list(TEXT), "rows": _list(_list(MAYBE_TEXT)), "hidden": _list(TEXT)},
    ),
    "Version": _object(
        {
            "dataset": TEXT,
            "version": TEXT,
            "sequence": COUNT,
            "identifiers": _object({"dataset": TEXT, "version": TEXT, "others": _list(TEXT)}),
            "url": TEXT,
            "saved_at": TEXT,
            "commit": TEXT,
            "content_sha256": TEXT,
            "description": {"type": "object"},
            "personal": {"type": "boolean"},
            "files": _list(_object({"path": TEXT, "size_bytes": COUNT, "sha256": TEXT, "media_type": TEXT})),
            "fair": _object({"score": SHARE, "indicators": _list({"type": "object"})}),
            "previous": MAYBE_TEXT,
            "changes": _list(_object({"kind": TEXT, "place": TEXT, "what": TEXT})),
            "removed": REMOVED,
            "withdrawn": _list(
                _object({"kind": TEXT, "rows_removed": COUNT, "receipt": TEXT, "withdrawn_at": TEXT}),
            ),
            "tables": _list(_object({"table": TEXT, "layer": TEXT, "rows": COUNT, "run": TEXT, "code": TEXT})),
            "request": REQUEST,
            "ways": _list(_object({"name": TEXT, "note": TEXT, "lines": _list(TEXT)})),
        }
    ),
}
