"""Classifiers on disk, and the bases they start from: folders of safetensors and JSON, nothing in them executed."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import tokenizers
import torch
from torch import Tensor, nn

from models.checkpoint import WEIGHTS, load
from models.classifier import (
    Classifier,
    ClassifierModel,
    OwnEncoder,
    OwnSpelling,
    Spelling,
    TransformersEncoder,
    TransformersSpelling,
)
from models.classifier_recipe import FinetuneRecipe, finetune_recipe
from models.classifier_versions import CLASSIFIER, FILES, TRAINING
from models.config import Recipe, recipe_from_json
from models.durable import WRITING, misfit, read_json, seal, sync, unfinished, verify, write_json
from models.errors import CheckpointError, RecipeError
from models.lm import LanguageModel
from models.tokenizer import FILE_NAME, load_tokenizer


@dataclasses.dataclass(frozen=True)
class Base:
    """What fine-tuning starts from; one of `recipe` (this library's) and `config` (transformers') is set."""

    encoder: nn.Module
    spelling: Spelling
    name: str
    recipe: Recipe | None = None
    config: dict[str, Any] = dataclasses.field(default_factory=dict)


def load_base(folder: Path, recipe: FinetuneRecipe) -> Base:
    """Read a base: a checkpoint of this library, or a folder that transformers' AutoModel opens.

    Raises:
        CheckpointError: the folder is neither, or its files are missing, cut short or no safetensors.
        RecipeError: the recipe's context is longer than a transformers base has positions for.
    """
    if (folder / "recipe.json").is_file():
        loaded = load(folder)
        longer = max(recipe.context, loaded.recipe.context)  # rotations know any position
        own = dataclasses.replace(loaded.recipe, context=longer, dropout=recipe.dropout)
        model = LanguageModel(own)
        model.load_state_dict(loaded.model.state_dict())
        return Base(OwnEncoder(model), OwnSpelling(loaded.tokenizer), folder.name, recipe=own)
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder} is no checkpoint: it has neither recipe.json nor config.json; name its folder")
    return _load_transformers(folder, recipe)


def _load_transformers(folder: Path, recipe: FinetuneRecipe) -> Base:
    # Imported here: it costs seconds, and this library's own bases do without.
    from safetensors import SafetensorError
    from transformers import AutoModel

    spelling = _spelling(folder)
    try:
        model, told = AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32,
            output_loading_info=True,
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"transformers cannot open {folder}: {misfit(error)}; give a whole safetensors folder"
        ) from error
    absent = sorted(name for name in told["missing_keys"] if "pooler" not in name)  # not asked for its pooler
    if absent:  # transformers would go on with random ones
        raise CheckpointError(f"{folder} lacks the weights {', '.join(absent[:3])}; give a whole safetensors folder")
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is not None and recipe.context > positions:
        raise RecipeError(f"context={recipe.context} is more than the {positions} positions of {folder}; lower it")
    return Base(TransformersEncoder(model), spelling, folder.name, config=json.loads(model.config.to_json_string()))


def _spelling(folder: Path) -> TransformersSpelling:
    path = folder / FILE_NAME
    try:
        return TransformersSpelling(tokenizers.Tokenizer.from_buffer(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"no tokenizer in {path}: {error}; save the tokenizer in its fast form there") from error


def save_classifier(classifier: Classifier, folder: Path) -> None:
    """Write a classifier as a new folder; a reader sees all of it or nothing.

    Raises:
        CheckpointError: the folder is there already.
    """
    from safetensors.torch import save_file

    if folder.exists():
        raise CheckpointError(f"{folder} is there already and stays as it is; name another folder")
    own = f".{folder.name}{WRITING}"  # the parent is the user's, and may hold folders of any name
    with unfinished(folder.parent, own) as working:
        weights = {name: each.detach().cpu().contiguous() for name, each in classifier.model.state_dict().items()}
        save_file(weights, working / WEIGHTS, metadata={"format": "pt"})
        classifier.spelling.save(working)
        write_json(working / CLASSIFIER, _values(classifier))
        write_json(working / TRAINING, classifier.training)
        seal(working, FILES)
        working.chmod(0o755)
        working.rename(folder)
        sync(folder.parent)


def _values(classifier: Classifier) -> dict[str, Any]:
    return {
        "labels": list(classifier.labels),
        "temperature": classifier.temperature,
        "recipe": dataclasses.asdict(classifier.recipe),
        "base_recipe": dataclasses.asdict(classifier.base_recipe) if classifier.base_recipe else None,
        "base_config": classifier.base_config,
    }


def load_classifier(folder: Path) -> Classifier:
    """Verify a classifier and read it; nothing in the folder is ever executed.

    Raises:
        CheckpointError: it is missing, altered, cut short, of another shape, or no safetensors file.
    """
    if not folder.is_dir():
        raise CheckpointError(f"no classifier folder {folder}; make one with `lakehouse finetune train`")
    verify(folder, FILES)
    values = read_json(folder / CLASSIFIER)
    try:
        labels, temperature = tuple(values["labels"]), float(values["temperature"])
        recipe, config = finetune_recipe(values["recipe"]), values["base_config"]
        own = recipe_from_json(json.dumps(values["base_recipe"])) if values["base_recipe"] else None
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / CLASSIFIER} describes no classifier: {error!r}; fine-tune again") from error
    encoder, spelling = _empty_base(folder, own, config)
    rarities_K = torch.zeros(recipe.ngram_buckets) if recipe.ngram_buckets else None
    model = ClassifierModel(encoder, len(labels), recipe, rarities_K)
    _fill(model, folder / WEIGHTS)
    return Classifier(model.eval(), spelling, labels, recipe, temperature, own, config, read_json(folder / TRAINING))


def _empty_base(folder: Path, own: Recipe | None, config: dict[str, Any]) -> tuple[nn.Module, Spelling]:
    if own is not None:
        return OwnEncoder(LanguageModel(own)), OwnSpelling(load_tokenizer(folder))
    from transformers import AutoConfig, AutoModel

    try:
        made = AutoConfig.for_model(**config)
        model = AutoModel.from_config(made, trust_remote_code=False)
        return TransformersEncoder(model), _spelling(folder)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"transformers cannot build the base of {folder}: {error}; fine-tune again") from error


def _fill(model: ClassifierModel, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights: dict[str, Tensor] = load_file(path)
        model.load_state_dict(weights)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is no safetensors file: {error}; fine-tune again") from error
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not fit {CLASSIFIER}: {error}") from error
