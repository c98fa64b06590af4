from pathlib import Path

import pytest

from lakehouse.errors import QueryError
from lakehouse.publish.columns import columns_of
from lakehouse.publish.dictionary import heading, render
from lakehouse.publish.views import load_views, parse_view
from lakehouse.tables.gold import GOLD, LOADS
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
    for name, view in load_views().items():
        section = text.split(f"### {name}\n")[1].split("\n### ")[0]
        assert all(f"| `{column}` |" in section for column in parse_view(view.sql).named_selects)


def test_a_column_is_described_where_it_is_shown_unchanged_or_in_its_view():
    said = "-- grain: g\n-- owner: o\n-- unit: u\n-- column rate: Share of it.\n"
    view = View("kpi.x", f"{said}select l.dataset, l.row_count / 2 as rate from lakehouse.gold.loads as l")
    (dataset,) = (column.doc for column in LOADS.columns if column.name == "dataset")
    assert columns_of(view) == {"dataset": dataset, "rate": "Share of it."}
    with pytest.raises(QueryError, match="does not say what rate is"):
        columns_of(View("kpi.x", view.sql.replace("-- column rate: Share of it.\n", "")))
    with pytest.raises(QueryError, match="describes ratio, which it does not have"):
        columns_of(View("kpi.x", view.sql.replace("column rate:", "column ratio:")))


def test_a_view_without_an_owner_is_refused():
    with pytest.raises(QueryError, match="owner"):
        heading(View("kpi.x", "-- grain: one row\n-- unit: 1\nselect 1 as a"))
