"""A text classifier: a pretrained base, a head on its states and, beside it, a linear branch over hashed words.

Shapes: B texts, T tokens, C width of the base, L labels, N features of all texts of a batch, K places of features.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import tokenizers
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.classifier_recipe import FinetuneRecipe
from models.config import Recipe
from models.device import Device
from models.errors import CheckpointError
from models.lm import LanguageModel, dropped
from models.memory import TEXTS_AT_ONCE
from models.ngrams import Features, features
from models.tokenizer import Tokenizer

SURENESS = 12.0
"""Scale of the linear branch: its features have length 1, so plain weights would take very long to grow sure."""


class Encoder(Protocol):
    """Tokens to one state a token."""

    width: int

    def __call__(self, tokens_BT: Tensor, mask_BT: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """States BTC; where the mask is nought they mean nothing."""


class OwnEncoder(nn.Module):
    """This library's decoder without its output layer. It looks back only, so padding at the end changes nothing."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.width = model.recipe.width
        self.base = model
        self.base.lm_head = nn.Identity()  # type: ignore[assignment]  # its weights are not needed and not kept

    def forward(self, tokens_BT: Tensor, mask_BT: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """States BTC after the last normalisation."""
        del mask_BT
        return self.base.states(tokens_BT, noise)


class TransformersEncoder(nn.Module):
    """A model that transformers' AutoModel builds; its own dropout draws from torch's own generator."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401  transformers leaves it untyped
        super().__init__()
        self.width = int(model.config.hidden_size)
        self.base = model

    def forward(self, tokens_BT: Tensor, mask_BT: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """Last hidden states BTC."""
        del noise
        states_BTC: Tensor = self.base(input_ids=tokens_BT, attention_mask=mask_BT.long()).last_hidden_state
        return states_BTC


class Spelling(Protocol):
    """Texts to token ids."""

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, with the marks that the base expects."""

    def save(self, folder: Path) -> None:
        """Write tokenizer.json."""


class OwnSpelling:
    """This library's tokenizer; every text opens with the end-of-text mark, as in training."""

    def __init__(self, inner: Tokenizer) -> None:
        self._inner = inner

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text."""
        return [[self._inner.end_of_text, *each] for each in self._inner.encode_all(texts)]

    def save(self, folder: Path) -> None:
        """Write tokenizer.json."""
        self._inner.save(folder)


class TransformersSpelling:
    """A tokenizer.json of any make, with the marks that it adds itself."""

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        self._inner = inner
        self._inner.no_padding()
        self._inner.no_truncation()
        # A mark spelled out in a text is text: else whoever wrote it could end the text or speak as somebody else.
        self._inner.encode_special_tokens = True

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text."""
        return [each.ids for each in self._inner.encode_batch_fast(list(texts))]

    def save(self, folder: Path) -> None:
        """Write tokenizer.json."""
        (folder / "tokenizer.json").write_text(self._inner.to_str(), encoding="utf-8")


@dataclass(frozen=True)
class Encoded:
    """A text ready for the model: its first tokens, and its features where there is a linear branch."""

    tokens: npt.NDArray[np.int64]
    features: Features | None


class NgramBranch(nn.Module):
    """A linear model over hashed words and pairs of words."""

    rarities_K: Tensor

    def __init__(self, rarities_K: Tensor, labels: int) -> None:
        super().__init__()
        self.register_buffer("rarities_K", rarities_K)
        self.table = nn.EmbeddingBag(len(rarities_K), labels, mode="sum", sparse=True)
        nn.init.zeros_(self.table.weight)

    def forward(self, texts: Sequence[Features], dropout: float, noise: torch.Generator | None) -> Tensor:
        """Logits BL; with noise, features are dropped."""
        starts = np.cumsum([0, *(len(each.places_N) for each in texts[:-1])])
        weights_N = torch.from_numpy(np.concatenate([each.weights_N for each in texts]))
        where = self.table.weight.device
        weights_N = dropped(weights_N.to(where), dropout, noise)
        places_N = torch.from_numpy(np.concatenate([each.places_N for each in texts])).to(where)
        logits_BL: Tensor = self.table(places_N, torch.from_numpy(starts).to(where), per_sample_weights=weights_N)
        return SURENESS * logits_BL


class ClassifierModel(nn.Module):
    """Logits of labels from the mean and the last state of a text, plus the linear branch's."""

    def __init__(self, encoder: nn.Module, labels: int, recipe: FinetuneRecipe, rarities_K: Tensor | None) -> None:
        super().__init__()
        self.encoder = encoder
        self.recipe = recipe
        assert isinstance(encoder.width, int)
        self.head = nn.Linear(2 * encoder.width, labels)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.ngrams = None if rarities_K is None else NgramBranch(rarities_K, labels)

    def forward(self, texts: Sequence[Encoded], noise: torch.Generator | None = None) -> Tensor:
        """Logits BL in float32; with noise, under dropout."""
        where = self.head.weight.device
        lengths_B = torch.tensor([len(each.tokens) for each in texts], device=where)
        tokens_BT = nn.utils.rnn.pad_sequence([torch.from_numpy(each.tokens) for each in texts], batch_first=True)
        mask_BT = torch.arange(tokens_BT.shape[1], device=where)[None] < lengths_B[:, None]
        states_BTC: Tensor = self.encoder(tokens_BT.to(where), mask_BT, noise)
        mean_BC = (states_BTC * mask_BT[..., None]).sum(1) / lengths_B[:, None]
        last_BC = states_BTC[torch.arange(len(texts), device=where), lengths_B - 1]
        pooled = dropped(torch.cat((mean_BC, last_BC), 1), self.recipe.dropout, noise)
        logits_BL: Tensor = self.head(pooled).float()
        if self.ngrams is not None:
            known = [each.features for each in texts if each.features is not None]
            logits_BL = logits_BL + self.ngrams(known, self.recipe.ngram_dropout, noise)
        return logits_BL


@dataclass(frozen=True)
class Classifier:
    """A classifier ready to answer: its model, its tokenizer, its labels and its temperature."""

    model: ClassifierModel
    spelling: Spelling
    labels: tuple[str, ...]
    recipe: FinetuneRecipe
    temperature: float = 1.0
    base_recipe: Recipe | None = None
    base_config: dict[str, Any] = dataclasses.field(default_factory=dict)
    training: dict[str, Any] = dataclasses.field(default_factory=dict)

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Return texts as the model takes them; only the first `context` tokens of each are seen by the base."""
        tokens = self.spelling.encode_all(texts)
        if not all(tokens):
            raise CheckpointError("the base's tokenizer gives no token for an empty text; use one that adds a mark")
        branch = self.model.ngrams
        rarities_K = None if branch is None else branch.rarities_K.cpu().numpy()
        return [
            Encoded(
                np.array(each[: self.recipe.context], np.int64),
                None if rarities_K is None else features(text, rarities_K),
            )
            for each, text in zip(tokens, texts, strict=True)
        ]

    def chances(self, texts: Sequence[str], device: Device) -> npt.NDArray[np.float64]:
        """Return calibrated probabilities NL, each row summing to 1; an empty text gets what the labels share."""
        return softmax(self.logits(self.encode(texts), device) / self.temperature)

    @torch.no_grad()
    def logits(self, encoded: Sequence[Encoded], device: Device) -> npt.NDArray[np.float64]:
        """Return logits NL, before the temperature."""
        was = self.model.training
        self.model.to(device.torch_device).eval()
        found = np.zeros((len(encoded), len(self.labels)))
        # Texts of like length together: padding is worked through for nothing.
        order = np.argsort([len(each.tokens) for each in encoded], kind="stable")
        for start in range(0, len(order), TEXTS_AT_ONCE):
            chosen = order[start : start + TEXTS_AT_ONCE]
            with device.arithmetic():
                found[chosen] = self.model([encoded[at] for at in chosen]).cpu().numpy()
        self.model.train(was)
        return found


def softmax(logits_NL: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return probabilities from logits."""
    raised = np.exp(logits_NL - logits_NL.max(axis=1, keepdims=True))
    chances: npt.NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return chances


def fitted_temperature(logits_NL: npt.NDArray[np.float64], true_N: npt.NDArray[np.int64]) -> float:
    """Return the temperature, 0.05 to 20, at which held-out labels are likeliest, https://arxiv.org/abs/1706.04599."""

    def loss(temperature: float) -> float:
        return float(functional.cross_entropy(torch.from_numpy(logits_NL) / temperature, torch.from_numpy(true_N)))

    tried = np.geomspace(0.05, 20.0, 241)
    return float(min(tried, key=loss))
