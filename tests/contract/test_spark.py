"""What Spark promises at the same tables: the same rows for all readers, and upkeep that changes none of them."""

import gc
import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import duckdb
import pyarrow as pa
import pyarrow.fs as fs
import pyarrow.parquet as pq
import pytest

from dagster_project.settings import load_settings, machine_environment
from lakehouse.adapters import iceberg_past, minio_server
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.iceberg_commit import live_entries
from lakehouse.adapters.iceberg_history import file_infos
from lakehouse.adapters.iceberg_names import LONG_SEAL
from lakehouse.adapters.iceberg_upkeep import FEWEST_FILES, IcebergUpkeep
from lakehouse.adapters.spark_copies import copied
from lakehouse.adapters.spark_making import SparkMaker
from lakehouse.adapters.spark_needs import require_jars, require_java, require_pyspark
from lakehouse.adapters.spark_seal import Workers
from lakehouse.adapters.spark_session import CatalogPlace, SparkPlace
from lakehouse.adapters.spark_upkeep import SparkUpkeep
from lakehouse.archive.deidentified import Deidentified, identifying_columns
from lakehouse.archive.eds import load_description
from lakehouse.archive.layers import bronze_writes, silver_writes
from lakehouse.archive.pseudonyms import Pseudonyms
from lakehouse.definition import Column, TableDefinition
from lakehouse.errors import AuditError, ChecksumError, NoJavaError, NoSparkError, NoTableError, SchemaError
from lakehouse.ports import DatasetVersion, TableWrite
from lakehouse.tables.expectations.far import leaving, staying
from lakehouse.tables.expectations.kinds import TableExpectations
from lakehouse.tables.maintenance import Upkeep, maintain
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish
from lakehouse.upkeep_ports import Retention
from tests import named_people
from tests.kept_rows import kept

# One Spark for all of them: starting it is most of what they cost.
pytestmark = [
    pytest.mark.usefixtures("released_tables_only"),
    pytest.mark.servers,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    # The bridge to Java leaves its connections to the garbage collector.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]

APPENDS = FEWEST_FILES
MOMENT = datetime(2024, 2, 1, tzinfo=UTC)
AT_ONCE = Upkeep(keep_days=0, keep_releases=2, abandoned_hours=1e-9)
LEAN = {
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    # Compiling well costs more than these few rows save.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


@pytest.fixture(scope="module")
def jars():
    folder = load_settings().home / "tools" / "jars"
    try:
        require_pyspark()
        require_java(machine_environment())
        require_jars(folder)
    except (NoJavaError, NoSparkError) as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture(scope="module")
def on_postgres(jars, postgres, minio, tmp_path_factory):
    """Tables whose catalog is in PostgreSQL and whose files are on MinIO, here and in Spark."""
    access_key, secret_key = minio.keys["writer"]
    place = CatalogPlace(
        postgres.uri,
        warehouse=f"s3://{minio_server.TABLES}/spark",
        s3_endpoint=f"http://{minio.root.endpoint}",
        access_key=access_key,
        secret_key=secret_key,
        password=postgres.password,
    )
    spark = SparkPlace(place, jars, machine_environment(), master="local[2]", memory="1g", options=LEAN)
    files = {"access_key": access_key, "secret_key": secret_key, "s3_endpoint": place.s3_endpoint}
    locks = tmp_path_factory.mktemp("locks")
    tables = IcebergTables.database(place.uri, password=place.password, warehouse=place.warehouse, locks=locks, **files)
    yield tables, spark, minio.objects()
    tables.close()
    spark.close()
    gc.collect()


@pytest.fixture
def house(on_postgres, minio):
    tables, _, objects = on_postgres
    for key in objects.keys(""):
        objects.delete(key)
    return Lakehouse(tables, objects, ReleaseLog(objects))


@pytest.fixture
def spark(on_postgres):
    return on_postgres[1]


@pytest.fixture
def care(on_postgres):
    return SparkUpkeep(on_postgres[0], on_postgres[1])


@pytest.fixture
def kinds(tmp_path):
    """A table with a column of every type there is."""
    return TableDefinition(
        name=f"silver.kinds_{tmp_path.name}".lower(),
        grain="one row",
        key=("text",),
        columns=(
            Column("text", pa.string(), "Text.", nullable=False),
            Column("count", pa.int64(), "Whole."),
            Column("mark", pa.float64(), "Number.", formerly=("score",)),
            Column("passed", pa.bool_(), "Truth."),
            Column("day", pa.date32(), "Day."),
            Column("moment", pa.timestamp("us", tz="UTC"), "Moment."),
        ),
    )


def odd_rows(table, *texts):
    """Return rows with what goes wrong between programs: nulls, NaN, old dates, microseconds, text beyond ASCII."""
    values = [
        {"count": -(2**63), "mark": float("nan"), "passed": True, "day": date(1, 1, 1)},
        {"count": 2**63 - 1, "mark": -0.0, "passed": False, "day": date(1582, 10, 10)},
        {"count": None, "mark": None, "passed": None, "day": None, "moment": None},
        {"count": 0, "mark": 5e-324, "moment": datetime(1883, 11, 18, 12, 3, 58, 123456, UTC)},
    ]
    rows = [{"text": text, **values[number % len(values)]} for number, text in enumerate(texts)]
    return pa.Table.from_pylist(rows, table.arrow_schema())


def content_sha256(rows):
    """Return a hash of the rows' columns and values, whatever their order."""
    lines = sorted(repr(list(row.items())) for row in rows.to_pylist())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write(house, table, rows, key, provenance):
    return write_audit_publish(house, [TableWrite(table, rows)], key=key, provenance=provenance)


def append(house, table, rows):
    house.tables.ensure(table)
    house.tables.advance(house.tables.stage(TableWrite(table, rows), "audit", {}))


def damage(stored, path, place):
    """Turn one bit of a file, by a client that sends no hash: ours does, and the server refuses what is not of it."""
    with stored.io.new_input(path).open() as stream:
        body = bytearray(stream.read())
    body[place] ^= 1
    place_of = stored.io.properties
    s3 = fs.S3FileSystem(
        access_key=place_of["s3.access-key-id"],
        secret_key=place_of["s3.secret-access-key"],
        endpoint_override=place_of["s3.endpoint"],
    )
    with s3.open_output_stream(path.removeprefix("s3://")) as stream:
        stream.write(bytes(body))


def copies_left(stored):
    return [one.path for one in file_infos(stored) if "/spark-" in one.path]


def seen_by_spark(spark, table, branch=None):
    frame = spark.session.table(f"lakehouse.{table.name}{f'.branch_{branch}' if branch else ''}")
    return pa.Table.from_batches(frame._collect_as_arrow()).cast(table.arrow_schema())


def seen_by_duckdb(stored, paths, folder):
    for number, path in enumerate(paths):
        with stored.io.new_input(path).open() as stream:
            (folder / f"{number}.parquet").write_bytes(stream.read())
    engine = duckdb.connect()
    engine.execute("set timezone = 'UTC'")
    return engine.read_parquet(str(folder / "*.parquet")).to_arrow_table()


def grown(house, table, marks_of, provenance):
    return [write(house, table, marks_of(f"s{one}"), f"k{one}", provenance) for one in range(APPENDS)]


def students(house, table, snapshot_id=None):
    return sorted(house.tables.read(table.name, snapshot_id=snapshot_id)["student"].to_pylist())


def everyone(count=APPENDS):
    return sorted(f"s{one}" for one in range(count))


def test_spark_reads_the_rows_that_were_written_here(house, spark, kinds, provenance):
    rows = odd_rows(kinds, "ä", "b\n'\"", "c", "d\x00")
    write(house, kinds, rows, "k1", provenance)
    assert content_sha256(seen_by_spark(spark, kinds)) == content_sha256(rows)


def test_what_spark_writes_is_read_here_and_its_branch_is_its_own(house, spark, kinds, provenance):
    rows = odd_rows(kinds, "a", "b", "c", "d")
    write(house, kinds, rows, "k1", provenance)
    more = odd_rows(kinds, "e", "f", "g", "h")
    spark.session.sql(f"alter table lakehouse.{kinds.name} create branch theirs")
    spark.session.table(f"lakehouse.{kinds.name}").writeTo(f"lakehouse.{kinds.name}.branch_theirs").append()
    assert content_sha256(house.tables.read(kinds.name)) == content_sha256(rows), "main is as it was"
    stored = house.tables.catalog.load_table(kinds.name)
    theirs = stored.metadata.refs["theirs"].snapshot_id
    twice = house.tables.read(kinds.name, snapshot_id=theirs)
    assert content_sha256(twice) == content_sha256(pa.concat_tables([rows, rows]))
    assert content_sha256(seen_by_spark(spark, kinds, "theirs")) == content_sha256(twice)
    write(house, kinds, more, "k2", provenance)
    assert content_sha256(seen_by_spark(spark, kinds)) == content_sha256(pa.concat_tables([rows, more]))


def as_it_was(kinds):
    """Return the table as it was before a column was widened, one was renamed and two were added."""
    text, *_ = kinds.columns
    columns = (text, Column("count", pa.int32(), "Whole."), Column("score", pa.float32(), "Number."))
    return replace(kinds, columns=columns)


def test_spark_joins_small_files_into_the_rows_that_this_process_makes(house, care, kinds):
    old = as_it_was(kinds)
    rows = [{"text": f"old {one}", "count": one, "score": one / 2} for one in range(3)]
    append(house, old, pa.Table.from_pylist(rows, old.arrow_schema()))
    for one in range(1, APPENDS):
        append(house, kinds, odd_rows(kinds, *(f"{one}-{other}" for other in range(3))))
    here = IcebergUpkeep(house.tables).stage_compaction(kinds.name, "here", {})
    there = care.stage_compaction(kinds.name, "there", {"lakehouse.maintenance": "compaction"})
    assert content_sha256(house.tables.read_staged(there)) == content_sha256(house.tables.read_staged(here))
    assert house.tables.prove_staged(there).after == house.tables.prove_staged(here).after == APPENDS * 3
    assert there.base == here.base, "Spark itself has committed nothing"
    assert house.tables.advance(there) == there.snapshot_id
    stored = house.tables.catalog.load_table(kinds.name)
    files = [entry.data_file for entry in live_entries(stored.io, stored.current_snapshot())]
    assert len(files) == 1
    assert LONG_SEAL.search(files[0].file_path), "what Spark wrote is sealed before anybody sees it"
    assert not copies_left(stored)
    assert care.stage_compaction(kinds.name, "again", {}) is None


def read_back(body, *, looking):
    """Return a hash of the rows of a file as Arrow holds them, or None where reading refuses it."""
    try:
        rows = pq.ParquetFile(pa.BufferReader(body), page_checksum_verification=looking).read()
    except (OSError, ValueError, MemoryError):
        return None
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()


def test_a_page_that_turns_between_spark_and_the_seal_is_seen(house, spark, kinds):
    append(house, kinds, odd_rows(kinds, *map(str, range(40))))
    stored = house.tables.catalog.load_table(kinds.name)
    head = stored.current_snapshot()
    with copied(spark.session, stored, head, [head]) as own:
        spark.session.table(own.name).writeTo(own.name).append()
        added, gone = own.after()
        assert (len(added), gone) == (1, set())
        path = added[0].file_path
        with stored.io.new_input(path).open() as stream:
            body = stream.read()
        group = pq.ParquetFile(pa.BufferReader(body)).metadata.row_group(0)
        pages = range(4, 4 + sum(group.column(one).total_compressed_size for one in range(group.num_columns)))
        turned = [bytes([*body[:place], body[place] ^ 1, *body[place + 1 :]]) for place in pages]
        sound = read_back(body, looking=True)
        assert {read_back(one, looking=True) for one in turned} <= {None, sound}, "Spark writes checksums of pages"
        wrong = [one for one in turned if read_back(one, looking=False) not in (None, sound)]
        assert wrong, "and without looking at them some damage would pass"
        with stored.io.new_output(path).create(overwrite=True) as stream:
            stream.write(wrong[0])
        with pytest.raises(ChecksumError, match=path.rsplit("/", 1)[-1]):
            Workers(spark.session, stored).seal([path])


def test_what_is_tagged_pinned_or_young_outlives_spark(house, care, new_table, marks_of, provenance, monkeypatch):
    monkeypatch.setattr(iceberg_past, "NEWEST", 3)
    monkeypatch.setattr(iceberg_past, "MOST", 5)
    table = new_table()
    releases = grown(house, table, marks_of, provenance)
    tags = house.tables.catalog.load_table(table.name).manage_snapshots()
    tags.create_tag(releases[-3].snapshots[table.name], "thesis").commit()
    later = datetime.now(UTC) + timedelta(days=1)
    retained = Retention(later, 1e-6, pins=frozenset({house.releases.current().tables[table.name].metadata_location}))
    assert care.surplus(table.name, retained) == IcebergUpkeep(house.tables).surplus(table.name, retained)
    stored = house.tables.catalog.load_table(table.name)
    with stored.io.new_output(f"{stored.location()}/spark-{'0' * 32}/data/x.parquet").create() as stream:
        stream.write(b"left by a Spark that was killed")
    (done,) = maintain(house, care, AT_ONCE, provenance, now=later)
    assert not copies_left(stored)
    assert done.expired > 0
    assert done.orphan_files > 0
    assert students(house, table) == everyone()
    kept = house.releases.numbered(releases[-1].release_number).tables[table.name]
    assert students(house, table, kept.snapshot_id) == everyone()
    assert students(house, table, releases[-3].snapshots[table.name]) == everyone(APPENDS - 2)
    with pytest.raises(NoTableError, match="expired"):
        house.tables.read(table.name, snapshot_id=releases[0].snapshots[table.name])
    for number, release in enumerate(releases):
        assert house.tables.committed(table.name, f"k{number}") == release.snapshots[table.name]


def test_a_damaged_file_is_named_and_never_joined(house, care, new_table, marks_of):
    table = new_table()
    for one in range(APPENDS):
        append(house, table, marks_of(f"s{one}"))
    stored = house.tables.catalog.load_table(table.name)
    path = live_entries(stored.io, stored.current_snapshot())[0].data_file.file_path
    damage(stored, path, place=30)
    with pytest.raises(ChecksumError, match=path.rsplit("/", 1)[-1]):
        care.stage_compaction(table.name, "compaction", {})
    after = house.tables.catalog.load_table(table.name)
    assert after.metadata_location == stored.metadata_location
    assert not copies_left(after)


DATASET = """\
eds_version: "1.0"
name: spark_lessons
version: "1"
title: Lessons
description: Lessons held.
accumulates: snapshots
licence: CC-BY-4.0
"""
HELD = """\
description: Lessons held.
grain: one row per lesson
primary_key: [lesson]
columns:
  lesson: {type: integer, description: Number of the lesson, required: true}
  size: {type: number, description: Floor, unit: m2}
  held_on: {type: date, description: Day, missing_codes: [unknown]}
  began: {type: datetime, description: Moment}
  quiet: {type: boolean, description: Whether it was quiet}
  subject: {type: string, description: Subject}
"""
SMALL = {"check": "between", "column": "lesson", "maximum": 9, "mostly": 0.5, "severity": "quarantine"}
SET_ASIDE = {"FEW": SMALL | {"reason": "Because the test says so."}}
FEW = TableExpectations.model_validate({"about": "Lessons.", "owner": "team:test", "expect": SET_ASIDE})
HEADER = "lesson,size,held_on,began,quiet,subject\n"
LESSONS = (
    "1,50.5,2024-01-31,2024-01-31T08:00:00Z,true,maths\n"
    "2,1e-300,unknown,2024-01-31T10:00:00.123456+02:00,0,\u00e4rt\n"
    "3,,0001-01-01,,,\n"
    '9223372036854775807,-0.0,9999-12-31,1883-11-18T12:03:58,FALSE,"a, ""b"""\n'
)


def lessons(folder, rows, label):
    table = folder / "tables" / "held"
    table.mkdir(parents=True)
    (folder / "dataset.yaml").write_text(DATASET.replace('"1"\ntitle', f'"{label}"\ntitle'), encoding="utf-8")
    (table / "columns.yaml").write_text(HELD, encoding="utf-8")
    (table / "held.csv").write_text(HEADER + rows, encoding="utf-8")
    commit = label * 40
    return folder, load_description(folder), DatasetVersion("spark_lessons", label, commit, "v", "b" * 64, MOMENT)


def test_silver_tables_made_by_spark_are_those_made_here(house, on_postgres, spark, tmp_path, provenance):
    maker = SparkMaker(on_postgres[0], spark)
    first = lessons(tmp_path / "1", LESSONS, "1")
    for dataset in (first, lessons(tmp_path / "2", LESSONS, "2")):
        write_audit_publish(
            house, bronze_writes(*dataset, kept), key=f"bronze {dataset[2].version}", provenance=provenance
        )

    def far(bronze, silver, where, change):
        return maker.make(silver, bronze.name, house.releases.current().tables[bronze.name].snapshot_id, where, change)

    (there,), (here,) = silver_writes(*first, kept, far=far), silver_writes(*first, kept)
    assert there.rows.num_rows == here.rows.num_rows == 4
    assert not house.tables.read(there.table.name).num_rows, "nobody sees them before they are published"
    write_audit_publish(house, [there], key="silver 1", provenance=provenance)
    assert content_sha256(house.tables.read(there.table.name)) == content_sha256(here.rows)
    stored = house.tables.catalog.load_table(there.table.name)
    files = [one.data_file.file_path for one in live_entries(stored.io, stored.current_snapshot())]
    assert all(map(LONG_SEAL.search, files))
    assert not copies_left(stored)
    assert content_sha256(seen_by_duckdb(stored, files, tmp_path).cast(here.rows.schema)) == content_sha256(here.rows)

    (again,) = silver_writes(*first, kept, far=far)
    with pytest.raises(AuditError, match=r"key \(lesson, dataset_version\) is not unique: 2 rows with lesson="):
        write_audit_publish(house, [again], key="silver 1 again", provenance=provenance)
    assert content_sha256(house.tables.read(there.table.name)) == content_sha256(here.rows)

    left_out = []

    def sifting(bronze, silver, where, change):
        source = bronze.name, house.releases.current().tables[bronze.name].snapshot_id, where
        left_out.extend(maker.pick(*source, partial(leaving, change=change, promised_of=FEW)))
        return maker.make(silver, *source, partial(staying, change=change, promised_of=FEW))

    (sifted,) = silver_writes(*first, kept, far=sifting)
    stored_now = house.tables.stored_columns(there.table.name, sifted.rows, ["lesson"])
    assert sorted(row["lesson"] for one in stored_now for row in one.to_pylist()) == [1, 2, 3]
    told = [{**row, "_source_file": None} for one in left_out for row in one.to_pylist()]
    assert told == [{"lesson": 2**63 - 1, "_source_file": None, "_row_number": 4, "_code": "FEW"}]

    folder, *_ = lessons(tmp_path / "3", LESSONS, "3")
    held = folder / "tables" / "held"
    (held / "columns.yaml").write_text(
        HELD.replace("  quiet: {type: boolean, description: Whether it was quiet}\n", "")
    )
    (held / "held.csv").write_text("lesson,size,held_on,began,subject\n5,1.5,2024-01-31,2024-01-31T08:00:00Z,art\n")
    third = folder, load_description(folder), replace(first[2], version="3", commit="3" * 40)
    write_audit_publish(house, bronze_writes(*third, kept), key="bronze 3", provenance=provenance)
    write_audit_publish(house, silver_writes(*third, kept, far=far), key="silver 3", provenance=provenance)
    lacking = [row for row in house.tables.read(there.table.name).to_pylist() if row["dataset_version"] == "3"]
    assert [(row["lesson"], row["quiet"], row["subject"]) for row in lacking] == [(5, None, "art")]

    def refusing(raw):
        raise SchemaError(f"{raw.num_rows} cells of held.size are no number; validate the submission first")

    bronze = house.releases.current().tables["bronze.spark_lessons_held"]
    with pytest.raises(SchemaError, match=r"^4 cells of held\.size are no number"):
        maker.make(there.table, bronze.name, bronze.snapshot_id, {"_dataset_version": "2"}, refusing)


def test_spark_makes_the_pseudonyms_that_are_made_here(house, on_postgres, spark, tmp_path, provenance):
    maker, key = SparkMaker(on_postgres[0], spark), Pseudonyms(b"k" * 32)
    folder = named_people.named(tmp_path, "1")
    version = DatasetVersion("choir", "1", "1" * 40, "v", "b" * 64, MOMENT)
    dataset = folder, load_description(folder), version
    named = Deidentified(identifying_columns(dataset[1]), key)
    write_audit_publish(house, bronze_writes(*dataset, kept), key="bronze", provenance=provenance)
    made = []

    def far(bronze, silver, where, change):
        made.append(silver.name)
        return maker.make(silver, bronze.name, house.releases.current().tables[bronze.name].snapshot_id, where, change)

    there, here = silver_writes(*dataset, kept, far=far, named=named), silver_writes(*dataset, kept, named=named)
    assert made == [one.table.name for one in here] == ["silver.choir_singers", "silver.choir_songs"]
    assert [one.table for one in there] == [one.table for one in here]
    write_audit_publish(house, there, key="silver", provenance=provenance)
    for one in here:
        assert content_sha256(house.tables.read(one.table.name)) == content_sha256(one.rows)
    singers, songs = (house.tables.read(name) for name in made)
    cards = {key.number(card) for card in named_people.CARDS}
    assert set(singers["card"].to_pylist()) == set(songs["who"].to_pylist()) == cards
    assert {key.text(name) for name in named_people.NAMES if name} == set(singers["name"].drop_null().to_pylist())
    assert singers["locker"].null_count == len(cards)
