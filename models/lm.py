"""The language model: a small decoder (RoPE, QK-norm, SwiGLU) whose weights are named as in transformers' Qwen3.

Shapes: B sequences, T tokens, C width, H heads, D head width, V vocabulary.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.config import Recipe
from models.cpu_ops import RmsNorm, rotate
from models.head_loss import HeadLoss
from models.looking_back import SHARPNESS, look_back, share_a_channel

ROPE_THETA = 10_000.0
NORM_EPSILON = 1e-6


def rotation_rates(head_width: int) -> Tensor:
    """Radians a position by which each pair of channels is turned."""
    return ROPE_THETA ** -(torch.arange(0, head_width, 2, dtype=torch.float32) / head_width)


class Rotation(nn.Module):
    """Rotary position embedding, https://arxiv.org/abs/2104.09864, halves swapped as in transformers."""

    cosine_TD: Tensor
    sine_TD: Tensor

    def __init__(self, head_width: int, context: int) -> None:
        super().__init__()
        positions_T = torch.arange(context, dtype=torch.float32)
        angle_TD = torch.outer(positions_T, rotation_rates(head_width)).repeat(1, 2)
        self.register_buffer("cosine_TD", angle_TD.cos(), persistent=False)
        self.register_buffer("sine_TD", angle_TD.sin(), persistent=False)

    def forward(self, x_BHTD: Tensor, start: int) -> Tensor:
        """Turn each pair of channels by an angle that grows with the position; the first one is `start`."""
        end = start + x_BHTD.shape[2]
        dtype = x_BHTD.dtype
        return rotate(x_BHTD, self.cosine_TD[start:end].to(dtype), self.sine_TD[start:end].to(dtype))


class Past:
    """Keys and values of the positions one layer has seen, so that writing on costs one position a token."""

    def __init__(self) -> None:
        self._key_BHTD: Tensor | None = None
        self._value_BHTD: Tensor | None = None

    @property
    def length(self) -> int:
        """Positions seen."""
        return 0 if self._key_BHTD is None else self._key_BHTD.shape[2]

    def extend(self, key_BHTD: Tensor, value_BHTD: Tensor) -> tuple[Tensor, Tensor]:
        """Add positions; return all of them."""
        if self._key_BHTD is not None and self._value_BHTD is not None:
            assert key_BHTD.shape[2] == 1
            key_BHTD = torch.cat((self._key_BHTD, key_BHTD), dim=2)
            value_BHTD = torch.cat((self._value_BHTD, value_BHTD), dim=2)
        self._key_BHTD, self._value_BHTD = key_BHTD, value_BHTD
        return key_BHTD, value_BHTD


class Attention(nn.Module):
    """Causal self-attention with normalised queries and keys, https://arxiv.org/abs/2010.04245."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.heads, self.head_width = recipe.heads, recipe.head_width
        self.q_proj = nn.Linear(recipe.width, recipe.width, bias=False)
        self.k_proj = nn.Linear(recipe.width, recipe.width, bias=False)
        self.v_proj = nn.Linear(recipe.width, recipe.width, bias=False)
        self.o_proj = nn.Linear(recipe.width, recipe.width, bias=False)
        self.q_norm = RmsNorm(recipe.head_width, eps=NORM_EPSILON)
        self.k_norm = RmsNorm(recipe.head_width, eps=NORM_EPSILON)

    def forward(self, x_BTC: Tensor, rotation: Rotation, past: Past | None, seen_B1TT: Tensor | None = None) -> Tensor:
        """Mix each position with those before it, or those it has `seen`, and with the past where there is one."""
        batch, length, width = x_BTC.shape
        start = past.length if past else 0
        shape = (batch, length, self.heads, self.head_width)
        query_BHTD = rotation(self.q_norm(self.q_proj(x_BTC).view(shape)).transpose(1, 2), start)
        key_BHTD = rotation(self.k_norm(self.k_proj(x_BTC).view(shape)).transpose(1, 2), start)
        value_BHTD = self.v_proj(x_BTC).view(shape).transpose(1, 2)
        if past is not None:
            key_BHTD, value_BHTD = past.extend(key_BHTD, value_BHTD)
        mixed_BHTD = functional.scaled_dot_product_attention(
            query_BHTD,
            key_BHTD,
            value_BHTD,
            attn_mask=seen_B1TT,
            # After the first call, each call adds one position, which may see all.
            is_causal=seen_B1TT is None and start == 0,
        )
        mixed_BTC: Tensor = self.o_proj(mixed_BHTD.transpose(1, 2).reshape(batch, length, width))
        return mixed_BTC


class Mlp(nn.Module):
    """SwiGLU, https://arxiv.org/abs/2002.05202."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(recipe.width, recipe.mlp_width, bias=False)
        self.up_proj = nn.Linear(recipe.width, recipe.mlp_width, bias=False)
        self.down_proj = nn.Linear(recipe.mlp_width, recipe.width, bias=False)

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Transform each position on its own."""
        out_BTC: Tensor = self.down_proj(functional.silu(self.gate_proj(x_BTC)) * self.up_proj(x_BTC))
        return out_BTC


class Layer(nn.Module):
    """Attention, then MLP, each normalised before and added after."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.input_layernorm = RmsNorm(recipe.width, eps=NORM_EPSILON)
        self.self_attn = Attention(recipe)
        self.post_attention_layernorm = RmsNorm(recipe.width, eps=NORM_EPSILON)
        self.mlp = Mlp(recipe)
        self.dropout = recipe.dropout

    def forward(
        self,
        x_BTC: Tensor,
        rotation: Rotation,
        past: Past | None,
        noise: torch.Generator | None = None,
        seen_B1TT: Tensor | None = None,
    ) -> Tensor:
        """One residual block; noise drives dropout, without it nothing is dropped."""
        mixed_BTC = self.self_attn(self.input_layernorm(x_BTC), rotation, past, seen_B1TT)
        x_BTC = x_BTC + dropped(mixed_BTC, self.dropout, noise)
        out_BTC: Tensor = x_BTC + dropped(self.mlp(self.post_attention_layernorm(x_BTC)), self.dropout, noise)
        return out_BTC


def dropped(x: Tensor, share: float, noise: torch.Generator | None) -> Tensor:
    """Dropout with a generator of the caller's: torch's own draws from one that all threads share."""
    if noise is None or not share:
        return x
    return x * torch.empty_like(x).bernoulli_(1 - share, generator=noise).div_(1 - share)


class Decoder(nn.Module):
    """Embedding, layers and the last normalisation; named `model` in the checkpoint."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(recipe.vocabulary_size, recipe.width)
        self.layers = nn.ModuleList(Layer(recipe) for _ in range(recipe.layers))
        self.norm = RmsNorm(recipe.width, eps=NORM_EPSILON)


class LanguageModel(nn.Module):
    """Tokens in, logits of the next token out; the output layer has its own weights."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.model = Decoder(recipe)
        self.lm_head = nn.Linear(recipe.width, recipe.vocabulary_size, bias=False)
        self.rotation = Rotation(recipe.head_width, recipe.context)
        self.mark: int | None = None
        """The token at which each document opens, while documents are kept apart."""
        self._initialise(torch.Generator().manual_seed(recipe.seed))

    def _initialise(self, generator: torch.Generator) -> None:
        """Draw the weights so that the first loss is ln V and every layer starts as the identity."""
        for name, weight in self.named_parameters():
            if name == "lm_head.weight" or name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(weight)
            elif name == "model.embed_tokens.weight":
                nn.init.normal_(weight, std=1.0 / math.sqrt(self.recipe.width), generator=generator)
            elif weight.ndim == 2:
                bound = math.sqrt(3.0 / weight.shape[1])
                nn.init.uniform_(weight, -bound, bound, generator=generator)
        if self.recipe.backward_heads:
            self._look_back()

    def _look_back(self) -> None:
        """Turn the first layer's first heads towards the tokens just before."""
        layer = self.model.layers[0]
        assert isinstance(layer, Layer)
        first = layer.self_attn
        share_a_channel(self.model.embed_tokens.weight)
        for gain in (first.q_norm.weight, first.k_norm.weight):
            nn.init.constant_(gain, SHARPNESS)
        rate_F = rotation_rates(self.recipe.head_width)
        for head in range(self.recipe.backward_heads):
            rows = slice(head * self.recipe.head_width, (head + 1) * self.recipe.head_width)
            look_back(first.q_proj.weight[rows], first.k_proj.weight[rows], rate_F, distance=head + 1)

    def forward(self, tokens_BT: Tensor, pasts: list[Past] | None = None) -> Tensor:
        """Logits BTV in float32 for the token after each position; `pasts` holds one Past a layer."""
        logits_BTV: Tensor = self.lm_head(self._last(tokens_BT, pasts))
        return logits_BTV.float()

    def states(self, tokens_BT: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """What the output layer reads, BTC: the state after each position; with noise, under dropout."""
        return self._last(tokens_BT, None, noise)

    def _last(self, tokens_BT: Tensor, pasts: list[Past] | None, noise: torch.Generator | None = None) -> Tensor:
        x_BTC = dropped(self.model.embed_tokens(tokens_BT), self.recipe.dropout, noise)
        seen_B1TT = None if self.mark is None or pasts else _own_document(tokens_BT, self.mark)
        for at, layer in enumerate(self.model.layers):
            x_BTC = layer(x_BTC, self.rotation, pasts[at] if pasts else None, noise, seen_B1TT)
        normed_BTC: Tensor = self.model.norm(x_BTC)
        return normed_BTC

    def loss(
        self,
        inputs_BT: Tensor,
        targets_BT: Tensor,
        noise: torch.Generator | None = None,
        chances_NV: Tensor | None = None,
    ) -> Tensor:
        """Mean negative log likelihood of the targets, in nats per token; with noise, under dropout.

        With chances of all tokens after each position, the cross-entropy against these instead.
        """
        last_NC = self._last(inputs_BT, None, noise).flatten(0, 1)
        if inputs_BT.is_cuda or torch.is_autocast_enabled("cpu"):
            wanted = targets_BT.flatten() if chances_NV is None else chances_NV
            return functional.cross_entropy(self.lm_head(last_NC).float(), wanted)
        loss: Tensor = HeadLoss.apply(  # type: ignore[no-untyped-call]  # torch leaves it unannotated
            last_NC, self.lm_head.weight, targets_BT.flatten(), chances_NV
        )
        return loss

    def parameter_count(self) -> int:
        """Trainable parameters."""
        return sum(weight.numel() for weight in self.parameters())

    def operations_per_token(self) -> int:
        """Floating point operations of learning from one token, PaLM's count: https://arxiv.org/abs/2204.02311, B."""
        multiplied = self.parameter_count() - self.model.embed_tokens.weight.numel()
        return 6 * multiplied + 12 * self.recipe.layers * self.recipe.width * self.recipe.context


@contextmanager
def documents_apart(mark: int, *models: LanguageModel) -> Iterator[None]:
    """Let no position see what stands before the last `mark`, the token that opens every document.

    Windows of training hold parts of several documents. Rotary positions count distances only, so each document is
    learned from as if it stood alone. Afterwards models read whatever they are given, as those from a checkpoint do.
    """
    for model in models:
        model.mark = mark
    try:
        yield
    finally:
        for model in models:
            model.mark = None


def _own_document(tokens_BT: Tensor, mark: int) -> Tensor:
    """Which positions each position sees: those before it, and itself, back to the mark that opens its document."""
    document_BT = (tokens_BT == mark).cumsum(dim=1)
    same_BTT = document_BT[:, :, None] == document_BT[:, None, :]
    return same_BTT.tril()[:, None]


def transformers_config(recipe: Recipe, *, end_of_text: int, versions: Mapping[str, str]) -> dict[str, object]:
    """The config.json with which `AutoModelForCausalLM.from_pretrained` builds the same model."""
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": recipe.vocabulary_size,
        "hidden_size": recipe.width,
        "intermediate_size": recipe.mlp_width,
        "num_hidden_layers": recipe.layers,
        "num_attention_heads": recipe.heads,
        "num_key_value_heads": recipe.heads,
        "head_dim": recipe.head_width,
        "hidden_act": "silu",
        "max_position_embeddings": recipe.context,
        "rms_norm_eps": NORM_EPSILON,
        "rope_theta": ROPE_THETA,
        "rope_parameters": {"rope_type": "default", "rope_theta": ROPE_THETA},
        "attention_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": False,
        "use_cache": True,
        "use_sliding_window": False,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "dtype": "float32",
        "transformers_version": versions.get("transformers", ""),
    }
