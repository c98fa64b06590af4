"""The JSON Schemas of the description files agree with the types that the archive reads them with."""

import copy
import json
import re
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lakehouse.archive.schemas import FILES, schema
from lakehouse.archive.strict_yaml import read_yaml

DOCS = Path(__file__).parents[3] / "docs" / "eds"
PAGES = {
    "dataset.schema.json": "dataset.md",
    "columns.schema.json": "tables.md",
    "collection.schema.json": "texts.md",
    "log.schema.json": "events.md",
}
BEYOND_SCHEMA = ("before the start", "is above maximum", "not among the columns", "are reserved", "valid date")
VALIDATORS = {name: jsonschema.Draft202012Validator(schema(name)) for name in FILES}


def _example(name):
    text = (DOCS / PAGES[name]).read_text(encoding="utf-8")
    return read_yaml(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1].encode())


EXAMPLES = {name: _example(name) for name in FILES}


def _model_says(name, value):
    try:
        FILES[name].model_validate(value)
    except ValidationError as error:
        return [problem["msg"] for problem in error.errors()]
    return []


def _agree(name, value):
    by_schema = [error.message for error in VALIDATORS[name].iter_errors(value)]
    by_model = _model_says(name, value)
    beyond = bool(by_model) and all(any(words in message for words in BEYOND_SCHEMA) for message in by_model)
    return bool(by_schema) == bool(by_model) or (beyond and not by_schema), (by_schema, by_model)


@pytest.mark.parametrize("name", FILES)
def test_a_schema_is_one_and_takes_the_example(name):
    jsonschema.Draft202012Validator.check_schema(schema(name))
    assert json.loads((DOCS / name).read_text(encoding="utf-8")) == schema(name)
    assert list(VALIDATORS[name].iter_errors(EXAMPLES[name])) == []
    assert _model_says(name, EXAMPLES[name]) == []


def _paths(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _paths(inner, (*path, key))


def _changed(value, path, new):
    if not path:
        return new
    value = copy.deepcopy(value)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    if new is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return value


NEW = (None, "", "x", "1", 1, True, [], ["x"], {}, {"x": "y"}, "2024-13-45", "a" * 20_000)


@pytest.mark.parametrize("name", FILES)
def test_every_single_change_of_an_example_is_judged_alike(name):
    example = EXAMPLES[name]
    judged = 0
    for path in _paths(example):
        for new in (*NEW, *((...,) if path else ())):
            changed = _changed(example, path, new)
            alike, said = _agree(name, changed)
            assert alike, (path, new if new is ... or len(str(new)) < 99 else "long", said)
            judged += 1
    assert judged >= len(NEW) * len(example)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_two_changes_at_once_and_new_fields_are_judged_alike(data):
    name = data.draw(st.sampled_from(sorted(FILES)))
    value = EXAMPLES[name]
    for _ in range(2):
        path = data.draw(st.sampled_from([p for p in _paths(value) if p]))
        value = _changed(value, path, data.draw(st.sampled_from([..., *NEW])))
    value = {**value, data.draw(st.sampled_from(["title", "colour", "description"])): data.draw(st.sampled_from(NEW))}
    alike, said = _agree(name, value)
    assert alike, said


@pytest.mark.parametrize(
    ("column", "fits"),
    [
        ({"type": "string", "minimum": 1}, False),
        ({"type": "string", "minimum": None}, True),
        ({"type": "integer", "maximum": 1}, True),
        ({"type": "integer", "levels": ["1"]}, False),
        ({"type": "date", "pattern": "x"}, False),
        ({"type": "string", "levels": {"a": "A"}}, True),
        ({"type": "number", "minimum": "1"}, False),
        ({"type": "number", "required": "yes"}, False),
        ({"type": "string", "role": "secret"}, False),
    ],
)
def test_what_a_column_may_say(column, fits):
    table = {"description": "d", "grain": "g", "columns": {"x": {"description": "X.", **column}}}
    assert VALIDATORS["columns.schema.json"].is_valid(table) == fits
    assert (_model_says("columns.schema.json", table) == []) == fits


def test_consent_names_its_table_whole():
    for given_names in ({}, {"table": "t"}, {"table": "t", "subject": "s", "purpose": "p", "given": "g"}):
        changed = {**EXAMPLES["dataset.schema.json"], "consent": {"basis": "consent", **given_names}}
        alike, said = _agree("dataset.schema.json", changed)
        assert alike, said
