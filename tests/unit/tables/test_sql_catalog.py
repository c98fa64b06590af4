"""Our SQL catalog answers and commits as PyIceberg's own does over the same database, with sealed metadata."""

import sqlite3
from pathlib import Path

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.schema import Schema
from pyiceberg.table.update import AssertTableUUID, SetPropertiesUpdate
from pyiceberg.types import LongType, NestedField

from lakehouse.adapters import iceberg_catalogs
from lakehouse.adapters.iceberg_names import SHORT_SEAL
from lakehouse.adapters.iceberg_sql import SealedSqlCatalog

NAME = ("silver", "marks")
SCHEMA = Schema(NestedField(1, "number", LongType(), required=True))


def connected(folder):
    catalog = iceberg_catalogs.in_folder(folder)
    catalog.create_namespace_if_not_exists(NAME[0])
    return catalog


@pytest.fixture
def ours(tmp_path):
    catalog = connected(tmp_path)
    yield catalog
    catalog.close()


@pytest.fixture
def theirs(ours):
    """PyIceberg's own catalog over the same database and files."""
    catalog = SqlCatalog(ours.name, **ours.properties)
    yield catalog
    catalog.close()


def put(catalog, table, **properties):
    return catalog.commit_table(table, (), (SetPropertiesUpdate(updates=properties),))


def row(folder):
    with sqlite3.connect(folder / "catalog.sqlite") as database:
        return database.execute("select metadata_location, previous_metadata_location from iceberg_tables").fetchall()


def test_a_commit_goes_on_top_of_what_others_committed_since_the_table_was_loaded(ours, theirs, tmp_path):
    stored = ours.create_table(NAME, SCHEMA)
    put(theirs, theirs.load_table(NAME), other="1")
    before = theirs.load_table(NAME).metadata_location
    answer = put(ours, stored, own="2")
    assert answer.metadata.properties.items() >= {"other": "1", "own": "2"}.items()
    assert row(tmp_path) == [(answer.metadata_location, before)]
    assert SHORT_SEAL.search(answer.metadata_location)
    for catalog in (ours, theirs):
        found = catalog.load_table("silver.marks")
        assert (found.name(), found.metadata, found.metadata_location) == (
            NAME,
            answer.metadata,
            answer.metadata_location,
        )


def test_a_commit_goes_on_top_of_what_is_stored_though_the_table_was_changed_for_a_reader(ours):
    put(ours, ours.create_table(NAME, SCHEMA), other="1")
    stored = ours.load_table(NAME)
    stored.metadata = stored.metadata.model_copy(update={"properties": {"only": "here"}})
    assert put(ours, stored, own="2").metadata.properties == {"other": "1", "own": "2"}


def test_a_commit_reads_no_metadata_where_the_table_is_as_it_was_loaded(ours, monkeypatch):
    put(ours, ours.create_table(NAME, SCHEMA), first="1")
    stored = ours.load_table(NAME)
    monkeypatch.setattr(ours, "load_table", None)
    assert put(ours, stored, own="2").metadata.properties["own"] == "2"


def test_a_commit_that_another_overtook_fails_and_changes_nothing(ours, theirs, monkeypatch):
    stored = ours.create_table(NAME, SCHEMA)
    written = SealedSqlCatalog._write_metadata

    def overtaken(*given):
        written(*given)
        put(theirs, theirs.load_table(NAME), faster="1")

    monkeypatch.setattr(SealedSqlCatalog, "_write_metadata", staticmethod(overtaken))
    with pytest.raises(CommitFailedException, match=r"silver\.marks"):
        put(ours, stored, own="2")
    assert "own" not in ours.load_table(NAME).properties
    assert ours.load_table(NAME).properties["faster"] == "1"


def test_a_commit_whose_requirement_does_not_hold_writes_no_file(ours, tmp_path):
    stored = ours.create_table(NAME, SCHEMA)
    files = sorted(tmp_path.rglob("*"))
    other = AssertTableUUID(uuid="00000000-0000-4000-8000-000000000000")
    with pytest.raises(CommitFailedException):
        ours.commit_table(stored, (other,), (SetPropertiesUpdate(updates={"own": "1"}),))
    assert sorted(tmp_path.rglob("*")) == files


def test_a_commit_of_nothing_leaves_the_table_where_it_is(ours, tmp_path):
    stored = ours.create_table(NAME, SCHEMA)
    files = sorted(tmp_path.rglob("*"))
    assert ours.commit_table(stored, (), ()).metadata_location == stored.metadata_location
    assert sorted(tmp_path.rglob("*")) == files


def test_a_table_is_made_by_a_commit_where_there_is_none(ours):
    with ours.create_table_transaction(NAME, SCHEMA) as made:
        made.set_properties(own="1")
    assert ours.load_table(NAME).properties["own"] == "1"


def test_what_is_no_table_is_not_found(ours, tmp_path):
    location = ours.create_table(NAME, SCHEMA).metadata_location
    with sqlite3.connect(tmp_path / "catalog.sqlite") as database:
        database.execute("update iceberg_tables set iceberg_type = 'VIEW'")
    for name in (NAME, ("silver", "other"), ("other", "marks")):
        with pytest.raises(NoSuchTableError, match=r"\.".join(name)):
            ours.load_table(name)
    with sqlite3.connect(tmp_path / "catalog.sqlite") as database:
        database.execute("update iceberg_tables set iceberg_type = null")
    assert ours.load_table(NAME).metadata_location == location


def test_a_database_of_an_older_form_is_read_and_committed_to(ours, tmp_path):
    ours.create_table(NAME, SCHEMA)
    with sqlite3.connect(tmp_path / "catalog.sqlite") as database:
        database.execute("alter table iceberg_tables drop column iceberg_type")
    older = connected(tmp_path)
    put(older, older.load_table(NAME), own="1")
    assert older.load_table(NAME).properties["own"] == "1"
    older.close()


def test_metadata_that_another_catalog_named_are_read_without_a_seal(ours, theirs):
    theirs.create_table(NAME, SCHEMA)
    location = theirs.load_table(NAME).metadata_location
    assert not SHORT_SEAL.search(location)
    stored = ours.load_table(NAME)
    assert stored.metadata_location == location
    assert SHORT_SEAL.search(put(ours, stored, own="1").metadata_location)
    Path(location.removeprefix("file://")).unlink()
    assert ours.load_table(NAME).properties["own"] == "1"
