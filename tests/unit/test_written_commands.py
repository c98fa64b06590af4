"""A command that a page or a message names is one that can be typed: its verb exists, and so do its options."""

import re
from pathlib import Path

import click
import pytest

from dagster_project.cli import lakehouse

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("compose/*.md")])
TOPS = ("assets", "dagster_project", "lakehouse", "models", "superset")
CODE = sorted(path for top in TOPS for path in ROOT.glob(f"{top}/**/*") if path.suffix in {".py", ".yaml"})
PROGRAM = r"(?:\.lakehouse/venv/bin/)?lakehouse"
# What stands between backquotes, and what starts a line of a block, with the lines it goes on in.
QUOTED = re.compile(rf"`{PROGRAM} ([^`]+)`")
TYPED = re.compile(rf"^\s*{PROGRAM} ((?:[^\n\\]|\\.|\\\n)+)", flags=re.MULTILINE)
BLOCK = re.compile(r"```(?:sh|bash|console)?\n(.*?)```", flags=re.DOTALL)


def written_in(path):
    """Return what a file has people type after the program's name, each without its comment."""
    text = path.read_text(encoding="utf-8")
    typed = TYPED.findall("\n".join(BLOCK.findall(text))) if path.suffix == ".md" else []
    return [re.sub(r"\s+#.*", "", found) for found in [*QUOTED.findall(text), *typed]]


def examples(command):
    """Return what the help of a command and of those below it gives to type after the program's name."""
    below = command.commands.values() if isinstance(command, click.Group) else ()
    told = re.findall(r"(?:Example: *|\n *|^)lakehouse (.+)", command.epilog or "")
    return told + [each for one in below for each in examples(one)]


def fault(written):
    """Return why a command cannot be typed, or nothing."""
    words, command = [word.strip("'\"") for word in written.replace("\\\n", " ").split()], lakehouse
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        name = words.pop(0)
        if name not in command.commands:
            return f"there is no verb {name!r}"
        command = command.commands[name]
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"-h", "--help"}
    strange = [
        word for word in words if re.fullmatch(r"--[a-z][a-z-]*(=.*)?", word) and word.split("=")[0] not in known
    ]
    if strange:
        return f"there is no option {strange[0]}"
    if words and not words[0].startswith("-") and not any(isinstance(each, click.Argument) for each in command.params):
        return f"{command.name} takes no argument such as {words[0]!r}"
    return None


@pytest.mark.parametrize("path", [*PAGES, *CODE], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_written_command_can_be_typed(path):
    assert {written: why for written in written_in(path) if (why := fault(written))} == {}


def test_every_example_of_a_help_can_be_typed():
    found = examples(lakehouse)
    assert len(found) > 30
    assert {written: why for written in found if (why := fault(written))} == {}


def test_commands_are_found_where_they_are_written():
    assert sum(len(written_in(path)) for path in PAGES) > 60
    assert sum(len(written_in(path)) for path in CODE) > 30


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("learn", "no verb 'learn'"),
        ("run learn", "takes no argument such as 'learn'"),
        ("models shrunk", "no verb 'shrunk'"),
        ("validate data --tidy", "no option --tidy"),
    ],
)
def test_what_cannot_be_typed_is_told(written, why):
    assert why in fault(written)
