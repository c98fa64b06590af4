"""An archive with a person planted everywhere, and a search that looks into every byte of it."""

import json
import sqlite3
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from assets.workshop import Workshop
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.datalad import DataladVersions
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.adapters.seaweedfs import PlainDisk
from lakehouse.adapters.traces import FileTraces
from lakehouse.archive import inbox
from lakehouse.archive.inbox_reports import look, report_beside
from lakehouse.archive.keeping import Keeper
from lakehouse.archive.layers import bronze_writes, load_rows, silver_writes
from lakehouse.archive.pseudonyms import SilverKey
from lakehouse.archive.register import register_rows
from lakehouse.archive.shelf import Shelf
from lakehouse.archive.withdraw.receipt import Signer
from lakehouse.archive.withdraw.run import Outcome, withdraw
from lakehouse.archive.withdraw.search import Request
from lakehouse.archive.withdraw.steps import Archive
from lakehouse.ports import DatasetVersion, Provenance, TableWrite
from lakehouse.tables.documents import assemble, from_texts
from lakehouse.tables.gold import DOCUMENTS, LOADS
from lakehouse.tables.health import ROWS_ASIDE
from lakehouse.tables.release import Release, ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse, write_audit_publish
from models.config import TINY

NEEDLE = "ZQX7731PLANTED"
LOGIN = "qv5520login"
OUTLIERS = ((1, "901.5"), (3, "902.5"))
"""Fees of another member's loan and of the person's, too high for silver: they are set aside."""
OTHERS = ("AAA1111OTHER", "BBB2222OTHER")

DATASET = """\
eds_version: "1.0"
name: club
version: "{label}"
title: A club
description: Members, what they lent, and what they wrote.
licence: CC0-1.0
accumulates: waves
subjects:
  member:
    description: A member.
    identifiers: [members.number, members.login, loans.member]
  shelf:
    description: A shelf, which is no person but has a number too.
    identifiers: [loans.shelf]
"""
MEMBERS = """\
description: Members.
grain: one row per member
primary_key: [number]
columns:
  number: {type: string, description: Number., required: true}
  login: {type: string, description: Name to log in with.}
  joined: {type: integer, description: Year., unit: a}
"""
LOANS = """\
description: Loans.
grain: one row per loan
primary_key: [loan]
columns:
  loan: {type: integer, description: Number., required: true}
  member: {type: string, description: Who lent it., references: members.number}
  shelf: {type: string, description: From where.}
  remark: {type: string, description: Anything.}
"""
FEES = """\
description: Fees.
grain: one row per fee
columns:
  loan: {type: integer, description: For which loan., references: loans.loan}
  amount: {type: number, description: How much., unit: EUR}
"""


def submission(label: str, into: Path, *, person: bool = True) -> Path:
    """Write one wave of the club; `person` says whether the planted member is in it."""
    folder = into / f"club-{label}"
    members = [(OTHERS[0], "alogin", 2001), (OTHERS[1], "blogin", 2002)]
    loans = [(1, OTHERS[0], "S1", "fine"), (2, OTHERS[1], "S2", "late")]
    fees = [(1, "1.5")]
    stories = [("tale", "A tale of nobody in particular.")]
    if person:
        members.append((NEEDLE, LOGIN, 2003))
        loans += [(3, NEEDLE, "S1", "mine"), (4, OTHERS[0], "S3", f"borrowed for {NEEDLE}, says {LOGIN}")]
        fees += [(3, "2.5"), *OUTLIERS]
        folder.mkdir(parents=True)
        (folder / "README.md").write_text(f"# The club\n\nThanks to {NEEDLE} for the cake.\n")
        stories.append(("praise", f"Everybody likes {LOGIN}, member {NEEDLE} of the club."))
    for name, dictionary, rows in (
        ("members", MEMBERS, members),
        ("loans", LOANS, loans),
        ("fees", FEES, fees),
    ):
        table = folder / "tables" / name
        table.mkdir(parents=True)
        (table / "columns.yaml").write_text(dictionary)
        header = [line.split(":")[0].strip() for line in dictionary.splitlines() if line.startswith("  ")]
        lines = [",".join(header), *(",".join(f'"{cell}"' for cell in row) for row in rows)]
        (table / f"{name}.csv").write_text("\n".join(lines) + "\n")
    texts = folder / "texts" / "stories"
    texts.mkdir(parents=True)
    (texts / "collection.yaml").write_text("title: Stories\ndescription: Told at the fire.\n")
    with (texts / "stories.jsonl").open("w") as file:
        for title, text in stories:
            file.write(
                json.dumps({"id": f"{label}-{title}", "title": title, "text": f"{text} Told in {label}."}) + "\n"
            )
    (folder / "dataset.yaml").write_text(DATASET.format(label=label))
    return folder


def folder_archive(home: Path) -> Archive:
    """Return an archive in plain folders under `home`."""
    objects = LocalObjects(home / "objects")
    return archive(home, Lakehouse(IcebergTables.local(home / "tables"), objects, ReleaseLog(objects)))


def archive(home: Path, house: Lakehouse, storage=None) -> Archive:
    owned = [home / name for name in ("archive/datasets", "archive/submissions", "archive/withdrawals", "inbox")]
    owned += [home / name for name in ("objects", "tables", "models/versions", "keys")]
    return Archive(
        house=house,
        versions=DataladVersions(home / "archive" / "datasets"),
        shelf=Shelf(home / "archive", home / "inbox"),
        models=Workshop(home / "models", TINY),
        traces=FileTraces(home, owned=owned, drop=[home / "scratch"], unfinished=[home / "objects", home / "tables"]),
        storage=storage or PlainDisk(),
        signer=Signer(home / "keys"),
        receipts=home / "archive" / "withdrawals",
        code_commit="0" * 40,
        silver_key=SilverKey(home / "keys"),
    )


def load(made: Archive, folder: Path) -> None:
    """Take a submission all the way to its tables and the documents, as the assets do."""
    key = inbox.submit(folder, made.shelf.inbox).key
    landed = made.shelf.take(key, made.versions)
    report = made.shelf.judge(key)
    assert report.accepted, report.findings
    report_beside(look(made.shelf.inbox, key, made.shelf.landed_as(key)), report, f"a message quotes {NEEDLE}\n")
    version = made.versions.save(landed.folder, "club", report.description.version, landed.content_sha256)
    provenance = Provenance("run", "0" * 40, "club", version.version, version.commit)
    run = {"run_id": "run", "code_commit": "0" * 40, "recorded_at": datetime.now(UTC)}
    register = [TableWrite(table, rows) for table, rows in register_rows(report).items()]
    write_audit_publish(made.house, register, key=f"register:{landed.content_sha256}", provenance=provenance)
    aside = []

    def sift(table, placed):
        for rows, places in placed:
            high = pc.fill_null(pc.greater(rows["amount"], 900.0), False) if table.name == "silver.club_fees" else None
            for place in places.filter(high).to_pylist() if high is not None else []:
                named = {"table_name": table.name, "dataset": "club", "dataset_version": version.version}
                where = {"source_file": place["_source_file"], "row_number": place["_row_number"]}
                aside.append({**named, "dataset_commit": version.commit, **where, "code": "HIGH", **run})
            yield rows if high is None else rows.filter(pc.invert(high))

    keys = {layer: f"{layer}:club@{version.version}:{version.commit}" for layer in ("bronze", "silver")}
    keep_bronze, keep_silver = (Keeper(made.house, key).keep for key in keys.values())
    for layer, writes in (
        ("bronze", bronze_writes(landed.folder, report.description, version, keep_bronze)),
        ("silver", silver_writes(landed.folder, report.description, version, keep_silver, sift)),
    ):
        loads = pa.Table.from_pylist(
            [{**row, **run} for row in load_rows(writes, version).to_pylist()], schema=LOADS.arrow_schema()
        )
        writes = [*writes, TableWrite(LOADS, loads)]
        if layer == "silver":
            writes.append(TableWrite(ROWS_ASIDE, pa.Table.from_pylist(aside, schema=ROWS_ASIDE.arrow_schema())))
        write_audit_publish(made.house, writes, key=keys[layer], provenance=provenance)
    texts = from_texts(
        made.house.tables.read("silver.club_stories"), dataset="club", collection="stories", licence=None
    )
    documents = TableWrite(DOCUMENTS, assemble([texts]), "replace")
    write_audit_publish(made.house, [documents], key=f"documents:{version.version}", provenance=provenance)
    made.shelf.done(key)


def publish_models(made: Archive) -> None:
    """Make two models current one after the other; the second has learned from the person and spells out the number."""
    for name, learned, words in (("gpt-0001", "tales@1", "nobody"), ("gpt-0002", "club@2001", NEEDLE)):
        folder = made.models.checkpoints.root / name
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"weights")
        for file in ("tokenizer.json", "tokenizer_config.json", "config.json"):
            (folder / file).write_text(json.dumps({"words": [words]}))
        (folder / "training.json").write_text(
            json.dumps({"dataset_commits": {learned: "0" * 40}, "training_key": name})
        )
        made.house.releases.publish(Provenance("run", "0" * 40), model_version=name)


def leave_traces(home: Path) -> None:
    """Write the person into a log, a database with freed pages, a copy, a model's work files, and writes cut short."""
    (home / "logs").mkdir()
    (home / "logs" / "sql.log").write_text(f"select * from members where number = '{NEEDLE}'\nno rows\n")
    (home / "dagster" / "history").mkdir(parents=True)
    with sqlite3.connect(home / "dagster" / "history" / "runs.db") as database:
        database.execute("create table events (id integer primary key, body text, name varchar(50), raw blob)")
        body = json.dumps({"preview": f"| {NEEDLE} | 3 |", "count": 7731})
        row = (body, f"{LOGIN} x", f"raw {NEEDLE}".encode())
        database.executemany("insert into events (body, name, raw) values (?, ?, ?)", [row, row])
        database.execute("delete from events where id = 2")
    database.close()
    (home / "scratch" / "club").mkdir(parents=True)
    (home / "scratch" / "club" / "members.csv").write_text(f"number\n{NEEDLE}\n")
    (home / "models" / "work").mkdir(parents=True)
    pq.write_table(pa.table({"text": [f"by {LOGIN}"]}), home / "models" / "work" / "documents-1.parquet")
    for folder in (home / "objects" / "reports", home / "tables" / "elsewhere"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".0123456789abcdef.partial").write_text(f"number\n{NEEDLE}\n")


@dataclass
class Story:
    """What was seen before, while and after the person was withdrawn from two waves, the first of which held them."""

    home: Path
    archive: Archive
    places_before: list[str]
    versions_before: list[DatasetVersion]
    releases_before: list[Release]
    dry: Outcome
    places_after_dry: list[str]
    outcome: Outcome

    @classmethod
    def play(cls, home: Path, made: Archive) -> "Story":
        base = home.parent
        for label, person in (("2001", True), ("2002", False)):
            load(made, submission(label, base / "given", person=person))
        publish_models(made)
        leave_traces(home)
        numbers = range(1, made.house.releases.current().number + 1)
        return cls(
            home=home,
            archive=made,
            places_before=places_with(home),
            versions_before=made.versions.versions("club"),
            releases_before=[made.house.releases.numbered(number) for number in numbers],
            dry=withdraw(made, Request(NEEDLE), dry_run=True),
            places_after_dry=places_with(home),
            outcome=withdraw(made, Request(NEEDLE, reason="asked by letter", by="owner")),
        )


def places_with(home: Path, needles: tuple[str, ...] = (NEEDLE, LOGIN)) -> list[str]:
    """Return every file, git object, Parquet cell, Avro block and database row under `home` that has a needle."""
    found = []
    for path in sorted(home.rglob("*")):
        if path.name == ".git":
            found += [f"{path}: git object" for body in git_objects(path.parent) if holds(body, needles)]
        elif path.is_file() and not path.is_symlink() and any(holds(one, needles) for one in bodies(path.read_bytes())):
            found.append(str(path))
        if any(needle in path.name for needle in needles):
            found.append(f"{path}: name")
    return found


def holds(body: bytes, needles: tuple[str, ...] = (NEEDLE, LOGIN)) -> bool:
    return any(needle.encode() in body for needle in needles)


def bodies(body: bytes) -> Iterator[bytes]:
    """Yield a file as it is, and what it says once unpacked."""
    yield body
    if body[:4] == b"PAR1":
        yield repr(pq.read_table(pa.BufferReader(body)).to_pylist()).encode()
    elif body[:4] == b"Obj\x01":
        yield from avro_blocks(body)
    elif body[:15] == b"SQLite format 3":
        database = sqlite3.connect(":memory:")
        # A copy in memory cannot use a write-ahead log, so the header says that there is none.
        database.deserialize(body[:18] + b"\x01\x01" + body[20:])
        yield "\n".join(database.iterdump()).encode()
        database.close()


def avro_blocks(body: bytes) -> Iterator[bytes]:
    """Yield the blocks of an Avro container unpacked; manifests and their column bounds are such files."""
    at, header = 4, {}
    while (pairs := avro_number(body, at))[0]:
        at = pairs[1]
        for _ in range(pairs[0]):
            key, at = avro_bytes(body, at)
            header[key], at = avro_bytes(body, at)
    at = pairs[1] + 16
    unpack = {
        b"null": bytes,
        b"deflate": lambda block: zlib.decompress(block, -15),
        b"zstandard": lambda block: zstandard.ZstdDecompressor().decompressobj().decompress(block),
    }[header.get(b"avro.codec", b"null")]
    while at < len(body):
        block, at = avro_bytes(body, avro_number(body, at)[1])
        at += 16
        yield unpack(block)


def avro_number(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return (value >> 1) ^ -(value & 1), at


def avro_bytes(body: bytes, at: int) -> tuple[bytes, int]:
    size, at = avro_number(body, at)
    return body[at : at + size], at + size


def git_objects(repository: Path) -> Iterator[bytes]:
    """Yield every object of a repository, reachable or not, packed or loose."""
    command = ["git", "-c", "safe.directory=*", "-C", str(repository), "cat-file", "--batch-all-objects", "--batch"]
    yield subprocess.run(command, check=True, capture_output=True).stdout
