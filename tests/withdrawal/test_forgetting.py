"""After a withdrawal no byte of the archive, no old snapshot and no clone gives the person back."""

import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from assets.house import current_model
from lakehouse.archive.withdraw.receipt import verify
from lakehouse.archive.withdraw.run import withdraw
from lakehouse.archive.withdraw.search import Request
from lakehouse.errors import (
    AmbiguousSubjectError,
    BusyError,
    ReceiptError,
    UnknownSettingError,
    UnknownSubjectError,
    WithdrawnError,
)
from lakehouse.ports import Provenance
from lakehouse.tables.withdrawals import quarantined, require_none_open


def test_the_search_finds_what_was_planted(story):
    for part in ("datasets", "submissions", "inbox", "tables", "sql.log", "runs.db", "scratch", "work", "git object"):
        assert any(part in place for place in story.places_before), part


def test_no_byte_under_the_state_folder_gives_the_person_back(story, planted):
    assert story.outcome.carried_out
    assert planted.places_with(story.home) == []


def test_what_is_left_is_whole(story, planted):
    club = story.archive
    assert club.versions.verify("club") == []
    tables = club.house.tables
    assert sorted(tables.read("silver.club_members")["number"].to_pylist()) == sorted(planted.OTHERS * 2)
    assert tables.read("silver.club_loans").num_rows == 5, "the person's own loan went, the others stay"
    assert tables.read("silver.club_fees").num_rows == 2, "a fee hung on the loan that went"
    remarks = tables.read("bronze.club_loans")["remark"].to_pylist()
    assert "borrowed for [withdrawn], says [withdrawn]" in remarks
    log = (story.home / "logs" / "sql.log").read_text()
    assert log == f"select * from members where number = '{'#' * len(planted.NEEDLE)}'\nno rows\n"
    assert list(story.home.rglob("*.partial")) == []


def test_versions_keep_label_order_and_date_and_know_the_commit_they_replace(story):
    old, new = story.versions_before, story.archive.versions.versions("club")
    assert [one.version for one in new] == ["2001", "2002"]
    assert [one.replaces for one in new] == [(one.commit,) for one in old]
    assert [one.created_at for one in new] == [one.created_at for one in old]
    same = [one.content_sha256 == two.content_sha256 for one, two in zip(old, new, strict=True)]
    assert same == [False, True]


def test_commits_counts_and_reports_tell_the_same_story_afterwards(story):
    club, new = story.archive, story.archive.versions.versions("club")
    for table, prefix in (
        ("silver.club_members", ""),
        ("bronze.club_loans", "_"),
        ("gold.documents", ""),
        ("gold.loads", ""),
    ):
        rows = club.house.tables.read(table).to_pylist()
        found = {(row[f"{prefix}dataset_version"], row[f"{prefix}dataset_commit"]) for row in rows}
        assert found == {(one.version, one.commit) for one in new}, table
    counts = {
        (row["table_name"], row["dataset_version"]): row["row_count"]
        for row in club.house.tables.read("gold.loads").to_pylist()
    }
    assert (counts["silver.club_loans", "2001"], counts["bronze.club_members", "2001"]) == (3, 2)
    for one in new:
        assert club.shelf.landed(f"club@{one.version}").content_sha256 == one.content_sha256
        report = club.shelf.accepted_report(one.content_sha256)
        held = one.version == "2001"
        assert report.table_rows == {"members": 2, "loans": 2 + held, "fees": 1 + held}


def test_rows_that_were_set_aside_go_with_the_person_and_only_the_persons(story):
    tables = story.archive.house.tables
    (left,) = tables.read("gold.rows_aside").to_pylist()
    fees = tables.read("bronze.club_fees").to_pylist()
    (still,) = [fee for fee in fees if fee["amount"] == "901.5"]
    assert (left["source_file"], left["row_number"]) == (still["_source_file"], still["_row_number"])
    counted = {
        (row["table_name"], row["dataset_version"]): row["row_count"] for row in tables.read("gold.loads").to_pylist()
    }
    in_silver = tables.read("silver.club_fees")["dataset_version"].to_pylist()
    assert counted["silver.club_fees", "2001"] == in_silver.count("2001") == 1
    assert counted["bronze.club_fees", "2001"] == 2


def test_runs_that_were_done_stay_done_by_the_old_and_the_new_commit(story):
    tables, new = story.archive.house.tables, story.archive.versions.versions("club")
    for one in (*story.versions_before, *new):
        assert tables.committed("bronze.club_fees", f"bronze:club@{one.version}:{one.commit}") is not None
    assert tables.committed("bronze.club_fees", "bronze:club@2003:nobody") is None


def test_time_travel_answers_removed_by_withdrawal(story):
    house, receipt = story.archive.house, story.outcome.receipt
    assert len(story.releases_before) > 4
    for release in story.releases_before:
        for name, pin in release.tables.items():
            if not name.startswith("archive"):
                with pytest.raises(WithdrawnError, match=receipt):
                    house.tables.read(name, snapshot_id=pin.snapshot_id)
                with pytest.raises(WithdrawnError, match=receipt):
                    house.releases.numbered(release.number).pin(name)


def test_everything_the_current_release_pins_is_there(story):
    house = story.archive.house
    current = house.releases.current()
    assert {"silver.club_members", "archive.withdrawals"} <= set(current.tables)
    for name, pin in current.tables.items():
        house.tables.read(name, snapshot_id=pin.snapshot_id)
        assert Path(pin.metadata_location.removeprefix("file://")).is_file(), name


def test_a_clone_made_afterwards_has_nothing_of_the_person(story, planted, tmp_path):
    path = os.pathsep.join([sysconfig.get_path("scripts"), str(Path(str(shutil.which("git"))).parent), os.defpath])
    environment = {"PATH": path, "HOME": str(tmp_path)}
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "x", f"GIT_{role}_EMAIL": "x@x.invalid"}
    clone = tmp_path / "clone"

    def git(*words: str) -> str:
        command = ["git", "-c", "safe.directory=*", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout

    git("clone", "--quiet", str(story.home / "archive" / "datasets" / "club"), str(clone))
    for tag in git("-C", str(clone), "tag").split():
        git("-C", str(clone), "checkout", "--quiet", tag)
        git("-C", str(clone), "annex", "get", "--quiet", ".")
        assert (clone / "tables" / "members" / "members.csv").read_text().count("OTHER") == 2
    assert planted.places_with(clone) == []
    subprocess.run(["chmod", "-R", "u+w", str(clone)], check=True)


def test_the_receipt_is_signed_lists_what_went_where_and_never_names_the_person(story, planted):
    document, public = story.outcome.file.read_bytes(), story.archive.signer.public_key()
    receipt = verify(document, public)
    places = {one["place"]: one for one in receipt["places"]}
    first = places["dataset club@2001"]
    assert first["rows_removed"] == {"fees": 2, "loans": 1, "members": 1}
    assert first["mentions_masked"] == {"descriptions": 1, "loans": 1, "stories": 1}
    assert (first["commit_before"], places["dataset club@2002"]["rows_removed"]) == (
        story.versions_before[0].commit,
        {},
    )
    assert places["table silver.club_members"]["rows_removed"] == 1
    assert places["table gold.documents"]["cells_masked"] == 1
    assert receipt["also"]["landed"]["inbox copies removed"] == 2
    assert set(receipt["also"]["traces"]["files"]) == {
        *("logs/sql.log", "dagster/history/runs.db", "scratch/club"),
        *("objects: unfinished files", "tables: unfinished files"),
    }
    assert (story.archive.signer.folder / "withdrawals.key").stat().st_mode & 0o777 == 0o600
    altered = json.loads(document)
    altered["receipt"]["places"] = []
    with pytest.raises(ReceiptError, match="altered"):
        verify(json.dumps(altered).encode(), public)
    with pytest.raises(ReceiptError, match="cannot be read"):
        verify(b"no JSON", public)


def test_a_tombstone_stays_in_the_register(story):
    rows = story.archive.house.tables.read("archive.withdrawals").to_pylist()
    assert [(row["dataset_version"], row["rows_removed"], row["mentions_masked"]) for row in rows] == [
        ("2001", 4, 3),
        ("2002", 0, 0),
    ]
    assert {(row["receipt"], row["reason"], row["withdrawn_by"], row["subject_kind"]) for row in rows} == {
        (story.outcome.receipt, "asked by letter", "owner", "member")
    }
    submissions = story.archive.house.tables.read("archive.submissions").to_pylist()
    assert {(row["submission"], row["title"]) for row in submissions} == {
        ("club@2001", "A club"),
        ("club@2002", "A club"),
    }


def test_models_that_learned_from_the_person_are_in_quarantine_until_retrained(story):
    house, checkpoints = story.archive.house, story.archive.models.checkpoints
    assert story.releases_before[-1].model_version == "gpt-0002"
    assert house.releases.current().model_version == "gpt-0001", "back to one that learned nothing of the person"
    assert quarantined(house.objects) == {"gpt-0002"}
    assert checkpoints.versions() == ["gpt-0001", "gpt-0002"], "no number is given twice"
    assert checkpoints.usable() == ["gpt-0001"]
    assert checkpoints.find("gpt-0002") is None, "an equal training makes a new version"
    assert not (checkpoints.root / "gpt-0002" / "model.safetensors").exists(), "its tokenizer spelt the number out"
    assert (checkpoints.root / "gpt-0002" / "training.json").is_file()
    (row,) = house.tables.read("gold.model_quarantines").to_pylist()
    assert (row["model_version"], row["receipt"]) == ("gpt-0002", story.outcome.receipt)
    (asked,) = house.tables.read("gold.retrain_decisions").to_pylist()
    assert (asked["decision"], asked["cause_key"]) == ("retrain", f"withdrawal:{story.outcome.receipt}")


def test_a_quarantined_model_is_never_current(story):
    house = story.archive.house
    number = house.releases.publish(Provenance("run", "0" * 40), model_version="gpt-0002").number
    assert current_model(house) is None
    house.releases.publish(Provenance("run", "0" * 40), model_version="gpt-0001")
    assert (current_model(house), house.releases.current().number) == ("gpt-0001", number + 1)


def test_again_finds_nothing_and_points_to_the_receipt(story, planted):
    release = story.archive.house.releases.current()
    again = withdraw(story.archive, Request(planted.NEEDLE))
    assert (again.receipt, again.carried_out, again.plan) == (story.outcome.receipt, False, None)
    assert story.archive.house.releases.current() == release


def test_a_dry_run_tells_and_changes_nothing(story):
    assert not story.dry.carried_out
    assert story.dry.plan.versions[0].removal.rows == {"fees": 2, "loans": 1, "members": 1}
    assert story.places_after_dry == story.places_before


def test_what_cannot_be_withdrawn_is_said(story, planted, tmp_path):
    club = story.archive
    with pytest.raises(UnknownSubjectError, match="names this subject"):
        withdraw(club, Request("NOBODY9999"))
    with pytest.raises(UnknownSubjectError, match="no dataset 'pub'"):
        withdraw(club, Request(planted.NEEDLE, dataset="pub"))
    with pytest.raises(UnknownSettingError, match="reason"):
        withdraw(club, Request(planted.NEEDLE, reason=f"{planted.NEEDLE} asked"))
    arrival = planted.inbox.submit(planted.submission("2004", tmp_path, person=False), club.shelf.inbox)
    try:
        with pytest.raises(BusyError, match="club@2004 waits"):
            withdraw(club, Request(planted.OTHERS[0]))
    finally:
        shutil.rmtree(arrival.path)
    require_none_open(club.house.objects)


def test_a_value_of_two_kinds_needs_the_kind(planted, tmp_path):
    made = planted.folder_archive(tmp_path / "home")
    folder = planted.submission("2001", tmp_path / "given")
    loans = folder / "tables" / "loans" / "loans.csv"
    loans.write_text(loans.read_text().replace('"S2"', f'"{planted.NEEDLE}"'))
    made.versions.save(folder, "club", "2001", "0" * 64)
    with pytest.raises(AmbiguousSubjectError, match="member, shelf"):
        withdraw(made, Request(planted.NEEDLE), dry_run=True)
    outcome = withdraw(made, Request(planted.NEEDLE, kind="shelf"), dry_run=True)
    assert outcome.plan.versions[0].removal.rows == {"loans": 1}
