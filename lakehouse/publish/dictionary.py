"""Renders the dictionary of tables, published views and dashboard figures from their definitions.

Use: ``python -m lakehouse.publish.dictionary > docs/dictionary.md`` rewrites the committed file.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from lakehouse.definition import TableDefinition
from lakehouse.errors import QueryError
from lakehouse.publish.columns import columns_of
from lakehouse.publish.views import all_required_tables, load_views, required_views
from lakehouse.tables.gold import GOLD
from lakehouse.tables.register import REGISTER
from lakehouse.tables.release import View

FIGURES = Path(__file__).resolve().parents[2] / "superset" / "source" / "datasets"
HEADING = re.compile(r"^-- (grain|owner|unit): (.+)$", re.MULTILINE)
INTRODUCTION = """\
# Dictionary of tables and figures

Rendered from the table definitions and the SQL files; change those, then run
`python -m lakehouse.publish.dictionary > docs/dictionary.md`.

In SQL a table is `lakehouse.<namespace>.<table>` and a view is `kpi.<view>`. Besides the tables below, each accepted
dataset `D` with a table `T` has `bronze.D_T`, the rows as submitted (text, plus `_dataset_version`, `_dataset_commit`,
`_source_file`, `_row_number`), and `silver.D_T`, typed by the dataset's own data dictionary (plus `dataset_version`
and `dataset_commit`). In silver the columns that name somebody hold pseudonyms, as their texts say; bronze has what was
submitted.
"""


def render() -> str:
    """Return the whole dictionary as Markdown."""
    lines = [INTRODUCTION, "## Tables", ""]
    for table in (*REGISTER, *GOLD):
        lines += _table(table)
    lines += ["## Views", ""]
    for view in load_views().values():
        lines += _view(view)
    return "\n".join(lines).rstrip() + "\n"


def heading(view: View) -> dict[str, str]:
    """Return a view's grain, owner and unit; raise QueryError when its leading comment lacks one."""
    found = dict(HEADING.findall(view.sql))
    if missing := {"grain", "owner", "unit"} - set(found):
        raise QueryError(f"view {view.name} says no {', '.join(sorted(missing))}; add `-- <word>: ...` at its top")
    return found


def _table(table: TableDefinition) -> Iterator[str]:
    yield f"### {table.name}"
    yield ""
    yield f"Grain: {table.grain}. Key: {', '.join(f'`{name}`' for name in table.key)}. Owner: {table.owner}."
    yield ""
    yield "| column | type | unit | meaning |"
    yield "| --- | --- | --- | --- |"
    for column in table.columns:
        kind = f"{column.type}{'' if column.nullable else ', required'}"
        yield f"| `{column.name}` | {kind} | {column.unit or ''} | {_cell(column.doc)} |"
    yield ""


def _view(view: View) -> Iterator[str]:
    said = heading(view)
    sources = sorted({f"lakehouse.{name}" for name in all_required_tables(view.sql)} | required_views(view.sql))
    yield f"### {view.name}"
    yield ""
    yield f"Grain: {said['grain']}. Owner: {said['owner']}. Unit: {said['unit']}."
    yield ""
    yield f"Reads {', '.join(f'`{name}`' for name in sources)}."
    yield ""
    yield "| column | meaning |"
    yield "| --- | --- |"
    yield from (f"| `{name}` | {_cell(meaning)} |" for name, meaning in columns_of(view).items())
    yield ""
    yield from _figures(view)


def _figures(view: View) -> Iterator[str]:
    path = FIGURES / f"{view.name.partition('.')[2]}.yaml"
    metrics = (yaml.safe_load(path.read_text(encoding="utf-8")).get("metrics") or {}) if path.is_file() else {}
    if metrics:
        yield "| figure on dashboards | definition | meaning |"
        yield "| --- | --- | --- |"
        yield from (f"| {_cell(m['title'])} | `{_cell(m['sql'])}` | {_cell(m['means'])} |" for m in metrics.values())
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.stdout.write(render())
