"""The help lists the verbs in the order of the flow, each with its whole sentence."""

import click
import pytest
from click.testing import CliRunner

from dagster_project.cli import lakehouse
from dagster_project.commands import COMMANDS

GROUPS = [lakehouse, *(command for command in COMMANDS if isinstance(command, click.Group))]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_no_sentence_is_cut_and_the_order_stays(group):
    told = CliRunner().invoke(group, ["--help"]).output
    listed = told.partition("Commands:")[2]
    assert "..." not in listed
    words = [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2:3].strip()]
    assert words[: len(group.commands)] == list(group.commands)
