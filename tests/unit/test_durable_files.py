"""What a killed write leaves behind is found and deleted; what somebody still writes is not."""

import os
import subprocess
import sys
import time
from pathlib import Path

from dagster_project.settings import load_settings
from dagster_project.wiring import care, lakehouse, upkeep
from lakehouse import durable_files
from lakehouse.adapters.object_store import LocalObjects
from lakehouse.adapters.traces import FileTraces
from lakehouse.durable_files import remove_unfinished, unnamed_file
from lakehouse.masking import Mask
from lakehouse.ports import Provenance
from lakehouse.tables.maintenance import maintain

KILLED = """\
import os, signal, sys
from pathlib import Path
from lakehouse.durable_files import unnamed_file
with unnamed_file(Path(sys.argv[1]) / "rows") as (temporary, file):
    file.write(b"ann,7")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_goes(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "deep")], check=False, cwd=Path(__file__).parents[2])
    (left,) = (tmp_path / "deep").iterdir()
    assert left.read_bytes() == b"ann,7"
    assert remove_unfinished(tmp_path, unused_seconds=3600) == (0, ()), "it is young"
    assert remove_unfinished(tmp_path) == (1, ())
    assert not left.exists()
    assert remove_unfinished(tmp_path) == (0, ())
    assert remove_unfinished(tmp_path / "absent") == (0, ())


def test_what_earlier_versions_left_goes_after_a_day(tmp_path):
    home = tmp_path / "home"  # what lies beside it is cleared, too, and that of other tests is none of this one's
    home.mkdir()
    left, young, folder = (home / f".ab_{name}7" for name in ("12xy", "34xy", "56xy"))
    for path in (left, young, folder / "mine"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("ann,7")
    os.utime(left, (1, 1))
    os.utime(folder, (1, 1))
    assert remove_unfinished(home) == (1, ())
    assert sorted(home.iterdir()) == [young, folder]
    cleared = FileTraces(tmp_path, owned=[home], unfinished=[home]).clear(Mask(["ann"]))
    assert ["less than a day old" in why for where, why in cleared.skipped.items() if young.name in where] == [True]


def test_what_somebody_writes_stays_however_old(tmp_path):
    with unnamed_file(tmp_path / "rows") as (temporary, file):
        file.write(b"ann,7")
        os.utime(temporary, (1, 1))
        assert remove_unfinished(tmp_path) == (0, (temporary,))
        assert temporary.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_account_is_told_and_holds_nobody_up(tmp_path, monkeypatch):
    (tmp_path / "objects").mkdir()
    closed, open_one = (tmp_path / "objects" / f".0123456789abcde{n}.partial" for n in (1, 2))
    for path in (closed, open_one):
        path.write_bytes(b"ann,7")
    plain = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != closed and plain(path, mode))
    assert remove_unfinished(tmp_path) == (1, (closed,))
    cleared = FileTraces(tmp_path, owned=[tmp_path / "objects"], unfinished=[tmp_path / "objects"]).clear(Mask(["ann"]))
    assert cleared.skipped == {
        "objects/.0123456789abcde1.partial": "is an unfinished file that this account may not open"
    }
    assert closed.exists()


def test_only_files_of_ours_go(tmp_path):
    LocalObjects(tmp_path).put("reports/one", b"1")
    for name in ("notes.partial", ".mine.partial", ".0123456789abcdef.partial.txt"):
        (tmp_path / name).write_text("kept")
    (tmp_path / ".0123456789abcdef.partial").symlink_to(tmp_path / "notes.partial")
    assert remove_unfinished(tmp_path) == (0, ())
    assert len(list(tmp_path.rglob("*"))) == 6


def test_maintenance_of_a_folder_lake_removes_what_is_older_than_any_work(tmp_path):
    settings = load_settings({"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_STORAGE": "folder"})
    old = [tmp_path / name / ".0123456789abcdef.partial" for name in ("objects", "archive/reports", "uploads")]
    young = tmp_path / "tables/silver/.0123456789abcdee.partial"
    for path in (*old, young):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"ann,7")
    for path in old:
        os.utime(path, (time.time() - 25 * 3600,) * 2)
    assert maintain(lakehouse(settings), care(settings), upkeep(settings), Provenance("run", "0" * 40)) == []
    assert [path.exists() for path in (*old, young)] == [False, False, False, True]


def test_a_file_that_is_swept_before_it_is_held_is_made_again(tmp_path, monkeypatch):
    plain, swept = durable_files._hold, []

    def late(file, *, wait):
        if wait and not swept:
            swept.append(file.name)
            Path(file.name).unlink()
        return plain(file, wait=wait)

    monkeypatch.setattr(durable_files, "_hold", late)
    LocalObjects(tmp_path).put("one", b"1")
    assert LocalObjects(tmp_path).get("one") == b"1"
    assert swept
