"""How a function of Dremio's is said in DuckDB's words: the parts that every table of functions is built from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from lakehouse.endpoint.faults import RefusedStatementError

Build = Callable[[Sequence[exp.Expr]], exp.Expr]


@dataclass(frozen=True, slots=True)
class Function:
    """How many arguments a function takes, and how DuckDB says it."""

    least: int
    most: int | None
    build: Build


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Return a DuckDB function call."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def same(name: str) -> Build:
    """Return a builder for a function that DuckDB knows under that name with the same meaning."""
    return lambda arguments: call(name, *arguments)


def counted(name: str) -> Build:
    """Return a builder for a function that gives a length or a place, which are 32-bit integers in Dremio."""
    return lambda arguments: integer(call(name, *arguments))


def integer(expression: exp.Expr) -> exp.Expr:
    """Return the expression as a 32-bit integer, the type Dremio gives to lengths and positions."""
    return exp.cast(expression, "INT")


def bigint(expression: exp.Expr) -> exp.Expr:
    """Return the expression as a 64-bit integer."""
    return exp.cast(expression, "BIGINT")


def exchange(old: exp.Expr, new: exp.Expr) -> None:
    """Put an expression in another one's place, as `replace` does, which looks at the whole list that it stands in.

    Lists have up to fifty thousand parts, and each of them may be exchanged.
    """
    above, key, place = old.parent, old.arg_key, old.index
    if above is None or above is new or key is None or place is None or above.args[key][place] is not old:
        old.replace(new)
        return
    above.args[key][place] = new
    above.set("", None)  # sets nothing, and has hashes that were calculated forgotten
    new.parent, new.arg_key, new.index = above, key, place
    old.parent = old.arg_key = old.index = None


def text(value: str) -> exp.Expr:
    """Return a literal text."""
    return exp.Literal.string(value)


def is_text(argument: exp.Expr) -> bool:
    """Say whether an argument is a literal in quotes."""
    return isinstance(argument, exp.Literal) and bool(argument.is_string)


def text_of(argument: exp.Expr, what: str) -> str:
    """Return a literal string; refuse anything else."""
    if not is_text(argument):
        raise RefusedStatementError(f"{what} must be a literal in quotes")
    return str(argument.this)


def number_of(argument: exp.Expr, what: str, allowed: range) -> int:
    """Return a literal whole number within a range; refuse anything else."""
    plain = isinstance(argument, exp.Literal) and not argument.is_string and str(argument.this).isdecimal()
    if not plain or int(str(argument.this)) not in allowed:
        raise RefusedStatementError(f"{what} must be a whole number from {allowed[0]} to {allowed[-1]}, written out")
    return int(str(argument.this))


def word_of(argument: exp.Expr, what: str, allowed: Sequence[str]) -> str:
    """Return a unit word, written bare or in quotes, in capitals."""
    word = argument.name.upper().removeprefix("SQL_TSI_")
    if not isinstance(argument, exp.Column | exp.Literal | exp.Var) or word not in allowed:
        raise RefusedStatementError(f"{what} {argument.name!r} is not supported; known are {', '.join(allowed)}")
    return word
