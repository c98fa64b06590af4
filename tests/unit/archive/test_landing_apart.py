"""Landing in a child process: the same folder as here, and a clear error where the child dies or must not go on."""

import zipfile
from dataclasses import replace

import pytest

from lakehouse.archive import apart, confinement, landing_apart
from lakehouse.archive.apart import Costs, GivenUp, do_apart
from lakehouse.archive.landing import land
from lakehouse.archive.landing_apart import DEFAULT_COSTS, land_in_child
from lakehouse.errors import ServiceUnavailableError, UnreadableSubmissionError, UnsafeArchiveError
from tests.unit.archive.other_tasks import serving

# What a hostile file could make its reader do, done for it: each is refused by the kernel.
MISDEEDS = """\
import errno, os, socket, subprocess
from pathlib import Path

def refusals(outside, inside):
    deeds = {
        "internet": lambda: socket.socket(socket.AF_INET),
        "datagrams": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
        "local": lambda: socket.socket(socket.AF_UNIX),
        "program": lambda: subprocess.run(["true"], check=True),
        "signal": lambda: os.kill(os.getppid(), 0),
        "write": lambda: Path(outside, "new").write_text("x"),
        "overwrite": lambda: Path(outside, "there").write_text("x"),
        "remove": lambda: Path(outside, "there").unlink(),
        "rename": lambda: Path(inside, "mine").rename(Path(outside, "mine")),
        "link": lambda: os.link(Path(inside, "mine"), Path(outside, "mine")),
    }
    Path(inside, "mine").write_text("x")
    return {name: outcome(deed) for name, deed in deeds.items()}

def outcome(deed):
    try:
        deed()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"

def held(source, work, into, limits):
    Path(into, "held").write_text(str(any(is_open(number, work) for number in range(3, 100))))

def is_open(number, folder):
    try:
        return os.path.samestat(os.fstat(number), os.stat(folder))
    except OSError:
        return False

def too_much(what):
    if what == "disk":
        with open("large", "wb") as file:
            file.write(b"0" * (4 << 20))
    elif what == "talk":
        return "x" * (2 << 20)
    elif what == "crash":
        os.abort()
    elif what == "thread":
        raise RuntimeError("can't start new thread")
    elif what == "mapping":
        raise OSError(errno.ENOMEM, "Cannot allocate memory")
    elif what == "fault":
        raise KeyError("a fault of ours")
    elif what == "garbage":
        Path("answer.json").write_text("[" * 100_000)
        os._exit(0)
    while what == "time":
        pass
    return [0] * (1 << 30)
"""


@pytest.fixture
def misdeeds(tmp_path, monkeypatch):
    """Let the child find other tasks than it has: the real process with its real limits, doing what it must not."""
    tasks = {"refusals": "refusals", "too_much": "too_much", "land": "held"}
    with serving(tmp_path / "misdeeds", MISDEEDS, tasks) as server:
        monkeypatch.setattr(apart, "SERVER", server)
        yield


LITTLE = Costs(memory_bytes=1 << 30, cpu_seconds=2, wall_seconds=120, file_bytes=3 << 20, answer_bytes=1 << 20)


REACHES = ("internet", "datagrams", "local", "program")
WRITES = ("write", "overwrite", "remove", "rename", "link")


def test_the_child_can_reach_nothing_but_its_folders(misdeeds, tmp_path):
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "there").write_text("as it was")
    done = do_apart("refusals", {"outside": str(outside), "inside": str(inside)}, LITTLE, [inside])
    assert {name: done[name] for name in REACHES} == dict.fromkeys(REACHES, "EPERM")
    if confinement.signals_are_confined():
        assert done["signal"] == "EPERM"
    if not confinement.writes_are_confined():
        pytest.skip("this kernel has no Landlock of version 2, so writing is not confined")
    assert {name: done[name] for name in WRITES} == dict.fromkeys(WRITES, "EACCES")
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("there", "as it was")]


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("memory", "more than 1,024 MB of memory"),
        ("crash", "more than 1,024 MB of memory"),
        ("thread", "more than 1,024 MB of memory"),
        ("mapping", "more than 1,024 MB of memory"),
        ("time", "more than 2 s of processor time"),
        ("talk", "an answer of more than 1 MB"),
        ("garbage", "an answer of more than 1 MB"),
        ("disk", None),
        ("fault", None),
    ],
)
def test_what_the_child_takes_too_much_of_is_told_and_this_process_lives(misdeeds, what, told):
    assert do_apart("too_much", {"what": what}, LITTLE) == GivenUp("(whole dataset)", told)


def test_a_submission_lands_in_a_child_as_it_does_here(dataset, packed, tmp_path):
    files = {p.relative_to(dataset).as_posix(): p.read_bytes() for p in dataset.rglob("*") if p.is_file()}
    for source in (dataset, packed(tmp_path / "set.tar.gz", files)):
        here, there = land(source, tmp_path / "here"), land_in_child(source, tmp_path / "there")
        assert replace(there, folder=here.folder) == here
        assert sorted(p.name for p in there.folder.iterdir()) == sorted(p.name for p in here.folder.iterdir())
    assert [p.name for p in (tmp_path / "there").iterdir()] == [here.folder.name]


def test_the_child_holds_its_folder_should_this_process_be_killed(misdeeds, dataset, tmp_path):
    with pytest.raises(ServiceUnavailableError):
        land_in_child(dataset, tmp_path / "in")
    assert (tmp_path / "in" / "held").read_text() == "True"


def test_errors_of_the_child_are_raised_here(tmp_path, zipped):
    with pytest.raises(UnsafeArchiveError, match="leads out of the dataset"):
        land_in_child(zipped({"../x": b"x"}), tmp_path / "in")
    with pytest.raises(UnreadableSubmissionError, match="absent is not there"):
        land_in_child(tmp_path / "absent", tmp_path / "in")
    assert list((tmp_path / "in").iterdir()) == []


def test_a_submission_that_kills_the_child_is_unsafe_and_nothing_is_left(tmp_path, zipped):
    lists = b'{"name": "x", "resources": [' + b",".join([b"[]"] * 6_000_000) + b"]}"
    source = zipped({"datapackage.json": lists})
    with zipfile.ZipFile(source, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr("notes.txt", b"x" * 100_000)  # so that it does not look like a bomb
    with pytest.raises(UnsafeArchiveError, match=r"'submission.zip' took more than 1 s of processor time; split"):
        land_in_child(source, tmp_path / "in", costs=replace(DEFAULT_COSTS, cpu_seconds=1))
    assert list((tmp_path / "in").iterdir()) == []


@pytest.mark.parametrize("folder", ["../../elsewhere", "/etc", "0" * 12, ""])
def test_an_answer_that_leads_elsewhere_is_not_believed(dataset, tmp_path, monkeypatch, folder):
    said = {"folder": folder, "content_sha256": "0" * 64, "file_count": 1, "size_bytes": 1}
    monkeypatch.setattr(landing_apart, "do_apart", lambda *_: said)
    with pytest.raises(ServiceUnavailableError, match="no sensible answer"):
        land_in_child(dataset, tmp_path / "in")
