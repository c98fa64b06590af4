"""Shares of tokens by dataset and licence, counted with the model's own tokenizer."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.batches import pack
from models.documents import Document
from models.errors import DocumentsError
from models.shares import token_shares
from models.tokenizer import load_tokenizer, train_tokenizer

TEXTS = [
    ("letters", "MIT", "the school and the college", "train"),
    ("letters", "MIT", "a new lesson in every town", "train"),
    ("letters", "CC0-1.0", "old students read", "train"),
    ("numbers", None, "1 2 3 4 5 6 7 8 9", "train"),
    ("numbers", "MIT", "never counted: held out", "test"),
    ("empty", "MIT", "", "train"),
]


@pytest.fixture
def model(tmp_path):
    """A folder with a tokenizer, and the file of documents."""
    train_tokenizer([text for _, _, text, _ in TEXTS], vocabulary_size=270).save(tmp_path)
    columns = dict(zip(("dataset", "licence", "text", "split"), zip(*TEXTS, strict=True), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "documents.parquet")
    return tmp_path


def test_the_shares_are_those_of_the_tokens_that_training_packs(model):
    shares = token_shares(model, model / "documents.parquet")
    learned = [Document(f"d{n}", dataset, text, split) for n, (dataset, _, text, split) in enumerate(TEXTS[:4])]
    packed = pack(learned, load_tokenizer(model))
    counted = {(share.dataset, share.licence): share.token_count for share in shares}
    sizes = [len(tokens) for tokens in packed.documents]
    assert counted == {
        ("letters", "MIT"): sizes[0] + sizes[1],
        ("letters", "CC0-1.0"): sizes[2],
        ("numbers", None): sizes[3],
    }
    assert sum(share.token_share for share in shares) == pytest.approx(1.0)
    assert [share.token_count for share in shares] == sorted(counted.values(), reverse=True)
    assert shares[0].document_count == 2
    assert shares[0].token_share == (sizes[0] + sizes[1]) / packed.token_count


def test_documents_without_licences_are_named(model):
    pq.write_table(pa.table({"text": ["a"]}), model / "bare.parquet")
    with pytest.raises(DocumentsError, match=r"bare\.parquet"):
        token_shares(model, model / "bare.parquet")
