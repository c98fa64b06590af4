"""The statement by which somebody new to a table looks at it first, as the policy lets it be seen."""

from lakehouse.policy.decisions import Decision
from lakehouse.policy.rules import Limits


def first_look(decision: Decision, table: str, version: str, rows: int) -> str:
    """Return a statement on a part's table: its first rows in a version, or how many where groups of people are shown.

    It is shown to people and never run here; names and labels are made of letters, digits and ._-
    """
    in_groups = decision.limits.get(decision.part or "", Limits()).groups is not None
    shown, limit = ("COUNT(*) AS row_count", "") if in_groups else ("*", f" LIMIT {rows}")
    return f"SELECT {shown} FROM lakehouse.{table} WHERE dataset_version = '{version}'{limit}"  # noqa: S608
