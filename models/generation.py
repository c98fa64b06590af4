"""How a model writes: variety, repetition and sureness of sampled text beside the text that people wrote there.

Shapes: B passages, T tokens.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from models.accuracy import Interval, measured, ratio_interval
from models.baselines import Ids
from models.batches import pack
from models.checkpoint import Loaded
from models.device import Device
from models.documents import Document
from models.likelihood import bits_of
from models.scores import ALL, Measure
from models.writing import write_on

Text = Sequence[int]

HELD_OUT = "held-out text"
"""Slice of the same figure over what people wrote at the same places: what the model's figure is to be near to."""
PASSAGES, WRITTEN_TOKENS = 64, 64


def generation_measures(loaded: Loaded, held: list[Document], snapshot: str, device: Device) -> list[Measure]:
    """Return distinct-2, repeated 4-grams and bits a token of what is sampled after openings of held-out documents.

    Each has its 95 % interval by a bootstrap over passages. None where no document is as long as a prompt and what
    is written; a figure that no text is long enough for is left out.
    """
    count = min(WRITTEN_TOKENS, loaded.recipe.context // 2)
    prompt = loaded.recipe.context - count
    whole = [tokens[: prompt + count] for tokens in pack(held, loaded.tokenizer).documents]
    kept = [tokens for tokens in whole if len(tokens) == prompt + count][:PASSAGES]
    if not kept:
        return []
    real_BT = np.stack(kept)
    prompts_BT = torch.from_numpy(real_BT[:, :prompt]).to(device.torch_device)
    sampled_BT = write_on(loaded.model.to(device.torch_device).eval(), prompts_BT, count, device=device).cpu().numpy()
    written = [np.concatenate(each) for each in zip(real_BT[:, :prompt], sampled_BT, strict=True)]
    counted: dict[str, Callable[[Text], tuple[float, int]]] = {
        "distinct_2_share": lambda text: distinct(text, 2),
        "repeated_4_gram_share": lambda text: repeated(text, 4),
    }
    found = []
    for part, texts in ((ALL, written), (HELD_OUT, kept)):
        figures = {name: [count_of(text[prompt:].tolist()) for text in texts] for name, count_of in counted.items()}
        figures["bits_per_token"] = _bits(loaded, texts, prompt, device)
        for name, sums in figures.items():
            interval = _ratio(sums)
            if interval is not None:
                found.append(measured(name, part, interval, len(texts), snapshot, draws=len(texts)))
    return found


def _bits(loaded: Loaded, texts: Sequence[Ids], prompt: int, device: Device) -> list[tuple[float, int]]:
    """Bits of what stands after the prompts; far fewer than real text needs means a model that talks to itself."""
    bits = bits_of(loaded, texts, device, skip=[prompt - 1] * len(texts)).tolist()
    return [(value, len(text) - prompt) for value, text in zip(bits, texts, strict=True)]


def distinct(text: Text, length: int) -> tuple[int, int]:
    """Return how many n-grams of a text differ, and how many it has, https://arxiv.org/abs/1510.03055."""
    grams = _grams(text, length)
    return len(set(grams)), len(grams)


def repeated(text: Text, length: int) -> tuple[int, int]:
    """Return how many n-grams of a text repeat an earlier one, and how many it has, https://arxiv.org/abs/1908.04319."""
    differ, count = distinct(text, length)
    return count - differ, count


def _grams(text: Text, length: int) -> list[tuple[int, ...]]:
    return [tuple(text[at : at + length]) for at in range(len(text) - length + 1)]


def _ratio(counts: Sequence[tuple[float, int]]) -> Interval | None:
    kept = [each for each in counts if each[1]]
    if not kept:
        return None
    parts, wholes = (np.array([each[at] for each in kept], np.float64) for at in (0, 1))
    return ratio_interval(parts, wholes)
