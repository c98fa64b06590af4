"""Dagster's databases are there whole or not at all, whenever the process that makes them is killed."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.settings import load_settings

PROJECT = Path(__file__).parents[3]
# Kills itself in the Nth statement that changes a database.
KILLED = """
import os, sqlite3, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.settings import load_settings
import dagster as dg
left = int(sys.argv[2])

@event.listens_for(Engine, "before_cursor_execute")
def count(connection, cursor, statement, *rest):
    global left
    if statement.lstrip().upper().startswith(("CREATE TABLE", "INSERT", "PRAGMA JOURNAL")):
        left -= 1
        if not left:
            os.kill(os.getpid(), 9)

home = prepare_dagster_home(load_settings({"LAKEHOUSE_HOME": sys.argv[1]}))
with dg.DagsterInstance.from_config(str(home)) as instance:
    instance.get_runs(limit=1)
"""


@pytest.mark.parametrize("statement", [1, 5, 9, 14, 19, 24, 29])
def test_a_home_whose_first_databases_were_cut_short_is_used_like_a_new_one(tmp_path, statement):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(statement)], cwd=PROJECT, check=False, capture_output=True
    )
    assert done.returncode == -9, done.stderr.decode()
    home = prepare_dagster_home(load_settings({"LAKEHOUSE_HOME": str(tmp_path)}))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.add_dynamic_partitions("submissions", ["a@1"])
        assert instance.get_dynamic_partitions("submissions") == ["a@1"]
        assert instance.get_runs() == []


def test_databases_that_are_there_are_left_alone(tmp_path):
    settings = load_settings({"LAKEHOUSE_HOME": str(tmp_path)})
    home = prepare_dagster_home(settings)
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*.db")}
    assert {path.name for path in before} == {"runs.db", "index.db", "schedules.db"}
    assert {path: path.stat().st_mtime_ns for path in prepare_dagster_home(settings).rglob("*.db")} == before
    assert list(home.glob(".first-*")) == []
