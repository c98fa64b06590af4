"""The documents say what the code does."""

import re
from pathlib import Path

import pytest

from lakehouse.archive import eds
from lakehouse.archive.levels import spoken
from lakehouse.archive.rulebook import rules
from lakehouse.archive.strict_yaml import read_yaml

DOCS = Path(__file__).parents[3] / "docs"
MODELS = (eds.DatasetFile, eds.TableFile, eds.CollectionFile)


@pytest.mark.parametrize(("position", "model"), list(enumerate(MODELS)))
def test_the_examples_of_the_standard_are_valid(position, model):
    examples = re.findall(r"```yaml\n(.*?)```", (DOCS / "eds.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == len(MODELS)
    model.model_validate(read_yaml(examples[position].encode()))


@pytest.mark.parametrize("model", [*MODELS, eds.ColumnDescription, eds.Making, eds.Creator, eds.Contact])
def test_every_field_is_in_the_standard(model):
    text = (DOCS / "eds.md").read_text(encoding="utf-8")
    assert [name for name in model.model_fields if not re.search(rf"\b{name}\b", text)] == []


def test_every_code_is_documented_with_its_words():
    text = (DOCS / "flow" / "validate.md").read_text(encoding="utf-8")
    for code, rule in rules().items():
        assert f"| `{code}` | {rule.level} |" in text
        assert f"| {spoken(rule.message)} |" in text
