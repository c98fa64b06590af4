"""What becomes of text that stands beside something else: in arithmetic, comparisons, CASE, VALUES and ||."""

from collections.abc import Callable

from sqlglot import exp

from lakehouse.endpoint.calls import call, is_text
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.plain_texts import as_text, compared, shown

COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)


def arithmetic(node: exp.Binary) -> exp.Binary:
    """Return arithmetic without text, which is refused: DuckDB takes '5.7' for 6 beside a whole number."""
    for side in (node.left, node.right):
        if is_text(side):
            raise RefusedStatementError(f"arithmetic with the text {side.name!r} is not supported; CAST it to a number")
    return node


def _sides(node: exp.Binary) -> tuple[exp.Expr, exp.Expr]:
    return node.left, node.right


def _comparison(node: exp.Binary) -> exp.Expr:
    left, right = node.left, node.right
    node.set("this", compared(left, right))
    node.set("expression", compared(right, left))
    return node


def _in(node: exp.In) -> exp.Expr:
    """Write one doubtful text of each kind so that it fails where it must; then the whole list does."""
    kinds: set[str] = set()
    listed: list[exp.Expr] = []
    for one in node.expressions:
        checked = compared(one.copy(), node.this)
        new = isinstance(checked, exp.Anonymous) and checked.expressions[-1].name not in kinds
        kinds |= {checked.expressions[-1].name} if new else set()
        listed.append(checked if new else one)
    node.set("expressions", listed)
    return node


def _between(node: exp.Between) -> exp.Expr:
    for side in ("low", "high"):
        node.set(side, compared(node.args[side], node.this))
    return node


def _case(node: exp.Case) -> exp.Expr:
    for branch in node.args["ifs"]:
        if node.this is not None:
            branch.set("this", compared(branch.this, node.this))
        branch.set("true", as_text(branch.args["true"]))
    if node.args.get("default") is not None:
        node.set("default", as_text(node.args["default"]))
    return node


def _rows(node: exp.Values) -> exp.Expr:
    for row in node.expressions:
        row.set("expressions", [as_text(one) for one in row.expressions])
    return node


def _joined(node: exp.DPipe) -> exp.Expr:
    return exp.DPipe(this=shown(node.left), expression=shown(node.right))


TEXT_RULES: dict[type[exp.Expr], Callable[..., exp.Expr]] = {
    exp.Mul: arithmetic,
    exp.Div: lambda node: call("dremio_div", *_sides(arithmetic(node))),
    exp.Mod: lambda node: call("dremio_mod", *_sides(arithmetic(node))),
    exp.DPipe: _joined,
    exp.In: _in,
    exp.Between: _between,
    exp.Case: _case,
    exp.Values: _rows,
} | dict.fromkeys(COMPARISONS, _comparison)
