"""The changelog names every difference between two versions, and nothing that is the same."""

from dataclasses import replace
from typing import get_args

import pytest

from lakehouse.archive.changes import Held, Kind, changes
from lakehouse.archive.eds import load_description
from lakehouse.catalogue.pages import CHANGE_WORDS

ROWS = {"rooms": 2, "lessons": 3}


@pytest.fixture
def held(dataset):
    def read(**rows):
        return Held(load_description(dataset), {**ROWS, **rows})

    return read


def edit(dataset, place, old, new):
    path = dataset / place
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def told(found):
    return [(one.kind, one.place, one.what, one.before, one.after) for one in found]


def test_the_same_under_another_label_has_no_changes(dataset, held):
    before = held()
    edit(dataset, "dataset.yaml", 'version: "1"', 'version: "2"')
    assert changes(before, held()) == ()


def test_a_licence_that_changes_is_told_wherever_it_stands(dataset, held):
    before = held()
    edit(dataset, "dataset.yaml", "licence: CC-BY-4.0", "licence: CC-BY-NC-4.0")
    edit(dataset, "texts/sheets/collection.yaml", "title: Sheets", "title: Papers\nlicence: CC0-1.0")
    assert told(changes(before, held())) == [
        ("part_changed", "texts/sheets", "title", "Sheets", "Papers"),
        ("part_changed", "texts/sheets", "licence", None, "CC0-1.0"),
        ("field_changed", "dataset.yaml", "licence", "CC-BY-4.0", "CC-BY-NC-4.0"),
    ]


def test_other_values_in_as_many_rows_are_told_when_nothing_else_is(held):
    before, after = replace(held(), content_sha256="a" * 64), replace(held(), content_sha256="b" * 64)
    assert told(changes(before, after)) == [("files_changed", "files", "content", "a" * 12, "b" * 12)]
    more = replace(held(rooms=7), content_sha256="b" * 64)
    assert [one.kind for one in changes(before, more)] == ["rows_changed"]


def test_every_kind_of_change_has_its_words_in_the_catalogue():
    assert set(CHANGE_WORDS) == set(get_args(Kind))


def test_columns_added_removed_and_retyped(dataset, held):
    before = held()
    edit(
        dataset,
        "tables/rooms/columns.yaml",
        "size: {type: number, description: Floor, unit: m2, minimum: 0}",
        "size: {type: integer, description: Floor, unit: m2, minimum: 0}\n  floor: {type: integer, description: Level}",
    )
    edit(dataset, "tables/lessons/columns.yaml", "  quiet: {type: boolean, description: Whether it was quiet}\n", "")
    assert sorted(told(changes(before, held())), key=str) == [
        ("column_added", "rooms.floor", "column", None, "integer"),
        ("column_removed", "lessons.quiet", "column", "boolean", None),
        ("column_retyped", "rooms.size", "type", "number", "integer"),
    ]


def test_a_renamed_column_is_told_as_renamed(dataset, held):
    before = held()
    edit(
        dataset,
        "tables/rooms/columns.yaml",
        "size: {type: number, description: Floor,",
        "area: {formerly: [size], type: number, description: Area,",
    )
    assert told(changes(before, held())) == [
        ("column_renamed", "rooms.area", "name", "size", "area"),
        ("column_changed", "rooms.area", "description", "Floor", "Area"),
    ]


def test_a_column_s_other_fields(dataset, held):
    before = held()
    edit(dataset, "tables/rooms/columns.yaml", "unit: m2, minimum: 0", "unit: ft2, minimum: 1")
    assert told(changes(before, held())) == [
        ("column_changed", "rooms.size", "unit", "m2", "ft2"),
        ("column_changed", "rooms.size", "minimum", "0", "1"),
    ]


def test_tables_and_collections(dataset, held):
    before = held()
    for path in sorted((dataset / "texts").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (dataset / "tables/desks").mkdir()
    (dataset / "tables/desks/columns.yaml").write_text(
        "description: Desks.\ngrain: one row per desk\ncolumns:\n  desk: {type: integer, description: Number}\n"
    )
    assert told(changes(before, held())) == [
        ("part_added", "tables/desks", "tables", None, "desks"),
        ("part_removed", "texts/sheets", "texts", "sheets", None),
    ]


def test_rows_are_counted(held):
    assert told(changes(held(), held(rooms=7))) == [("rows_changed", "rooms", "rows", "2", "7")]


def test_metadata_fields_with_both_values(dataset, held):
    before = held()
    edit(dataset, "dataset.yaml", "licence: CC-BY-4.0", "licence: CC0-1.0\nkeywords: [school]")
    assert told(changes(before, held())) == [
        ("field_changed", "dataset.yaml", "licence", "CC-BY-4.0", "CC0-1.0"),
        ("field_changed", "dataset.yaml", "keywords", None, '["school"]'),
    ]


def test_keys_and_grain_of_a_table(dataset, held):
    before = held()
    edit(dataset, "tables/rooms/columns.yaml", "primary_key: [room]\n", "")
    assert told(changes(before, held())) == [("table_changed", "rooms", "primary_key", '["room"]', None)]


def test_long_values_are_shortened(dataset, held):
    before = held()
    edit(dataset, "dataset.yaml", "Pupils' lessons, counted.", "x" * 5000)
    (change,) = changes(before, held())
    assert len(change.after) == 400
    assert change.after.endswith("…")


def test_turning_the_versions_round_turns_the_changes_round(dataset, held):
    before = held()
    edit(dataset, "tables/rooms/columns.yaml", "  size: {type: number, description: Floor, unit: m2, minimum: 0}\n", "")
    after = held()
    (gone,), (come,) = changes(before, after), changes(after, before)
    assert (gone.kind, come.kind) == ("column_removed", "column_added")
    assert (gone.before, gone.after) == (come.after, come.before)
