"""Checkpoints of the Hugging Face hub: named, pinned to a commit, fetched when a person asks; nothing in them runs.

The interface is the hub's written one, https://huggingface.co/docs/hub/api, as huggingface_hub speaks it.
"""

import hashlib
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from models.config import file_sha256
from models.durable import SUMS, WRITING, read_json, recorded_sums, seal, sync, unfinished, verify, write_json
from models.errors import HubError, NoRoomError

PREFIX = "hub:"
RECORD = "hub.json"
WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
NEEDED = ("config.json", "tokenizer.json")
WANTED = (*NEEDED, "tokenizer_config.json", "special_tokens_map.json")
"""Files that are fetched besides the weights: none of them can run."""
SECONDS = 30.0
"""How long the hub may keep silent."""

_NAME = re.compile(r"hub:([\w.-]+/[\w.-]+)@([\w./-]+)", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")


@dataclass(frozen=True, slots=True)
class HubName:
    """A repository of models, ``owner/name``, and a revision of it: a commit, or a branch or tag, which may move."""

    repository: str
    revision: str

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{PREFIX}{self.repository}@{self.revision}"

    @property
    def pinned(self) -> bool:
        """Whether the revision is a whole commit hash, which means the same for ever."""
        return _COMMIT.fullmatch(self.revision) is not None

    @property
    def folder(self) -> str:
        """What the folder of this revision is called."""
        return f"{self.repository.replace('/', '--')}@{self.revision}"


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file as the hub lists it: its size, and the hash that its bytes must have."""

    name: str
    size: int
    sha256: str
    blob: str


@dataclass(frozen=True, slots=True)
class Listed:
    """What the hub says of a revision: the commit it is now, its licence by the model card, and the files to fetch."""

    name: HubName
    licence: str
    files: tuple[HubFile, ...]

    @property
    def size_bytes(self) -> int:
        """Of all files that are fetched."""
        return sum(each.size for each in self.files)


def is_hub_name(given: str) -> bool:
    """Whether a person means the hub: only then it is asked."""
    return given.startswith(PREFIX)


def hub_name(given: str) -> HubName:
    """Return a name of the hub, ``hub:owner/name@revision``.

    Raises:
        HubError: it is none, or has no revision.
    """
    found = _NAME.fullmatch(given)
    if found is None or ".." in given or found[1].startswith("-"):
        raise HubError(
            f"{given!r} names no checkpoint of the hub; write hub:OWNER/NAME@REVISION, the revision best a commit hash "
            "(40 digits), for a branch moves"
        )
    return HubName(found[1], found[2])


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub's address, the token for what is not open, and how many bytes one checkpoint may have."""

    url: str
    token: str = ""
    largest_bytes: int = 5_000_000_000

    def listed(self, name: HubName) -> Listed:
        """Ask the hub what a revision is, and refuse what could not be used before anything is fetched.

        Raises:
            HubError: the hub does not answer, has no such thing or gives it to nobody, or what it has is pickled,
                of another form or too large.
        """
        with _said(name, self.url):
            told = self._client().model_info(
                name.repository, revision=name.revision, files_metadata=True, timeout=SECONDS
            )
        commit = str(told.sha or "")
        if not _COMMIT.fullmatch(commit) or (name.pinned and commit != name.revision):
            raise HubError(f"{self.url} says that {name} is commit {commit!r}; name another revision")
        if told.gated and not self.token:
            raise HubError(_gated(name, self.url))
        files = {each.rfilename: each for each in told.siblings or ()}
        chosen = tuple(_file(name, files[each]) for each in _chosen(name, files))
        listed = Listed(HubName(name.repository, commit), _licence(told.card_data), chosen)
        if listed.size_bytes > self.largest_bytes:
            raise HubError(
                f"{name} has {listed.size_bytes / 1e9:.2f} GB to fetch, and {self.largest_bytes / 1e9:.2f} are "
                "allowed; take a smaller one, or set LAKEHOUSE_HUB_LARGEST_GB"
            )
        return listed

    def fetched(self, listed: Listed, root: Path) -> Path:
        """Fetch the files of a commit, compare each with the hash that was listed, and return their folder.

        Raises:
            HubError: the hub does not answer, refuses, or gives other bytes than it listed.
            NoRoomError: the disk has no room for them.
        """
        folder = root / listed.name.folder
        with unfinished(root, f".{listed.name.folder}{WRITING}") as working:
            _require_room(listed, root)
            for each in listed.files:
                self._one(listed.name, each, working)
            shutil.rmtree(working / ".cache", ignore_errors=True)  # the client's own notes
            write_json(working / RECORD, self._record(listed))
            seal(working, tuple(sorted([*(each.name for each in listed.files), RECORD])))
            working.chmod(0o755)
            working.rename(folder)
            sync(root)
        return folder

    def _record(self, listed: Listed) -> dict[str, object]:
        return {
            "hub": self.url,
            "repository": listed.name.repository,
            "commit": listed.name.revision,
            "licence": listed.licence,
        }

    def _one(self, name: HubName, each: HubFile, working: Path) -> None:
        from huggingface_hub import hf_hub_download

        try:
            with _said(name, self.url):
                hf_hub_download(
                    name.repository, each.name, revision=name.revision, local_dir=working, cache_dir=working / ".cache",
                    endpoint=self.url, token=self.token or False, tqdm_class=_bounded(name, each),
                )  # fmt: skip
        except OSError as error:
            if error.errno is not None:  # of this machine: its disk, say
                raise
            told = str(error).strip().partition("\n")[0]  # the client's own, which has no number
            raise HubError(
                f"{self.url} gave {each.name} of {name} cut short or otherwise than it said ({told}); run this again"
            ) from error
        if not _same(working / each.name, each):
            raise HubError(f"{each.name} of {name} is not what {self.url} lists (its hash differs); try again later")

    def _client(self) -> Any:  # noqa: ANN401  the client's own type would load it
        # Imported here: it costs half a second, and whoever does not name the hub does without.
        from huggingface_hub import HfApi, constants
        from huggingface_hub.utils.tqdm import disable_progress_bars

        # Only the hub that was named is asked, and it hears of nothing but the checkpoint.
        constants.HF_HUB_DISABLE_TELEMETRY = True
        constants.HF_HUB_DISABLE_XET = True
        disable_progress_bars()
        return HfApi(endpoint=self.url, token=self.token or False)


def kept(name: HubName, root: Path, url: str = "") -> Path | None:
    """Return the folder of a pinned revision that was fetched before and is whole; None when it must be asked for.

    Without an address it may be of any hub: for who compares its weights with a hash that he has.

    Raises:
        CheckpointError: it was altered since.
        HubError: it was fetched from another hub than this one.
    """
    folder = root / name.folder
    if not name.pinned or not folder.is_dir():
        return None
    verify(folder, tuple(sorted(recorded_sums(folder))))
    if url and (told := hub_record(folder)["base_hub"]["hub"]) != url:
        raise HubError(f"{name} was fetched from {told}, not from {url}; move {folder} away, or ask that hub again")
    return folder


def hub_record(folder: Path) -> dict[str, Any]:
    """Return where a base came from, ``{"base_hub": ...}``, when it was fetched from the hub; nothing when not."""
    if not (folder / RECORD).is_file() or not (folder / SUMS).is_file():
        return {}
    return {"base_hub": read_json(folder / RECORD)}


def base_name(folder: Path) -> str:
    """Return what a base that was fetched is called: ``hub:owner/name@commit``; any other by its folder's name."""
    told = hub_record(folder).get("base_hub")
    return folder.name if told is None else str(HubName(told["repository"], told["commit"]))


def weights_sha256(folder: Path) -> str:
    """Return the hash of a base's weights: of its one file, or over the names and hashes of its parts."""
    if (folder / WHOLE).is_file():
        return file_sha256(folder / WHOLE)
    parts = sorted(path for path in folder.iterdir() if _SHARD.fullmatch(path.name))
    return hashlib.sha256("".join(f"{file_sha256(path)}  {path.name}\n" for path in parts).encode()).hexdigest()


def _chosen(name: HubName, files: Collection[str]) -> list[str]:
    """Names of the files to fetch; raise HubError when what is needed is not there in a form that cannot run."""
    shards = sorted(each for each in files if _SHARD.fullmatch(each))
    weights = [WHOLE] if WHOLE in files else [INDEX, *shards] if INDEX in files and shards else []
    if not weights:
        pickled = sorted(each for each in files if each.endswith((".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack")))
        only = (
            f"its weights only as {', '.join(pickled[:3])}, which may run code when opened" if pickled else "no weights"
        )
        raise HubError(f"{name} has {only}; only safetensors are fetched: name a revision or a copy that has {WHOLE}")
    if absent := [each for each in NEEDED if each not in files]:
        raise HubError(
            f"{name} has no {' and no '.join(absent)}; name a checkpoint of transformers whose tokenizer is saved in "
            "its fast form"
        )
    return [*(each for each in WANTED if each in files), *weights]


def _file(name: HubName, told: Any) -> HubFile:  # noqa: ANN401  the client's
    size, lfs = told.size, told.lfs
    if not isinstance(size, int) or size < 0:
        raise HubError(
            f"the hub lists no size of {told.rfilename} of {name}, so nobody knows how much would be fetched; name a "
            "copy of a hub that does"
        )
    return HubFile(told.rfilename, size, "" if lfs is None else str(lfs.sha256), str(told.blob_id or ""))


def _bounded(name: HubName, each: HubFile) -> type:
    """What the client tells of each part before it writes it: no more may come than was listed."""

    class Counted:
        def __init__(self, *_places: object, **_names: object) -> None:
            self.come = 0

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_raised: object) -> None:
            """Nothing is shown, so nothing ends."""

        def update(self, more: int) -> None:
            """Count a part; less than nothing where the client begins again."""
            self.come += more
            if self.come > each.size:
                raise HubError(f"more of {each.name} of {name} came than the {each.size} bytes that are listed")

    return Counted


def _same(path: Path, listed: HubFile) -> bool:
    """Compare a file with its hash: SHA-256 of a large one, git's name of a small one."""
    if listed.sha256:
        return file_sha256(path) == listed.sha256
    content = path.read_bytes()
    named = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return named == listed.blob


def _licence(card: Any) -> str:  # noqa: ANN401  the client's
    """The licence that a model card names, several joined by AND; empty when it names none."""
    if card is None:
        return ""
    told = card.get("license")
    if told == "other":
        told = card.get("license_name") or told
    return " AND ".join(map(str, told)) if isinstance(told, list) else str(told or "")


def _require_room(listed: Listed, root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < listed.size_bytes:
        raise NoRoomError(
            f"{listed.name} takes {listed.size_bytes / 1e9:.2f} GB and {free / 1e9:.2f} are free in {root}; free disk "
            "space, then run again"
        )


def _gated(name: HubName, url: str) -> str:
    return (
        f"{name} is gated: its owner gives it to people who agreed to terms at {url}/{name.repository}; agree there, "
        "then set LAKEHOUSE_HUB_TOKEN"
    )


@contextmanager
def _said(name: HubName, url: str) -> Iterator[None]:
    """Say in our words what the hub answered, or that it did not."""
    import httpx2
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except HFValidationError as error:
        raise HubError(f"{name.repository!r} is no name that a hub can have: {error}") from error
    except GatedRepoError as error:
        raise HubError(_gated(name, url)) from error
    except RepositoryNotFoundError as error:
        raise HubError(
            f"{url} shows no model {name.repository}: it is spelt otherwise, or private; a private one needs "
            "LAKEHOUSE_HUB_TOKEN"
        ) from error
    except RevisionNotFoundError as error:
        raise HubError(
            f"{name.repository} has no revision {name.revision}; {url}/{name.repository} shows them"
        ) from error
    except OfflineModeIsEnabled as error:
        raise HubError(f"HF_HUB_OFFLINE keeps {name} from being fetched; unset it, or name a folder") from error
    except (httpx2.HTTPError, LocalEntryNotFoundError) as error:
        told = str(error).strip().partition("\n")[0] or type(error).__name__
        raise HubError(
            f"{url} could not be asked for {name} ({told}); see whether this machine may reach it, or fetch the folder "
            "elsewhere and name it"
        ) from error
