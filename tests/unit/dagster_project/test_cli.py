"""The help lists the verbs with whole sentences; a place that cannot be written is told in one."""

import errno
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dagster_project.cli import lakehouse, main
from dagster_project.commands import COMMANDS
from lakehouse.errors import UnusablePlaceError

GROUPS = [lakehouse, *(command for command in COMMANDS if isinstance(command, click.Group))]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/out/data.csv"),
            "/out/data.csv cannot be used: Permission",
        ),
        (OSError(errno.EROFS, "Read-only file system", "/out/.data.csv.1f"), "/out cannot be used: Read-only"),
        (OSError(errno.ENOSPC, "No space left on device"), "a file cannot be used: No space left"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_without_a_traceback(error, said, monkeypatch, capsys):
    def failing(*_, **__):
        raise error

    monkeypatch.setattr(lakehouse, "main", failing)
    with pytest.raises(SystemExit) as ended:
        main(["settings"])
    assert ended.value.code == UnusablePlaceError.exit_code
    assert capsys.readouterr().err.startswith(f"error: {said}")


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(lakehouse, "main", lambda *_, **__: Path("nowhere").read_text())
    with pytest.raises(FileNotFoundError):
        main(["settings"])


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_no_sentence_is_cut_and_the_order_stays(group):
    told = CliRunner().invoke(group, ["--help"]).output
    listed = told.partition("Commands:")[2]
    assert "..." not in listed
    words = [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2:3].strip()]
    assert words[: len(group.commands)] == list(group.commands)
