"""Statements leave silver with bronze, whoever in them is the person, and however often a withdrawal is killed."""

import pytest

from lakehouse.archive.eds import load_description
from lakehouse.archive.keeping import Keeper
from lakehouse.archive.layers import bronze_writes, silver_writes
from lakehouse.archive.pseudonym_terms import planned
from lakehouse.archive.terms import terms_rows
from lakehouse.archive.withdraw.journal import Journal
from lakehouse.archive.withdraw.run import finish, withdraw
from lakehouse.archive.withdraw.search import Request
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.register import TERMS
from lakehouse.tables.write_audit_publish import write_audit_publish


def account(code):
    return f'{{"account": {{"homePage": "https://c.example.org", "name": "{code}"}}}}'


def said(actor, response):
    did = '"verb": {"id": "https://c.example.org/sang"}, "object": {"id": "https://c.example.org/1"}'
    return f'{{"actor": {actor}, {did}, "result": {{"response": "{response}"}}}}\n'


def group(code):
    return f'{{"objectType": "Group", "member": [{account(code)}]}}'


LINES = (("a", "1", account), ("b", "2", account), ("c", "3", group), ("d", "2", group), ("e", "3", account))
FILES = {
    "dataset.yaml": """\
eds_version: "1.0"
name: choir
version: "1"
title: A choir
description: Singers.
accumulates: waves
subjects: {singer: {description: S., identifiers: [events/clicks.actor]}}
""",
    "events/clicks/log.yaml": 'title: C\ndescription: C.\nxapi_version: "2.0.0"\n',
    "events/clicks/clicks.jsonl": "".join(said(form(f"QX-1{number}"), text) for text, number, form in LINES),
}


@pytest.fixture
def choir(planted, tmp_path):
    made, folder = planted.folder_archive(tmp_path / "home"), tmp_path / "choir"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    version = made.versions.save(folder, "choir", "1", "e" * 64)
    about = load_description(folder)
    named = planned([], about, made.silver_key)
    told = terms_rows(about, version, named.columns, named.fingerprint)
    silver = silver_writes(folder, about, version, Keeper(made.house, "silver").keep, named=named)
    bronze = bronze_writes(folder, about, version, Keeper(made.house, "bronze").keep)
    writes = [*silver, *bronze, TableWrite(TERMS, told)]
    write_audit_publish(made.house, writes, key="all", provenance=Provenance("run", "0" * 40))
    yield made
    made.house.tables.close()


def responses(made):
    pin = made.house.releases.current().tables["silver.choir_clicks"]
    rows = made.house.tables.read("silver.choir_clicks", snapshot_id=pin.snapshot_id)
    return sorted(rows.column("response").to_pylist())


def test_a_statement_without_an_id_whose_actor_is_a_group_goes_also_after_lines_have_moved(choir):
    withdraw(choir, Request("QX-11", reason="asked"))
    assert responses(choir) == ["b", "c", "d", "e"]
    withdraw(choir, Request("QX-13", reason="asked"))
    assert responses(choir) == ["b", "d"]


@pytest.mark.parametrize("last", ["table silver.choir_clicks", "table bronze.choir_clicks", "table archive.terms"])
def test_a_withdrawal_that_is_killed_after_a_table_is_finished(choir, monkeypatch, last):
    write = Journal._write

    def killed(self, steps):
        write(self, steps)
        if last in steps:
            raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        withdraw(choir, Request("QX-12", reason="asked"))
    monkeypatch.undo()
    assert finish(choir) is not None
    assert responses(choir) == ["a", "c", "e"]
