import datetime

import pyarrow as pa
import pytest

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.archive.eds import ColumnDescription, load_description
from lakehouse.archive.reading import raw_tables, raw_texts, stamped, table_definition, text_definition, typed
from lakehouse.archive.values import parse
from lakehouse.errors import EncodingError, NoDescriptionError, SchemaError, TableOwnerError

UTC = datetime.UTC


def test_a_good_folder_has_a_description(dataset):
    description = load_description(dataset)
    assert (description.name, description.version) == ("lessons", "1")
    assert set(description.tables) == {"rooms", "lessons"}
    assert description.tables["lessons"].columns["subject"].level_names() == ("maths", "art")
    assert description.texts["sheets"].title == "Sheets"


def test_a_folder_without_description_has_none(dataset):
    (dataset / "dataset.yaml").unlink()
    with pytest.raises(NoDescriptionError, match=r"dataset\.yaml"):
        load_description(dataset)


def test_a_folder_with_a_faulty_dictionary_has_no_description(dataset):
    (dataset / "tables/rooms/columns.yaml").write_text("grain: x\n")
    with pytest.raises(NoDescriptionError, match="columns"):
        load_description(dataset)


def test_raw_rows_are_the_text_that_was_submitted(dataset):
    tables = dict(raw_tables(dataset, load_description(dataset)))
    assert tables["rooms"].to_pylist() == [
        {"room": "10", "size": "50.5", "_source_file": "tables/rooms/rooms.csv", "_row_number": 1},
        {"room": "11", "size": "60", "_source_file": "tables/rooms/rooms.csv", "_row_number": 2},
    ]


def test_several_files_of_any_column_order_are_one_table(dataset):
    (dataset / "tables/rooms/more.csv").write_text("size,room\n7,12\n")
    rooms = dict(raw_tables(dataset, load_description(dataset)))["rooms"]
    assert rooms.column("room").to_pylist() == ["12", "10", "11"]
    assert rooms.column("_row_number").to_pylist() == [1, 1, 2]


def test_typed_rows_follow_the_dictionary(dataset):
    description = load_description(dataset)
    lessons = typed(dict(raw_tables(dataset, description))["lessons"], description.tables["lessons"])
    assert lessons.schema.types == [
        pa.int64(),
        pa.int64(),
        pa.date32(),
        pa.timestamp("us", tz="UTC"),
        pa.bool_(),
        pa.string(),
        pa.string(),
    ]
    first, second, third = lessons.to_pylist()
    assert first["held_on"] == datetime.date(2024, 1, 31)
    assert second["held_on"] is None
    assert first["began"] == second["began"] == datetime.datetime(2024, 1, 31, 8, tzinfo=UTC)
    assert [row["quiet"] for row in (first, second, third)] == [True, False, None]
    assert [third[name] for name in ("room", "began", "subject", "code")] == [None] * 4


def test_rows_that_do_not_fit_are_refused(dataset):
    description = load_description(dataset)
    (dataset / "tables/rooms/rooms.csv").write_text("room,size\n10,large\n")
    with pytest.raises(SchemaError, match=r"rooms\.size"):
        typed(dict(raw_tables(dataset, description))["rooms"], description.tables["rooms"])
    for body, error in (
        (b"room\n1\n", SchemaError),
        (b"room,size\n1\n", SchemaError),
        (b"room,size\n1,\xff", EncodingError),
    ):
        (dataset / "tables/rooms/rooms.csv").write_bytes(body)
        with pytest.raises(error):
            dict(raw_tables(dataset, description))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "007", 7),
        ("integer", "+5", 5),
        ("integer", "-12", -12),
        ("integer", "1.0", None),
        ("integer", "1,000", None),
        ("integer", "0x1f", None),
        ("integer", " 1", None),
        ("integer", "9" * 19, None),
        ("number", "1e3", 1000.0),
        ("number", ".5", 0.5),
        ("number", "5.", 5.0),
        ("number", "nan", None),
        ("number", "inf", None),
        ("number", "1e999", None),
        ("number", "1,5", None),
        ("boolean", "TRUE", True),
        ("boolean", "0", False),
        ("boolean", "yes", None),
        ("date", "2024-02-29", datetime.date(2024, 2, 29)),
        ("date", "2023-02-29", None),
        ("date", "20240229", None),
        ("datetime", "2024-01-31 08:00", datetime.datetime(2024, 1, 31, 8, tzinfo=UTC)),
        ("datetime", "2024-01-31T08:00:00.25Z", datetime.datetime(2024, 1, 31, 8, 0, 0, 250000, tzinfo=UTC)),
        ("datetime", "2024-01-31T01:00:00+02:00", datetime.datetime(2024, 1, 30, 23, tzinfo=UTC)),
        ("datetime", "0001-01-01T00:00:00+05:00", None),
        ("string", "NA", "NA"),
    ],
)
def test_cells_become_values_or_are_wrong(kind, text, value):
    parsed = parse(pa.array([text]), ColumnDescription(type=kind, description="x"))
    assert parsed.values.to_pylist() == [value]
    assert parsed.wrong.to_pylist() == [value is None]


def test_empty_cells_and_missing_codes_are_null_and_not_wrong():
    parsed = parse(pa.array(["", "NA", "1"]), ColumnDescription(type="integer", description="x", missing_codes=("NA",)))
    assert parsed.values.to_pylist() == [None, None, 1]
    assert parsed.missing.to_pylist() == [True, True, False]
    assert parsed.wrong.to_pylist() == [False, False, False]


def test_texts_are_rows_with_their_place(dataset):
    (dataset / "texts/sheets/c.txt").write_text("Read.\nTwice.")
    sheets = dict(raw_texts(dataset, load_description(dataset)))["sheets"]
    assert sheets.column("document_id").to_pylist() == ["c", "a", "b"]
    assert sheets.column("_source_file").to_pylist()[0] == "texts/sheets/c.txt"
    assert sheets.column("_row_number").to_pylist() == [1, 1, 2]


@pytest.mark.parametrize("layer", ["bronze", "silver"])
def test_rows_fit_the_definition_of_their_table(dataset, layer):
    description = load_description(dataset)
    version = {"dataset_version": "1", "dataset_commit": "a" * 40, "licence": "CC-BY-4.0"}
    stamps = version | {f"_{name}": value for name, value in version.items()}
    for name, raw in raw_tables(dataset, description):
        table = description.tables[name]
        definition = table_definition("lessons", table, layer)
        rows = stamped(raw if layer == "bronze" else typed(raw, table), definition, stamps)
        assert definition.name == f"{layer}.lessons_{name}"
        assert rows.schema == definition.arrow_schema()
        assert rows.num_rows == raw.num_rows
        assert len(rows.group_by(list(definition.key)).aggregate([])) == rows.num_rows
    for name, raw in raw_texts(dataset, description):
        definition = text_definition("lessons", description.texts[name], layer)
        rows = stamped(raw, definition, stamps)
        assert set(rows.column("licence").to_pylist()) == {"CC-BY-4.0"}
        assert set(definition.key) <= set(rows.column_names)


def test_definitions_carry_docs_units_and_holes(dataset):
    table = load_description(dataset).tables["rooms"]
    room, size, *_ = table_definition("lessons", table, "silver").columns
    assert (size.doc, size.unit, size.nullable) == ("Floor", "m2", True)
    assert (room.nullable, room.type) == (False, pa.int64())
    required = table.columns["size"].model_copy(update={"required": True})
    table = table.model_copy(update={"columns": {**table.columns, "size": required}})
    assert table_definition("lessons", table, "silver").columns[1].nullable
    assert all(c.type == pa.string() for c in table_definition("lessons", table, "bronze").columns[:2])


def test_rows_without_a_column_of_the_definition_are_refused(dataset):
    table = load_description(dataset).tables["rooms"]
    with pytest.raises(SchemaError, match="size"):
        stamped(pa.table({"room": [1]}), table_definition("lessons", table, "silver"), {})


@pytest.mark.parametrize("layer", ["bronze", "silver"])
@pytest.mark.parametrize("kind", ["tables", "texts"])
def test_two_datasets_whose_names_join_alike_do_not_share_a_table(dataset, tmp_path, layer, kind):
    description = load_description(dataset)
    part, define = (
        (description.tables["rooms"], table_definition)
        if kind == "tables"
        else (description.texts["sheets"], text_definition)
    )
    tables = IcebergTables.local(tmp_path / "tables")
    tables.ensure(define("school_plan", part.model_copy(update={"name": "rooms"}), layer))
    with pytest.raises(TableOwnerError, match=f"{layer}.school_plan_rooms belongs to dataset 'school_plan'"):
        tables.ensure(define("school", part.model_copy(update={"name": "plan_rooms"}), layer))
