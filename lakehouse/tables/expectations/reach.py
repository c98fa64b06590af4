"""Refuses expectations that nobody would judge, or that cannot be judged, as soon as they are read."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import polars as pl

from lakehouse.definition import TableDefinition
from lakehouse.errors import ExpectationFileError
from lakehouse.tables.expectations.judge import bound, judge
from lakehouse.tables.expectations.kinds import Between, Expectation, Matches, TableExpectations
from lakehouse.tables.gold import GOLD
from lakehouse.tables.register import REGISTER

OWN: Mapping[str, TableDefinition] = {table.name: table for table in (*REGISTER, *GOLD)}
"""The project's own tables, which are judged when they are written and once a day."""

OF_DATASETS = re.compile(r"silver\.(\*|[a-z][a-z0-9_]*_[a-z0-9_]+)")
WHOLE_NAMESPACES = {f"{name.partition('.')[0]}.*" for name in OWN}


def require_judged(name: str, table: TableExpectations) -> None:
    """Raise ExpectationFileError when nobody judges tables of this name, or a promise has a fault in itself."""
    if not OF_DATASETS.fullmatch(name) and name not in OWN and name not in WHOLE_NAMESPACES:
        raise ExpectationFileError(
            f"nobody judges {name}: promises are of silver.<dataset>_<table>, silver.*, {', '.join(sorted(OWN))}"
        )
    for code, one in table.expect.items():
        _require_sound(f"{name} > {code}", one)


def require_fit(promised: Iterator[tuple[TableDefinition, TableExpectations]]) -> None:
    """Raise ExpectationFileError when a promise of an own table names what the table lacks, or sets rows aside."""
    for table, expectations in promised:
        aside = [code for code, one in expectations.expect.items() if one.severity == "quarantine"]
        if aside:
            raise ExpectationFileError(
                f"{table.name} > {', '.join(aside)}: only silver rows can be set aside; choose error or warning"
            )
        try:
            judge(table.arrow_schema().empty_table(), expectations, history={}, now=datetime.now(UTC))
        except ExpectationFileError as error:
            raise ExpectationFileError(f"{table.name}: {error}") from error


def _require_sound(place: str, one: Expectation) -> None:
    try:
        match one:
            case Matches(pattern=pattern):
                pl.select(pl.lit("").str.contains(pattern))
            case Between(minimum=minimum, maximum=maximum):
                for value in (minimum, maximum):
                    if value is not None:
                        bound(value)
            case _:
                return
    except (pl.exceptions.PolarsError, ExpectationFileError) as error:
        raise ExpectationFileError(f"{place}: {error}") from error
