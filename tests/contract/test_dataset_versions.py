"""What every keeper of dataset versions promises, held against DataLad with real git-annex."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lakehouse.adapters.datalad import DataladVersions, folder_of, tag_of
from lakehouse.errors import (
    ChecksumError,
    RefusedError,
    ServiceUnavailableError,
    UnknownSettingError,
    VersionTakenError,
)
from lakehouse.ports import DatasetVersion, DatasetVersions

FIRST = {
    "dataset.yaml": b"name: marks\n",
    "tables/marks 2011.csv": b"pupil,mark\n1,2\n",
    "texts/übung \N{SNOWMAN}.txt": "grüße\n".encode(),
    "texts/.hidden": b"dot",
    "texts/empty.txt": b"",
}
SECOND = {"dataset.yaml": b"name: marks\n", "tables/marks 2011.csv": b"pupil,mark\n1,3\n"}


def folder(at: Path, files: dict[str, bytes]) -> Path:
    for name, body in files.items():
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_bytes(body)
    return at


def sha(files: dict[str, bytes]) -> str:
    return hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()


def content(at: Path) -> dict[str, bytes]:
    return {p.relative_to(at).as_posix(): p.read_bytes() for p in at.rglob("*") if p.is_file()}


def git(repository: Path, *words: str) -> str:
    command = ["git", "-c", "safe.directory=*", "-c", "core.quotePath=false", "-C", str(repository), *words]
    # git status may call git-annex, which lies beside this Python.
    path = os.pathsep.join([sysconfig.get_path("scripts"), str(Path(str(shutil.which("git"))).parent), os.defpath])
    return subprocess.run(command, check=True, capture_output=True, text=True, env={"PATH": path}).stdout


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return folder(tmp_path / "first", FIRST)


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return folder(tmp_path / "second", SECOND)


@pytest.fixture
def versions(tmp_path: Path) -> DatasetVersions:
    return DataladVersions(tmp_path / "archive")


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetVersion]:
    """An archive with one version; making it takes a second, copying it does not."""
    at = tmp_path_factory.mktemp("made_once")
    keeper = DataladVersions(at / "archive")
    return at / "archive", keeper.save(folder(at / "first", FIRST), "marks", "2011", sha(FIRST))


@pytest.fixture
def saved(versions: DatasetVersions, made_once: tuple[Path, DatasetVersion], tmp_path: Path) -> DatasetVersion:
    archive, version = made_once
    shutil.copytree(archive, tmp_path / "archive", symlinks=True)
    return version


def test_an_unknown_dataset_has_no_versions(versions: DatasetVersions):
    assert versions.versions("marks") == []
    assert versions.find("marks", "2011") is None
    assert versions.find_content("marks", "0" * 64) is None
    assert versions.verify("marks") == []


def test_a_saved_version_is_found_by_label_and_by_content(versions: DatasetVersions, saved: DatasetVersion):
    assert (saved.dataset, saved.version, saved.content_sha256) == ("marks", "2011", sha(FIRST))
    assert len(saved.commit) == 40
    assert abs(datetime.now(UTC) - saved.created_at) < timedelta(minutes=2)
    assert versions.find("marks", "2011") == saved
    assert versions.find_content("marks", sha(FIRST)) == saved
    assert versions.find("marks", "2012") is None


def test_what_is_exported_is_what_was_saved_even_after_later_versions(
    versions: DatasetVersions, saved: DatasetVersion, second: Path, tmp_path: Path
):
    later = versions.save(second, "marks", "2012", sha(SECOND))
    versions.export(saved, tmp_path / "old")
    versions.export(later, tmp_path / "new")
    assert content(tmp_path / "old") == FIRST
    assert content(tmp_path / "new") == SECOND
    assert versions.versions("marks") == [saved, later]


def test_the_same_content_under_any_label_is_the_version_it_already_is(
    versions: DatasetVersions, saved: DatasetVersion, first: Path, second: Path
):
    versions.save(second, "marks", "2012", sha(SECOND))
    assert versions.save(first, "marks", "2011", sha(FIRST)) == saved
    assert versions.save(first, "marks", "2013", sha(FIRST)) == saved
    assert [known.version for known in versions.versions("marks")] == ["2011", "2012"]


def test_saving_known_content_again_takes_under_a_tenth_of_a_second_of_the_processor(
    versions: DatasetVersions, saved: DatasetVersion, first: Path
):
    took = []
    for _ in range(5):
        start = sum(os.times()[:4])  # of this process and the children that it has waited for
        versions.save(first, "marks", "2011", sha(FIRST))
        took.append(sum(os.times()[:4]) - start)
    assert min(took) < 0.1


def test_a_label_with_other_content_is_taken(versions: DatasetVersions, saved: DatasetVersion, second: Path):
    with pytest.raises(VersionTakenError, match="'2011' of marks already holds"):
        versions.save(second, "marks", "2011", sha(SECOND))
    assert versions.versions("marks") == [saved]


def test_going_back_to_a_file_of_an_older_version_keeps_both(
    versions: DatasetVersions, saved: DatasetVersion, second: Path, tmp_path: Path
):
    versions.save(second, "marks", "2012", sha(SECOND))
    mixed = {**SECOND, "texts/übung \N{SNOWMAN}.txt": FIRST["texts/übung \N{SNOWMAN}.txt"]}
    third = versions.save(folder(tmp_path / "third", mixed), "marks", "2013", sha(mixed))
    versions.export(third, tmp_path / "out")
    assert content(tmp_path / "out") == mixed


def test_datasets_do_not_mix(versions: DatasetVersions, saved: DatasetVersion, second: Path):
    other = versions.save(second, "other marks/ü", "2011", sha(SECOND))
    assert versions.versions("marks") == [saved]
    assert versions.versions("other marks/ü") == [other]


def test_two_savers_at_once_make_one_version(versions: DatasetVersions, first: Path):
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: versions.save(first, "marks", "2011", sha(FIRST)), range(2)))
    assert both[0] == both[1]
    assert versions.versions("marks") == [both[0]]


def test_a_dataset_is_a_datalad_dataset_with_data_annexed_and_descriptions_in_git(
    versions: DatasetVersions, saved: DatasetVersion, tmp_path: Path
):
    repository = tmp_path / "archive" / "marks"
    assert "id =" in (repository / ".datalad" / "config").read_text()
    assert git(repository, "show", f"{saved.tag}:dataset.yaml") == "name: marks\n"
    link = git(repository, "show", f"{saved.tag}:tables/marks 2011.csv")
    assert f"/SHA256E-s15--{hashlib.sha256(FIRST['tables/marks 2011.csv']).hexdigest()}.csv" in link
    assert git(repository, "log", "-1", "--format=%an %ae %s") == (
        "Education Lakehouse archive@lakehouse.invalid marks 2011\n"
    )
    assert json.loads(git(repository, "tag", "-l", "--format=%(contents:body)", saved.tag))["content_sha256"] == sha(
        FIRST
    )


def test_the_chosen_identity_signs_the_commits(first: Path, tmp_path: Path):
    keeper = DataladVersions(tmp_path / "archive", git_identity=("Ada", "ada@example.org"))
    keeper.save(first, "marks", "1", sha(FIRST))
    assert set(git(tmp_path / "archive" / "marks", "log", "--all", "--format=%an %ce").splitlines()) == {
        "Ada ada@example.org"
    }


def test_a_sound_dataset_has_no_problems(versions: DatasetVersions, saved: DatasetVersion):
    assert versions.verify("marks") == []


def test_a_flipped_byte_is_refused_on_export_and_named_by_verify_every_time(
    versions: DatasetVersions, saved: DatasetVersion, second: Path, tmp_path: Path
):
    versions.save(second, "marks", "2012", sha(SECOND))
    damage(tmp_path / "archive" / "marks", "tables/marks 2011.csv", saved.tag)
    with pytest.raises(ChecksumError, match=r"tables/marks 2011\.csv has sha256"):
        versions.export(saved, tmp_path / "out")
    for _ in range(2):
        problems = versions.verify("marks")
        assert len(problems) == 1
        assert problems[0].startswith("marks@2011 tables/marks 2011.csv: ")
    with pytest.raises(ChecksumError, match="is not here"):
        versions.export(saved, tmp_path / "out2")


def damage(repository: Path, name: str, tag: str) -> None:
    target = git(repository, "show", f"{tag}:{name}").split(".git/annex/objects/")[1]
    stored = repository / ".git" / "annex" / "objects" / target
    body = bytearray(stored.read_bytes())
    body[3] ^= 1
    stored.chmod(0o644)
    stored.write_bytes(body)


def test_a_file_may_become_a_folder_and_back(versions: DatasetVersions, tmp_path: Path):
    shapes = [{"a": b"1", "b/c.csv": b"2"}, {"a/x.csv": b"1", "b": b"2"}, {"a": b"3", "b/c.csv": b"2"}]
    for number, files in enumerate(shapes):
        saved = versions.save(folder(tmp_path / f"in{number}", files), "marks", str(number), sha(files))
        versions.export(saved, tmp_path / f"out{number}")
        assert content(tmp_path / f"out{number}") == files


def test_a_damaged_object_is_mended_by_a_version_that_brings_it_again(
    versions: DatasetVersions, saved: DatasetVersion, tmp_path: Path
):
    damage(tmp_path / "archive" / "marks", "tables/marks 2011.csv", saved.tag)
    assert len(versions.verify("marks")) == 1
    more = {**FIRST, "new.csv": b"1"}
    versions.save(folder(tmp_path / "more", more), "marks", "2012", sha(more))
    assert versions.verify("marks") == []
    versions.export(saved, tmp_path / "out")
    assert content(tmp_path / "out") == FIRST


def test_without_git_annex_nothing_is_saved_and_the_error_is_permanent(first: Path, tmp_path: Path):
    if shutil.which("git-annex", path=os.pathsep.join([str(Path(str(shutil.which("git"))).parent), os.defpath])):
        pytest.skip("this system has a git-annex of its own beside git")
    keeper = DataladVersions(tmp_path / "archive", git_annex_dir=tmp_path / "nowhere")
    with pytest.raises(UnknownSettingError, match="no git-annex in nowhere/"):
        keeper.save(first, "marks", "1", sha(FIRST))
    assert keeper.versions("marks") == []


def test_a_failing_child_is_quoted(versions: DatasetVersions, saved: DatasetVersion, second: Path, tmp_path: Path):
    shutil.rmtree(tmp_path / "archive" / "marks" / ".git" / "objects")
    with pytest.raises(ServiceUnavailableError, match=r"`git .*` in marks failed \(exit \d+\): "):
        versions.save(second, "marks", "2012", sha(SECOND))


def test_an_empty_folder_is_no_version(versions: DatasetVersions, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RefusedError, match="holds no files"):
        versions.save(tmp_path / "empty", "marks", "1", "0" * 64)


def test_an_export_never_mixes_with_what_is_there(versions: DatasetVersions, saved: DatasetVersion, first: Path):
    with pytest.raises(RefusedError, match="not empty"):
        versions.export(saved, first)


@pytest.mark.parametrize("name", [".gitattributes", "tables/.gitignore", ".git/config", ".datalad/config"])
def test_files_that_git_would_obey_are_refused(versions: DatasetVersions, tmp_path: Path, name: str):
    with pytest.raises(RefusedError, match="change how git keeps"):
        versions.save(folder(tmp_path / "odd", {name: b"* -text\n"}), "marks", "1", "0" * 64)
    assert versions.versions("marks") == []


def test_links_are_refused(versions: DatasetVersions, first: Path):
    (first / "link").symlink_to("/etc/hostname")
    with pytest.raises(RefusedError, match="link is neither"):
        versions.save(first, "marks", "1", "0" * 64)


@pytest.mark.parametrize(
    ("label", "tag"),
    [("2011", "v2011"), ("1.0-b_2", "v1.0-b_2"), ("1..2", "v1%2E%2E2"), ("a.lock", "va%2Elock"), ("1.", "v1%2E"),
     ("~", "v%7E"), ("ü 1", "v%C3%BC%201"), ("a/b", "va%2Fb"), ("%2E", "v%252E")],
)  # fmt: skip
def test_every_label_has_a_tag_that_git_takes(label: str, tag: str):
    assert tag_of(label) == tag
    subprocess.run(["git", "check-ref-format", f"refs/tags/{tag}"], check=True)


def test_no_dataset_name_leaves_the_archive():
    names = ["..", ".", ".locks", "a/../b", "a", "%2E"]
    folders = [folder_of(name) for name in names]
    assert folders == ["%2E.", "%2E", "%2Elocks", "a%2F..%2Fb", "a", "%252E"]


KILLED = """
import os, shutil, signal, subprocess, sys, threading
from pathlib import Path
from lakehouse.adapters import datalad, git_children

moment, root, folder, content = sys.argv[1:5]
die = lambda: os.killpg(0, signal.SIGKILL)
real_child, real_copy = git_children.GitChildren.child, shutil.copyfile

def child(self, command, **options):
    words = [*command, ""]
    if moment == "creating" and "create" in words or moment == "saving" and "save" in words:
        threading.Timer(float(sys.argv[5]), die).start()
        real_child(self, command, **options)
        die()  # on a machine so fast that the timer came too late
    if moment == "before the tag" and "tag" in words:
        die()
    return real_child(self, command, **options)

def copy(source, target):
    if moment == "copying" and Path(source).name.startswith("marks"):
        Path(target).write_bytes(Path(source).read_bytes()[:5])
        die()
    return real_copy(source, target)

git_children.GitChildren.child, shutil.copyfile = child, copy
datalad.DataladVersions(Path(root)).save(Path(folder), "marks", "2012", content)
"""


@pytest.mark.parametrize(
    ("moment", "after_seconds", "fresh"),
    [
        ("creating", 0.2, True),
        ("creating", 0.35, True),
        ("copying", 0.0, False),
        ("saving", 0.15, False),
        ("saving", 0.25, False),
        ("saving", 0.32, False),
        ("before the tag", 0.0, False),
        ("before the tag", 0.0, True),
    ],
)
def test_a_killed_save_is_mended_by_the_next(
    versions: DatasetVersions,
    request: pytest.FixtureRequest,
    second: Path,
    tmp_path: Path,
    moment: str,
    after_seconds: float,
    fresh: bool,
):
    known = [] if fresh else [request.getfixturevalue("saved")]
    words = [moment, str(tmp_path / "archive"), str(second), sha(SECOND), str(after_seconds)]
    done = subprocess.run([sys.executable, "-c", KILLED, *words], start_new_session=True, cwd=Path.cwd(), check=False)
    assert done.returncode == -signal.SIGKILL
    assert versions.versions("marks") == known
    saved = versions.save(second, "marks", "2012", sha(SECOND))
    assert versions.versions("marks") == [*known, saved]
    versions.export(saved, tmp_path / "out")
    assert content(tmp_path / "out") == SECOND
    assert versions.verify("marks") == []
    assert git(tmp_path / "archive" / "marks", "status", "--porcelain") == ""


def test_lock_files_and_strangers_left_behind_do_not_matter(
    versions: DatasetVersions, saved: DatasetVersion, second: Path, tmp_path: Path
):
    repository = tmp_path / "archive" / "marks"
    for name in (".git/index.lock", ".git/HEAD.lock", ".git/refs/heads/main.lock", ".git/annex/index.lock"):
        (repository / name).touch()
    folder(repository, {"half/copied.csv": b"1,"})
    (repository / ".git" / "HEAD").write_text(f"{saved.commit}\n")
    later = versions.save(second, "marks", "2012", sha(SECOND))
    versions.export(later, tmp_path / "out")
    assert content(tmp_path / "out") == SECOND
    assert git(repository, "rev-parse", "main").strip() == later.commit


def test_a_saver_waits_for_the_orphan_of_a_killed_one(versions: DatasetVersions, first: Path, tmp_path: Path):
    """Only the parent is killed: DataLad lives on and writes, and holds the lock while it does."""
    script = KILLED.replace("os.killpg(0, signal.SIGKILL)", "os.kill(os.getpid(), signal.SIGKILL)")
    words = ["creating", str(tmp_path / "archive"), str(first), sha(FIRST), "0.15"]
    done = subprocess.run([sys.executable, "-c", script, *words], cwd=Path.cwd(), check=False)
    assert done.returncode == -signal.SIGKILL
    saved = versions.save(first, "marks", "2011", sha(FIRST))
    versions.export(saved, tmp_path / "out")
    assert content(tmp_path / "out") == FIRST


def test_nothing_of_the_callers_environment_is_needed(first: Path, tmp_path: Path):
    script = (
        "import sys; from pathlib import Path; from lakehouse.adapters.datalad import DataladVersions\n"
        "print(DataladVersions(Path(sys.argv[1])).save(Path(sys.argv[2]), 'marks', '1', '0' * 64).tag)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "archive"), str(first)],
        env={"PATH": os.defpath, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "v1\n"), done.stderr
