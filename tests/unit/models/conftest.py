"""Small documents, and one tiny model trained once for every test that only reads it."""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from models.checkpoint import CheckpointStore, Origin
from models.config import TINY
from models.documents import documents_from
from models.train import train

WORDS = [
    "school",
    "college",
    "student",
    "teacher",
    "lesson",
    "reads",
    "writes",
    "learns",
    "the",
    "a",
    "in",
    "of",
    "every",
    "new",
    "old",
    "town",
    "state",
]


def rows(*, train_count=40, validation_count=6, test_count=8, seed=0):
    draw = random.Random(seed)
    made = []
    for split, count in (("train", train_count), ("validation", validation_count), ("test", test_count)):
        for at in range(count):
            words = " ".join(draw.choice(WORDS) for _ in range(draw.randint(20, 90)))
            made.append(
                {
                    "document_id": f"{split}/{at:03d}",
                    "dataset": "letters" if at % 3 else "numbers",
                    "text": f"{words}. {at} {split} déjà 学校",
                    "split": split,
                }
            )
    return made


def table(values):
    names = ("document_id", "dataset", "text", "split")
    types = (pa.string(), pa.string(), pa.large_string(), pa.string())
    return pa.Table.from_pylist(values, schema=pa.schema(list(zip(names, types, strict=True))))


# Threads of several test processes that wait for each other on two cores made one test take 80 s.
torch.set_num_threads(1)


@pytest.fixture
def documents_file(tmp_path) -> Path:
    path = tmp_path / "documents.parquet"
    pq.write_table(table(rows()), path)
    return path


@pytest.fixture(scope="session")
def documents():
    return documents_from(table(rows()))


ORIGIN = Origin(
    training_key="key-1",
    documents_snapshot="7",
    documents_sha256="d" * 64,
    dataset_commits={"letters": "c0ffee"},
    code_commit="abc",
    cause="first",
)


@pytest.fixture(scope="session")
def trained(documents):
    return train(documents, TINY, threads=1)


@pytest.fixture(scope="session")
def checkpoint(trained, tmp_path_factory) -> Path:
    store = CheckpointStore(tmp_path_factory.mktemp("checkpoints"))
    return store.folder(store.add(trained, ORIGIN))
