"""A lake that was filled before silver had pseudonyms is rewritten, however often the call is killed."""

from dataclasses import replace
from functools import partial

import pyarrow as pa
import pytest

from lakehouse.archive.eds import load_description
from lakehouse.archive.event_tables import STATEMENT, event_definition, event_rows
from lakehouse.archive.keeping import Keeper
from lakehouse.archive.layers import silver_writes
from lakehouse.archive.pseudonym_terms import kept, planned
from lakehouse.archive.pseudonyms import KEY_FILE
from lakehouse.archive.terms import terms_rows
from lakehouse.archive.withdraw.journal import Journal, open_plan
from lakehouse.archive.withdraw.pseudonymous import terms_of
from lakehouse.archive.withdraw.receipt import verify
from lakehouse.archive.withdraw.retract import Order
from lakehouse.archive.withdraw.run import finish, pseudonymise, retract, withdraw
from lakehouse.archive.withdraw.search import Request
from lakehouse.errors import BusyError, PseudonymError, WithdrawnError
from lakehouse.ports import Provenance, TableWrite
from lakehouse.tables.register import TERMS
from lakehouse.tables.withdrawals import require_none_open
from lakehouse.tables.write_audit_publish import write_audit_publish

NEW = ("pseudonym_columns", "pseudonym_key")
FILES = {
    "dataset.yaml": """\
eds_version: "1.0"
name: choir
version: "1"
title: A choir
description: Singers.
accumulates: waves
subjects: {singer: {description: S., identifiers: [singers.code, events/clicks.actor]}}
""",
    "tables/singers/columns.yaml": """\
description: Singers.
grain: one row per singer
primary_key: [code]
columns:
  code: {type: integer, description: Number., required: true, role: direct_identifier}
  mail: {type: string, description: Address., role: direct_identifier}
  voice: {type: string, description: Voice.}
""",
    "tables/singers/singers.csv": "code,mail,voice\n17,ada@choir.example.org,alto\n18,,bass\n",
    "events/clicks/log.yaml": 'title: C\ndescription: C.\nxapi_version: "2.0.0"\n',
    "events/clicks/clicks.jsonl": """\
{"id": "00000000-0000-4000-8000-000000000001", "actor": {"account": {"homePage": "https://choir.example.org", \
"name": "17"}}, "verb": {"id": "http://adlnet.gov/expapi/verbs/sang"}, "object": {"id": "https://choir.example.org/1"}}
""",
}
PROVENANCE = Provenance("run", "0" * 40)


class KilledError(Exception):
    """Stands for a kill."""


@pytest.fixture
def old(planted, tmp_path):
    """An archive whose silver tables, and terms, are of before there were pseudonyms."""
    made = planted.folder_archive(tmp_path / "home")
    folder = tmp_path / "choir"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    version = made.versions.save(folder, "choir", "1", "e" * 64)
    about = load_description(folder)
    log = event_definition("choir", about.events["clicks"], "silver")
    log = replace(log, columns=(*log.columns, STATEMENT))
    said = pa.concat_tables(rows for rows, _ in event_rows(folder, about.events["clicks"], log, version))
    tables_alone = about.model_copy(update={"events": {}})
    terms = replace(TERMS, columns=tuple(one for one in TERMS.columns if one.name not in NEW))
    told = terms_rows(about, version).drop_columns(list(NEW))
    keep = Keeper(made.house, "silver").keep
    writes = [*silver_writes(folder, tables_alone, version, keep), TableWrite(log, said), TableWrite(terms, told)]
    write_audit_publish(made.house, writes, key="silver", provenance=PROVENANCE)
    yield made
    made.house.tables.close()


def rows_of(made, table):
    pin = made.house.releases.current().tables[table]
    return made.house.tables.read(table, snapshot_id=pin.snapshot_id).to_pylist()


def test_a_rewriting_that_is_killed_at_every_step_gives_each_value_one_pseudonym(old, monkeypatch):
    first, seen, write = old.house.releases.current(), set(), Journal._write

    def killed(self, steps):
        new = set(steps) - seen
        seen.update(steps)
        if new:
            with pytest.raises(BusyError, match="is not finished"):
                require_none_open(self.objects)
            raise KilledError
        write(self, steps)

    monkeypatch.setattr(Journal, "_write", killed)
    kills = 0
    while True:
        try:
            outcome = pseudonymise(old, "choir") if not kills else finish(old)
            break
        except KilledError:
            kills += 1
    assert kills >= 7
    assert outcome.act == "pseudonymisation"
    made = old.silver_key.held()
    assert [(row["code"], row["mail"], row["voice"]) for row in rows_of(old, "silver.choir_singers")] == [
        (made.number(17), made.text("ada@choir.example.org"), "alto"),
        (made.number(18), None, "bass"),
    ]
    (click,) = rows_of(old, "silver.choir_clicks")
    home = made.text("https://choir.example.org")
    assert (click["actor"], click["actor_home"], click["statement"]) == (str(made.number(17)), home, "{}")
    named = kept(rows_of(old, TERMS.name), "choir", "1", old.silver_key)
    assert named.columns == {"singers": ("code", "mail"), "clicks": ("actor", "actor_home")}
    with pytest.raises(WithdrawnError):
        old.house.releases.numbered(first.number).pin("silver.choir_singers")
    receipt = (old.receipts / f"{outcome.receipt}.json").read_bytes()
    told = verify(receipt, old.signer.public_key())
    assert {one["place"]: one["cells_changed"] for one in told["places"]} == {
        "table archive.terms": 0,
        "table silver.choir_clicks": 3,
        "table silver.choir_singers": 3,
    }
    monkeypatch.undo()
    release = old.house.releases.current().number
    assert not pseudonymise(old, "choir").carried_out
    assert old.house.releases.current().number == release
    # On the same lake, for it takes long to make one.
    forgets_by_pseudonym(old)
    tells_of_a_version_without_terms(old)
    tells_of_a_lost_key(old)


def forgets_by_pseudonym(made):
    """Withdraw a singer, by a value in another form, who is known by pseudonym in silver and in a log of questions."""
    log = made.receipts.parents[1] / "asked.log"
    log.write_text(f"select * from singers where code = {made.silver_key.held().number(17)}\n")
    assert withdraw(made, Request("+17", reason="asked")).carried_out
    codes = {made.silver_key.held().number(18)}
    assert {row["code"] for row in rows_of(made, "silver.choir_singers")} == codes
    assert rows_of(made, "silver.choir_clicks") == []
    assert "[withdrawn]" in log.read_text() or "###" in log.read_text()


def tells_of_a_version_without_terms(made):
    folder = made.scratch.parent / "again"
    made.versions.export(made.versions.find("choir", "1"), folder)
    (folder / "dataset.yaml").write_text(FILES["dataset.yaml"].replace('version: "1"', 'version: "2"'))
    made.versions.save(folder, "choir", "2", "f" * 64)
    release = made.house.releases.current().number
    with pytest.raises(PseudonymError, match="no terms of choir 2 are published"):
        pseudonymise(made, "choir")
    assert made.house.releases.current().number == release


def tells_of_a_lost_key(made):
    stays_unfinished_without_the_key(made)
    (made.silver_key.folder / KEY_FILE).unlink()
    lost = "is not there; restore that file"
    for act in (partial(pseudonymise, made, "choir"), partial(withdraw, made, Request("18", reason="asked"))):
        with pytest.raises(PseudonymError, match=lost):
            act()
    assert made.silver_key.held() is None
    gives_up_a_version_without_the_key(made)


def stays_unfinished_without_the_key(made):
    """A withdrawal killed at its first step changes nothing more while the key is lost, and goes on with it."""
    with pytest.MonkeyPatch.context() as killing:
        killing.setattr(Journal, "_write", lambda self, steps: (_ for _ in ()).throw(KilledError))
        with pytest.raises(KilledError):
            withdraw(made, Request("18", reason="asked"))
    key = made.silver_key.folder / KEY_FILE
    aside = key.rename(key.with_suffix(".aside"))
    with pytest.raises(PseudonymError, match="is not there"):
        finish(made)
    plan = open_plan(made.house.objects)
    assert Journal(made.house.objects, plan.receipt).steps() == {}
    aside.rename(key)
    assert finish(made) == plan
    assert rows_of(made, "silver.choir_singers") == []


def gives_up_a_version_without_the_key(made):
    about = load_description(made.scratch.parent / "again")
    with pytest.raises(PseudonymError, match="lakehouse retract"):
        planned(terms_of(made.house), about, made.silver_key)
    assert retract(made, Order("choir@1", "its key is lost", "A. Keeper")).carried_out
    require_none_open(made.house.objects)
    assert made.silver_key.held() is None
    named = planned(terms_of(made.house), about, made.silver_key)
    assert named.columns == {"singers": ("code", "mail"), "clicks": ("actor", "actor_home")}
    assert named.fingerprint == made.silver_key.held().fingerprint
