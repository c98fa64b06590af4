"""What a version needs to be made again: code, documents and permission, each refused by name when it lacks."""

import subprocess

import pytest

from assets.reproduction import Attempt, compared_figures, recorded_documents, recorded_training
from dagster_project.code_history import check_out, missing_code
from dagster_project.reproducing import Books, reproduce
from lakehouse.errors import NotReproducedError, NotReproducibleError, UntraceableError
from lakehouse.tables.gold import DOCUMENTS
from lakehouse.tables.withdrawals import quarantine
from models.agreement import Finding
from models.checkpoint import WEIGHTS
from models.child import Place
from models.errors import CheckpointError
from tests.unit.explained_lake import CODE, COMMIT, EARLIER, HELD, Archive, stored

NONE = Books(shelf=None, permission=None)
"""A language model's documents are read without them."""


def test_figures_without_a_published_one_do_not_agree(lake):
    sources = lake.sources()
    tried = Attempt("gpt-0001", {"device": "cpu"}, lake.workshop.root, Place())
    measured = {"evaluator": "gpt", "slice": "all", "bits_per_byte": 1.25}
    same = compared_figures(sources, tried, {"evaluation_snapshot": HELD, "rows": [measured]})
    assert [each.agreed for each in same] == [True]
    (other,) = compared_figures(sources, tried, {"evaluation_snapshot": "1" * 64, "rows": [measured]})
    assert (other.agreed, "none is published" in other.detail) == (False, True)


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()

    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    for text in ("then", "today"):
        (folder / "code.py").write_text(text)
        git("add", "code.py")
        git("commit", "-q", "-m", text)
    return folder, git("rev-parse", "HEAD~1")


def test_the_code_of_a_commit_is_checked_out_beside_that_of_today(repository, tmp_path):
    folder, commit = repository
    assert missing_code(commit, folder) == ""
    assert (check_out(commit, tmp_path / "out", folder) / "code.py").read_text() == "then"
    assert (folder / "code.py").read_text() == "today"
    with pytest.raises(NotReproducibleError, match="cannot read commit"):
        check_out("f" * 40, tmp_path / "none", folder)


@pytest.mark.parametrize(
    ("commit", "why"),
    [
        ("f" * 40, "does not hold commit f"),
        ("unknown", "outside git"),
        ("--help", "is no commit"),
        ("{}+dirty", "files differed from commit"),
    ],
)
def test_code_that_is_not_at_hand_is_told(repository, commit, why):
    folder, known = repository
    assert why in missing_code(commit.format(known), folder)


def test_without_git_the_code_is_not_at_hand_and_why_is_told(repository, tmp_path, monkeypatch):
    folder, commit = repository
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert missing_code(commit, folder) == "git is not installed, so commits cannot be looked up"


def test_a_missing_commit_is_refused_before_anything_starts(lake):
    told = []
    with pytest.raises(NotReproducibleError, match=f"does not hold commit {CODE}.*--allow-current-code"):
        reproduce(lake.sources(), "gpt-0001", NONE, allow_current_code=False, tell=told.append)
    assert told == []
    assert (NotReproducibleError.exit_code, NotReproducedError.exit_code) == (97, 98)


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ([], "the archive holds no lessons@1"),
        ([stored(commit=EARLIER, replaces=(COMMIT,))], "a withdrawal rewrote its history"),
    ],
)
def test_data_that_are_gone_are_refused_with_the_reason(lake, held, why):
    lake.archive = Archive(held)
    with pytest.raises(NotReproducibleError, match=f"gpt-0001 learned from lessons@1, but {why}"):
        recorded_training(lake.sources(), "gpt-0001")


def test_a_version_in_quarantine_is_refused(lake):
    quarantine(lake.house.objects, "gpt-0002", "w1")
    lake.keep_model("gpt-0002")
    with pytest.raises(NotReproducibleError, match="gpt-0002 is in quarantine"):
        recorded_training(lake.sources(), "gpt-0002")
    with pytest.raises(UntraceableError, match="lakehouse models list"):
        recorded_training(lake.sources(), "gpt-0003")


def test_altered_files_are_refused(lake):
    path = lake.workshop.checkpoints.folder("gpt-0001") / WEIGHTS
    path.chmod(0o644)
    path.write_text("other")
    with pytest.raises(CheckpointError, match="SHA-256 differs"):
        recorded_training(lake.sources(), "gpt-0001")


def test_other_documents_than_those_recorded_are_refused(lake):
    sources = lake.sources()
    training = recorded_training(sources, "gpt-0001")
    with pytest.raises(NotReproducibleError, match="other documents than gpt-0001 learned from"):
        recorded_documents(sources, "gpt-0001", training)
    with pytest.raises(NotReproducibleError, match=r"documents of gpt-0001 are gone: .*42"):
        recorded_documents(sources, "gpt-0001", training | {"documents_snapshot": "42"})
    with pytest.raises(NotReproducibleError, match="no snapshot"):
        recorded_documents(sources, "gpt-0001", training | {"documents_snapshot": "latest"})


@pytest.fixture
def quick(lake, monkeypatch):
    """A lake whose gpt-0001 can be made again at once: what the steps of an attempt find is said here."""
    here = {"device": "cpu", "platform": "p", "processor": "p", "cpu_capability": "c", "cores": 1}
    here |= {"packages": {"torch": "2.1"}, "versions": {"python": "3.11"}}
    found = [Finding("tokenizer", agreed=True, detail="same"), Finding("weights", agreed=False, detail="others")]
    rows = lake.house.tables.read(DOCUMENTS.name)
    monkeypatch.setattr("dagster_project.reproducing.look_around", lambda environment: here)
    monkeypatch.setattr("dagster_project.reproducing.recorded_documents", lambda *given: rows)
    monkeypatch.setattr("dagster_project.reproducing.train_again", lambda attempt, steps: attempt.work)
    monkeypatch.setattr("dagster_project.reproducing.compared", lambda *given: iter(found))
    monkeypatch.setattr("dagster_project.reproducing.evaluate_again", lambda *given: {})
    monkeypatch.setattr("dagster_project.reproducing.compared_figures", lambda *given: [])
    return lake


def test_what_differs_is_told_and_named_and_nothing_is_left(quick):
    quick.keep_model("gpt-0005", versions={"python": "3.11"})
    told = []
    with pytest.raises(NotReproducedError, match="gpt-0005 was not reproduced: weights differ"):
        reproduce(quick.sources(), "gpt-0005", NONE, allow_current_code=True, tell=told.append)
    assert "environment: torch was 2.0, here it is 2.1" in told
    assert told[-2:] == ["agrees   tokenizer: same", "DIFFERS  weights: others"]
    assert list((quick.workshop.root / "work").iterdir()) == []


def test_a_gpu_that_is_not_here_is_refused(quick):
    quick.keep_model("gpt-0005", versions={"python": "3.11"}, device="A Graphics Card")
    with pytest.raises(NotReproducibleError, match="trained on A Graphics Card, and torch sees no GPU here"):
        reproduce(quick.sources(), "gpt-0005", NONE, allow_current_code=True, tell=print)
