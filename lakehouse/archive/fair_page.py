"""The table of FAIR indicators in ``docs/flow/fair.md``, made from the rules."""

from lakehouse.archive.levels import PRINCIPLES
from lakehouse.archive.rulebook import FairRule, fair_rules

BEGIN, END = "<!-- indicators: rendered by `lakehouse docs` -->", "<!-- end of indicators -->"


def render(page: str) -> str:
    """Return the page with the table between its two marks made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{_table()}\n{END}{after}"


def _table() -> str:
    lines = [
        "| indicator | principle | priority | F-UJI | points | question | judged by |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [_row(name, rule) for name, rule in fair_rules().items()]
    return "\n".join(lines) + "\n"


def _row(name: str, rule: FairRule) -> str:
    points = f"{rule.points:g}" if rule.check else "not counted"
    judged = f"the folder: {rule.next_action}" if rule.check else f"after publication: {rule.after_publication}"
    cells = (name, PRINCIPLES[rule.principle], rule.priority, rule.fuji or "", points, rule.question, judged)
    return f"| {' | '.join(cells)} |"
