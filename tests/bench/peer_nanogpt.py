"""nanoGPT's CPU configuration on a text's characters: `python peer_nanogpt.py FOLDER TEXT SEED`.

FOLDER is a checkout of github.com/karpathy/nanoGPT, whose model and optimizer are used as they are; the values are
those of its README ("I only have a macbook") and of its train.py. On the clock: the model and 2,000 steps, one thread.
Not on it: imports, characters to numbers, evaluation. Prints one JSON object.
"""

import contextlib
import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch

CONTEXT, BATCH, STEPS, WARMUP = 64, 12, 2000, 100
HIGHEST, LOWEST = 1e-3, 1e-4


def rate(step):
    if step < WARMUP:
        return HIGHEST * (step + 1) / (WARMUP + 1)
    return LOWEST + 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))) * (HIGHEST - LOWEST)


def trained(nanogpt, learned, symbols):
    with contextlib.redirect_stdout(sys.stderr):
        shape = nanogpt.GPTConfig(
            block_size=CONTEXT, vocab_size=symbols, n_layer=4, n_head=4, n_embd=128, dropout=0.0, bias=False
        )
        model = nanogpt.GPT(shape)
        moving = model.configure_optimizers(1e-1, HIGHEST, (0.9, 0.99), "cpu")
    for step in range(STEPS):
        for group in moving.param_groups:
            group["lr"] = rate(step)
        starts = torch.randint(len(learned) - CONTEXT, (BATCH,)).tolist()
        inputs, targets = (
            torch.stack([learned[at + shift : at + shift + CONTEXT] for at in starts]) for shift in (0, 1)
        )
        model(inputs, targets)[1].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        moving.step()
        moving.zero_grad(set_to_none=True)
    return model.eval()


@torch.no_grad()
def mean_loss(model, held):
    """Nats a character over windows one after the other, each read from its own beginning."""
    windows = torch.stack([held[at : at + CONTEXT + 1] for at in range(0, len(held) - CONTEXT, CONTEXT)])
    return sum(
        model(part[:, :-1].contiguous(), part[:, 1:].contiguous())[1].item() * len(part) for part in windows.split(64)
    ) / len(windows)


def main(folder, path, seed):
    sys.path.insert(0, folder)
    import model as nanogpt

    torch.set_num_threads(1)
    torch.manual_seed(int(seed))
    text = Path(path).read_text(encoding="utf-8")
    numbers = {symbol: at for at, symbol in enumerate(sorted(set(text)))}
    tokens = torch.from_numpy(np.array([numbers[symbol] for symbol in text], dtype=np.int64))
    cut = int(len(tokens) * 0.9)
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # loads half of torch, for seconds
    wall, cpu = time.perf_counter(), time.process_time()
    model = trained(nanogpt, tokens[:cut], len(numbers))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    parameters = sum(weight.numel() for weight in model.parameters())
    told = {"wall": wall, "cpu": cpu, "loss": mean_loss(model, tokens[cut:]), "parameters": parameters}
    sys.stdout.write(json.dumps(told) + "\n")


main(*sys.argv[1:])
