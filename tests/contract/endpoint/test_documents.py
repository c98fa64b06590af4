"""What the pages tell people to paste is run: the questions against a lake, the Python snippets against a server."""

import csv
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dagster_project.settings import machine_environment
from lakehouse.adapters.dremio import DremioQueries
from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.server import serve
from lakehouse.publish.views import load_views

PROJECT = Path(__file__).parents[3]
DOCS = PROJECT / "docs"
COMMAND = re.compile(r"^lakehouse (sql .+)$", re.MULTILINE)
USER, PASSWORD = "reader", "a long password"
QUESTION = re.compile(r"^### (\d+)\. (.+?)\n+```sql\n(.+?)```\n+(.+?)\n(?=\n|\Z)", re.MULTILINE | re.DOTALL)
SNIPPET = re.compile(r"^## (Python: .+?)\n+```python\n(.+?)```", re.MULTILINE | re.DOTALL)
NEWEST = re.compile(r"^## The newest version of a table\n.+?```sql\n(.+?)```", re.MULTILINE | re.DOTALL)
QUESTIONS = QUESTION.findall((DOCS / "questions.md").read_text(encoding="utf-8"))
SNIPPETS = SNIPPET.findall((DOCS / "connect.md").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo's tables, with made-up rows, and its views as they are on disk."""
    name = "endpoint_tests_sample_lake"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("sample_lake.py"))
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    lake = sys.modules[name].SampleLake(tmp_path_factory.mktemp("demo"))
    sys.modules[name].everything(lake, {view: one.sql for view, one in load_views().items()})
    server = serve(EndpointConfig(users={USER: PASSWORD}, roots=(str(lake.warehouse),), port=0), lake.releases)
    yield server
    server.stop()
    lake.close()


@pytest.fixture(scope="module")
def queries(demo):
    queries = DremioQueries(demo.uri, USER, PASSWORD)
    yield queries
    queries.close()


def test_there_are_a_dozen_questions_in_order():
    assert [int(number) for number, *_ in QUESTIONS] == list(range(1, 13))


def test_the_newest_version_of_a_table_is_asked_for_as_the_page_says(queries):
    (sql,) = NEWEST.findall((DOCS / "flow/sql.md").read_text(encoding="utf-8"))
    rows = queries.fetch(sql)
    assert {"unitid", "year", "dataset_version"} <= set(rows.column_names)


@pytest.mark.parametrize(("number", "asked", "sql", "answer"), QUESTIONS)
def test_a_question_is_answered_with_the_columns_the_page_says(queries, number, asked, sql, answer):
    rows = queries.fetch(sql)
    assert rows.column_names == re.findall(r"`(\w+)`", answer), f"question {number}: {asked}"
    assert rows.num_rows > 0


@pytest.mark.parametrize(("title", "code"), SNIPPETS)
def test_a_python_snippet_runs_as_it_stands(demo, title, code, capsys):
    host, port = demo.uri.removeprefix("grpc://").split(":")
    filled = code.replace("HOST", host).replace("PORT", port).replace("USER", USER).replace("PASSWORD", PASSWORD)
    names = {}
    exec(compile(filled, title, "exec"), names)
    assert "frame" in names
    assert len(capsys.readouterr().out) > 1


def test_the_line_for_spreadsheets_writes_a_file_that_one_opens(demo, tmp_path):
    (line,) = COMMAND.findall((DOCS / "connect.md").read_text(encoding="utf-8"))
    own = {"LAKEHOUSE_HOME": str(tmp_path / "state"), "LAKEHOUSE_STORAGE": "folder", "LAKEHOUSE_SQL_URI": demo.uri}
    own |= {"LAKEHOUSE_SQL_USER": USER, "LAKEHOUSE_SQL_PASSWORD": PASSWORD, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "dagster_project.cli", *shlex.split(line)]
    subprocess.run(command, env={**machine_environment(), **own}, cwd=tmp_path, check=True, timeout=240)
    header, *rows = csv.reader((tmp_path / "outcomes.csv").read_text(encoding="utf-8").splitlines())
    assert "wave_date" in header
    assert {len(row) for row in rows} == {len(header)}
