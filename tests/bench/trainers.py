"""One trainer in a process of its own: `python trainers.py ours-OPTIMIZER|transformers|litgpt FOLDER WARM THREADS`.

FOLDER has what `test_training.py` wrote: a recipe and a text for ours; for the others the same model's `config.json`,
in transformers' Qwen3 format, and the windows that ours learns from in their order (`windows.npy`, int64, context + 1
tokens a row). The others are the packages as they are, in float32 with AdamW and clipped gradients, and log nothing on
the way. A clock starts after WARM steps, so that compiling and first touches are not on it, and ends before the last
step. Prints one JSON object.
"""

import contextlib
import dataclasses
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

CLIP = 1.0


def now():
    """Seconds by the clock and of this process's cores."""
    return time.perf_counter(), time.process_time()


class Steps(torch.utils.data.Dataset):
    """Windows, with the moment when each step's first one was asked for."""

    def __init__(self, windows, batch, form):
        self._windows, self._batch, self._form, self.asked = torch.from_numpy(windows), batch, form, []

    def __len__(self):
        return len(self._windows)

    def __getitem__(self, at):
        if at % self._batch == 0:
            self.asked.append(now())
        return self._form(self._windows[at])


def by_transformers(config, windows, batch):
    from transformers import AutoModelForCausalLM, Qwen3Config, Trainer, TrainingArguments

    data = Steps(windows, batch, lambda window: {"input_ids": window[:-1], "labels": window[:-1]})
    model = AutoModelForCausalLM.from_config(Qwen3Config(**config))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, per_device_train_batch_size=batch, max_steps=len(windows) // batch, max_grad_norm=CLIP,
            use_cpu=True, save_strategy="no", report_to="none", logging_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        trainer = Trainer(model=model, args=arguments, train_dataset=data)
        trainer._get_train_sampler = lambda *_: torch.utils.data.SequentialSampler(data)
        trainer.train()
    return model, data.asked


def by_litgpt(config, windows, batch):
    from litgpt import Config, pretrain
    from litgpt.args import EvalArgs, TrainArgs
    from litgpt.data import DataModule

    data = Steps(windows, batch, lambda window: window)
    loader = torch.utils.data.DataLoader(data, batch_size=batch)

    class Windows(DataModule):
        def connect(self, **_):
            pass

        def train_dataloader(self):
            return loader

        def val_dataloader(self):
            return torch.utils.data.DataLoader(torch.from_numpy(windows[:batch]), batch_size=batch)

    context = windows.shape[1] - 1
    shape = Config(
        name="peer", block_size=context, vocab_size=config["vocab_size"], padded_vocab_size=config["vocab_size"],
        n_layer=config["num_hidden_layers"], n_head=config["num_attention_heads"], n_embd=config["hidden_size"],
        n_query_groups=config["num_key_value_heads"], head_size=config["head_dim"], rotary_percentage=1.0,
        parallel_residual=False, bias=False, norm_class_name="RMSNorm", norm_qk=True, norm_eps=config["rms_norm_eps"],
        mlp_class_name="LLaMAMLP", intermediate_size=config["intermediate_size"],
    )  # fmt: skip
    made = []
    initialise = pretrain.initialize_weights
    pretrain.initialize_weights = lambda fabric, model, **more: (made.append(model), initialise(fabric, model, **more))
    pretrain.save_checkpoint = lambda *_, **__: None  # after the clock, and only in the way
    with tempfile.TemporaryDirectory() as folder:
        steps = len(windows) // batch
        pretrain.setup(
            "peer", model_config=shape, out_dir=Path(folder) / "out", precision="32-true", data=Windows(), devices=1,
            train=TrainArgs(
                save_interval=None, log_interval=steps + 1, global_batch_size=batch, micro_batch_size=batch,
                max_tokens=(steps - 1) * batch * context, max_norm=CLIP, min_lr=4e-5, lr_warmup_steps=10,
            ),
            eval=EvalArgs(interval=steps + 1, max_iters=1, initial_validation=False, final_validation=False),
            logger_name="csv",
        )  # fmt: skip
    return made[0], data.asked


def ours(optimizer, folder, warm, threads):
    from models.config import recipe_from_json
    from models.documents import Document
    from models.train import train

    written, passed = recipe_from_json((folder / "recipe.json").read_text(encoding="utf-8")), {}
    recipe = dataclasses.replace(written, optimizer=optimizer)
    documents = [Document("text", "text", (folder / "text.txt").read_text(encoding="utf-8"), "train")]
    train(documents, dataclasses.replace(recipe, steps=1), threads=threads)  # loads half of torch, for seconds
    trained = train(documents, recipe, threads=threads, on_progress=lambda at: passed.setdefault(at.step, now()))
    return trained.model, passed[warm], passed[recipe.steps - 1], recipe.steps - 1 - warm


def of_a_peer(train, folder, warm):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    batch = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))["batch"]
    model, asked = train(config, np.load(folder / "windows.npy"), batch)
    return model, asked[warm], asked[-1], len(asked) - 1 - warm


def main(who, folder, warm, threads):
    torch.set_num_threads(int(threads))
    torch.manual_seed(0)
    with contextlib.redirect_stdout(sys.stderr):
        if who.startswith("ours-"):
            model, first, last, steps = ours(who.removeprefix("ours-"), Path(folder), int(warm), int(threads))
        else:
            model, first, last, steps = of_a_peer(PEERS[who], Path(folder), int(warm))
    told = {
        "wall": last[0] - first[0],
        "cpu": last[1] - first[1],
        "steps": steps,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    sys.stdout.write(json.dumps(told) + "\n")


PEERS = {"transformers": by_transformers, "litgpt": by_litgpt}

main(*sys.argv[1:])
