"""A version retracted: its data are gone from everywhere, what is known about it stays, and it may be interrupted."""

import json

import pytest

from lakehouse.archive.withdraw.journal import Journal
from lakehouse.archive.withdraw.receipt import verify
from lakehouse.archive.withdraw.retract import Order
from lakehouse.archive.withdraw.run import retract, withdraw
from lakehouse.archive.withdraw.search import Request
from lakehouse.errors import (
    NoVersionError,
    RetractedError,
    UnknownSettingError,
    WithdrawnError,
)
from lakehouse.tables.withdrawals import quarantined, require_none_open, require_not_retracted

pytestmark = pytest.mark.timeout(1200)

RECORD = "records/club/2001/0123456789ab/record.json"
ORDER = Order("club@2001", "published without permission", "A. Keeper")


class StopError(Exception):
    """The process ends here."""


@pytest.fixture(scope="module")
def retracted(planted, tmp_path_factory):
    """A version retracted in a process that ends after every single step, so that each is done and not noted once."""
    home = tmp_path_factory.mktemp("retracted") / "home"
    made = planted.folder_archive(home)
    for label, person in (("2001", True), ("2002", False)):
        planted.load(made, planted.submission(label, home.parent / "given", person=person))
    planted.publish_models(made)
    (home / "scratch" / "club").mkdir(parents=True)
    (home / "scratch" / "club" / "members.csv").write_text(f"number\n{planted.NEEDLE}\n")
    before = made.versions.versions("club")
    made.house.objects.put(RECORD, json.dumps({"commit": before[0].commit}).encode())
    release = made.house.releases.current()
    dry = retract(made, ORDER, dry_run=True)
    stopped, plain = set(), Journal.once

    def once(journal, step, action):
        def act():
            result = action()
            if step not in stopped:
                stopped.add(step)
                raise StopError
            return result

        return plain(journal, step, act)

    Journal.once = once
    try:
        while True:
            try:
                outcome = retract(made, ORDER)
            except StopError:
                continue
            break
    finally:
        Journal.once = plain
    yield {"made": made, "home": home, "before": before, "release": release, "dry": dry, "outcome": outcome}
    made.house.tables.close()


def test_a_dry_run_says_what_would_go(retracted):
    dry = retracted["dry"]
    assert not dry.carried_out
    assert [one.removal.rows for one in dry.plan.versions] == [
        {"members": 3, "loans": 4, "fees": 4, "stories": 2},
        {},
    ]


def test_no_byte_of_the_version_is_left(retracted, planted):
    assert retracted["outcome"].carried_out
    # The planted member stood in this version only; a model that quotes them is out of use, and keeps its files.
    left = [place for place in planted.places_with(retracted["home"]) if "/models/versions/gpt-0002/" not in place]
    assert left == []
    made = retracted["made"]
    assert made.versions.verify("club") == []
    require_none_open(made.house.objects)


def test_descriptions_label_and_date_stay_and_the_other_version_is_whole(retracted, tmp_path):
    made = retracted["made"]
    now = made.versions.versions("club")
    assert [(one.version, one.created_at) for one in now] == [
        (one.version, one.created_at) for one in retracted["before"]
    ]
    assert [one.content_sha256 == two.content_sha256 for one, two in zip(now, retracted["before"], strict=True)] == [
        False,
        True,
    ]
    assert json.loads(made.house.objects.get(RECORD)) == {"commit": now[0].commit}
    made.versions.export(now[0], tmp_path / "out")
    left = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert left == [
        "REMOVED.md",
        "dataset.yaml",
        "tables/fees/columns.yaml",
        "tables/loans/columns.yaml",
        "tables/members/columns.yaml",
        "texts/stories/collection.yaml",
    ]
    assert "published without permission" in (tmp_path / "out" / "REMOVED.md").read_text()
    made.versions.export(now[1], tmp_path / "other")
    assert (tmp_path / "other" / "tables" / "members" / "members.csv").is_file()


def test_tables_hold_the_other_version_only_and_time_travel_is_refused(retracted):
    made = retracted["made"]
    for name in ("silver.club_members", "bronze.club_loans", "gold.documents", "gold.loads"):
        rows = made.house.tables.read(name).to_pylist()
        labels = {row.get("dataset_version", row.get("_dataset_version")) for row in rows}
        assert labels == {"2002"}, name
        with pytest.raises(WithdrawnError, match=retracted["outcome"].receipt):
            made.house.tables.read(name, snapshot_id=retracted["release"].tables[name].snapshot_id)


def test_the_tombstone_and_what_was_registered_stay(retracted):
    tables = retracted["made"].house.tables
    (row,) = tables.read("archive.tombstones").to_pylist()
    assert (row["dataset"], row["dataset_version"], row["reason"], row["decided_by"]) == (
        "club",
        "2001",
        "published without permission",
        "A. Keeper",
    )
    assert {one["submission"] for one in tables.read("archive.submissions").to_pylist()} == {"club@2001", "club@2002"}


def test_models_that_learned_from_it_are_in_quarantine_and_keep_their_weights(retracted):
    made = retracted["made"]
    assert quarantined(made.house.objects) == {"gpt-0002"}
    assert made.house.releases.current().model_version == "gpt-0001"
    (row,) = made.house.tables.read("gold.model_quarantines").to_pylist()
    assert "club@2001" in row["reason"]


def test_the_receipt_is_signed_and_tells_by_version(retracted):
    made = retracted["made"]
    receipt = verify(retracted["outcome"].file.read_bytes(), made.signer.public_key())
    assert (receipt["format"], receipt["version"]) == ("retraction receipt 1", "club@2001")
    first = {one["place"]: one for one in receipt["places"]}["dataset club@2001"]
    assert first["removed_as_a_whole"]
    assert first["rows_removed"] == {"members": 3, "loans": 4, "fees": 4, "stories": 2}


def test_again_changes_nothing_and_the_same_content_is_not_taken_again(retracted):
    made = retracted["made"]
    release = made.house.releases.current()
    again = retract(made, ORDER)
    assert (again.carried_out, again.receipt) == (False, retracted["outcome"].receipt)
    assert made.house.releases.current() == release
    with pytest.raises(RetractedError, match=r"was club@2001, which was removed .*published without permission"):
        require_not_retracted(made.house.objects, retracted["before"][0].content_sha256)
    require_not_retracted(made.house.objects, retracted["before"][1].content_sha256)


def test_a_person_of_the_version_that_is_left_is_withdrawn_all_the_same(retracted, planted):
    made = retracted["made"]
    done = withdraw(made, Request(planted.OTHERS[0]))
    rows = {one.version: one.removal.rows for one in done.plan.versions}
    assert rows["2001"] == {}
    assert rows["2002"]["members"] == 1
    assert planted.places_with(retracted["home"], (planted.OTHERS[0],)) == []


@pytest.mark.parametrize(
    ("order", "error"),
    [
        (Order("club@1999", "r", "b"), NoVersionError),
        (Order("pub@1", "r", "b"), NoVersionError),
        (Order("club@2002", " ", "b"), UnknownSettingError),
        (Order("club@2002", "r", ""), UnknownSettingError),
    ],
)
def test_what_cannot_be_retracted_is_said(retracted, order, error):
    with pytest.raises(error):
        retract(retracted["made"], order)
    assert json.loads(retracted["outcome"].file.read_bytes())
