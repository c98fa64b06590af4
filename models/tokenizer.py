"""The tokenizer: byte-level BPE learned from training documents only; every text comes back byte for byte."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from models.errors import CheckpointError, NoDocumentsError

END_OF_TEXT = "<|endoftext|>"
BYTES = 256
"""Tokens before the first merge: with these and the end of text, characters of ASCII are tokens of their own."""
FILE_NAME = "tokenizer.json"

# Like GPT-2's, but digits come alone (numbers differ everywhere) and runs of spaces keep one for the next word.
_PIECES = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


class Tokenizer:
    """Text to token ids and back, with the count of bytes behind every id."""

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        self._inner = inner
        end = inner.token_to_id(END_OF_TEXT)
        if end is None:
            raise CheckpointError(f"the tokenizer has no {END_OF_TEXT} token; train it again with this library")
        self.end_of_text: int = end
        self.size: int = inner.get_vocab_size(with_added_tokens=True)
        self._bytes = [self._token_bytes(token_id) for token_id in range(self.size)]
        self._by_byte = self._token_of_each_byte() if self.size == BYTES + 1 else None

    def _token_bytes(self, token_id: int) -> bytes:
        if token_id == self.end_of_text:
            return b""
        spelling = self._inner.id_to_token(token_id)
        assert spelling is not None
        return bytes(_BYTE_OF_CHARACTER[character] for character in spelling)

    def encode(self, text: str) -> list[int]:
        """Token ids of a text; a text that spells the end-of-text mark is still plain text."""
        return self.encode_all([text])[0]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of many texts."""
        if self._by_byte is not None:
            return [self._by_byte[np.frombuffer(text.encode(), np.uint8)].tolist() for text in texts]
        return [encoding.ids for encoding in self._inner.encode_batch_fast(list(texts), add_special_tokens=False)]

    def _token_of_each_byte(self) -> npt.NDArray[np.int64]:
        tokens = np.zeros(BYTES, np.int64)
        for token_id, spelling in enumerate(self._bytes):
            if spelling:
                tokens[spelling[0]] = token_id
        return tokens

    def decode_bytes(self, tokens: Iterable[int]) -> bytes:
        """The exact bytes behind the tokens; the end of text has none."""
        return b"".join(self._bytes[token] for token in tokens)

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of the tokens; bytes cut in the middle of a character show as U+FFFD."""
        return self.decode_bytes(tokens).decode("utf-8", errors="replace")

    def printable(self, token: int) -> str:
        """One token for people; bytes that are no whole character show in hexadecimal."""
        if token == self.end_of_text:
            return END_OF_TEXT
        return self._bytes[token].decode("utf-8", errors="backslashreplace") if token < self.size else ""

    def byte_counts(self) -> list[int]:
        """Bytes behind each token id."""
        return [len(token) for token in self._bytes]

    def sha256(self) -> str:
        """Hash of what `save` writes."""
        return hashlib.sha256(self._inner.to_str().encode("utf-8")).hexdigest()

    def save(self, folder: Path) -> None:
        """Write tokenizer.json."""
        (folder / FILE_NAME).write_text(self._inner.to_str(), encoding="utf-8")


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-in for each byte, https://github.com/openai/gpt-2/blob/master/src/encoder.py."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + at): byte for at, byte in enumerate(others)}


_BYTE_OF_CHARACTER = _byte_alphabet()


def train_tokenizer(texts: Iterable[str], *, vocabulary_size: int) -> Tokenizer:
    """Learn merges from texts; the same texts in any order of threads give the same merges.

    Raises:
        NoDocumentsError: there is no text at all.
    """
    texts = [text for text in texts if text]
    if not texts:
        raise NoDocumentsError("no training document has any text; load documents with split 'train' first")
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size - 1,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        special_tokens=[],
    )
    # Without room for a merge there is nothing to learn, and a million characters would take a second to read.
    inner.train_from_iterator(texts if vocabulary_size > BYTES + 1 else [], trainer)
    inner.add_special_tokens([END_OF_TEXT])
    inner.encode_special_tokens = True  # the mark inside a document is text, or anyone could end a document
    return Tokenizer(inner)


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read tokenizer.json.

    Raises:
        CheckpointError: it is missing or is no tokenizer.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise CheckpointError(f"no {FILE_NAME} in {folder}; train the model again")
    try:
        inner = tokenizers.Tokenizer.from_buffer(path.read_bytes())
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{path} is no tokenizer: {error}; train the model again") from error
    inner.encode_special_tokens = True
    return Tokenizer(inner)
