"""What SARIF 2.1.0 asks of the parts that the report uses, as its sections 3.13 to 3.49 say it."""

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
COUNT = {"type": "integer", "minimum": 1}


def exactly(properties, required=()):
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


RULE = exactly(
    {
        "id": {"type": "string", "minLength": 1},
        "name": {"type": "string"},
        "shortDescription": TEXT,
        "help": TEXT,
        "defaultConfiguration": exactly({"level": LEVEL}),
        "properties": {"type": "object"},
    },
    ["id"],
)
PHYSICAL = exactly(
    {
        "artifactLocation": exactly(
            {"uri": {"type": "string", "pattern": "^[^ \\\\<>|`]+$"}, "uriBaseId": {"type": "string"}}
        ),
        "region": exactly({"startLine": COUNT}),
    },
    ["artifactLocation"],
)
LOGICAL = exactly({"fullyQualifiedName": {"type": "string"}, "kind": {"enum": ["member", "resource"]}})
RESULT = exactly(
    {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": TEXT,
        "locations": {
            "type": "array",
            "minItems": 1,
            "items": exactly({"physicalLocation": PHYSICAL, "logicalLocations": {"type": "array", "items": LOGICAL}}),
        },
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
        "occurrenceCount": COUNT,
    },
    ["message"],
)
INVOCATION = exactly(
    {
        "executionSuccessful": {"type": "boolean"},
        "exitCode": {"type": "integer"},
        "exitCodeDescription": {"type": "string"},
        "endTimeUtc": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"},
    },
    ["executionSuccessful"],
)
DRIVER = exactly(
    {
        "name": {"type": "string", "minLength": 1},
        "version": {"type": "string"},
        "semanticVersion": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
        "rules": {"type": "array", "uniqueItems": True, "items": RULE},
    },
    ["name"],
)
RUN = exactly(
    {
        "tool": exactly({"driver": DRIVER}, ["driver"]),
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "originalUriBaseIds": {"type": "object", "additionalProperties": exactly({"description": TEXT})},
        "automationDetails": exactly({"id": {"type": "string"}}),
        "invocations": {"type": "array", "items": INVOCATION},
        "results": {"type": "array", "items": RESULT},
        "properties": {"type": "object"},
    },
    ["tool"],
)
LOG = exactly(
    {
        "$schema": {"type": "string", "pattern": "^https://.*sarif-schema-2.1.0.json$"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "items": RUN},
    },
    ["version", "runs"],
)
