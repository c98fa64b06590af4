"""Smaller forms on disk: one immutable folder each, tied to the version it was made from, and verified when read."""

import logging
import platform
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.checkpoint import WEIGHTS, Loaded, library_versions, load
from models.config import Recipe, file_sha256, recipe_from_json
from models.durable import (
    read_json,
    recorded_sums,
    remove_unfinished,
    seal,
    sync,
    those_there,
    unfinished,
    verify,
    write_json,
)
from models.errors import CheckpointError, FormError
from models.forms import Form

if TYPE_CHECKING:
    from torch import Tensor

    from models.lm import LanguageModel
    from models.tokenizer import Tokenizer

log = logging.getLogger(__name__)

GRAPH = "model.onnx"
FORM = "form.json"
_SHARED = ("tokenizer.json", "tokenizer_config.json")
_NAME = re.compile(r"(gpt-\d{4,})-([A-Za-z_]\w*)(?:\.(\d+))?")


@dataclass(frozen=True, kw_only=True)
class Parent:
    """The version a form is made from, read and verified."""

    version: str
    loaded: Loaded
    folder: Path
    weights_sha256: str

    @classmethod
    def read(cls, folder: Path) -> "Parent":
        """Verify and read a version's folder; raise CheckpointError when it is not what was written."""
        loaded = load(folder)
        return cls(version=folder.name, loaded=loaded, folder=folder, weights_sha256=recorded_sums(folder)[WEIGHTS])


@dataclass(frozen=True)
class Runnable:
    """A model ready to score: tokens BT in, logits BTV out."""

    forward: "Callable[[Tensor], Tensor]"
    tokenizer: "Tokenizer"
    recipe: Recipe


class FormStore:
    """Forms ``gpt-0001-int8`` and so on under one folder; one made otherwise later is ``gpt-0001-int8.2``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self, version: str | None = None) -> list[str]:
        """Names of all forms, or of those made from a version, sorted."""
        found = [path.name for path in self.root.iterdir()] if self.root.is_dir() else []
        told = [(match, name) for name in found if (match := _NAME.fullmatch(name))]
        return sorted(name for match, name in told if version in (None, match[1]))

    def folder(self, name: str) -> Path:
        """Folder of a form; raise FormError when there is none of this name."""
        if not is_form(name) or not (self.root / name).is_dir():
            raise FormError(f"no form {name!r} of a model under {self.root}; {those_there(self.names())}")
        return self.root / name

    def record(self, name: str) -> dict[str, Any]:
        """What is written down about how a form was made."""
        return read_json(self.folder(name) / FORM)

    def find(self, key: str, version: str) -> str | None:
        """Name of the form of a version with this key whose files are whole, or None; damaged ones are passed over."""
        for name in self.names(version):
            try:
                if self.record(name).get("key") == key:
                    verify(self.folder(name), form_files(self.folder(name)))
                    return name
            except CheckpointError as error:
                log.warning("passed over a damaged form=%s fault=%s", name, error)
        return None

    def add(self, form: Form, parent: Parent, model: "LanguageModel", origin: Mapping[str, str]) -> str:
        """Write a form; a reader sees all of it or nothing. `model` is what the form's method made of the parent."""
        with unfinished(self.root) as working:
            _write_folder(working, form, parent, model, origin)
            working.chmod(0o755)
            return self._claim(working, f"{parent.version}-{form.name}")

    def forget(self, version: str) -> int:
        """Delete every form of a version, which holds what it learned; return how many there were.

        What was being written when a process was killed goes too. Nobody may write meanwhile.
        """
        if self.root.is_dir():
            remove_unfinished(self.root, unless_alive=False)
        names = self.names(version)
        for name in names:
            shutil.rmtree(self.root / name)
        return len(names)

    def _claim(self, working: Path, name: str) -> str:
        number, taken = 1, name
        while True:
            try:
                working.rename(self.root / taken)  # fails where the name is taken: the target is not empty
            except OSError:
                if not (self.root / taken).exists():
                    raise
                number += 1
                taken = f"{name}.{number}"
                continue
            sync(self.root)
            return taken


def is_form(name: str) -> bool:
    """Say whether a name is one that a form may have."""
    return _NAME.fullmatch(name) is not None


def form_files(folder: Path) -> tuple[str, ...]:
    """Files of a form's folder: a graph or weights, and what goes with them."""
    return (GRAPH if (folder / GRAPH).is_file() else WEIGHTS, *_SHARED, "recipe.json", FORM)


def weights_file(folder: Path) -> Path:
    """The file that holds the numbers of a version or of a form."""
    return folder / (GRAPH if (folder / GRAPH).is_file() else WEIGHTS)


def load_runnable(folder: Path, *, threads: int) -> Runnable:
    """Verify a form or a version and read it, to run on the CPU in float32; nothing in the folder is ever executed.

    Raises:
        CheckpointError: it is missing, altered or cut short.
        FormError: its tensors or its graph are not those of its recipe.
    """
    # Imported here, as torch is in models.checkpoint: the parent of the child process shares this module without it.
    from models.lm import LanguageModel
    from models.onnx_graph import OnnxModel
    from models.quantise import integer_model
    from models.tokenizer import load_tokenizer

    if not (folder / FORM).is_file():
        loaded = load(folder)
        return Runnable(loaded.model, loaded.tokenizer, loaded.recipe)
    verify(folder, form_files(folder))
    recipe, tokenizer = recipe_from_json((folder / "recipe.json").read_text(encoding="utf-8")), load_tokenizer(folder)
    if tokenizer.size > recipe.vocabulary_size:
        raise CheckpointError(f"{folder}: {tokenizer.size} tokens do not fit a model of {recipe.vocabulary_size}")
    form = Form(**read_json(folder / FORM)["form"])
    if form.method == "onnx":
        return Runnable(OnnxModel((folder / GRAPH).read_bytes(), recipe, threads=threads), tokenizer, recipe)
    tensors = _tensors(folder / WEIGHTS)
    if form.method == "integers":
        return Runnable(integer_model(recipe, tensors, bits=form.bits, group=form.group), tokenizer, recipe)
    model = LanguageModel(recipe)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise FormError(f"{folder / WEIGHTS} does not fit recipe.json: {error}") from error
    return Runnable(model.eval(), tokenizer, recipe)


def _tensors(path: Path) -> "dict[str, Tensor]":
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is no safetensors file: {error}; make the form again") from error
    return found


def _write_folder(folder: Path, form: Form, parent: Parent, model: "LanguageModel", origin: Mapping[str, str]) -> None:
    from safetensors.torch import save_file

    from models.onnx_graph import graph_bytes
    from models.quantise import quantise

    if form.method == "onnx":
        (folder / GRAPH).write_bytes(graph_bytes(model))
    else:
        made = quantise(model, bits=form.bits, group=form.group) if form.method == "integers" else model
        weights = {name: each.detach().cpu().contiguous() for name, each in made.state_dict().items()}
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    for name in _SHARED:
        shutil.copyfile(parent.folder / name, folder / name)
    (folder / "recipe.json").write_text(model.recipe.canonical_json() + "\n", encoding="utf-8")
    write_json(
        folder / FORM,
        {
            **origin,
            "key": form.key(parent.weights_sha256),
            "form": asdict(form),
            "made_from": parent.version,
            "made_from_weights_sha256": parent.weights_sha256,
            "weights_file": weights_file(folder).name,
            "weights_sha256": file_sha256(weights_file(folder)),
            "size_bytes": weights_file(folder).stat().st_size,
            "versions": library_versions(),
            "platform": platform.platform(),
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
    seal(folder, form_files(folder))
