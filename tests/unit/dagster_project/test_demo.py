"""Promises of what runs of the whole graph tell at their end."""

import io

import pytest
from rich.console import Console

from dagster_project.demo import REFUSED, TABLE_WIDTH, _show_addresses, _verdict
from dagster_project.loop import RunOutcome

STORED = RunOutcome("letters@1", success=True, seconds=1.0, failure=None, exit_code=0)
TURNED_AWAY = RunOutcome(REFUSED, success=False, seconds=1.0, failure="unfit", exit_code=14)
ACCEPTED = RunOutcome(REFUSED, success=True, seconds=1.0, failure=None, exit_code=0)


@pytest.mark.parametrize(
    ("outcomes", "code", "told"),
    [
        ([STORED], 0, "1 runs in 2.0 s.\n"),
        ([STORED, TURNED_AWAY], 0, f"2 runs in 2.0 s; {REFUSED} is refused on purpose.\n"),
        ([STORED, ACCEPTED], 1, f"{REFUSED} was accepted, though it must be refused\n"),
    ],
)
def test_a_refusal_on_purpose_is_told_where_there_was_one(capsys, outcomes, code, told):
    assert _verdict(outcomes, 2.0) == code
    assert told in capsys.readouterr().out


ADDRESS = "http://127.0.0.1:8088/superset/dashboard/education-lakehouse/"


@pytest.mark.parametrize("width", [60, 80, 120, TABLE_WIDTH])
def test_addresses_and_logins_fit_the_terminal_and_stay_whole(width):
    told = io.StringIO()
    rows = [
        ("[green]up[/green] Superset", ADDRESS, "admin / see below", "Dashboard with tabs: datasets, model, rights")
    ]
    _show_addresses(rows, Console(file=told, force_terminal=True, color_system=None, width=width))
    lines = told.getvalue().splitlines()
    assert max(map(len, lines)) <= max(width, len(ADDRESS) + 2)
    assert any(ADDRESS in line for line in lines)
    assert any("admin / see below" in line for line in lines)
    assert any("up Superset" in line for line in lines)
