"""People in what never became a version, and what a withdrawal does to files that are not the archive's."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from dagster_project.withdrawing import told
from lakehouse.adapters.traces import FileTraces
from lakehouse.archive.apart import Costs
from lakehouse.archive.withdraw.journal import Journal
from lakehouse.archive.withdraw.looking import Holds, look
from lakehouse.archive.withdraw.refused import remove_path
from lakehouse.archive.withdraw.retract import Order, retraction
from lakehouse.archive.withdraw.run import finish, retract, withdraw
from lakehouse.archive.withdraw.search import Request
from lakehouse.archive.withdraw.steps import Steps
from lakehouse.errors import BusyError, UnknownSubjectError, VersionTakenError
from lakehouse.masking import Mask
from lakehouse.tables.withdrawals import CLOSING, PLAN, PREFIX, require_none_open

pytestmark = pytest.mark.timeout(1200)

NOBODY = 65534


@pytest.fixture
def club(planted, tmp_path):
    made = planted.folder_archive(tmp_path / "home")
    yield made
    made.house.tables.close()


def refuse(planted, club, folder):
    """Hand in a folder that lacks a required cell, and have it refused."""
    members = folder / "tables" / "members" / "members.csv"
    members.write_text(members.read_text() + '"","x","2000"\n')
    key = planted.inbox.submit(folder, club.shelf.inbox).key
    club.shelf.take(key, club.versions)
    assert not club.shelf.judge(key).accepted
    club.shelf.done(key)
    return key


def test_somebody_who_stands_only_in_a_refused_submission_is_withdrawn(planted, club, tmp_path):
    key = refuse(planted, club, planted.submission("2001", tmp_path / "given"))
    other = refuse(planted, club, planted.submission("2002", tmp_path / "given", person=False))
    home = club.shelf.root.parent
    assert planted.places_with(home)
    dry = withdraw(club, Request(planted.NEEDLE), dry_run=True)
    assert (dry.plan.kind, dry.plan.refused, dry.plan.versions) == ("member", (key,), ())
    done = withdraw(club, Request(planted.NEEDLE))
    assert done.carried_out
    assert planted.places_with(home, (planted.NEEDLE,)) == []
    assert club.shelf.landed_keys() == [other], "nobody else's submission went"
    assert [arrival.key for arrival in planted.inbox.arrivals(club.shelf.inbox)] == [other]
    receipt = json.loads(done.file.read_bytes())["receipt"]
    assert receipt["submissions"] == [key]
    assert not withdraw(club, Request(planted.NEEDLE)).carried_out


@pytest.mark.parametrize("whole", [False, True], ids=["withdrawn", "retracted"])
def test_what_was_refused_goes_also_when_a_mended_folder_has_its_key(planted, club, tmp_path, whole):
    """Refused, mended, handed in again: nobody names the first content any more, and the person stands in it."""
    key = refuse(planted, club, planted.submission("2001", tmp_path / "given"))
    first = club.shelf.landed(key).folder
    planted.load(club, planted.submission("2001", tmp_path / "mended", person=False))
    kept = club.shelf.landed(key).folder
    assert first.is_dir()
    assert kept != first
    found = withdraw(club, Request(planted.NEEDLE), dry_run=True).plan
    assert (found.refused, found.versions) == ((f"{key}#{first.name}",), ())
    assert withdraw(club, Request(planted.NEEDLE, dataset="club"), dry_run=True).plan.refused == found.refused
    if whole:
        done = retract(club, Order(key, "published by mistake", "A. Keeper"))
    else:
        done = withdraw(club, Request(planted.NEEDLE))
        assert kept.is_dir(), "nobody else's submission went"
    assert done.carried_out
    assert not first.exists()
    assert planted.places_with(club.shelf.root.parent, (planted.NEEDLE,)) == []
    assert json.loads(done.file.read_bytes())["receipt"]["submissions"] == [f"{key}#{first.name}"]


def test_copies_of_what_other_content_took_the_key_of_go_also_after_a_kill(planted, club, tmp_path, monkeypatch):
    """One was refused before the version was stored, one because it was; all three lie in the inbox."""
    key = refuse(planted, club, planted.submission("2001", tmp_path / "given"))
    first = club.shelf.landed(key).folder
    mended = shutil.make_archive(str(tmp_path / "m"), "zip", planted.submission("2001", tmp_path / "m", person=False))
    planted.load(club, Path(mended))
    late = shutil.make_archive(str(tmp_path / "l"), "tar", planted.submission("2001", tmp_path / "l"))
    planted.inbox.submit(Path(late), club.shelf.inbox)
    with pytest.raises(VersionTakenError):
        club.shelf.take(key, club.versions)
    (kept,) = [one for one in planted.inbox.arrivals(club.shelf.inbox) if one.path.suffix == ".zip"]
    (taken,) = [folder for _, folder in club.shelf.superseded() if folder != first]
    expected = {f"{key}#{first.name}", f"{key}#{taken.name}"}
    assert set(withdraw(club, Request(planted.NEEDLE, dataset="club"), dry_run=True).plan.refused) == expected
    assert (
        set(retraction(club.versions, club.shelf, club.scratch, Order(key, "mistake", "A. Keeper")).refused) == expected
    )

    def killed(path):
        if path == taken:
            (path / "dataset.yaml").unlink()
            raise KeyboardInterrupt
        remove_path(path)

    with monkeypatch.context() as patched:
        patched.setattr("lakehouse.archive.withdraw.landed.remove_path", killed)
        with pytest.raises(KeyboardInterrupt):
            withdraw(club, Request(planted.NEEDLE))
    assert taken.is_dir()
    assert set(finish(club).refused) == expected
    assert planted.places_with(club.shelf.root.parent, (planted.NEEDLE,)) == []
    assert planted.inbox.arrivals(club.shelf.inbox) == [kept], "nobody asked for the stored one to go"


def test_refused_submissions_that_cannot_be_read_to_tell_are_named(planted, club, tmp_path):
    key = refuse(planted, club, planted.submission("2001", tmp_path / "given"))
    other = refuse(planted, club, planted.submission("2002", tmp_path / "given", person=False))
    (club.shelf.landed(other).folder / "dataset.yaml").write_text("subjects: [")
    with pytest.raises(UnknownSubjectError, match=f"cannot be read to tell: {other}"):
        withdraw(club, Request("ZQX0000NOBODY"))
    line = f"{other}: refused submission, cannot be read to tell"
    dry = withdraw(club, Request(planted.NEEDLE), dry_run=True)
    assert (dry.plan.refused, dry.plan.unread) == ((key,), (other,))
    assert line in told(dry)
    done = withdraw(club, Request(planted.NEEDLE))
    assert line in told(done)
    assert json.loads(done.file.read_bytes())["receipt"]["submissions_not_read"] == [other]
    again = withdraw(club, Request(planted.NEEDLE))
    assert not again.carried_out
    assert line in told(again)


def test_somebody_whom_only_a_report_quotes_is_withdrawn(planted, club, tmp_path):
    refuse(planted, club, planted.submission("2002", tmp_path / "given", person=False))
    (report,) = (club.shelf.root / "reports").glob("*.json")
    told = json.loads(report.read_text())
    told["findings"][0]["message"] += f" See {planted.NEEDLE}."
    report.write_text(json.dumps(told))
    assert withdraw(club, Request(planted.NEEDLE)).plan.reported == ("club@2002",)
    assert "See [withdrawn]." in report.read_text()
    with pytest.raises(UnknownSubjectError):
        withdraw(club, Request("ZQX0000NOBODY"))


def test_unread_arrivals_stay_when_they_do_not_hold_the_person_and_hold_up_when_they_do(planted, club, tmp_path):
    given = tmp_path / "given"
    refuse(planted, club, planted.submission("2001", given))
    innocent = planted.inbox.submit(planted.submission("2004", given, person=False), club.shelf.inbox)
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", planted.submission("2005", given))
    guilty = planted.inbox.submit(Path(packed), club.shelf.inbox)
    before = planted.places_with(club.shelf.root.parent)
    with pytest.raises(BusyError, match=r"club@2005 waits in the inbox \(club@2005.zip\) and holds the subject"):
        withdraw(club, Request(planted.NEEDLE))
    assert planted.places_with(club.shelf.root.parent) == before, "nothing has changed"
    guilty.path.unlink()
    assert withdraw(club, Request(planted.NEEDLE)).carried_out
    assert innocent in planted.inbox.arrivals(club.shelf.inbox)


def test_a_folder_that_costs_too_much_is_unreadable_and_does_not_hide_the_others(planted, tmp_path):
    holding = planted.submission("2001", tmp_path)
    large = planted.submission("2002", tmp_path, person=False)
    # By the processor the small one takes 0.6 to 2 seconds, the large one 16 to 110: the limit is well away from both.
    with (large / "tables" / "members" / "members.csv").open("a") as file:
        some = "".join(f'"M{n}","l{n}","{n}"\n' for n in range(100_000))
        file.writelines(some for _ in range(200))
    seen = look([large, holding], "member", {planted.NEEDLE.lower()}, Mask(()), Costs(cpu_seconds=5))
    assert [one["member"] for one in seen] == [Holds.UNREADABLE, Holds.NAMED]


def test_a_version_saved_while_a_withdrawal_is_unfinished_is_cleaned_as_well(planted, club, tmp_path, monkeypatch):
    planted.load(club, planted.submission("2001", tmp_path / "given"))
    with monkeypatch.context() as patched:
        patched.setattr(Steps, "run", lambda steps: None)
        withdraw(club, Request(planted.NEEDLE))
    with pytest.raises(BusyError, match="lakehouse withdraw --finish"):
        require_none_open(club.house.objects)
    late = planted.submission("2003", tmp_path / "given")
    club.versions.save(late, "club", "2003", "f" * 64)
    done = withdraw(club, Request(planted.NEEDLE))
    assert [one.version for one in done.plan.versions] == ["2001", "2003"]
    assert done.plan.versions[1].removal.rows == {"fees": 2, "loans": 1, "members": 1}
    assert planted.places_with(club.shelf.root.parent) == []
    require_none_open(club.house.objects)


def test_a_kill_after_the_plan_is_gone_leaves_the_disk_to_the_next_call(planted, club, tmp_path, monkeypatch):
    refuse(planted, club, planted.submission("2001", tmp_path / "given"))
    calls = []

    def killed(objects, storage):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("lakehouse.archive.withdraw.steps.finish_closing", killed)
        with pytest.raises(KeyboardInterrupt):
            withdraw(club, Request(planted.NEEDLE))
    endings = [key for key in club.house.objects.keys(PREFIX) if key.endswith((PLAN, CLOSING))]
    assert [key.endswith(CLOSING) for key in endings] == [True]
    monkeypatch.setattr(type(club.storage), "reclaim", lambda storage: calls.append("reclaimed"))
    assert finish(club) is None
    assert calls == ["reclaimed"]
    assert not withdraw(club, Request(planted.NEEDLE)).carried_out
    assert calls == ["reclaimed"]


def test_records_are_written_again_before_the_plan_is_gone(planted, club, tmp_path, monkeypatch):
    refuse(planted, club, planted.submission("2001", tmp_path / "given"))
    order = []
    plain_close, plain_once = Journal.close, Journal.once
    monkeypatch.setattr(Journal, "close", lambda *given: (order.append("close"), plain_close(*given))[1])
    monkeypatch.setattr(Journal, "once", lambda self, step, do: (order.append(step), plain_once(self, step, do))[1])
    withdraw(club, Request(planted.NEEDLE))
    assert {"records", "object versions"} <= set(order[: order.index("close")])


@pytest.fixture
def theirs(tmp_path):
    """A state folder with files that are not ours, and what we see of it."""
    if os.geteuid() != 0:
        pytest.skip("only root can make files of two owners")
    home = tmp_path / "home"
    (home / "closed").mkdir(parents=True)
    for name, mode in (("ours.log", 0o644), ("shown.log", 0o644), ("hidden.log", 0o600), ("clean.log", 0o644)):
        (home / name).write_text("nobody here\n" if name == "clean.log" else "ZQX7731PLANTED was here\n")
        (home / name).chmod(mode)
    os.chown(home / "ours.log", NOBODY, NOBODY)
    (home / "closed").chmod(0o700)
    for parent in (home, *home.parents):
        if Path(tempfile.gettempdir()) in parent.parents:
            parent.chmod(0o755)
    return home


def test_somebody_whom_a_dataset_only_mentions_is_masked_in_all_its_versions_when_asked(planted, club, tmp_path):
    for label, said in (("1", planted.NEEDLE), ("2", "nobody")):
        folder = tmp_path / "given" / label
        (folder / "tables" / "notes").mkdir(parents=True)
        described = planted.DATASET.format(label=label).partition("subjects:")[0].replace("name: club", "name: diary")
        (folder / "dataset.yaml").write_text(described)
        column = "said: {type: string, description: Said.}"
        (folder / "tables/notes/columns.yaml").write_text(f"description: N.\ngrain: a note\ncolumns:\n  {column}\n")
        (folder / "tables/notes/notes.csv").write_text(f"said\nthanks to {said}\n")
        key = planted.inbox.submit(folder, club.shelf.inbox).key
        landed = club.shelf.take(key, club.versions)
        assert club.shelf.judge(key).accepted
        club.versions.save(landed.folder, "diary", label, landed.content_sha256)
        club.shelf.done(key)
    with pytest.raises(UnknownSubjectError, match=r"diary@1: notes 1\), where --everywhere masks it"):
        withdraw(club, Request(planted.NEEDLE))
    done = withdraw(club, Request(planted.NEEDLE, everywhere=True))
    assert planted.places_with(club.shelf.root.parent) == []
    receipt = json.loads(done.file.read_bytes())["receipt"]
    assert (receipt["mentions"], receipt["mentions_left"]) == ("masked in every dataset", {})
    assert [place["mentions_masked"] for place in receipt["places"] if place["place"] == "dataset diary@1"] == [
        {"notes": 1}
    ]
    assert withdraw(club, Request(planted.NEEDLE, everywhere=True)).receipt == done.receipt


def test_files_of_others_are_told_and_do_not_stop_the_rest(theirs):
    os.seteuid(NOBODY)
    try:
        done = FileTraces(theirs).clear(Mask(("ZQX7731PLANTED",)))
    finally:
        os.seteuid(0)
    changed, skipped = dict(done.changed), dict(done.skipped)
    assert changed == {"ours.log": 1}
    assert set(skipped) == {"shown.log", "hidden.log", "closed"}
    assert skipped["shown.log"] == "belongs to user 0 and holds the person; ask its owner to delete it"
    assert "cannot be read to tell" in skipped["hidden.log"]
    assert "cannot be looked into" in skipped["closed"]
    assert (theirs / "ours.log").read_text() == f"{'#' * 14} was here\n"
