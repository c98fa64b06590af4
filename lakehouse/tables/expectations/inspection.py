"""Judges the tables of one dataset version on their way to silver, and keeps what was found for the record."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.definition import TableDefinition
from lakehouse.ports import DatasetVersion
from lakehouse.tables.expectations.book import Expectations
from lakehouse.tables.expectations.far import CODE, PLACE
from lakehouse.tables.expectations.judge import Codes, Judging, Verdict, judge_count
from lakehouse.tables.expectations.kinds import TableExpectations

Record = dict[str, object]


@dataclass
class Inspection:
    """One look at a version. `known` is ``gold.expectation_results`` as released: earlier versions are its history."""

    expectations: Expectations
    known: pa.Table
    version: DatasetVersion
    now: datetime
    verdicts: list[tuple[str, Verdict]] = field(default_factory=list)
    aside: list[pa.Table] = field(default_factory=list)

    def sift(self, definition: TableDefinition, placed: Iterator[tuple[pa.Table, pa.Table]]) -> Iterator[pa.Table]:
        """Judge a silver table's rows, which come some at a time, and yield those that stay in it.

        Beside the rows come their places, with the columns ``_source_file`` and ``_row_number``.
        """
        promised_of = self.expectations.of(definition.name)
        if promised_of is not None and not promised_of.of_count_alone:
            yield from self._judged(definition, promised_of, placed)
            return
        num_rows = 0
        for rows, _ in placed:
            num_rows += rows.num_rows
            yield rows
        self.count(definition, num_rows)

    def _judged(
        self, definition: TableDefinition, promised_of: TableExpectations, placed: Iterator[tuple[pa.Table, pa.Table]]
    ) -> Iterator[pa.Table]:
        with closing(Judging(promised_of)) as judging:
            judging.add(definition.arrow_schema().empty_table())  # what does not fit is told without rows, too
            for rows, places in placed:
                codes = judging.add(rows)
                goes = pc.is_valid(codes)
                if not pc.any(goes).as_py():
                    yield rows
                    continue
                self._set_aside(definition, places.filter(goes), codes.filter(goes))
                yield rows.filter(pc.invert(goes))
            self._conclude(definition, judging)

    def judge_stored(
        self, definition: TableDefinition, stored: Iterable[pa.Table], left_out: Iterable[pa.Table] = ()
    ) -> None:
        """Judge a silver table whose rows lie in files by now, and those that were left out of it (see `far`)."""
        promised_of = self.expectations.of(definition.name)
        assert promised_of is not None, "somebody looks because the table promises something"
        with closing(Judging(promised_of)) as judging:
            judging.add(definition.arrow_schema().empty_table())
            for rows in stored:
                judging.add(rows)
            for rows in left_out:
                judging.add(rows)
                self._set_aside(definition, rows, rows[CODE].combine_chunks())
            self._conclude(definition, judging)

    def _conclude(self, definition: TableDefinition, judging: Judging) -> None:
        verdicts = judging.verdicts(history=self._history(definition.name), now=self.now)
        self.verdicts += [(definition.name, verdict) for verdict in verdicts]

    def _set_aside(self, definition: TableDefinition, places: pa.Table, codes: Codes) -> None:
        named = places.select(list(PLACE)).rename_columns(["source_file", "row_number"])
        table = pa.array([definition.name] * named.num_rows, pa.string())
        self.aside.append(named.append_column("table_name", table).append_column("code", codes))

    def count(self, definition: TableDefinition, num_rows: int) -> None:
        """Judge a silver table whose promises are about the number of its rows alone."""
        if (promised_of := self.expectations.of(definition.name)) is not None:
            history = self._history(definition.name)
            verdicts = judge_count(num_rows, promised_of, history=history, now=self.now)
            self.verdicts += [(definition.name, verdict) for verdict in verdicts]

    @property
    def blocked(self) -> list[str]:
        """One line per broken promise for which nothing may be published."""
        return [f"{table}: {verdict.code}, {told(verdict)}" for table, verdict in self.verdicts if verdict.blocks]

    @property
    def broken(self) -> list[tuple[str, Verdict]]:
        """Every broken promise, with its table."""
        return [(table, verdict) for table, verdict in self.verdicts if not verdict.kept]

    @property
    def aside_count(self) -> int:
        """How many rows are kept out of silver."""
        return sum(rows.num_rows for rows in self.aside)

    def results(self) -> list[Record]:
        """Return every verdict as a row of ``gold.expectation_results``, without the run columns."""
        return [
            {
                "dataset": self.version.dataset,
                "dataset_version": self.version.version,
                "dataset_commit": self.version.commit,
                **recorded(table, verdict, self.expectations.version),
            }
            for table, verdict in self.verdicts
        ]

    def rows_aside(self) -> pa.Table | None:
        """Return the rows of ``gold.rows_aside`` without the run columns, or None when every row stays."""
        if not self.aside:
            return None
        rows = pa.concat_tables(self.aside)
        stamp = {
            "dataset": self.version.dataset,
            "dataset_version": self.version.version,
            "dataset_commit": self.version.commit,
        }
        for name, value in stamp.items():
            rows = rows.append_column(name, pa.array([value] * rows.num_rows, pa.string()))
        return rows

    def _history(self, table: str) -> Mapping[str, Sequence[float]]:
        found: dict[str, dict[str, float]] = {}
        for row in sorted(self.known.to_pylist(), key=lambda row: row["recorded_at"]):
            if row["table_name"] == table and row["dataset_version"] == self.version.version:
                break  # it was judged then; what came later is no history of it, so a second look says the same
            if row["table_name"] == table and row["observed"] is not None and not row["blocked"]:
                # The newest judgement of a version counts, at the place of its first.
                found.setdefault(row["code"], {})[row["dataset_version"]] = row["observed"]
        return {code: list(by_version.values()) for code, by_version in found.items()}


def recorded(table: str, verdict: Verdict, expectations_version: str) -> Record:
    """Return a verdict as the columns that are the same for every table."""
    return {
        "table_name": table,
        "code": verdict.code,
        "promise": verdict.promise,
        "severity": verdict.expectation.severity,
        "kept": verdict.kept,
        "row_count": verdict.evaluated,
        "unexpected_count": verdict.unexpected,
        "observed": verdict.observed,
        "blocked": verdict.blocks,
        "owner": verdict.owner,
        "reason": verdict.expectation.reason,
        "expectations_version": expectations_version,
    }


def told(verdict: Verdict) -> str:
    """Return how a promise was broken, in a sentence without a full stop; it holds counts and measures, no values."""
    found = "nothing to measure" if verdict.observed is None else f"{verdict.observed:,.6g}"
    rows = f", {verdict.unexpected:,} of {verdict.evaluated:,} rows" if verdict.unexpected else ""
    return f"{verdict.promise}; found {found}{rows}"
