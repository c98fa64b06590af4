"""Dataset versions as DataLad datasets: one repository a dataset, one commit and one annotated tag a version.

The tag is the version: it is made last, in one step, and its message names the content. Everything a killed save
leaves behind is therefore untagged, and the next save starts again from the newest tag.
"""

import fcntl
import filecmp
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from lakehouse.adapters.datalad_files import (
    OWN_FILES,
    Entry,
    copy_object,
    dataset_of,
    folder_of,
    former_commits,
    message_of,
    record_of,
    remove,
    require_room,
    room_for,
    submitted_files,
    tag_of,
)
from lakehouse.adapters.git_children import DATALAD, SCRIPTS, GitChildren
from lakehouse.errors import (
    ChecksumError,
    CommitConflictError,
    RefusedError,
    ServiceUnavailableError,
    VersionTakenError,
)
from lakehouse.ports import DatasetVersion

IDENTITY = ("Education Lakehouse", "archive@lakehouse.invalid")
LOCK_WAIT_SECONDS = 600.0
BASE_REF = "refs/lakehouse/base"

# Descriptions stay in git, where a diff can be read; everything else, and whatever is large, is annexed.
ATTRIBUTES = """\
* annex.largefiles=anything
*.yaml annex.largefiles=largerthan=64kb
*.yml annex.largefiles=largerthan=64kb
*.md annex.largefiles=largerthan=64kb
.gitattributes annex.largefiles=nothing
.datalad/** annex.largefiles=nothing
"""

TAG_FIELDS = "%(refname:strip=2)%00%(*objectname)%00%(taggerdate:unix)%00%(contents)%00"


class DataladVersions:
    """Keeps every dataset under `root`; see `lakehouse.ports.DatasetVersions`.

    Children get an environment made here and nothing of the caller's: its own HOME, the identity, and a PATH with
    git-annex first (from `git_annex_dir`, else from the scripts folder of this Python).
    """

    def __init__(
        self, root: Path, *, git_identity: tuple[str, str] = IDENTITY, git_annex_dir: Path | None = None
    ) -> None:
        self._root = root.absolute()
        self._children = GitChildren(self._root / ".home", git_identity, git_annex_dir or SCRIPTS)

    def save(self, folder: Path, dataset: str, version: str, content_sha256: str) -> DatasetVersion:
        """Commit `folder` as the whole content of a version and tag it; the same content is committed once.

        Raises VersionTakenError when the label names other content, RefusedError for file names that git acts on.
        """
        if known := self._known(dataset, version, content_sha256):
            return known
        files = submitted_files(folder)
        with room_for(dataset), self._locked(dataset) as lock:
            # Another process may have saved it while this one waited.
            if known := self._known(dataset, version, content_sha256):
                return known
            self._make_repository(dataset, lock)
            self._repair(dataset, lock)
            message = message_of(dataset, version, content_sha256, sequence=len(self.versions(dataset)) + 1)
            self._add(dataset, folder, files, tag_of(version), message, lock)
        saved = self.find(dataset, version)
        if saved is None:
            raise ServiceUnavailableError(f"tag {tag_of(version)} of {dataset} is gone after it was made; save again")
        return saved

    def rewrite(self, dataset: str, change: Callable[[DatasetVersion, Path], str]) -> list[DatasetVersion]:
        """Replace the whole history; see `lakehouse.ports.DatasetVersions`.

        A fresh repository is made beside the old one and put in its place, so that nothing of the old one is left: no
        object, no ref, no log. Labels, order, dates and the DataLad id stay.
        """
        with room_for(dataset), self._locked(dataset) as lock:
            known = self.versions(dataset)
            making = self._root / ".rewriting" / folder_of(dataset)
            remove(making)
            fresh = DataladVersions(making)
            for number, version in enumerate(known, start=1):
                fresh._children = replace(self._children, moment=version.created_at)
                fresh._follow(self, version, number, change, lock)
            if known:
                self._rewritten(dataset).parent.mkdir(parents=True, exist_ok=True)
                fresh._repository(dataset).rename(self._rewritten(dataset))
            remove(making)
            self._settle(dataset)
            return self.versions(dataset)

    def datasets(self) -> list[str]:
        """Return the names of all datasets, sorted."""
        folders = self._root.iterdir() if self._root.is_dir() else ()
        return sorted(dataset_of(path.name) for path in folders if path.is_dir() and not path.name.startswith("."))

    def copies(self, dataset: str) -> list[str]:
        """Return the names of the git remotes that people have given the dataset's repository."""
        return self._git(dataset, "remote").decode().split() if self._repository(dataset).is_dir() else []

    def find(self, dataset: str, version: str) -> DatasetVersion | None:
        """Return the version with that label, or None."""
        return next((known for known in self.versions(dataset) if known.version == version), None)

    def find_content(self, dataset: str, content_sha256: str) -> DatasetVersion | None:
        """Return the version that holds exactly that content, or None."""
        return next((known for known in self.versions(dataset) if known.content_sha256 == content_sha256), None)

    def versions(self, dataset: str) -> list[DatasetVersion]:
        """Return all versions, oldest first; empty for an unknown dataset."""
        if self._rewritten(dataset).is_dir():
            with self._locked(dataset):
                pass  # a rewriting was killed at its last step; whoever holds the lock has finished it
        if not self._repository(dataset).is_dir():
            return []
        fields = self._git(dataset, "for-each-ref", f"--format={TAG_FIELDS}", "refs/tags").decode().split("\0")
        found: list[tuple[int, DatasetVersion]] = []
        for tag, commit, made, contents in zip(fields[0::4], fields[1::4], fields[2::4], fields[3::4], strict=False):
            record = record_of(contents)
            if record is None or not commit:
                continue
            created_at = datetime.fromtimestamp(int(made), UTC)
            known = DatasetVersion(
                dataset=dataset,
                version=str(record["version"]),
                commit=commit,
                tag=tag.strip(),
                content_sha256=str(record["content_sha256"]),
                created_at=created_at,
                replaces=former_commits(record),
            )
            # Tags are dated to the second, so the order is kept beside the date.
            found.append((int(str(record["sequence"])), known))
        return [known for _, known in sorted(found, key=lambda pair: pair[0])]

    def export(self, version: DatasetVersion, into: Path) -> None:
        """Write the content of a version to an empty folder; raise ChecksumError when any file is not what was saved.

        Reads no worktree, so an old version can be exported while a new one is saved.
        """
        into.mkdir(parents=True, exist_ok=True)
        if any(into.iterdir()):
            raise RefusedError(f"{into.name}/ is not empty; export {version.dataset}@{version.version} to a new folder")
        objects = self._repository(version.dataset) / ".git" / "annex" / "objects"
        tree = self._tree(version.dataset, version.commit)
        kept = self._blobs(version.dataset, [entry.blob for entry in tree if entry.target is None])
        for entry in tree:
            out = into / entry.path
            out.parent.mkdir(parents=True, exist_ok=True)
            if entry.target is None:
                out.write_bytes(kept[entry.blob])
            else:
                copy_object(objects / entry.target.split(".git/annex/objects/", 1)[1], out, entry)

    def verify(self, dataset: str) -> list[str]:
        """Check every annexed file and git object of all versions; return one line per problem, empty when sound.

        git-annex puts an object that fails aside, so that it is never served again; it stays a problem afterwards.
        """
        known = self.versions(dataset)
        if not known:
            return []
        with self._locked(dataset) as lock:
            problems = [line.strip() for line in self._complaints(dataset, "fsck", "--full", "--no-dangling")]
            faults = self._annex_faults(dataset, lock)
            for version in known:
                for entry in self._tree(dataset, version.commit):
                    fault = faults.get(entry.key or "")
                    if fault is not None:
                        problems.append(f"{dataset}@{version.version} {entry.path}: {fault}")
        return problems

    def _known(self, dataset: str, version: str, content_sha256: str) -> DatasetVersion | None:
        known = self.versions(dataset)
        if same := next((one for one in known if one.content_sha256 == content_sha256), None):
            return same
        if other := next((one for one in known if one.version == version), None):
            raise VersionTakenError(
                f"version {version!r} of {dataset} already holds content {other.content_sha256[:12]}, "
                f"not {content_sha256[:12]}; choose a new version label and submit again"
            )
        return None

    def _repository(self, dataset: str) -> Path:
        return self._root / folder_of(dataset)

    def _make_repository(self, dataset: str, lock: int, settings: bytes | None = None) -> None:
        """Create the DataLad dataset beside its place and move it there whole; `settings` hold the id it shall have."""
        repository = self._repository(dataset)
        if repository.is_dir():
            return
        making = self._root / ".making" / folder_of(dataset)
        remove(making)
        making.parent.mkdir(parents=True, exist_ok=True)
        self._datalad("create", str(making), cwd=self._root, lock=lock)
        with (making / ".gitattributes").open("a", encoding="utf-8") as file:
            file.write(ATTRIBUTES)
        if settings is not None:
            (making / ".datalad" / "config").write_bytes(settings)
        base = ("commit", "--quiet", "--all", "--message", "State what stays in git and what is annexed")
        self._children.run(("git", *base), cwd=making, lock=lock)
        self._children.run(("git", "update-ref", BASE_REF, "HEAD"), cwd=making, lock=lock)
        making.rename(repository)

    def _repair(self, dataset: str, lock: int) -> None:
        """Bring the branch and the index back to the newest version, whatever a killed save left."""
        git_dir = self._repository(dataset) / ".git"
        # Whoever holds our lock is the only writer, so every lock file of git is a dead one.
        for folder, pattern in ((git_dir, "*.lock"), (git_dir / "refs", "**/*.lock"), (git_dir / "annex", "*.lock")):
            for stale in folder.glob(pattern):
                stale.unlink()
        known = self.versions(dataset)
        self._git(dataset, "symbolic-ref", "HEAD", "refs/heads/main", lock=lock)
        self._git(dataset, "reset", "--quiet", "--hard", known[-1].commit if known else BASE_REF, lock=lock)

    def _add(
        self, dataset: str, folder: Path, files: Sequence[PurePosixPath], tag: str, message: str, lock: int
    ) -> None:
        """Commit `folder` as the next version and tag it."""
        self._replace_content(dataset, folder, files)
        commit = self._commit(dataset, message, files, lock)
        self._git(dataset, "tag", "--annotate", "--message", message, tag, commit, lock=lock)

    def _follow(
        self,
        old: "DataladVersions",
        version: DatasetVersion,
        number: int,
        change: Callable[[DatasetVersion, Path], str],
        lock: int,
    ) -> None:
        """Add what `change` makes of a version of `old` as version `number` of this archive's dataset."""
        dataset, content = version.dataset, self._root / ".content"
        old.export(version, content)
        content_sha256 = change(version, content)
        if number == 1:
            settings = old._git(dataset, "show", f"{version.commit}:.datalad/config")
            self._make_repository(dataset, lock, settings)
        former = (*version.replaces, version.commit)
        message = message_of(dataset, version.version, content_sha256, sequence=number, replaces=former)
        self._add(dataset, content, submitted_files(content), version.tag, message, lock)
        remove(content)

    def _rewritten(self, dataset: str) -> Path:
        """Where a rewritten repository waits, whole, for its place."""
        return self._root / ".rewritten" / folder_of(dataset)

    def _settle(self, dataset: str) -> None:
        """Put a rewritten repository in its place and remove the one it replaces; again is no error."""
        place, replaced = self._repository(dataset), self._root / ".replaced" / folder_of(dataset)
        if self._rewritten(dataset).is_dir():
            if place.is_dir():
                remove(replaced)
                replaced.parent.mkdir(parents=True, exist_ok=True)
                place.rename(replaced)
            self._rewritten(dataset).rename(place)
        remove(replaced)

    def _replace_content(self, dataset: str, folder: Path, files: Sequence[PurePosixPath]) -> None:
        """Make the worktree hold exactly `files`; what is there with the same bytes stays and costs no annexing."""
        repository = self._repository(dataset)
        wanted = {repository / name for name in files}
        for entry in repository.iterdir():
            if entry.name == ".git" or entry.name in OWN_FILES:
                continue
            inside = [path for path in entry.rglob("*") if path.is_symlink() or path.is_file()]
            for path in inside if entry.is_dir() and not entry.is_symlink() else [entry]:
                if path not in wanted:
                    path.unlink()
        kept = {name for name in files if _same(folder / name, repository / name)}
        new = [name for name in files if name not in kept]
        for name in new:
            remove(repository / name)
        require_room(repository, [folder / name for name in new])
        for name in new:
            out = repository / name
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, out)

    def _commit(self, dataset: str, message: str, files: Sequence[PurePosixPath], lock: int) -> str:
        """Save the worktree with DataLad and return the commit, sure that it holds exactly `files`."""
        repository = self._repository(dataset)
        self._datalad("save", "--dataset", str(repository), "--message", message, cwd=repository, lock=lock)
        commit = self._git(dataset, "rev-parse", "HEAD").decode().strip()
        stored = {entry.path for entry in self._tree(dataset, commit)}
        if odd := stored.symmetric_difference(str(name) for name in files):
            raise ServiceUnavailableError(f"{dataset} was saved without or beside {sorted(odd)[:5]}; save again")
        return commit

    def _tree(self, dataset: str, commit: str) -> list[Entry]:
        """Return the submitted files of a commit, sorted by path, annexed ones with their link target."""
        found = []
        for line in self._git(dataset, "ls-tree", "-r", "-z", commit).decode().split("\0"):
            if not line:
                continue
            facts, path = line.split("\t", 1)
            if PurePosixPath(path).parts[0] not in OWN_FILES:
                found.append(Entry(path, mode=facts.split()[0], blob=facts.split()[2]))
        links = [entry.blob for entry in found if entry.mode == "120000"]
        targets = {blob: body.decode() for blob, body in self._blobs(dataset, links).items()}
        return [Entry(one.path, one.mode, one.blob, targets.get(one.blob)) for one in found]

    def _blobs(self, dataset: str, names: Sequence[str]) -> dict[str, bytes]:
        """Return blobs that are kept in git, and so small, by name; one process reads them all."""
        if not names:
            return {}
        feed = "\n".join(names).encode() + b"\n"
        out = self._children.run(("git", "cat-file", "--batch"), cwd=self._repository(dataset), feed=feed)
        bodies: dict[str, bytes] = {}
        start = 0
        for name in names:
            end = out.index(b"\n", start)
            header = out[start:end].split()
            if header[-1] == b"missing":
                raise ChecksumError(f"git object {name} of {dataset} is missing; restore the repository from a copy")
            start = end + 1 + int(header[-1])
            bodies[name] = out[end + 1 : start]
            start += 1
        return bodies

    def _annex_faults(self, dataset: str, lock: int) -> dict[str, str]:
        """Return git-annex's complaint by key."""
        command = ("annex", "fsck", "--all", "--json", "--json-error-messages")
        faults = {}
        for line in self._complaints(dataset, *command, lock=lock):
            if not line.startswith("{"):
                continue
            result = json.loads(line)
            if not result["success"]:
                words = " ".join(" ".join(result["error-messages"]).replace(str(result["key"]), "it").split())
                faults[str(result["key"])] = words or "git annex fsck failed"
        return faults

    @contextmanager
    def _locked(self, dataset: str) -> Iterator[int]:
        """Hold the dataset for one writer on this machine; yield the lock's descriptor."""
        path = self._root / ".locks" / folder_of(dataset)
        path.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        with path.open("w") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    if time.monotonic() > deadline:
                        raise CommitConflictError(
                            f"dataset {dataset} was in use for {LOCK_WAIT_SECONDS:.0f} s; save again later"
                        ) from error
                    time.sleep(0.05)
                    continue
                break
            self._settle(dataset)
            yield file.fileno()

    def _datalad(self, *words: str, cwd: Path, lock: int) -> bytes:
        self._children.require_annex()
        return self._children.run((*DATALAD, "--log-level", "error", *words), cwd=cwd, lock=lock)

    def _git(self, dataset: str, *words: str, lock: int | None = None) -> bytes:
        return self._children.run(("git", *words), cwd=self._repository(dataset), lock=lock)

    def _complaints(self, dataset: str, *words: str, lock: int | None = None) -> list[str]:
        """Return every output line of a check that exits with 1 when it finds something."""
        done = self._children.child(("git", *words), cwd=self._repository(dataset), lock=lock)
        return (done.stdout + done.stderr).decode(errors="replace").splitlines()


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(one, other, shallow=False)
