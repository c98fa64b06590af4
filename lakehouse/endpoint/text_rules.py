"""What becomes of text that stands beside something else: in arithmetic, comparisons, CASE, VALUES and ||."""

from collections.abc import Callable

from sqlglot import exp

from lakehouse.endpoint.calls import call, is_text
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.plain_texts import as_text, compared, compared_list, is_doubtful, require_no_doubt, shown

COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)


def arithmetic(node: exp.Binary) -> exp.Binary:
    """Return arithmetic without text, which is refused: DuckDB takes '5.7' for 6 beside a whole number."""
    for side in (node.left, node.right):
        if is_text(side):
            raise RefusedStatementError(
                f"arithmetic with the text {side.name!r} is not supported; write the number without quotes, or CAST it"
            )
    return node


def _sides(node: exp.Binary) -> tuple[exp.Expr, exp.Expr]:
    return node.left, node.right


def _comparison(node: exp.Binary) -> exp.Expr:
    left, right = node.left, node.right
    node.set("this", compared(left, right))
    node.set("expression", compared(right, left))
    return node


def _first_text(value: exp.Expr) -> exp.Expr:
    """Return what several values are compared with: a doubtful text as a VARCHAR, which fits texts only."""
    return as_text(value) if is_text(value) and is_doubtful(value.name) else value


def _in(node: exp.In) -> exp.Expr:
    require_no_doubt(node.this, node.expressions, "before IN")
    node.set("this", _first_text(node.this))
    node.set("expressions", compared_list(node.expressions, node.this))
    return node


def _between(node: exp.Between) -> exp.Expr:
    node.set("this", _first_text(node.this))
    for side in ("low", "high"):
        node.set(side, compared(node.args[side], node.this))
    return node


def _case(node: exp.Case) -> exp.Expr:
    if node.this is not None:
        require_no_doubt(node.this, [branch.this for branch in node.args["ifs"]], "after CASE")
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
    # A text in parentheses is that text, to all the rules that ask for one.
    exp.Paren: lambda node: node.this if is_text(node.this) else node,
    exp.Mul: arithmetic,
    exp.Div: lambda node: call("dremio_div", *_sides(arithmetic(node))),
    exp.Mod: lambda node: call("dremio_mod", *_sides(arithmetic(node))),
    exp.DPipe: _joined,
    exp.In: _in,
    exp.Between: _between,
    exp.Case: _case,
    exp.Values: _rows,
    **dict.fromkeys(COMPARISONS, _comparison),
}
