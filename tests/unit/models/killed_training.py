"""Saves states, and trains, in forked processes that kill themselves at touches of the folder of states.

Run: python killed_training.py DOCUMENTS.parquet FOLDER. Writes what happened as JSON.
"""

import dataclasses
import hashlib
import json
import os
import signal
import sys
from pathlib import Path

import torch

from models.config import TINY
from models.documents import read_documents
from models.progress import Progress
from models.resume import ResumeStore, State
from models.train import train

RECIPE = dataclasses.replace(TINY, dropout=0.1, steps=6, batch=2, warmup_steps=1, validate_every=2, record_every=3)
# What Python tells its audit hooks before it happens; what Rust writes inside lies between two of these.
TOUCHES = {"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "shutil.rmtree", "tempfile.mkdtemp"}


class Fuse:
    """Counts touches of a folder; kills this process before the one with number `left`."""

    def __init__(self, folder: Path, left: int) -> None:
        self.folder, self.left, self.count = str(folder), left, 0

    def __call__(self, event, arguments):
        if event in TOUCHES and any(str(each).startswith(self.folder) for each in arguments):
            if self.count == self.left:
                os.kill(os.getpid(), signal.SIGKILL)
            self.count += 1


def learn(documents, folder, left=-1):
    """Train in a fork; return its answer, or None when it was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        fuse = Fuse(folder, left)
        sys.addaudithook(fuse)
        trained = train(documents, RECIPE, threads=1, resume=ResumeStore(folder, "key", Progress))
        digest = hashlib.sha256()
        for name, weight in sorted(trained.model.state_dict().items()):
            digest.update(name.encode() + weight.numpy().tobytes())
        answer = {"weights": digest.hexdigest(), "resumed_at": trained.resumed_at, "touches": fuse.count}
        os.write(writer, json.dumps(answer).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answers:
        text = answers.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return None
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"a training ended with {status}")
    return json.loads(text)


def save_three(folder, left):
    """Save three states in a fork that may be killed; return how many saves were done."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        fuse = Fuse(folder, left)
        sys.addaudithook(fuse)
        for step in (1, 2, 3):
            ResumeStore(folder, "key", Progress).save(state(step))
            os.write(writer, b".")
        os.write(writer, f"{fuse.count}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answers:
        text = answers.read()
    os.waitpid(child, 0)
    return text.count("."), text.lstrip(".")


def state(step):
    return State(
        step=step,
        tensors={"model.weight": torch.full((300, 3), float(step))},
        loader={"epoch": 0},
        curve=[],
        seconds=float(step),
        made_by={"threads": 1},
    )


def kill_saves(root):
    """Kill a process at each touch of three saves; count the points, and those after which a good state was read."""
    _, touches = save_three(root / "three", -1)
    good = 0
    for point in range(int(touches)):
        folder = root / f"saves-{point}"
        done, _ = save_three(folder, point)
        found = ResumeStore(folder, "key", Progress).newest()
        step = found.step if found else 0
        whole = found is None or torch.equal(found.tensors["model.weight"], state(step).tensors["model.weight"])
        good += whole and step in (done, done + 1)
    return int(touches), good


def main(file: Path, root: Path) -> None:
    points, good = kill_saves(root)
    documents = read_documents(file)[-12:]  # of the training documents: what is learned does not matter
    whole = learn(documents, root / "whole")
    killed, equal, resumed_at = 0, 0, []
    for share in (0.3, 0.6, 0.9):
        folder = root / f"killed-{share}"
        killed += learn(documents, folder, round(whole["touches"] * share)) is None
        again = learn(documents, folder)
        equal += again["weights"] == whole["weights"]
        resumed_at.append(again["resumed_at"])
    told = {"points": points, "good": good, "killed": killed, "equal": equal, "resumed_at": resumed_at}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
