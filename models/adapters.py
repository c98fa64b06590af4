"""Low-rank adapters (LoRA, https://arxiv.org/abs/2106.09685) on any base, by peft, and their merging into it."""

import warnings
from typing import Any, cast

from torch import nn


def add_adapters(encoder: nn.Module, *, rank: int, but: nn.Module | None = None) -> Any:  # noqa: ANN401  peft's own type would load peft
    """Put adapters beside every linear layer of the base, in place, and freeze all else; return what merges them.

    `but` is a layer that gets none: an output layer may share its weights with the embedding.
    """
    # Imported here: peft loads transformers, which costs seconds that full fine-tuning does without.
    from peft import LoraConfig, get_peft_model

    linear = {name: module for name, module in encoder.named_modules() if isinstance(module, nn.Linear)}
    named = {name.rpartition(".")[2] for name, module in linear.items() if module is not but}
    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, bias="none", target_modules=sorted(named))
    with warnings.catch_warnings():
        # peft 0.21 asks transformers 5 for an attribute by the name that it had before.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        return get_peft_model(cast(Any, encoder), config)


def merge_adapters(adapted: Any) -> nn.Module:  # noqa: ANN401  as above
    """Add the adapters to the weights they stand beside; the base then has its own shape again."""
    return cast(nn.Module, adapted.merge_and_unload())
