"""How a version lies in git: names of folders and tags, the record in a tag, and files on the way in and out."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

from lakehouse.errors import ChecksumError, RefusedError, ServiceUnavailableError

NO_ROOM = "no room on the disk; versions saved before stay. Free disk space, then run again"
# More than git, git-annex's databases and DataLad write beside a version of few files.
BESIDE_BYTES = 2 * 2**20
OWN_FILES = frozenset({".datalad", ".gitattributes"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a version: git's mode and blob, and the annex key when the content is annexed."""

    path: str
    mode: str
    blob: str
    target: str | None = None

    @property
    def key(self) -> str | None:
        """The annex key, or None for content kept in git."""
        return PurePosixPath(self.target).name if self.target is not None else None


def tag_of(version: str) -> str:
    """Return the git tag of a version label; labels that git forbids in a tag are percent-encoded."""
    tag = "v" + quote(version, safe="")
    tag = tag.replace("..", "%2E%2E").replace("~", "%7E")
    return tag[:-1] + "%2E" if tag.endswith(".") else tag.removesuffix(".lock") + "%2Elock" * tag.endswith(".lock")


def folder_of(dataset: str) -> str:
    """Return the folder name of a dataset; it never starts with a dot and never leaves the root."""
    name = quote(dataset, safe=" ")
    if not name:
        raise RefusedError("a dataset without a name cannot be stored; give it one in its description")
    return "%2E" + name[1:] if name.startswith(".") else name


def dataset_of(folder: str) -> str:
    """Return the dataset whose folder has this name; the inverse of `folder_of`."""
    return unquote(folder)


def submitted_files(folder: Path) -> list[PurePosixPath]:
    """Return the files below `folder`, sorted; raise RefusedError for what git would act on instead of keeping."""
    files = []
    for path in sorted(folder.rglob("*")):
        name = PurePosixPath(path.relative_to(folder))
        if path.name.lower().startswith(".git") or name.parts[0] in OWN_FILES:
            raise RefusedError(f"{name} would change how git keeps the dataset; rename or remove it and submit again")
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise RefusedError(f"{name} is neither a file nor a folder; submit the content itself, not a link to it")
        if path.is_file():
            files.append(name)
    if not files:
        raise RefusedError(f"{folder.name}/ holds no files; a version needs at least one")
    return files


def message_of(dataset: str, version: str, content_sha256: str, *, sequence: int, replaces: Sequence[str] = ()) -> str:
    """Return the commit and tag message: a line for people and the record that `versions` reads."""
    record = {"content_sha256": content_sha256, "dataset": dataset, "sequence": sequence, "version": version}
    # Whoever cites a commit that a rewriting replaced still finds the version by it.
    former = {"replaces": list(replaces)} if replaces else {}
    return f"{dataset} {version}\n\n{json.dumps(record | former, sort_keys=True)}\n"


def record_of(message: str) -> dict[str, object] | None:
    """Return what `message_of` wrote, or None for a tag somebody made by hand."""
    last = message.strip().rsplit("\n", 1)[-1]
    try:
        record = json.loads(last)
    except json.JSONDecodeError:
        return None
    return record if isinstance(record, dict) and {"content_sha256", "sequence", "version"} <= record.keys() else None


def former_commits(record: Mapping[str, object]) -> tuple[str, ...]:
    """Return the commits that the version of a record had before rewritings, oldest first."""
    former = record.get("replaces")
    return tuple(str(commit) for commit in former) if isinstance(former, list) else ()


def copy_object(source: Path, out: Path, entry: Entry) -> None:
    """Copy an annexed object while hashing it; raise ChecksumError when it is missing or not what its key says."""
    if not source.is_file():
        raise ChecksumError(f"{entry.path} is not here ({entry.key}); bring it back with `git annex get` and try again")
    digest = hashlib.sha256()
    with source.open("rb") as reader, out.open("wb") as writer:
        while block := reader.read(1 << 20):
            digest.update(block)
            writer.write(block)
    expected = str(entry.key).split("--", 1)[1].split(".", 1)[0]
    if digest.hexdigest() != expected:
        raise ChecksumError(
            f"{entry.path} has sha256 {digest.hexdigest()[:12]}, saved was {expected[:12]}; restore it from a copy"
        )


def remove(path: Path) -> None:
    """Remove a file, link or folder, read-only annexed objects included; an absent one is no error."""
    if path.is_dir() and not path.is_symlink():
        for folder, _, _ in os.walk(path):
            Path(folder).chmod(0o755)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def room_for(dataset: str) -> Iterator[None]:
    """Raise ServiceUnavailableError where the disk of `dataset` gets full; what children say of it is judged there."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ServiceUnavailableError(f"dataset {dataset} cannot be saved: {NO_ROOM} ({error})") from error


def require_room(repository: Path, files: Sequence[Path]) -> None:
    """Raise OSError (ENOSPC) before files are copied that a repository's disk has no room for.

    git-annex would say so too, but where its database gets stuck it tries again for two minutes first.
    """
    wanted = sum(path.stat().st_size for path in files) + BESIDE_BYTES
    free = shutil.disk_usage(repository).free
    if free < wanted:
        raise OSError(errno.ENOSPC, f"{wanted} bytes are needed and {free} free", str(repository))
