"""Where models are made: hands the published documents to the model library and keeps what it gives back."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.errors import NoReleaseError
from lakehouse.masking import Mask
from lakehouse.tables.documents import documents_sha256
from lakehouse.tables.gold import DOCUMENTS
from lakehouse.tables.lock import archive_lock
from lakehouse.tables.write_audit_publish import Lakehouse, recover
from models.archive import restore
from models.checkpoint import CheckpointStore
from models.child import HERE, perform, run_evaluate, run_train
from models.classifier_versions import ClassifierVersions, InstructedVersions, is_classifier, is_instructed
from models.config import Recipe, training_key
from models.documents import evaluation_snapshot, of_split, read_documents, snapshot_hash
from models.form_store import FormStore
from models.forms import SHIPPED as SHIPPED_FORMS
from models.known_tests import absent, content_name
from models.prepare_verbs import PrepareRequest, as_json, kept_from
from models.prepared import Kept, Kind, PreparedStore
from models.progress import Progress
from models.requests import RESULT, EvaluateRequest, EvaluateResult, TrainRequest, TrainResult, evaluate_result
from models.trials import SHIPPED, TrialResult, file_hash, from_values

LONGEST_WAIT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Corpus:
    """The documents of one snapshot: the file that models read, and the commits by ``dataset@version``."""

    file: Path
    snapshot_id: int
    dataset_commits: Mapping[str, str]
    documents_sha256: str


@dataclass(frozen=True, slots=True)
class _Known:
    """A corpus whose file was found whole by this process, and what the file system said of the file then."""

    corpus: Corpus
    file: tuple[int, int, int]

    @classmethod
    def of(cls, corpus: Corpus) -> "_Known":
        return cls(corpus, _told_of(corpus.file))

    @property
    def untouched(self) -> bool:
        try:
            return _told_of(self.corpus.file) == self.file
        except FileNotFoundError:
            return False


def _told_of(file: Path) -> tuple[int, int, int]:
    told = file.stat()
    return told.st_ino, told.st_size, told.st_mtime_ns


def _holds(file: Path, content: str) -> bool:
    """Say whether a file is there with these documents; one that was damaged since it was written is written again."""
    try:
        return documents_sha256(pq.read_table(file, page_checksum_verification=True)) == content
    except (OSError, LookupError, ValueError, pa.ArrowException):
        return False


@dataclass(frozen=True, slots=True)
class KnownTestsFolder:
    """Where published tests lie, and how many pairs a paradigm or questions a part are taken; 0 takes all."""

    folder: Path
    most: int = 0

    @property
    def name(self) -> str:
        """Return a short name of what is measured, by its content."""
        return content_name(self.folder, self.most)

    @property
    def absent(self) -> str:
        """Say which published tests are not there."""
        return ", ".join(absent(self.folder)) or "none"


@dataclass(frozen=True, slots=True)
class Workshop:
    """The folder `root` of checkpoints and work files, the recipe to train with, and who hears of progress."""

    root: Path
    recipe: Recipe
    listen: Callable[[Progress], None] = lambda _: None
    trials: Path = SHIPPED
    known_tests: KnownTestsFolder | None = None
    forms_file: Path = SHIPPED_FORMS
    _corpora: dict[int, _Known] = field(default_factory=dict, compare=False, repr=False)

    @property
    def measured_with(self) -> str:
        """Return a short name of the tests and the published tests that a version is measured with."""
        return file_hash(self.trials) + ("" if self.known_tests is None else f"-{self.known_tests.name}")

    @property
    def checkpoints(self) -> CheckpointStore:
        """Return all trained versions."""
        return CheckpointStore(self.root / "versions")

    @property
    def prepared(self) -> PreparedStore:
        """Return tokenizers and tokens to learn from; among the work files, so a withdrawal forgets them."""
        return PreparedStore(self.root / "work" / "prepared")

    @property
    def forms(self) -> FormStore:
        """Return all smaller forms of versions."""
        return FormStore(self.root / "forms")

    @property
    def classifiers(self) -> ClassifierVersions:
        """Return all versions of classifiers."""
        return ClassifierVersions(self.root / "classifiers")

    @property
    def instructed(self) -> InstructedVersions:
        """Return all versions of the model that answers instructions."""
        return InstructedVersions(self.root / "instructed")

    def tuned_store(self, version: str) -> ClassifierVersions:
        """Return where a tuned version lies."""
        return self.instructed if is_instructed(version) else self.classifiers

    def _tuned(self, version: str) -> ClassifierVersions | None:
        """Return where a version lies that was made from a language model; None for one of the language model."""
        if is_instructed(version):
            return self.instructed
        return self.classifiers if is_classifier(version) else None

    def store_of(self, version: str) -> CheckpointStore | ClassifierVersions:
        """Return where a version of any kind lies."""
        return self._tuned(version) or self.checkpoints

    def restore(self, version: str) -> Path:
        """Bring a retired version's files back from the archive; it stays retired. Return its folder.

        Raises CheckpointError when there is no such version, or none of it in the archive, or that is altered.
        """
        with self.publishing(), self.alone():
            return restore(self.store_of(version).folder(version), self.root)

    def alone(self) -> AbstractContextManager[None]:
        """Keep other processes of this machine from training or evaluating meanwhile; they wait their turn."""
        return archive_lock(self.root / "workshop.lock", timeout_s=LONGEST_WAIT_SECONDS)

    def publishing(self) -> AbstractContextManager[None]:
        """Keep other processes of this machine from deciding meanwhile which model is current."""
        return archive_lock(self.root / "publishing.lock", timeout_s=LONGEST_WAIT_SECONDS)

    def corpus(self, house: Lakehouse) -> Corpus:
        """Return the documents that the release names, written once per content to a file for the child process.

        Within one process a snapshot is read once, and its file again only when it was touched meanwhile.

        Raises NoReleaseError while none are published.
        """
        recover(house)
        pin = house.releases.current().tables.get(DOCUMENTS.name)
        if pin is None or pin.snapshot_id is None:
            raise NoReleaseError("no documents are published; materialise `documents` first")
        known = self._corpora.get(pin.snapshot_id)
        if known is None or not known.untouched:
            known = _Known.of(self._corpus(house, pin.snapshot_id))
            self._corpora[pin.snapshot_id] = known
        return known.corpus

    def _corpus(self, house: Lakehouse, snapshot_id: int) -> Corpus:
        rows = house.tables.read(DOCUMENTS.name, snapshot_id=snapshot_id)
        digest = documents_sha256(rows)
        file = self.root / "work" / f"documents-{digest[:16]}.parquet"
        if not _holds(file, digest):
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(f".{os.getpid()}.part")
            pq.write_table(rows, partial, write_page_checksum=True)
            partial.replace(file)
        sources = rows.group_by(["dataset", "dataset_version", "dataset_commit"]).aggregate([]).to_pylist()
        commits = {f"{row['dataset']}@{row['dataset_version']}": row["dataset_commit"] for row in sources}
        return Corpus(file, snapshot_id, dict(sorted(commits.items())), digest)

    def training_key(self, corpus: Corpus) -> str:
        """Return the name of the training on a corpus, the same for a run that goes on with it."""
        documents = read_documents(corpus.file)
        return training_key(self.recipe, snapshot_hash(documents, splits=("train", "validation")))

    def train(
        self, corpus: Corpus, *, code_commit: str, cause: str, run_id: str, log: Callable[[Progress], None]
    ) -> TrainResult:
        """Train on a corpus in a child process, or return the version that an equal run has made."""
        request = TrainRequest(
            documents=corpus.file,
            recipe=self.recipe,
            checkpoints=self.checkpoints.root,
            work=self.root / "work" / "train",
            documents_snapshot=str(corpus.snapshot_id),
            dataset_commits=corpus.dataset_commits,
            code_commit=code_commit,
            cause=cause,
            run_id=run_id,
            trials=self.trials,
            prepared=self.prepared.root,
        )

        def tell(progress: Progress) -> None:
            log(progress)
            self.listen(progress)

        with self.alone():
            return run_train(request, on_progress=tell)

    def tokenizer(self, corpus: Corpus) -> Kept:
        """Return the tokenizer of a corpus; made in a child process unless it is there."""
        return self._prepared("tokenizer", corpus)

    def tokens(self, corpus: Corpus) -> Kept:
        """Return a corpus as tokens; made in a child process unless they are there."""
        return self._prepared("tokens", corpus)

    def _prepared(self, kind: Kind, corpus: Corpus) -> Kept:
        size = self.recipe.vocabulary_size
        with self.alone():
            found = self.prepared.find(kind, read_documents(corpus.file), size)
            if found is not None:
                return found
            request = PrepareRequest(documents=corpus.file, prepared=self.prepared.root, vocabulary_size=size)
            return kept_from(perform(kind, as_json(request), self.root / "work" / kind, HERE))

    def evaluate(self, version: str, corpus: Corpus) -> EvaluateResult:
        """Measure a version on a corpus's held-out documents, once per version and documents."""
        snapshot = self.evaluation_snapshot(corpus)
        work = self.root / "evaluations" / f"{version}-{snapshot[:16]}-{self.measured_with}"
        with self.alone():
            known = _kept(work / RESULT)
            if known is not None:
                return known
            folder = self.checkpoints.folder(version)
            given = self.known_tests
            request = EvaluateRequest(
                documents=corpus.file,
                checkpoint=folder,
                work=work,
                trials=self.trials,
                known_tests=None if given is None else given.folder,
                known_tests_most=0 if given is None else given.most,
            )
            return run_evaluate(request)

    def trial_results(self, version: str, result: EvaluateResult) -> list[TrialResult]:
        """Return what a version showed in the tests before its training and in those after it."""
        return [*from_values(self.checkpoints.training(version)["trials"]), *result.trials]

    def evaluation_snapshot(self, corpus: Corpus) -> str:
        """Return the hash of a corpus's held-out documents."""
        return evaluation_snapshot(of_split(read_documents(corpus.file), "test"))

    def learned_versions(self, version: str) -> dict[str, set[str]]:
        """Return the dataset versions a model has learned from, by dataset."""
        learned: dict[str, set[str]] = {}
        for key in self.checkpoints.training(version)["dataset_commits"]:
            dataset, _, label = key.partition("@")
            learned.setdefault(dataset, set()).add(label)
        return learned

    def versions(self) -> list[str]:
        """Return all versions of the language model, oldest first, then those that were made from one."""
        return [*self.checkpoints.versions(), *self.classifiers.versions(), *self.instructed.versions()]

    def learned_from(self, version: str) -> Mapping[str, str]:
        """Return the commits of the dataset versions a model has learned from, by ``dataset@version``.

        What was made from a language model has learned from what that has learned from, too.
        """
        store = self.store_of(version)
        commits: dict[str, str] = store.training(version)["dataset_commits"]
        return commits

    def read_by(self, version: str) -> Mapping[str, str]:
        """Return the commits of the dataset versions a version read itself: of a classifier, not those of its base."""
        store = self.store_of(version)
        training = store.training(version)
        commits: dict[str, str] = training["dataset_commits"]
        return {name: commits[name] for name in training.get("table_versions", commits)}

    def quarantine(self, version: str, mask: Mask, receipt: str) -> bool:
        """Mark a version so that it is never chosen or found again; return whether its files were destroyed.

        Its smaller forms are destroyed in any case: they can be made again of a version that may be used. So is what a
        classifier learned, or a model that answers, which can be learned again.
        """
        if (tuned := self._tuned(version)) is not None:
            tuned.quarantine(version, {"receipt": receipt})
            return True
        self.forms.forget(version)
        return self.checkpoints.quarantine(version, {"receipt": receipt}, tells=mask.holds)

    def destroy(self, version: str, receipt: str) -> None:
        """Mark a version and destroy its files, whatever they tell: it learned while a person withdrew."""
        if (tuned := self._tuned(version)) is not None:
            tuned.quarantine(version, {"receipt": receipt})
            return
        self.forms.forget(version)
        self.checkpoints.quarantine(version, {"receipt": receipt}, tells=lambda _: True)

    def forget_work(self) -> int:
        """Delete corpora, evaluations and other work files, which can be made again; return how many files."""
        folders = [folder for folder in (self.root / "work", self.root / "evaluations") if folder.is_dir()]
        count = sum(1 for folder in folders for path in folder.rglob("*") if path.is_file())
        for folder in folders:
            shutil.rmtree(folder)
        return count


def _kept(path: Path) -> EvaluateResult | None:
    """Return an answer kept from before; an error kept from before is tried again."""
    if not path.is_file():
        return None
    values = json.loads(path.read_text(encoding="utf-8"))
    return None if "error" in values else evaluate_result(values)
