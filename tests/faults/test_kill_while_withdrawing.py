"""A withdrawal killed at any step is carried on by the next call and ends as an undisturbed one."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.archive.withdraw.journal import Journal
from lakehouse.archive.withdraw.receipt import verify
from lakehouse.archive.withdraw.run import withdraw
from lakehouse.archive.withdraw.search import Request
from lakehouse.errors import BusyError
from lakehouse.tables.withdrawals import require_none_open

PROGRAM = Path(__file__).with_name("killed_withdrawal.py")
spec = importlib.util.spec_from_file_location("killed_withdrawal", PROGRAM)
program = importlib.util.module_from_spec(spec)
sys.modules["killed_withdrawal"] = program
spec.loader.exec_module(program)
planted = program.planted()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The planted archive as it was, kept beside the place where its tables know their files to lie."""
    base = tmp_path_factory.mktemp("club")
    archive = planted.folder_archive(base / "home")
    for label, person in (("2001", True), ("2002", False)):
        planted.load(archive, planted.submission(label, base / "given", person=person))
    planted.leave_traces(base / "home")
    archive.house.tables.close()
    shutil.copytree(base / "home", base / "pristine", symlinks=True)
    return base


@pytest.fixture
def scratch(made):
    for old in (made / "home", *made.glob("killed *")):
        if old.is_dir():
            subprocess.run(["chmod", "-R", "u+w", str(old)], check=True)
            shutil.rmtree(old)
        else:
            old.unlink()
    shutil.copytree(made / "pristine", made / "home", symlinks=True)
    return made


@pytest.fixture(scope="module")
def undisturbed(made):
    """The end state of a withdrawal that nothing disturbs."""
    archive = planted.folder_archive(made / "home")
    withdraw(archive, Request(planted.NEEDLE, reason="asked by letter", by="owner"))
    seen = end_state(made, archive)
    archive.house.tables.close()
    return seen


def end_state(base, archive):
    """Everything that a withdrawal decides, without ids, dates and numbers that differ from run to run."""
    receipts = [verify(path.read_bytes(), archive.signer.public_key()) for path in archive.receipts.glob("*.json")]
    assert len(receipts) == 1, "one receipt however often it was killed"
    changing = {"snapshot_after", "snapshots_removed", "files_deleted", "commit_after", "content_after"}
    places = [{name: each[name] for name in each.keys() - changing} for each in receipts[0]["places"]]
    current = archive.house.releases.current()
    volatile = (
        "run_id",
        "recorded_at",
        "receipt",
        "withdrawn_at",
        "subject_hash",
        "commit_after",
        "dataset_commit",
        "_dataset_commit",
    )
    rows = {
        name: sorted(
            json.dumps({key: value for key, value in row.items() if key not in volatile}, sort_keys=True, default=str)
            for row in archive.house.tables.read(name, snapshot_id=pin.snapshot_id).to_pylist()
        )
        for name, pin in current.tables.items()
    }
    versions = archive.versions.versions("club")
    return {
        "places": places,
        "rows": rows,
        "contents": [(one.version, one.content_sha256, one.created_at, one.replaces) for one in versions],
        "problems": archive.versions.verify("club"),
        "left": planted.places_with(base / "home"),
        "landed": [archive.shelf.landed(key) for key in archive.shelf.landed_keys()],
    }


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_withdrawal_killed_at_every_step_ends_like_an_undisturbed_one(undisturbed, scratch):
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(scratch)], capture_output=True, text=True, check=False, timeout=1100
    )
    assert done.returncode == 0, done.stderr
    archive = planted.folder_archive(scratch / "home")
    receipt = json.loads(next(archive.receipts.glob("*.json")).read_bytes())["receipt"]["receipt"]
    steps = {f"step {step}" for step in Journal(archive.house.objects, receipt).steps()}
    killed = {path.name.removeprefix("killed ") for path in scratch.glob("killed *")}
    assert steps <= killed, "a process died in every step"
    assert killed - steps == {
        "end keep",
        "end close",
        "before closing",
        "after closing",
        "before rename .making to club",
        "after rename .making to club",
        "before rename club to .rewritten",
        "after rename club to .rewritten",
        "before rename datasets to .replaced",
        "after rename datasets to .replaced",
        "before rename .rewritten to datasets",
        "after rename .rewritten to datasets",
    }
    assert json.loads(done.stdout)["kills"] == len(killed)
    assert end_state(scratch, archive) == undisturbed
    require_none_open(archive.house.objects)
    archive.house.tables.close()


def test_nothing_else_is_written_while_a_withdrawal_is_not_finished(scratch, monkeypatch):
    archive = planted.folder_archive(scratch / "home")
    monkeypatch.setattr("lakehouse.archive.withdraw.steps.Steps.run", lambda steps: None)
    withdraw(archive, Request(planted.NEEDLE))
    with pytest.raises(BusyError, match="is not finished"):
        require_none_open(archive.house.objects)
    archive.house.tables.close()
