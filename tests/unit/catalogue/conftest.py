"""A small archive in memory: real records of small datasets, tables that are Arrow, releases that are counted."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from starlette.testclient import TestClient

from lakehouse.adapters.object_store import LocalObjects
from lakehouse.archive.eds import load_description
from lakehouse.archive.identifiers import Naming, mint
from lakehouse.archive.records import Names, Sources, make_record, store_record
from lakehouse.archive.terms import terms_rows
from lakehouse.archive.validate import validate
from lakehouse.catalogue.app import application
from lakehouse.catalogue.library import Address, Library
from lakehouse.errors import NoReleaseError, ServiceUnavailableError, TooLargeError
from lakehouse.policy.users import ANYONE, default_policy
from lakehouse.ports import DatasetVersion, TablePointer
from lakehouse.tables.gold import LOADS
from lakehouse.tables.records import IDENTIFIERS, RECORDS, TOMBSTONES
from lakehouse.tables.register import TERMS
from lakehouse.tables.release import Release

RUN = {"run_id": "run-1", "code_commit": "c" * 40}
NAMING = Naming("99999", "http://127.0.0.1:8600")

DESCRIPTION = """\
eds_version: "1.0"
name: {name}
version: "{version}"
title: {title}
description: {description}
accumulates: waves
licence: {licence}
keywords: {keywords}
creators: [{{name: A School}}]
temporal_coverage: {{start: "2020", end: "2022"}}
"""
COLUMNS = """\
description: Pupils and their marks.
grain: one row per pupil
primary_key: [pupil]
columns:
  pupil: {type: integer, description: Number of the pupil, required: true, role: direct_identifier}
  mark: {type: integer, description: Mark, minimum: 0, maximum: 9}
"""


@dataclass
class MemoryTables:
    rows: dict[str, pa.Table] = field(default_factory=dict)
    read_names: list[str] = field(default_factory=list)
    down: bool = False

    def read(self, name, *, columns=None, snapshot_id=None):
        if self.down:
            raise ServiceUnavailableError("the catalog does not answer")
        self.read_names.append(name)
        return self.rows[name]

    def head(self, name, limit, *, where, snapshot_id=None, most_bytes=None):
        rows = self.read(name)
        for column, value in where.items():
            rows = rows.filter(pc.equal(rows[column], value))
        if most_bytes is not None and rows.slice(0, limit).nbytes > most_bytes:
            raise TooLargeError(f"the rows asked for take more than {most_bytes:,} bytes in memory")
        return rows.slice(0, limit)


def _written(folder, description, marks):
    (folder / "tables" / "marks").mkdir(parents=True)
    (folder / "dataset.yaml").write_text(description)
    (folder / "tables" / "marks" / "columns.yaml").write_text(COLUMNS)
    rows = "".join(f"{number},{mark}\n" for number, mark in enumerate(marks))
    (folder / "tables" / "marks" / "marks.csv").write_text("pupil,mark\n" + rows)
    return folder


@dataclass
class World:
    """The archive, and a way to add to it; every change is a new release."""

    root: Path
    objects: LocalObjects
    tables: MemoryTables = field(default_factory=MemoryTables)
    number: int = 0

    @property
    def releases(self):
        return self

    def current(self) -> Release:
        if not self.number:
            raise NoReleaseError("nothing is published")
        pins = {name: TablePointer(name, f"s3://icewh/{name}.json", 7) for name in self.tables.rows}
        return Release(self.number, "2026-01-01T00:00:00+00:00", pins)

    def add(
        self,
        name,
        version="1",
        *,
        title="Marks",
        description="Marks of pupils.",
        licence="CC-BY-4.0",
        keywords="[school]",
        more="",
        marks=(7, 8),
        previous=None,
    ):
        text = DESCRIPTION.format(
            name=name, version=version, title=title, description=description, licence=licence, keywords=keywords
        )
        folder = _written(self.root / f"{name}-{version}", text + more, marks)
        report = validate(folder, submission=f"{name}@{version}", content_sha256="0" * 64)
        place = self.number + 1
        saved = DatasetVersion(name, version, f"{place:040x}", f"v{version}", f"{place:064x}", _when(place))
        names = Names(mint(self.objects, NAMING, name), mint(self.objects, NAMING, name, version))
        sources = Sources(folder, report, saved, 1 if previous is None else 2, previous)
        record = make_record(sources, names, NAMING)
        store_record(self.objects, record)
        self._append(RECORDS, [{**record.row, **RUN, "recorded_at": _when(place)}])
        self._name(names, saved)
        self._append(TOMBSTONES, [])
        terms = terms_rows(load_description(folder), saved)
        self.tables.rows[TERMS.name] = _joined(self.tables.rows.get(TERMS.name), terms)
        self._load(saved, marks)
        self.number = place
        return saved, report, names

    def _name(self, names, saved):
        known = self.tables.rows[IDENTIFIERS.name]["identifier"].to_pylist() if self.number else []
        minted = {names.dataset: None, names.version: saved.version}
        made = {"scheme": "ARK", "dataset": saved.dataset, **RUN, "recorded_at": saved.created_at}
        named = [
            {**made, "identifier": one, "dataset_version": label} for one, label in minted.items() if one not in known
        ]
        self._append(IDENTIFIERS, named)

    def _load(self, saved, marks):
        table, source = (
            f"silver.{saved.dataset}_marks",
            {"dataset_version": saved.version, "dataset_commit": saved.commit},
        )
        silver = pa.table(
            {
                "pupil": pa.array(range(len(marks)), pa.int64()),
                "mark": pa.array(marks, pa.int64()),
                **{column: [value] * len(marks) for column, value in source.items()},
            }
        )
        self.tables.rows[table] = _joined(self.tables.rows.get(table), silver)
        load = {"table_name": table, "layer": "silver", "dataset": saved.dataset, **source, "row_count": len(marks)}
        self._append(LOADS, [{**load, **RUN, "recorded_at": saved.created_at}])

    def remove(self, name, version, reason="The school asked for it."):
        row = {"dataset": name, "dataset_version": version, "reason": reason, "decided_by": "The archive"}
        self._append(TOMBSTONES, [{**row, "removed_at": _when(99), **RUN, "recorded_at": _when(99)}])
        self.number += 1

    def _append(self, table, rows):
        new = pa.Table.from_pylist([dict(row) for row in rows], schema=table.arrow_schema())
        self.tables.rows[table.name] = _joined(self.tables.rows.get(table.name), new)


def _joined(old, new):
    return new if old is None else pa.concat_tables([old, new])


def _when(place):
    return datetime(2026, 1, 1, 0, place % 60, tzinfo=UTC)


def rows_for_anyone():
    """The default policy with the right to see rows about people for whoever asks."""
    said = default_policy("lakehouse")
    anyone = said.users[ANYONE].model_copy(update={"rights": frozenset({"rows"})})
    return said._replace(users={**said.users, ANYONE: anyone})


def library_over(world, policy=rows_for_anyone):
    address = Address("http://127.0.0.1:8600", "/srv/datasets", "grpc://127.0.0.1:32010", "127.0.0.1:9000", "lake")
    return Library(world, policy, address)


def client_of(library):
    """A client that follows no redirects, of an application that refreshes only when told."""
    return TestClient(application(library, follow=False), follow_redirects=False, raise_server_exceptions=False)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "folders", LocalObjects(tmp_path / "objects"))


@pytest.fixture
def library(world):
    return library_over(world)


@pytest.fixture
def client(library):
    return client_of(library)


@pytest.fixture(scope="session")
def common(tmp_path_factory):
    """Three datasets: two versions of open marks, restricted grades, and old lists whose data are gone."""
    root = tmp_path_factory.mktemp("archive")
    world = World(root / "folders", LocalObjects(root / "objects"))
    first, report, _ = world.add("marks", "2023")
    world.add("marks", "2024", marks=(1, 2, 3), keywords="[school, marks]", previous=(first, report))
    restricted = "terms: {access: restricted}\n"
    world.add("grades", title="Grades & <b>honours</b>", licence="CC0-1.0", keywords="[university]", more=restricted)
    world.add("lists", title="Old lists", description="Lists of émigré pupils.", licence="MIT")
    world.remove("lists", "1")
    return world


@pytest.fixture(scope="session")
def shown(common):
    """A client of the three datasets, which no test changes."""
    library = library_over(common)
    assert library.refresh()
    return client_of(library)
