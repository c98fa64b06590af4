"""What the policy says about published datasets, in words for the terminal."""

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

from dagster_project.people import users_file
from dagster_project.settings import Settings
from dagster_project.wiring import lakehouse
from lakehouse.errors import PurposeError
from lakehouse.policy.decisions import Decision, Policy
from lakehouse.policy.rules import Limits
from lakehouse.tables.released_policy import released_policy
from lakehouse.tables.rule_names import without_effect


def check(settings: Settings, user: str, purpose: str, dataset: str | None) -> int:
    """Print the decision on each part of a dataset, or of all; return 0, or 29 when a named dataset is denied."""
    users = users_file(settings)
    users.ensure()
    house = lakehouse(settings)
    policy = released_policy(house, users.current())
    console = Console(soft_wrap=True)
    refusal = policy.refusal(user, purpose)
    if refusal is not None:
        raise PurposeError(refusal.message)
    denied = False
    for name in [dataset] if dataset is not None else list(policy.terms):
        for decision in _decisions(policy, user, purpose, name):
            denied = denied or not decision.permitted
            console.print("\n".join(_lines(decision)))
    for told in without_effect(house, policy, dataset):
        console.print(f"[yellow]without effect[/yellow] {escape(f'{users.path.name}: {told}')}")
    if not policy.terms:
        console.print("nothing is published yet")
    return PurposeError.exit_code if denied and dataset is not None else 0


def _decisions(policy: Policy, user: str, purpose: str, dataset: str) -> Iterator[Decision]:
    terms = policy.terms.get(dataset)
    for part in terms.parts if terms else (None,):
        yield policy.decide(user, purpose, dataset, part)


def _lines(decision: Decision) -> Iterator[str]:
    name = decision.dataset if decision.part is None else f"{decision.dataset}/{decision.part}"
    verdict = "[green]permitted[/green]" if decision.permitted else "[red]denied[/red]"
    yield f"{verdict} {escape(name)}: {escape(decision.reason)}"
    if not decision.permitted:
        return
    if decision.consent is not None:
        rule = "only subjects who agreed" if decision.consent.opt_in else "all but subjects who objected"
        yield f"    rows: {rule}, as {decision.consent.part} says"
    hidden = decision.hidden_columns.get(decision.part or "", ())
    if hidden:
        yield f"    empty columns: {', '.join(hidden)}"
    yield from _limited(decision.limits.get(decision.part or "", Limits()))
    if decision.owed:
        yield f"    asked in return: {escape('; '.join(decision.owed))}"


def _limited(limits: Limits) -> Iterator[str]:
    if limits.rows is not None:
        kept = [
            " and ".join(f"{name} is {' or '.join(map(str, values))}" for name, values in one.items())
            for one in limits.rows
        ]
        yield f"    rows: {escape('; or '.join(kept) or 'none, by the roles of this user')}"
    if limits.masks:
        yield f"    masked columns: {', '.join(dict.fromkeys(map(limits.names.of, limits.masks)))}"
    if limits.groups is not None:
        by = ", ".join(limits.groups.dimensions) or "none; the owner names some in policy.yaml"
        yield f"    groups of at least {limits.groups.least} people only; dimensions: {by}"
