"""Takes the steps of a plan on JSON: rows of tables in JSON Lines, and xAPI statements of event logs."""

import io
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse.archive.privacy.finder import fits_context
from lakehouse.archive.privacy.kinds import has_context, identifiers
from lakehouse.archive.privacy.plan import Drop, Generalise, Redact, Step
from lakehouse.archive.privacy.steps import Protector, redacted
from lakehouse.errors import ProtectionError

ROWS_AT_ONCE = 10_000
# Where pseudonyms of agents live; RFC 2606 keeps the domain free of everybody.
PSEUDONYM_HOME = "https://pseudonym.invalid"
IDENTIFYING = ("mbox", "mbox_sha1sum", "openid")
EVERYWHERE, ACTOR = "*", "actor"

Row = dict[str, Any]


def rows_of(path: Path, place: str) -> Iterator[list[Row]]:
    """Yield the objects of a file, plain or packed as its name says, some thousand at once; empty lines are left out.

    Raises:
        ProtectionError: a line is no JSON object; the value is not repeated.
    """
    with pa.input_stream(str(path)) as raw:
        lines = enumerate(io.BufferedReader(raw), 1)  # type: ignore[type-var]  # it reads as files do
        parsed = (_row(line, f"{place}:{number}") for number, line in lines if line.strip())
        while rows := list(itertools.islice(parsed, ROWS_AT_ONCE)):
            yield rows


def _row(line: bytes, place: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        # Not `from error`: the JSON error holds the line.
        raise ProtectionError(f"{place} is no JSON object; `lakehouse validate` says why, mend it first")
    return row


def as_line(row: Row) -> bytes:
    """Return an object as one line."""
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def as_batch(rows: Sequence[Row], columns: Sequence[str]) -> pa.RecordBatch:
    """Return some columns of rows as text, a number as JSON writes it; absent values are null."""
    return pa.RecordBatch.from_pydict(
        {name: pa.array([as_text(row.get(name)) for row in rows], pa.string()) for name in columns}
    )


def as_text(value: object) -> str | None:
    """Return a value of JSON as the text that a cell of a CSV would hold."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def put_back(rows: Sequence[Row], changed: pa.RecordBatch, steps: Mapping[str, Step]) -> None:
    """Set what the steps left in the rows; dropped columns go, years become numbers again."""
    for name, step in steps.items():
        if isinstance(step, Drop):
            for row in rows:
                row.pop(name, None)
    for name in changed.schema.names:
        step_of = steps.get(name)
        year = isinstance(step_of, Generalise) and step_of.to == "year"
        for row, value in zip(rows, changed.column(name).to_pylist(), strict=True):
            if name in row and value != as_text(row[name]):
                row[name] = int(value) if year and value and value.isdigit() else value


def protected_statement(statement: Row, steps: Mapping[str, Step], protector: Protector) -> tuple[Row, dict[str, int]]:
    """Return a statement after the steps, and how many of its parts each path's step changed.

    `actor` stands for every agent in it, wherever: who acted, taught, or is spoken of; `*` for every text and number
    of it; another path, such as `result.response`, for one part.
    """
    counts: dict[str, int] = {}
    for path, step in steps.items():
        before = json.dumps(statement)
        if path == ACTOR:
            statement = _agents(statement, step, protector)
        elif path == EVERYWHERE:
            statement = _everywhere(statement, step, protector, "")
        else:
            _at(statement, path.split("."), step, protector)
        counts[path] = int(json.dumps(statement) != before)
    return statement, counts


def _agents(value: Any, step: Step, protector: Protector) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        return [_agents(one, step, protector) for one in value]
    if not isinstance(value, dict):
        return value
    identity = _identity(value)
    if identity is None and not _names_a_person(value):
        return {name: _agents(one, step, protector) for name, one in value.items()}
    left = {n: _agents(one, step, protector) for n, one in value.items() if n in ("objectType", "member")}
    if identity is None:
        return left
    name = protector.changed(step, pa.array([identity], pa.string()))[0].as_py()
    return {**left, "account": {"homePage": PSEUDONYM_HOME, "name": name}}


def _names_a_person(value: Row) -> bool:
    return value.get("objectType") in ("Agent", "Group") and "name" in value


def _identity(agent: Row) -> str | None:
    for name in IDENTIFYING:
        if isinstance(agent.get(name), str):
            known: str = agent[name]
            return known.removeprefix("mailto:")
    account = agent.get("account")
    if isinstance(account, dict) and isinstance(account.get("name"), str):
        named: str = account["name"]
        return named
    return None


def _everywhere(value: Any, step: Step, protector: Protector, name: str) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {key: _everywhere(one, step, protector, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_everywhere(one, step, protector, name) for one in value]
    return _stepped(value, step, protector, name)


def _stepped(value: Any, step: Step, protector: Protector, name: str) -> Any:  # noqa: ANN401 - any JSON
    if value is None or isinstance(value, bool):
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    if isinstance(step, Redact):
        new = without_persons(text, name, step.kinds)
    else:
        new = protector.changed(step, pa.array([text], pa.string()))[0].as_py()
    return value if new == text else new


def without_persons(text: str, name: str, kinds: tuple[str, ...] = ()) -> str:
    """Return a text without identifiers; where its name speaks of a kind, the whole of it may be one, numbers too."""
    for kind, one in identifiers().items():
        wanted = kind in kinds if kinds else one.certainty == "direct"
        if wanted and name and has_context(one, name, "") and fits_context(one, text):
            return f"<{kind}>"
    return redacted(text, kinds)


def _at(value: Any, path: Sequence[str], step: Step, protector: Protector) -> None:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        for one in value:
            _at(one, path, step, protector)
    elif isinstance(value, dict) and path[0] in value:
        first, *rest = path
        if rest:
            _at(value[first], rest, step, protector)
        elif isinstance(step, Drop):
            del value[first]
        else:
            value[first] = _everywhere(value[first], step, protector, first)
