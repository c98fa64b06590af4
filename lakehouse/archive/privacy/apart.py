"""Suggesting a plan and carrying it out in a child process with limits: hostile files are read there."""

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakehouse.archive.apart import Costs, GivenUp, do_apart
from lakehouse.archive.child import reading
from lakehouse.archive.contents import read_contents
from lakehouse.archive.kept_patterns import compiled_folder
from lakehouse.archive.privacy.kinds import identifiers
from lakehouse.archive.privacy.plan import Plan, as_yaml, suggested
from lakehouse.archive.privacy.protect import Record, protect, put_in_place
from lakehouse.archive.privacy.steps import Protector
from lakehouse.errors import UnsafeArchiveError

LEAST = 5
"""Groups of people smaller than this are suggested to be suppressed."""
DEFAULT_COSTS = Costs()


def suggest_in_child(folder: Path, costs: Costs = DEFAULT_COSTS) -> str:
    """Return a plan, as YAML, for what is found in a landed folder.

    Raises:
        UnsafeArchiveError: looking at it took more than the costs, or broke off.
        ServiceUnavailableError: the child could not be started.
    """
    answer = do_apart("suggest", {"folder": str(folder.absolute())}, costs, [compiled_folder()])
    if isinstance(answer, GivenUp):
        raise _given_up("looking for personal data in", answer)
    return str(answer)


def suggest_here(folder: str) -> str:
    """Suggest a plan in this process."""
    contents = read_contents(Path(folder), progress=reading)
    tables = {name: table.suspicions for name, table in contents.tables.items()}
    groups = {name: table.groups for name, table in contents.tables.items()}
    texts = [
        name
        for name, texts in contents.texts.items()
        if any(identifiers()[found.kind].certainty == "direct" for found in texts.suspicions)
    ]
    events = [name for name, log in contents.events.items() if log.seen.suspicions]
    small = {name: columns for name, (columns, scan) in groups.items() if scan.small(LEAST).rows}
    return as_yaml(suggested(tables, small, texts, events))


def protect_in_child(
    source: Path, plan: Plan, target: Path, protector: Protector, costs: Costs = DEFAULT_COSTS
) -> Record:
    """Write the protected dataset to a new folder as ``protect`` does, in a process that may write nowhere else.

    Raises:
        ProtectionError: the plan does not fit the dataset, a file cannot be read, or `target` holds something else.
        UnsafeArchiveError: it took more than the costs, or broke off.
        ServiceUnavailableError: the child could not be started.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".protecting-", dir=target.parent) as name:
        made = Path(name) / "made"
        arguments = {
            "source": str(source.absolute()),
            "plan": plan.model_dump(mode="json", by_alias=True, exclude_unset=True),
            "target": str(made.absolute()),
            "key": protector.key.hex(),
        }
        answer = do_apart("protect", arguments, costs, [Path(name), compiled_folder()])
        if isinstance(answer, GivenUp):
            raise _given_up("protecting", answer)
        put_in_place(made, target)
    counted: Any = answer
    return Record(Counter({(str(place), str(step)): int(count) for place, step, count in counted}))


def protect_here(source: str, plan: Mapping[str, Any], target: str, key: str) -> list[tuple[str, str, int]]:
    """Carry out a plan in this process; return place, step and number of changed values."""
    protector = Protector(bytes.fromhex(key))
    record = protect(Path(source), Plan.model_validate(plan), Path(target), protector, progress=reading)
    return [(place, step, count) for (place, step), count in record.values.items()]


def _given_up(doing: str, given_up: GivenUp) -> UnsafeArchiveError:
    return UnsafeArchiveError(f"{doing} {given_up.place} {given_up.how}; split it, or write it again in a plainer form")
