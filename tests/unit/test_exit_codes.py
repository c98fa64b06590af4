"""Every kind of error that a person can meet has an exit code of its own."""

import re
from collections import defaultdict
from pathlib import Path

from dagster_project import bootstrap
from lakehouse.errors import LakehouseError
from models.errors import ModelError

# Transient errors without a code of their own, and those that name a special case of their parent.
SHARED = {"TransientError", "NoUserError"}


def kinds(base):
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


ROOT = Path(__file__).parents[2]


def of_errors():
    """Exit codes of all kinds of error, with the kinds' names."""
    named = defaultdict(set)
    for kind in (*kinds(LakehouseError), *kinds(ModelError)):
        if kind.__name__ not in SHARED and "exit_code" in vars(kind):
            named[kind.exit_code].add(kind.__name__)
    return named


def of_setting_up():
    """Exit codes of `make` and of the script that sets up, as they stand in their text."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    script = {value for name, value in vars(bootstrap).items() if name.startswith("EXIT_")}
    return script | {int(code) for code in re.findall(r"\bexit (\d+)", makefile)}


def listed():
    """Exit codes that the page for operators explains: numbers of two digits and ranges of them."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## Exit codes\n")[2].partition("\n## ")[0]
    ranges = re.findall(r"(?<![\w-])(\d\d)(?:-(\d\d))?(?!\w)", section)
    return [code for first, last in ranges for code in range(int(first), int(last or first) + 1)]


def test_no_two_kinds_of_error_share_an_exit_code():
    named = of_errors()
    assert not {code: names for code, names in named.items() if len(names) > 1}
    assert not set(named) & {0, 1, 2, 130}


def test_no_kind_of_error_has_an_exit_code_of_setting_up():
    assert of_setting_up() >= {60, 61, 62, 64}
    assert not of_setting_up() & set(of_errors())


def test_every_exit_code_is_explained_once_to_operators():
    codes = listed()
    assert len(codes) == len(set(codes))
    assert not {*of_errors(), *of_setting_up()} - {LakehouseError.exit_code, *codes}
