"""The documents say what the code does."""

import json
import re
from pathlib import Path

import pytest

from lakehouse.archive import eds, rules_page
from lakehouse.archive.levels import spoken
from lakehouse.archive.rule_packs import load_packs
from lakehouse.archive.rulebook import RULE_FILES, rules
from lakehouse.archive.schemas import meanings
from lakehouse.archive.specification import MODELS, pages
from lakehouse.archive.strict_yaml import read_yaml
from lakehouse.archive.xapi import faults

DOCS = Path(__file__).parents[3] / "docs"
FILES = {
    "README.md": eds.DatasetFile,
    "dataset.md": eds.DatasetFile,
    "tables.md": eds.TableFile,
    "texts.md": eds.CollectionFile,
    "events.md": eds.LogFile,
}


def _examples(page, language):
    text = (DOCS / "eds" / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize(("page", "model"), FILES.items())
def test_the_examples_of_the_standard_are_valid(page, model):
    (example,) = _examples(page, "yaml")
    model.model_validate(read_yaml(example.encode()))


def test_the_examples_of_a_statement_and_a_pack_are_valid(tmp_path):
    (statement,) = _examples("events.md", "json")
    assert faults(json.loads(statement), "1.0.3") == []
    fields, pack = _examples("disciplines.md", "yaml")
    (tmp_path / "pack.yaml").write_text(pack, encoding="utf-8")
    packs = load_packs([tmp_path])
    assert "music" in packs.by_name
    named = read_yaml(fields.encode())["disciplines"]["education"]
    assert [packs.by_name["education"].fault(name, value) for name, value in named.items()] == [""] * len(named)


def test_every_field_of_the_standard_has_a_meaning_and_a_place():
    assert {name: list(about) for name, about in meanings().items()} == {
        name: list(model.model_fields) for name, model in MODELS.items()
    }
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((DOCS / "eds").glob("*.md")))
    assert [name for name in MODELS if f"<!-- made: fields {name} -->" not in text] == []
    files = [name for name in RULE_FILES if name != "imports.yaml"]
    assert [name for name in files if f"<!-- made: rules {name} -->" not in text] == []


def test_the_pages_of_the_standard_are_current():
    stale = [path.name for path, text in pages(DOCS).items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run `lakehouse docs`"


def test_the_table_of_codes_is_current():
    page = (DOCS / "flow" / "validate.md").read_text(encoding="utf-8")
    assert rules_page.render(page) == page, "run `lakehouse docs`"


def test_every_link_of_the_standard_leads_somewhere():
    for path in sorted((DOCS / "eds").glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert (path.parent / link).exists(), (path.name, link)


def test_every_code_is_documented_with_its_words():
    text = (DOCS / "flow" / "validate.md").read_text(encoding="utf-8")
    for code, rule in rules().items():
        assert f"| `{code}` | {rule.level} |" in text
        assert f"| {spoken(rule.message)} |" in text
