"""How likely a model finds wished responses: the loss on their tokens alone, and the gain over the base.

Shapes: R rows of a batch, T tokens, V vocabulary, N all rows, G groups.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.accuracy import Floats, Interval, ratio_interval
from models.device import Device
from models.errors import LabelsError
from models.instruct_store import Causal, Chat
from models.instructions import Instruction, rows_sha256
from models.labelled import refuse
from models.tuned_requests import TunedFigure, TunedGain

NO_LOSS = -100
"""A place that is not learned, as torch's cross-entropy marks it."""
ROWS_AT_ONCE = 16


@dataclass(frozen=True)
class Example:
    """A row as tokens: the prompt, then from `start` on the response with the mark of its end."""

    tokens: npt.NDArray[np.int64]
    start: int

    @property
    def count(self) -> int:
        """Tokens of the response."""
        return len(self.tokens) - self.start


def encoded(rows: Sequence[Instruction], chat: Chat, context: int) -> list[Example]:
    """Return rows as tokens.

    Raises:
        LabelsError: rows are longer than the context; none is cut, for a response without its end teaches no end.
    """
    found, faults = [], []
    for row in rows:
        prompt, response = chat.prompt(row.asked), chat.response(row.response)
        if len(prompt) + len(response) > context:
            faults.append(f"row {row.row_id} takes {len(prompt) + len(response)} tokens of context={context}")
        found.append(Example(np.array([*prompt, *response], np.int64), len(prompt)))
    try:
        refuse(faults, "the table")
    except LabelsError as error:
        raise LabelsError(f"{error}, shorten or leave out these, or take a longer context") from error
    return found


def batch_of(examples: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor]:
    """Return tokens RT, padded at the end, the mask RT of what is no padding, and the labels RT of what is learned."""
    tokens = padded([each.tokens for each in examples], 0)
    mask = padded([np.ones_like(each.tokens) for each in examples], 0)
    labels = [np.where(np.arange(len(each.tokens)) < each.start, NO_LOSS, each.tokens) for each in examples]
    return tokens, mask, padded(labels, NO_LOSS)


def padded(rows: Sequence[npt.NDArray[np.int64]], value: int) -> Tensor:
    """Return rows as one tensor, filled up at the end."""
    return torch.nn.utils.rnn.pad_sequence(
        [torch.from_numpy(each) for each in rows], batch_first=True, padding_value=value
    )


def token_losses(causal: Causal, examples: Sequence[Example], device: Device) -> Tensor:
    """Return the loss RT of every token after the first, in nats; nought where a prompt or padding stands."""
    tokens_RT, mask_RT, labels_RT = (each.to(device.torch_device) for each in batch_of(examples))
    with device.arithmetic():
        logits_RTV = cast(Any, causal.model)(input_ids=tokens_RT, attention_mask=mask_RT).logits
    return functional.cross_entropy(
        logits_RTV[:, :-1].float().transpose(1, 2), labels_RT[:, 1:], ignore_index=NO_LOSS, reduction="none"
    )


@torch.no_grad()
def response_losses(causal: Causal, examples: Sequence[Example], device: Device) -> Floats:
    """Return the loss N of every row's response, summed over its tokens, in nats."""
    was = causal.model.training
    causal.model.to(device.torch_device).eval()
    found = np.zeros(len(examples))
    order = np.argsort([len(each.tokens) for each in examples], kind="stable")
    for start in range(0, len(order), ROWS_AT_ONCE):
        chosen = order[start : start + ROWS_AT_ONCE]
        found[chosen] = token_losses(causal, [examples[at] for at in chosen], device).sum(1).double().cpu().numpy()
    causal.model.train(was)
    return found


def compared(
    tuned_N: Floats, base_N: Floats, examples: Sequence[Example], rows: Sequence[Instruction]
) -> list[TunedFigure]:
    """Return figures over all rows, and of short and long responses; loss and perplexity are by token of responses.

    Beside them stand those of the base and the gain over it: base less tuned, in nats.
    """
    counts_N = np.array([each.count for each in examples])
    short_N = counts_N <= np.median(counts_N)
    parts = {"all": np.ones_like(short_N), "short responses": short_N, "long responses": ~short_N}
    named, found = rows_sha256(rows), []
    for part, chosen_N in parts.items():
        at = np.flatnonzero(chosen_N).tolist()
        if not at:  # all are equally long
            continue
        chosen, groups = [examples[each] for each in at], [rows[each].group for each in at]

        def figure(name: str, interval: Interval, part: str = part, groups: list[str] = groups) -> TunedFigure:
            count = len(set(groups))
            low, high = (interval.low, interval.high) if count > 1 else (None, None)
            return TunedFigure(name, part, interval.value, low, high, len(groups), count, named)

        for whose, losses_N in (("", tuned_N), ("base_", base_N)):
            loss = by_token(losses_N[at], chosen, groups)
            raised = Interval(*(math.exp(each) for each in (loss.value, loss.low, loss.high)))
            found += [figure(f"{whose}response_loss", loss), figure(f"{whose}response_perplexity", raised)]
        found.append(figure("gain_over_base", by_token((base_N - tuned_N)[at], chosen, groups)))
    return found


def gained(tuned_N: Floats, other_N: Floats, groups: Sequence[str]) -> TunedGain:
    """Return how many nats less a whole response takes than by another model, whose tokens may be others."""
    _, place_N = np.unique(np.array(groups), return_inverse=True)
    rows_G = np.bincount(place_N).astype(np.float64)
    gain = ratio_interval(np.bincount(place_N, weights=other_N - tuned_N).astype(np.float64), rows_G)
    low, high = (gain.low, gain.high) if len(rows_G) > 1 else (None, None)
    return TunedGain("nats saved a response", gain.value, low, high, len(groups), len(rows_G))


def by_token(values_N: Floats, examples: Sequence[Example], groups: Sequence[str]) -> Interval:
    """Return sums of rows by token of their responses, with the interval of a bootstrap over groups."""
    _, place_N = np.unique(np.array(groups), return_inverse=True)
    counts = np.array([each.count for each in examples], np.float64)
    return ratio_interval(
        np.bincount(place_N, weights=values_N).astype(np.float64),
        np.bincount(place_N, weights=counts).astype(np.float64),
    )


@torch.no_grad()
def written(causal: Causal, asked: str, *, most: int, device: Device) -> tuple[str, bool]:
    """Return the likeliest response, token by token, of at most `most` tokens, and whether it ended before."""
    model, prompt = causal.model.to(device.torch_device), causal.chat.prompt(asked)
    tokens = torch.tensor([prompt], device=device.torch_device)
    told = cast(Any, model).generate(
        input_ids=tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=most, do_sample=False,
        eos_token_id=causal.chat.end, pad_token_id=causal.chat.end,
    )  # fmt: skip
    said: list[int] = told[0, len(prompt) :].tolist()
    return causal.chat.text(said), causal.chat.end in said
