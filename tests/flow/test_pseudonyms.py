"""Silver names nobody from the inbox on, also where an earlier version of the dataset did not say who is named."""

import pyarrow.parquet as pq

from dagster_project.wiring import lakehouse
from dagster_project.withdrawing import pseudonymise_dataset
from lakehouse.archive.pseudonyms import SilverKey
from tests.named_people import VERSION

SUBJECTS = "subjects: {singer: {description: Who sings., identifiers: [singers.code, songs.code]}}\n"
TABLES = {
    "singers": "code: {type: string, description: Code of the singer, required: true%s}\n"
    "  voice: {type: string, description: Voice}\n",
    "songs": "code: {type: string, description: Who sang, references: singers.code}\n"
    "  length: {type: integer, description: Length, unit: s}\n",
}
ROWS = {"singers": "code,voice\nQX-17,alto\nQX-18,bass\n", "songs": "code,length\nQX-17,60\nQX-17,61\nQX-18,62\n"}


def choir(folder, label, role=""):
    for name, columns in TABLES.items():
        table = folder / label / "tables" / name
        table.mkdir(parents=True)
        key = "primary_key: [code]\n" if name == "singers" else ""
        told = columns % role if name == "singers" else columns
        (table / "columns.yaml").write_text(f"description: R.\ngrain: one row each\n{key}columns:\n  {told}")
        (table / f"{name}.csv").write_text(ROWS[name].replace("6", f"{label}6"))
    (folder / label / "dataset.yaml").write_text(VERSION.format(label=label) + SUBJECTS)
    return folder / label


def sang(bench):
    """Return how many songs each row of a singer is joined with, in all versions."""
    singers, songs = bench.rows("silver.choir_singers"), bench.rows("silver.choir_songs")
    return sorted(sum(song["code"] == each["code"] for song in songs) for each in singers)


def spelled(folder, value):
    """Return the files below a folder that spell a value out, also packed in columns."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    columns = [path for path in files if path.suffix == ".parquet" and value in repr(pq.read_table(path).to_pylist())]
    return [*columns, *(path for path in files if value.encode() in path.read_bytes())]


def test_a_role_that_comes_later_holds_for_what_is_stored_before(bench, tmp_path):
    settings = bench.settings
    assert bench.loop.store(bench.arrive(choir(tmp_path, "1"))).success
    assert {row["code"] for row in bench.rows("silver.choir_singers")} == {"QX-17", "QX-18"}
    later = bench.arrive(choir(tmp_path, "2", ", role: direct_identifier"))
    refused = bench.loop.store(later)
    assert not refused.success
    assert "run `lakehouse pseudonymise choir`" in refused.failure
    assert "singers.code, songs.code as submitted in some versions" in refused.failure
    release = bench.house.releases.current()

    assert "silver.choir_singers, silver.choir_songs" in pseudonymise_dataset(settings, "choir")
    made = SilverKey(settings.home / "keys").open()
    codes = {made.text("QX-17"), made.text("QX-18")}
    assert {row["code"] for row in bench.rows("silver.choir_singers")} == codes
    assert "nothing was changed" in pseudonymise_dataset(settings, "choir")
    stored = bench.loop.store(later)
    assert stored.success, stored.failure
    assert {row["code"] for row in bench.rows("silver.choir_songs")} == codes
    assert sang(bench) == [2, 2, 4, 4]
    tables = settings.home / "tables"
    old = lakehouse(settings).releases.numbered(release.number)
    assert "silver.choir_singers" not in old.tables
    assert spelled(tables / "warehouse" / "silver", "QX-17") == []
