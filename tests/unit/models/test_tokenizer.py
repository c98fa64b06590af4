"""Promises of the tokenizer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import CheckpointError, NoDocumentsError
from models.tokenizer import END_OF_TEXT, load_tokenizer, train_tokenizer

TOKENIZER = train_tokenizer(["the school reads the school writes 1234"] * 4, vocabulary_size=300)


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_every_text_comes_back_byte_for_byte(text):
    tokens = TOKENIZER.encode(text)
    assert TOKENIZER.decode_bytes(tokens) == text.encode()
    counts = TOKENIZER.byte_counts()
    assert sum(counts[token] for token in tokens) == len(text.encode())


@pytest.mark.parametrize(
    "text", ["\0", "\0\0a\0", "", "\r\n\t ", END_OF_TEXT, f"a{END_OF_TEXT}b", "\U0001f469‍\U0001f4bb"]
)
def test_odd_texts_come_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_without_room_for_merges_every_byte_is_a_token(text):
    plain = train_tokenizer(["the school"], vocabulary_size=257)
    tokens = plain.encode(text)
    assert plain.size == 257
    assert len(tokens) == len(text.encode())
    assert plain.decode_bytes(tokens) == text.encode()
    assert tokens == plain._inner.encode(text, add_special_tokens=False).ids


def test_a_text_cannot_end_its_document():
    assert TOKENIZER.end_of_text not in TOKENIZER.encode(f"before {END_OF_TEXT} after")


def test_the_same_texts_give_the_same_tokenizer(tmp_path):
    texts = [f"lesson {at} of the school" for at in range(50)]
    saved = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        train_tokenizer(texts, vocabulary_size=320).save(tmp_path / name)
        saved.append((tmp_path / name / "tokenizer.json").read_bytes())
    assert saved[0] == saved[1]


def test_a_saved_tokenizer_encodes_alike(tmp_path):
    TOKENIZER.save(tmp_path)
    text = f"the school é 学校 {END_OF_TEXT}"
    assert load_tokenizer(tmp_path).encode(text) == TOKENIZER.encode(text)


def test_the_vocabulary_is_never_larger_than_asked():
    words = ["".join(chr(97 + (at * step) % 26) for step in (1, 3, 7, 11, 5)) for at in range(400)]
    assert train_tokenizer(words, vocabulary_size=300).size == 300
    assert train_tokenizer(["aa aa"], vocabulary_size=300).size < 300


@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_no_text_is_an_error(texts):
    with pytest.raises(NoDocumentsError, match="no training document"):
        train_tokenizer(texts, vocabulary_size=300)


@pytest.mark.parametrize("content", [b"", b"{}", b"\x80\x04", b'{"model": 3}'])
def test_a_broken_tokenizer_file_is_refused(tmp_path, content):
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(CheckpointError, match="is no tokenizer"):
        load_tokenizer(tmp_path)
