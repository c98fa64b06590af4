"""Promises of instruction tuning: only responses are learned, adapters merge, and a base is beaten on unseen rows."""

import json
import random
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from models.adapters import add_adapters, merge_adapters
from models.device import choose_device
from models.errors import CheckpointError, LabelsError, NothingLearnedError, RecipeError, TooLargeError
from models.instruct import answer, evaluate_instructed, instruct, instructing_key
from models.instruct_recipe import InstructRecipe
from models.instruct_store import FILES, load_causal, save_instructed
from models.instructed import NO_LOSS, batch_of, compared, encoded, response_losses, token_losses
from models.instructions import Columns, Instruction, instructions_from, rows_of
from models.memory import Tuned, require_tuning_fits, tuning_bytes
from models.progress import Taught
from models.resume import ResumeStore

WORDS = ["school", "college", "student", "teacher", "lesson", "reads", "writes", "town"]
RECIPE = InstructRecipe(context=64, batch=8, epochs=2, base_rate=5e-3)


def made(count=40):
    """Rows whose response repeats a word of the question."""
    draw, found = random.Random(1), []
    for at in range(count):
        word, split = draw.choice(WORDS), ("test", "validation", "train", "train", "train")[at % 5]
        found.append(Instruction(str(at), f"Say the {word} of {at}", "", f"the {word}", f"g{at}", split))
    return found


@pytest.fixture(scope="module")
def cpu():
    return choose_device("float32", threads=1)


@pytest.fixture(scope="module")
def base(checkpoint):
    return load_causal(checkpoint)


@pytest.fixture(scope="module")
def taught(checkpoint):
    return instruct(made(), checkpoint, RECIPE, threads=1)


def test_no_token_of_a_prompt_is_in_the_loss_and_every_token_of_a_response_is(base, cpu):
    row = Instruction("1", "Say a word", "below", "the teacher", "g", "train")
    short = Instruction("2", "Say", "", "a", "h", "train")
    examples = encoded([row, short], base.chat, 64)
    tokens, mask, labels = batch_of(examples)
    for at, (each, one) in enumerate(zip(examples, (row, short), strict=True)):
        prompt, response = base.chat.prompt(one.asked), base.chat.response(one.response)
        assert tokens[at].tolist()[: len(prompt) + len(response)] == prompt + response
        padding = tokens.shape[1] - len(prompt) - len(response)
        assert labels[at].tolist() == [*[NO_LOSS] * len(prompt), *response, *[NO_LOSS] * padding]
        assert mask[at].sum() == len(each.tokens)
        assert response[-1] == base.chat.end
    losses = token_losses(base, examples, cpu)
    assert [int((row_losses != 0).sum()) for row_losses in losses] == [each.count for each in examples]

    # The same by hand, a row alone: chances of the response's tokens, each after all that stands before it.
    with torch.no_grad():
        logits = base.model(input_ids=torch.from_numpy(examples[0].tokens)[None]).logits[0].float()
    said = -torch.log_softmax(logits, 1)[torch.arange(len(logits) - 1), torch.from_numpy(examples[0].tokens[1:])]
    assert losses[0].sum().item() == pytest.approx(said[examples[0].start - 1 :].sum().item(), rel=1e-5)


def test_one_batch_is_learned_by_heart(checkpoint, cpu):
    rows = made(6)
    again = [Instruction(f"v{each.row_id}", f"{each.asked} now", "", each.response, f"v{each.group}", split)
             for each, split in zip(rows[:4], ("validation", "validation", "test", "test"), strict=True)]  # fmt: skip
    learned = [Instruction(each.row_id, each.asked, "", each.response, each.group, "train") for each in rows]
    recipe = InstructRecipe(context=64, batch=6, epochs=60, base_rate=1e-2, warmup_share=0.0)
    causal, record = instruct([*learned, *again], checkpoint, recipe, threads=1)
    assert record["curve"][-1]["loss"] < 0.05 < record["curve"][0]["loss"]
    assert [answer(causal, each.asked, most=8, threads=1) for each in learned] == [each.response for each in learned]


def test_adapters_merge_to_the_same_logits_and_leave_the_output_layer_alone(checkpoint, cpu):
    causal = load_causal(checkpoint)
    head = causal.model.get_output_embeddings()
    adapted = add_adapters(causal.model, rank=2, but=head)
    moving = [name for name, each in adapted.named_parameters() if each.requires_grad]
    assert moving
    assert not [name for name in moving if "lora" not in name or "lm_head" in name]
    with torch.no_grad():
        for name, each in adapted.named_parameters():
            if "lora_B" in name:  # nought at first, so that an adapter changes nothing
                each.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    tokens = torch.tensor([causal.chat.prompt("Say the school")])
    with torch.no_grad():
        beside = adapted(input_ids=tokens).logits
        merged = merge_adapters(adapted)
        assert torch.allclose(merged(input_ids=tokens).logits, beside, atol=1e-5)
        assert not torch.allclose(load_causal(checkpoint).model(input_ids=tokens).logits, beside, atol=1e-3)
    assert {name for name, _ in merged.named_parameters()} == {
        name for name, _ in load_causal(checkpoint).model.named_parameters()
    }


@pytest.mark.parametrize("method", ["full", "lora"])
def test_responses_to_unseen_questions_are_likelier_than_by_the_base(checkpoint, taught, method):
    causal, record = taught
    if method == "lora":
        recipe = InstructRecipe(method="lora", context=64, batch=8, epochs=2, base_rate=2e-2)
        causal, adapted = instruct(made(), checkpoint, recipe, threads=1)
        assert adapted["trainable_parameters"] < record["trainable_parameters"] / 2
    held = rows_of(made(), "test")
    figures = {
        each.name: each
        for each in evaluate_instructed(causal, checkpoint, held, context=64, threads=1)
        if each.slice == "all"
    }
    gain = figures["gain_over_base"]
    assert gain.low > 0
    assert gain.value == pytest.approx(figures["base_response_loss"].value - figures["response_loss"].value)
    assert figures["response_perplexity"].value == pytest.approx(np.exp(figures["response_loss"].value))
    assert (gain.text_count, gain.group_count) == (8, 8)


def test_a_kept_model_says_the_same_and_transformers_opens_it_with_the_same_prompt(taught, tmp_path, cpu):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    causal, record = taught
    save_instructed(causal, record, tmp_path / "tutor")
    kept = load_causal(tmp_path / "tutor")
    examples = encoded(made(), kept.chat, 64)
    assert [each.tokens.tolist() for each in examples] == [
        each.tokens.tolist() for each in encoded(made(), causal.chat, 64)
    ]
    assert np.array_equal(response_losses(kept, examples, cpu), response_losses(causal, examples, cpu))
    theirs = AutoTokenizer.from_pretrained(tmp_path / "tutor")
    said = [{"role": "user", "content": "Say the town\n\n### Input:\nquickly"}]
    asked = Instruction("1", "Say the town", "quickly", "x", "g", "test").asked
    opened = theirs.apply_chat_template(said, add_generation_prompt=True, tokenize=True, return_dict=False)
    assert opened == kept.chat.prompt(asked)
    both = theirs.apply_chat_template(
        [*said, {"role": "assistant", "content": "the town"}], tokenize=True, return_dict=False
    )
    assert both == kept.chat.prompt(asked) + kept.chat.response("the town")
    tokens = torch.tensor([opened])
    with torch.no_grad():
        other = AutoModelForCausalLM.from_pretrained(tmp_path / "tutor")(input_ids=tokens).logits
        assert torch.equal(other, kept.model(input_ids=tokens).logits)
    with pytest.raises(CheckpointError, match="is there already"):
        save_instructed(causal, record, tmp_path / "tutor")
    for name in FILES:
        path = tmp_path / "tutor" / name
        was = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(was[:-1])
        with pytest.raises(CheckpointError, match="is not what was written"):
            load_causal(tmp_path / "tutor")
        path.write_bytes(was)


class Killed(Exception):
    """A run that ended in the middle."""


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_killed_run_goes_on_to_the_same_weights(checkpoint, tmp_path, method):
    recipe = InstructRecipe(method=method, context=64, batch=8, epochs=2, base_rate=1e-2)
    whole, _ = instruct(made(), checkpoint, recipe, threads=1)

    def states():
        return ResumeStore(tmp_path / "states", instructing_key(made(), checkpoint, recipe), Taught)

    def killed(_):
        raise Killed

    with pytest.raises(Killed):
        instruct(made(), checkpoint, recipe, threads=1, resume=states(), keep_seconds=0, on_epoch=killed)
    again, record = instruct(made(), checkpoint, recipe, threads=1, resume=states())
    assert record["resumed_at_step"] == 2
    assert [each["epoch"] for each in record["curve"]] == [1, 2]
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], weight), name


def test_a_rate_of_nought_is_told_as_nothing_learned(checkpoint):
    with pytest.raises(NothingLearnedError, match="nothing was learned and nothing written"):
        instruct(made(), checkpoint, InstructRecipe(context=64, epochs=1, base_rate=0.0), threads=1)


@pytest.mark.parametrize(
    ("rows", "columns", "said"),
    [
        ({"instruction": ["a"], "answer": ["b"]}, {}, r"lacks the columns \['response'\]; it has"),
        ({"instruction": ["a", ""], "response": ["b", "c"]}, {}, "row 2: its instruction is empty"),
        ({"instruction": ["a", "b"], "response": ["b", None]}, {}, "row 2: its response is empty"),
        ({"instruction": [1], "response": ["b"]}, {}, "row 1: its instruction is '1', which is no text"),
        ({"instruction": ["a"], "response": ["b"], "part": ["dev"]}, {"split": "part"}, "its split is 'dev', none of"),
        ({"instruction": ["a"], "response": ["b"], "writer": [" "]}, {"group": "writer"}, "row 1: its group is empty"),
    ],
)
def test_bad_rows_are_named(rows, columns, said):
    with pytest.raises(LabelsError, match=said):
        instructions_from(pa.table(rows), Columns(**columns))


def test_rows_are_split_by_what_they_ask_and_an_empty_input_is_none():
    rows = {"instruction": ["a", "a", "b"], "input": ["x", None, ""], "response": ["1", "2", "3"]}
    found = instructions_from(pa.table(rows), Columns(input="input"))
    assert [each.asked for each in found] == ["a\n\n### Input:\nx", "a", "b"]
    assert found == instructions_from(pa.table(rows), Columns(input="input"))
    assert len({each.group for each in found}) == 3


def test_what_cannot_be_learned_or_measured_is_said_before_the_work(checkpoint, tmp_path):
    rows = made()
    twice = [*rows, Instruction("x", rows[0].instruction, "", "b", "other", "train")]
    one_group = [replace(each, group="alone") if each.split == "validation" else each for each in rows]
    long = [*rows, Instruction("99", "a " * 90, "", "b", "long", "test")]
    for given, said in (
        (rows_of(rows, "train"), "no rows in split validation, test of 24"),
        (one_group, "all validation rows are of the group 'alone'"),
        (twice, "the question .* stands in the splits test and train"),
        (long, r"row 99 takes \d+ tokens of context=64.* take a longer context"),
    ):
        with pytest.raises(LabelsError, match=said):
            instruct(given, checkpoint, RECIPE, threads=1)
    short = tmp_path / "short"  # of other makers: what its positions are is not known to be rotations
    shutil.copytree(checkpoint, short)
    (short / "recipe.json").unlink()
    with pytest.raises(RecipeError, match=r"context=64 is more than the 32 positions"):
        instruct(rows, short, RECIPE, threads=1)
    with pytest.raises(RecipeError, match="method='head' is none of full, lora"):
        InstructRecipe(method="head")
    altered = tmp_path / "altered"
    shutil.copytree(checkpoint, altered)
    (altered / "config.json").chmod(0o644)
    (altered / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="is not what was written"):
        instruct(rows, altered, RECIPE, threads=1)
    with pytest.raises(CheckpointError, match=r"it has no config\.json"):
        instruct(rows, tmp_path, RECIPE, threads=1)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(CheckpointError, match="no tokenizer"):
        instruct(rows, tmp_path, RECIPE, threads=1)


def test_one_group_has_no_interval(base, cpu):
    rows = [replace(each, group="g") for each in made(3)]
    examples = encoded(rows, base.chat, 64)
    losses = response_losses(base, examples, cpu)
    found = [each for each in compared(losses, losses, examples, rows) if each.name == "gain_over_base"]
    assert {(each.value, each.low, each.group_count) for each in found} == {(0.0, None, 1)}


def test_a_recipe_that_cannot_fit_is_told_with_what_would(cpu):
    sizes = Tuned(moving=10**6, layers=4, width=64, mlp_width=256, vocabulary=50_000)
    recipe = InstructRecipe(context=64, batch=8)
    without = tuning_bytes(recipe, replace(sizes, vocabulary=0), cpu)
    assert tuning_bytes(recipe, sizes, cpu) - without == 4 * 3 * 50_000 * 64 * 8, "logits of every place of a batch"
    with pytest.raises(TooLargeError, match="the nearest recipe that fits has batch=4"):
        require_tuning_fits(recipe, sizes, cpu, free=int(tuning_bytes(replace(recipe, batch=4), sizes, cpu) / 0.9) + 9)
    with pytest.raises(TooLargeError, match="take the method lora, or a smaller base"):
        require_tuning_fits(recipe, sizes, cpu, free=1)
    with pytest.raises(TooLargeError, match="fits, so take a smaller base"):
        require_tuning_fits(InstructRecipe(method="lora"), sizes, cpu, free=1)
