"""The table of codes in ``docs/flow/validate.md``, made from the rules."""

from lakehouse.archive.levels import spoken
from lakehouse.archive.rulebook import Rule, rules

BEGIN, END = "<!-- codes: rendered by `lakehouse docs` -->", "<!-- end of codes -->"


def render(page: str) -> str:
    """Return the page with the table between its two marks made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n{END}{after}"


def table() -> str:
    """Return all codes with their level, exit code and words, in the order of the rules."""
    lines = ["| code | level | exit code | what it says |", "| --- | --- | --- | --- |"]
    return "\n".join([*lines, *(_row(code, rule) for code, rule in rules().items())]) + "\n"


def _row(code: str, rule: Rule) -> str:
    exit_code = str(rule.exit_code) if rule.level == "error" else ""
    return f"| `{code}` | {rule.level} | {exit_code} | {spoken(rule.message)} |"
