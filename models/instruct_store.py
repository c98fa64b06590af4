"""Models that answer instructions, on disk: folders that transformers opens, with their chat template and record."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import tokenizers
import torch
from torch import nn

from models.checkpoint import FILES as CHECKPOINT_FILES
from models.classifier_versions import INSTRUCTED_FILES
from models.durable import WRITING, misfit, read_json, seal, sync, unfinished, verify, write_json
from models.errors import CheckpointError, RecipeError
from models.tokenizer import load_tokenizer

FILES = INSTRUCTED_FILES
WEIGHTS, CONFIG, FILE_NAME, TOKENIZER_CONFIG, TEMPLATE, RECORD = FILES

BEFORE, BETWEEN = "### Instruction:\n", "\n\n### Response:\n"
"""What stands around a question, after Alpaca, https://github.com/tatsu-lab/stanford_alpaca."""
JINJA = """\
{{% for message in messages %}}\
{{% if message['role'] == 'user' %}}{opening}{{{{ {before} + message['content'] + {between} }}}}\
{{% elif message['role'] == 'assistant' %}}{{{{ message['content'] + eos_token }}}}\
{{% else %}}{{{{ raise_exception('only the roles user and assistant are known') }}}}{{% endif %}}\
{{% endfor %}}"""


@dataclass(frozen=True)
class Chat:
    """How texts become tokens: what opens every prompt, and the mark that ends a response."""

    inner: tokenizers.Tokenizer
    opening: tuple[int, ...]
    end: int

    def prompt(self, asked: str) -> list[int]:
        """Tokens of a question, up to where the response begins."""
        return [*self.opening, *self._plain(f"{BEFORE}{asked}{BETWEEN}")]

    def response(self, said: str) -> list[int]:
        """Tokens of a response with the mark of its end."""
        return [*self._plain(said), self.end]

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens, marks left out."""
        return str(self.inner.decode(list(tokens), skip_special_tokens=True))

    def _plain(self, text: str) -> list[int]:
        ids: list[int] = self.inner.encode(text, add_special_tokens=False).ids
        return ids


@dataclass(frozen=True)
class Causal:
    """A language model ready to learn or to answer, its chat, and its folder's own settings of the tokenizer."""

    model: nn.Module
    chat: Chat
    name: str
    tokenizer_config: Mapping[str, Any]

    @property
    def config(self) -> Any:  # noqa: ANN401  transformers leaves it untyped
        """Sizes, as transformers names them."""
        return cast(Any, self.model).config


def load_causal(folder: Path, *, context: int = 1) -> Causal:
    """Read a model for the next token: a checkpoint of this library, one made here, or what AutoModelForCausalLM opens.

    Nothing in the folder is executed.

    Raises:
        CheckpointError: the folder is none, or its files are altered, missing, cut short or no safetensors.
        RecipeError: `context` is longer than the model has positions for.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    if not (folder / CONFIG).is_file():
        raise CheckpointError(f"{folder} is no checkpoint: it has no {CONFIG}; name its folder")
    own = (folder / "recipe.json").is_file()
    if own or (folder / RECORD).is_file():
        verify(folder, CHECKPOINT_FILES if own else FILES)
    chat = _chat(folder)
    try:
        opened: Any = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32,
            output_loading_info=True,
        )  # fmt: skip
        model, told = opened
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"transformers cannot open {folder}: {misfit(error)}; give a whole safetensors folder"
        ) from error
    if absent := sorted(told["missing_keys"]):  # transformers would go on with random ones
        raise CheckpointError(f"{folder} lacks the weights {', '.join(absent[:3])}; give a whole safetensors folder")
    positions: int | None = getattr(model.config, "max_position_embeddings", None)
    if positions is not None and own:  # ours: rotations know any position
        model.config.max_position_embeddings = positions = max(context, positions)
    if positions is not None and context > positions:
        raise RecipeError(f"context={context} is more than the {positions} positions of {folder}; lower it")
    settings = folder / TOKENIZER_CONFIG
    return Causal(model.eval(), chat, folder.name, read_json(settings) if settings.is_file() else {})


def _chat(folder: Path) -> Chat:
    """How a folder's tokenizer opens and ends: as recorded, as this library's does, or as it says itself."""
    path = folder / FILE_NAME
    try:
        inner = tokenizers.Tokenizer.from_buffer(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"no tokenizer in {path}: {error}; save the tokenizer in its fast form there") from error
    inner.no_padding()
    inner.no_truncation()
    # A mark spelled out in a text is text: else whoever wrote it could end the response or speak as somebody else.
    inner.encode_special_tokens = True
    if (folder / RECORD).is_file():
        record = read_json(folder / RECORD)
        return Chat(inner, tuple(record["opening"]), int(record["end"]))
    if (folder / "recipe.json").is_file():
        mark = load_tokenizer(folder).end_of_text
        return Chat(inner, (mark,), mark)
    end = read_json(folder / CONFIG).get("eos_token_id")
    end = end[0] if isinstance(end, list) and end else end
    if not isinstance(end, int):
        raise CheckpointError(f"{folder / CONFIG} names no eos_token_id, the mark of a response's end; add it")
    return Chat(inner, tuple(inner.encode("").ids), end)


def save_instructed(causal: Causal, record: Mapping[str, Any], folder: Path) -> None:
    """Write a model whose responses were learned; a reader sees all of it or nothing.

    Raises:
        CheckpointError: the folder is there already.
    """
    if folder.exists():
        raise CheckpointError(f"{folder} is there already and stays as it is; name another folder")
    with unfinished(folder.absolute().parent, f".{folder.name}{WRITING}") as working:
        cast(Any, causal.model).save_pretrained(working, max_shard_size="10TB")
        (working / FILE_NAME).write_text(causal.chat.inner.to_str(), encoding="utf-8")
        write_json(working / TOKENIZER_CONFIG, _tokenizer_config(causal))
        (working / TEMPLATE).write_text(_template(causal.chat), encoding="utf-8")
        chat = {"opening": list(causal.chat.opening), "end": causal.chat.end}
        write_json(working / RECORD, {**record, **chat})
        seal(working, FILES)
        working.chmod(0o755)
        working.rename(folder)
        sync(folder.absolute().parent)


def _tokenizer_config(causal: Causal) -> dict[str, Any]:
    end = causal.chat.inner.id_to_token(causal.chat.end)
    given = {name: value for name, value in causal.tokenizer_config.items() if name != "chat_template"}
    positions = getattr(causal.config, "max_position_embeddings", None)
    longest = {} if positions is None else {"model_max_length": positions}
    return {"tokenizer_class": "PreTrainedTokenizerFast", **given, **longest, "eos_token": end}


def _template(chat: Chat) -> str:
    """The same prompt as `Chat.prompt`, as transformers' tokenizers write it."""
    opening = "".join(chat.inner.id_to_token(each) or "" for each in chat.opening)
    quoted = {"before": json.dumps(BEFORE), "between": json.dumps(BETWEEN)}
    return JINJA.format(opening=opening, **quoted)
