"""A withdrawal takes the same memory for a table of any size: rows are read, cleaned and written some at a time."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.archive.eds import load_description
from lakehouse.archive.withdraw.contents import remove_from_folder
from lakehouse.archive.withdraw.finding import find, read_content
from lakehouse.archive.withdraw.mentions import with_mentions
from lakehouse.archive.withdraw.plan import PlannedVersion
from lakehouse.definition import Column, TableDefinition
from lakehouse.masking import Mask
from lakehouse.ports import Cleaned, TableWrite

ROWS = 40_000
WIDE = 100
NOTES = TableDefinition(
    "silver.notes", "one row per note", (Column("who", pa.string(), "W."), Column("note", pa.string(), "N.")), ()
)

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture
def peak(monkeypatch):
    """Return what calls one function and returns the most bytes that Arrow held meanwhile."""
    for place, name, value in (
        ("lakehouse.adapters.iceberg_history", "BATCH_ROWS", 2_000),
        ("lakehouse.adapters.iceberg_files", "FILE_BYTES", 1 << 20),
        ("lakehouse.adapters.iceberg_rewrite", "PIECE_BYTES", 1 << 20),
        ("lakehouse.archive.withdraw.contents", "PARQUET_ROWS", 2_000),
        ("lakehouse.archive.parquet_files", "MOST_BATCH_ROWS", 2_000),
    ):
        monkeypatch.setattr(f"{place}.{name}", value)
    usual = pa.default_memory_pool()

    def measured(call):
        pool = pa.proxy_memory_pool(usual)
        pa.set_memory_pool(pool)
        try:
            call()
        finally:
            pa.set_memory_pool(usual)
        return pool.max_memory()

    yield measured
    pa.set_memory_pool(usual)


def notes(times):
    """Return rows of `WIDE` bytes each that cannot be packed small, the person's among them."""
    count = ROWS * times
    who = [f"p{number}" for number in range(count)]
    return pa.table({"who": who, "note": [f"{hash((number, 7)):064x}{'x' * (WIDE - 64)}" for number in range(count)]})


def without(rows):
    kept = rows.filter(pc.not_equal(rows["who"], pa.scalar("p7")))
    return Cleaned(kept, removed=rows.num_rows - kept.num_rows, changed=kept.num_rows != rows.num_rows)


def test_a_table_is_rewritten_in_flat_memory(tmp_path, peak):
    peaks = []
    for times in (1, 4):
        tables = IcebergTables.local(tmp_path / str(times))
        tables.ensure(NOTES)
        rows = notes(times)
        tables.advance(tables.stage(TableWrite(NOTES, rows), "b", {}))
        size = rows.nbytes
        del rows
        peaks.append(peak(lambda tables=tables: tables.rewrite(NOTES.name, without, "r1", str)))
        assert tables.read(NOTES.name).num_rows == ROWS * times - 1
        tables.close()
    assert peaks[1] < 1.5 * peaks[0], peaks
    assert peaks[1] < size, "the table as a whole was never held"


def test_a_version_is_searched_and_cleaned_in_flat_memory(tmp_path, peak):
    peaks = []
    for times in (1, 4):
        folder = tmp_path / str(times)
        place = folder / "tables" / "notes"
        place.mkdir(parents=True)
        (folder / "dataset.yaml").write_text(
            'eds_version: "1.0"\nname: d\nversion: "1"\ntitle: T\ndescription: D.\naccumulates: waves\n'
            "subjects: {pupil: {description: P., identifiers: [notes.who]}}\n"
        )
        (place / "columns.yaml").write_text(
            "description: D.\ngrain: a note\ncolumns:\n  who: {type: string, description: W.}\n"
            "  note: {type: string, description: N.}\n"
        )
        rows = notes(times)
        size = rows.nbytes
        pq.write_table(rows, place / "notes.parquet", row_group_size=4_000)
        del rows

        def withdrawn(folder=folder):
            about = load_description(folder)
            content = read_content(folder, about)
            removal, values = find(content, "pupil", "p7")
            assert removal.rows == {"notes": 1}
            mask = Mask(tuple(values))
            with_mentions(content, removal, mask)
            remove_from_folder(folder, PlannedVersion("d", "1", "c" * 40, "e" * 64, removal, about), mask)

        peaks.append(peak(withdrawn))
        assert pq.read_metadata(place / "notes.parquet").num_rows == ROWS * times - 1
    assert peaks[1] < 1.5 * peaks[0], peaks
    assert peaks[1] < size
