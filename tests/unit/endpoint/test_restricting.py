"""What a user sees of a release whose own tables cannot all be read just now."""

from datetime import date
from types import SimpleNamespace

import duckdb
import pyarrow as pa
import pytest

from lakehouse.endpoint import restriction
from lakehouse.endpoint.catalogue import Catalogue, Entry
from lakehouse.endpoint.names import folded
from lakehouse.endpoint.relations import Relation
from lakehouse.endpoint.restriction import Asker, restricted_catalogue
from lakehouse.policy.rules import NO_RULES
from lakehouse.policy.users import PolicyFile, User
from lakehouse.tables.gold import DOCUMENTS, LOADS
from lakehouse.tables.health import EXPECTATION_RESULTS, ROWS_ASIDE
from lakehouse.tables.register import TERMS
from lakehouse.tables.release import Release

SAID = PolicyFile({"ada": User(name="ada", purposes=("any",))}, NO_RULES, 90)
ASKER = Asker("ada", "research", SAID, date(2026, 1, 1), "secret")


def made(name, schema):
    relation = Relation("VIEW", name, "", rows=b"", needs=())
    relation.schema = schema
    return relation


def unreadable(_query):
    raise duckdb.IOException("HTTP 503")


@pytest.mark.parametrize("table", [EXPECTATION_RESULTS, ROWS_ASIDE, DOCUMENTS])
def test_one_table_that_cannot_be_read_keeps_nobody_from_the_others(table):
    everything = Catalogue(Release(number=1, created_at=""))
    for one in (table, LOADS):
        relation = made(f"t_{one.name}", one.arrow_schema())
        entry = Entry("lakehouse.gold", one.name.removeprefix("gold."), "TABLE", relation)
        everything.entries[folded((entry.path,))] = entry
    duck = SimpleNamespace(read_once=unreadable, describe=None, rows=lambda label, rows: made(label, rows.schema))
    seen = restricted_catalogue(duck, everything, ASKER)
    faults = {entry.path: entry.fault for entry in seen.entries.values()}
    assert f"lakehouse.{table.name} cannot be read now" in faults[f"lakehouse.{table.name}"]
    assert faults["lakehouse.gold.loads"] == ""


def test_the_loads_of_the_release_say_which_versions_are_stored(monkeypatch):
    known = {"dataset": "marks", "dataset_version": "1"}
    said = [{**known, "dataset_version": label, "part": "marks", "consent_table": "answers"} for label in ("1", "2")]
    rows = {TERMS: said, LOADS: [{**known, "layer": "silver"}]}
    tables = {table.name: pa.Table.from_pylist(found, table.arrow_schema()) for table, found in rows.items()}
    everything = Catalogue(Release(number=1, created_at=""))
    for name, found in tables.items():
        schema, _, short = name.partition(".")
        entry = Entry(f"lakehouse.{schema}", short, "TABLE", made(f"t_{name}", found.schema))
        everything.entries[folded((entry.path,))] = entry
    asked = []
    monkeypatch.setattr(restriction, "Policy", lambda users, terms, *rest: asked.append(terms))
    monkeypatch.setattr(restriction._Maker, "add", lambda *given: None)
    duck = SimpleNamespace(read_once=lambda query: tables[query.find(restriction.exp.Table).name[2:]], describe=None)
    restricted_catalogue(duck, everything, ASKER)
    assert {terms["marks"].stored for terms in asked} == {("1",)}
