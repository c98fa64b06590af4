"""Checkpoints on disk: one immutable folder per model version, written at once and verified when read."""

import json
import platform
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.archive import forget
from models.config import Recipe, recipe_from_json
from models.durable import ARCHIVED, misfit, read_json, seal, sync, those_there, unfinished, verify, write_json
from models.errors import CheckpointError
from models.progress import Progress
from models.trials import TrialResult, as_values

if TYPE_CHECKING:
    from models.device import Device
    from models.lm import LanguageModel
    from models.tokenizer import Tokenizer

WEIGHTS = "model.safetensors"
TRAINING = "training.json"
FILES = (WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json", "recipe.json", TRAINING)

QUARANTINE = "quarantine.json"
TEXTS = ("tokenizer.json", "tokenizer_config.json", "config.json")

_VERSION = re.compile(r"gpt-(\d{4,})")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a training run's documents and code come from; written into the checkpoint."""

    training_key: str
    documents_snapshot: str
    documents_sha256: str
    dataset_commits: Mapping[str, str]
    code_commit: str
    cause: str
    run_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training run gives, before it is written."""

    model: "LanguageModel"
    tokenizer: "Tokenizer"
    device: "Device"
    train_tokens: int
    distinct_tokens: int
    bytes_per_token: float
    train_seconds: float
    curve: list[Progress]
    resumed_at: int = 0
    trials: list[TrialResult] = field(default_factory=list)
    processes: int = 1
    not_compiled: str = ""


@dataclass(frozen=True)
class Loaded:
    """A model read back, ready to score."""

    model: "LanguageModel"
    tokenizer: "Tokenizer"
    recipe: Recipe
    training: dict[str, Any]


class CheckpointStore:
    """Versions gpt-0001, gpt-0002, ... under one folder; nothing here says which one is in use."""

    files, record = FILES, TRAINING

    def __init__(self, root: Path) -> None:
        self.root = root

    def versions(self) -> list[str]:
        """All versions, oldest first; empty when nothing was trained."""
        if not self.root.is_dir():
            return []
        names = (path.name for path in self.root.iterdir() if path.is_dir())
        return sorted((name for name in names if _VERSION.fullmatch(name)), key=_number)

    def whole(self, version: str) -> Path:
        """Folder of a version whose files are those that were written; raise CheckpointError when they are not."""
        verify(self.folder(version), FILES)
        return self.folder(version)

    def usable(self) -> list[str]:
        """Versions that are not in quarantine, oldest first."""
        return [version for version in self.versions() if not (self.root / version / QUARANTINE).is_file()]

    def at_hand(self) -> list[str]:
        """Versions that are neither in quarantine nor in the archive, oldest first."""
        return [version for version in self.usable() if not (self.root / version / ARCHIVED).is_file()]

    def quarantine(self, version: str, reason: Mapping[str, str], *, tells: Callable[[str], bool]) -> bool:
        """Mark a version so that it is neither found nor chosen again; say whether its files were destroyed.

        They are when one of its texts `tells` what must be forgotten; the record of its training stays.
        """
        folder = self.folder(version)
        write_json(folder / QUARANTINE, reason)
        present = [folder / name for name in TEXTS if (folder / name).is_file()]
        destroyed = len(present) < len(TEXTS) or any(tells(path.read_text(encoding="utf-8")) for path in present)
        if destroyed:
            for name in (WEIGHTS, *TEXTS):
                (folder / name).unlink(missing_ok=True)
            forget(folder, self.root.parent)
        sync(folder)
        return destroyed

    def folder(self, version: str) -> Path:
        """Folder of a version.

        Raises:
            CheckpointError: there is no such version.
        """
        path = self.root / version
        if not _VERSION.fullmatch(version) or not path.is_dir():
            raise CheckpointError(f"no checkpoint {version!r} under {self.root}; {those_there(self.versions())}")
        return path

    def training(self, version: str) -> dict[str, Any]:
        """What is recorded about a version's training."""
        return read_json(self.folder(version) / TRAINING)

    def find(self, training_key: str) -> str | None:
        """The version with this training key whose files are whole, or None; none in quarantine.

        One in the archive is found, too: what was retired is not to come back by being trained again.
        """
        for version in reversed(self.usable()):
            if self.training(version).get("training_key") == training_key:
                if not (self.folder(version) / ARCHIVED).is_file():
                    verify(self.folder(version), FILES)
                return version
        return None

    def add(self, trained: Trained, origin: Origin) -> str:
        """Write a model as the next version; a reader sees all of it or nothing."""
        with unfinished(self.root) as working:
            write_folder(working, trained, origin)
            return self._claim(working)

    def _claim(self, working: Path) -> str:
        working.chmod(0o755)
        while True:
            version = f"gpt-{_number((self.versions() or ['gpt-0000'])[-1]) + 1:04d}"
            try:
                working.rename(self.root / version)  # fails if another run took the name: the target is not empty
            except OSError:
                if not (self.root / version).exists():
                    raise
                continue
            sync(self.root)
            return version


def _number(version: str) -> int:
    return int(version.removeprefix("gpt-"))


def write_folder(folder: Path, trained: Trained, origin: Origin) -> None:
    """Write every file of a checkpoint, its checksums last, and bring them to the disk."""
    from safetensors.torch import save_file

    from models.lm import transformers_config
    from models.tokenizer import END_OF_TEXT

    recipe, versions = trained.model.recipe, library_versions()
    weights = {name: weight.detach().cpu().contiguous() for name, weight in trained.model.state_dict().items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    trained.tokenizer.save(folder)
    config = transformers_config(recipe, end_of_text=trained.tokenizer.end_of_text, versions=versions)
    write_json(folder / "config.json", config)
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": END_OF_TEXT,
            "eos_token": END_OF_TEXT,
            "model_max_length": recipe.context,
            "clean_up_tokenization_spaces": False,
        },
    )
    (folder / "recipe.json").write_text(recipe.canonical_json() + "\n", encoding="utf-8")
    write_json(folder / TRAINING, _training(trained, origin, versions))
    seal(folder, FILES)


def _training(trained: Trained, origin: Origin, versions: Mapping[str, str]) -> dict[str, object]:
    last = trained.curve[-1]
    return {
        **asdict(origin),
        "recipe": json.loads(trained.model.recipe.canonical_json()),
        "seed": trained.model.recipe.seed,
        "versions": dict(versions),
        "platform": platform.platform(),
        "processor": trained.device.processor,
        "cpu_capability": trained.device.cpu_capability,
        "packages": installed_packages(),
        "device": trained.device.name,
        "dtype": str(trained.device.dtype).removeprefix("torch."),
        "threads": trained.device.threads,
        "processes": trained.processes,
        "compiled": not trained.not_compiled,
        "not_compiled": trained.not_compiled,
        "parameter_count": trained.model.parameter_count(),
        "train_tokens": trained.train_tokens,
        "distinct_tokens": trained.distinct_tokens,
        "bytes_per_token": trained.bytes_per_token,
        "train_seconds": trained.train_seconds,
        "resumed_at_step": trained.resumed_at,
        "trials": as_values(trained.trials),
        "final_train_bits_per_byte": last.train_bits_per_byte,
        "final_validation_bits_per_byte": last.validation_bits_per_byte,
        "curve": [asdict(progress) for progress in trained.curve],
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def installed_packages() -> dict[str, str]:
    """Return every installed distribution with its version: the environment that the weights depend on."""
    # Reading the metadata is what takes the time, and `version` would read them again.
    read = (each.metadata for each in metadata.distributions())
    return dict(sorted((str(about["Name"]), str(about["Version"])) for about in read))


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide what a checkpoint holds."""
    names = ("torch", "transformers", "tokenizers", "safetensors", "numpy")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def load(folder: Path) -> Loaded:
    """Verify a checkpoint and read its model; nothing in the folder is ever executed.

    Raises:
        CheckpointError: it is missing, altered, cut short, of another shape, or no safetensors file.
    """
    if not folder.is_dir():
        raise CheckpointError(f"no checkpoint folder {folder}; train a model first")
    verify(folder, FILES)
    return load_unverified(folder)


def load_unverified(folder: Path) -> Loaded:
    """Read a model without comparing checksums; shapes and format are still checked."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from models.lm import LanguageModel
    from models.tokenizer import load_tokenizer

    recipe = recipe_from_json((folder / "recipe.json").read_text(encoding="utf-8"))
    tokenizer = load_tokenizer(folder)
    if tokenizer.size > recipe.vocabulary_size:
        raise CheckpointError(f"{folder}: {tokenizer.size} tokens do not fit a model of {recipe.vocabulary_size}")
    try:
        weights = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{folder / WEIGHTS} is no safetensors file: {error}; train the model again") from error
    model = LanguageModel(recipe)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"{folder / WEIGHTS} does not fit recipe.json: {misfit(error)}") from error
    return Loaded(model.eval(), tokenizer, recipe, read_json(folder / TRAINING))
