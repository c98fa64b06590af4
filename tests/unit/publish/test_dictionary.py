from pathlib import Path

import pytest

from lakehouse.errors import QueryError
from lakehouse.publish.dictionary import heading, render
from lakehouse.publish.views import load_views
from lakehouse.tables.gold import GOLD
from lakehouse.tables.register import REGISTER
from lakehouse.tables.release import View

COMMITTED = Path(__file__).parents[3] / "docs" / "dictionary.md"


def test_the_committed_dictionary_is_current():
    assert COMMITTED.read_text(encoding="utf-8") == render(), (
        "run `python -m lakehouse.publish.dictionary > docs/dictionary.md`"
    )


def test_the_dictionary_holds_every_table_column_and_view():
    text = render()
    for table in (*REGISTER, *GOLD):
        section = text.split(f"### {table.name}\n")[1].split("\n### ")[0]
        assert all(f"| `{column.name}` |" in section for column in table.columns)
    assert all(f"### {name}\n" in text for name in load_views())


def test_a_view_without_an_owner_is_refused():
    with pytest.raises(QueryError, match="owner"):
        heading(View("kpi.x", "-- grain: one row\n-- unit: 1\nselect 1 as a"))
