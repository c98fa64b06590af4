"""Goes through the trees of statements. Each is gone through several times, most often for a few nodes of one kind."""

from collections.abc import Iterator
from typing import TypeVar

from sqlglot import exp

Node = TypeVar("Node", bound=exp.Expr)


def walk(tree: exp.Expr) -> Iterator[exp.Expr]:
    """Yield a node and all below it, level by level, as sqlglot's own `walk` does in several times as long.

    What is below a node is looked at when the next one is asked for, so that it may be changed meanwhile.
    """
    waiting = [tree]
    for node in waiting:
        yield node
        for part in node.args.values():
            if part is None or part is False or part is True:  # most parts are, and this is told soonest
                continue
            if isinstance(part, exp.Expr):
                waiting.append(part)
            elif isinstance(part, list):
                waiting += [one for one in part if isinstance(one, exp.Expr)]


def all_of(tree: exp.Expr, kind: type[Node]) -> list[Node]:
    """Return the nodes of a kind in a tree, level by level."""
    return [node for node in walk(tree) if isinstance(node, kind)]
