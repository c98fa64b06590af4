"""Files that survive a crash: JSON written whole, folders brought to the disk, and leftovers of dead processes."""

import errno
import fcntl
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from models.config import file_sha256
from models.errors import CheckpointError, NoRoomError

SUMS = "SHA256SUMS"
_NAMES_SHOWN = 8
WRITING = ".writing-"
ARCHIVED = "archived.json"
"""In the folder of a version whose files lie in the archive (models/archive.py)."""
FULL = (errno.ENOSPC, errno.EDQUOT)
FULL_IN_RUST = re.compile(rf"os error (?:{errno.ENOSPC}|{errno.EDQUOT})\b")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CheckpointError: the file is missing, cut short or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {path}: {error}; restore it or train again") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds no JSON object; restore it or train again")
    return value


def those_there(names: Sequence[str]) -> str:
    """Say which versions there are, the newest few of them, where one was asked for that is not."""
    if not names:
        return "none is there yet"
    more = f" and {len(names) - _NAMES_SHOWN} before them" if len(names) > _NAMES_SHOWN else ""
    return f"there are {', '.join(names[-_NAMES_SHOWN:])}{more}"


def misfit(error: Exception) -> str:
    """What is said of weights that cannot be taken, on one line: of other shapes the first, and how many more."""
    if "ignore_mismatched_sizes" in str(error):  # transformers tells of a table above the error, which nobody sees
        return "its weights have other shapes than its config.json says"
    lines = [line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()]
    wrong = [line for line in lines if line.startswith("size mismatch")]
    if not wrong:
        return " ".join(lines)
    return f"{wrong[0]} and {len(wrong) - 1} more" if len(wrong) > 1 else wrong[0]


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write a JSON object with sorted keys."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def sync(path: Path) -> None:
    """Bring a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def seal(folder: Path, names: tuple[str, ...]) -> None:
    """Write the checksums of a folder's files, close them to writing, and bring everything to the disk."""
    sums = "".join(f"{file_sha256(folder / name)}  {name}\n" for name in names)
    (folder / SUMS).write_text(sums, encoding="utf-8")
    for name in (*names, SUMS):
        (folder / name).chmod(0o444)
        sync(folder / name)
    sync(folder)


def verify(folder: Path, names: tuple[str, ...]) -> None:
    """Compare every file with its recorded checksum before anything is read from it.

    Raises:
        CheckpointError: a file is missing, or its bytes are not those that were written; or it is in the archive.
    """
    if (folder / ARCHIVED).is_file():
        raise CheckpointError(
            f"{folder.name} is retired and its files lie in the archive; bring them back with "
            f"`lakehouse models restore {folder.name}`"
        )
    recorded = recorded_sums(folder)
    if sorted(recorded) != sorted(names):
        raise CheckpointError(f"{folder / SUMS} lists {sorted(recorded)}, not {sorted(names)}; train the model again")
    for name, digest in recorded.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{path} is missing; restore the folder from the object store or train again")
        if file_sha256(path) != digest:
            raise CheckpointError(f"{path} is not what was written (SHA-256 differs); restore it or train again")


def recorded_sums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 that was written down for each file of a folder.

    Raises:
        CheckpointError: nothing readable was.
    """
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"no readable {SUMS} in {folder}: {error}; train the model again") from error
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


@contextmanager
def held_alone(folder: Path) -> Iterator[None]:
    """Make a folder and hold it for this process alone, until it ends or dies; if it is empty then, it goes.

    Raises:
        CheckpointError: another process holds it.
    """
    try:
        descriptor = _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CheckpointError(f"another run is at work in {folder}; wait for it, or name another folder") from error
    with _let_go(folder, descriptor):
        yield


@contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Make a folder and hold it for this process alone, after whoever holds it now; if it is empty then, it goes."""
    with _let_go(folder, _locked(folder, fcntl.LOCK_EX)):
        yield


@contextmanager
def _let_go(folder: Path, descriptor: int) -> Iterator[None]:
    """Take a held folder away at the end if nothing is in it, and only then let others have it."""
    try:
        yield
    finally:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        os.close(descriptor)


def _locked(folder: Path, how: int) -> int:
    """Lock a folder; one that its last holder took away meanwhile is made again."""
    while True:
        descriptor = _opened(folder)
        if descriptor is None:
            continue
        try:
            fcntl.flock(descriptor, how)
            if os.path.samestat(os.fstat(descriptor), folder.stat()):
                return descriptor
        except FileNotFoundError:
            pass  # taken away while this process waited
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _opened(folder: Path) -> int | None:
    """Make and open a folder; None if another took it away between two of the steps, and it is to be tried again."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    except FileExistsError:  # something was there, and a moment later no folder was
        if _is_no_folder(folder):
            raise
        return None


def _is_no_folder(path: Path) -> bool:
    """Whether something that is no folder is at a path; what is not there is not that."""
    try:
        return not stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return False


@contextmanager
def unfinished(root: Path, prefix: str = WRITING) -> Iterator[Path]:
    """Give a new folder under `root` to write to and rename; what is left of it, and of killed runs, is deleted.

    Raises:
        NoRoomError: the disk was full before all was written.
    """
    with _room_in(root):
        root.mkdir(parents=True, exist_ok=True)
        remove_unfinished(root, prefix)
        working = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=root))
        try:
            yield working
        finally:
            shutil.rmtree(working, ignore_errors=True)


@contextmanager
def _room_in(root: Path) -> Iterator[None]:
    """Say what a full disk means, which Python and safetensors each tell in their own way."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        told = FULL_IN_RUST.search(str(error)) if isinstance(error, SafetensorError) else error.errno in FULL
        if not told:
            raise
        raise NoRoomError(
            f"no room on the disk for {root} ({error}); what was there before stays. Free disk space, then run again"
        ) from error


def remove_unfinished(root: Path, prefix: str = WRITING, *, unless_alive: bool = True) -> int:
    """Delete the folders PREFIX<process id>-<letters> that killed runs left half-written. Returns how many.

    In a folder that is not the library's own, give a prefix that nobody else would use. Who holds the lock of all
    writers need not ask whether a process of that number is alive, which another one may be by now.
    """
    named = re.compile(re.escape(prefix) + r"(\d{1,9})-\w+")
    found = [(path, named.fullmatch(path.name)) for path in root.iterdir() if path.is_dir() and not path.is_symlink()]
    left = [path for path, told in found if told and not (unless_alive and _alive(int(told[1])))]
    for path in left:
        shutil.rmtree(path)
    return len(left)


def _alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
