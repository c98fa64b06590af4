"""Measures how far a dataset version has moved away from the version before it, column by column."""

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.errors import SchemaError
from lakehouse.tables.gold import DRIFT

PSI = "population_stability_index"
MISSING = "missing_share_change"

MAJOR_SHIFT = 0.25
"""Siddiqi, Credit Risk Scorecards (2006): below 0.1 no shift, 0.1 to 0.25 a moderate one, above a major one."""

MISSING_SHIFT = 0.10
"""Ten points of missing values; see docs/decisions/0052 for what ordinary waves of real data do."""

QUANTILE_BINS = 10
SHARE_FLOOR = 1e-4
NOISE_QUANTILE_Z = 2.326
"""Standard normal quantile of 0.99, for noise on one side; 2.576 is the same for noise on two sides."""
NOISE_TWO_SIDED_Z = 2.576

PROVENANCE_COLUMNS = frozenset({"dataset_version", "dataset_commit"})

Floats = NDArray[np.float64]
Values: TypeAlias = "pa.ChunkedArray[Any]"


@dataclass(frozen=True, slots=True)
class DriftRow:
    """One measure of one column: a row of gold.drift without the run that wrote it."""

    table_name: str
    column_name: str
    dataset: str
    dataset_version: str
    reference_version: str
    measure: str
    value: float
    threshold: float
    drifted: bool


def population_stability_index(reference: Values, current: Values) -> float:
    """Return sum((q - p) * ln(q / p)) over bins, p and q being the shares of `reference` and `current`; 0 is equal.

    Numbers and dates fall into bins between the reference's deciles, closed on the left; anything else into its
    levels. Missing values are a bin of their own. A share below 0.0001, or below a quarter of a row, counts as that
    much, so a new or vanished level weighs a lot but not infinitely. Raises SchemaError when either side has no rows.
    """
    before, after = _bin_counts(reference, current)
    p, q = _shares(before), _shares(after)
    return float(((q - p) * np.log(q / p)).sum())


def psi_threshold(reference: Values, current: Values) -> float:
    """Return the index above which a column has drifted: 0.25, or more where so few rows say so little.

    Between two samples of one population the index is close to (1/N + 1/M) times a chi-square variable with
    bins - 1 degrees of freedom (Yurdakul and Naranjo, Journal of Risk Model Validation 14(4), 2020); its 0.99
    quantile is taken with Wilson and Hilferty's approximation.
    """
    before, _ = _bin_counts(reference, current)
    freedom = max(len(before) - 1, 1)
    spread = 2 / (9 * freedom)
    chi_square = freedom * (1 - spread + NOISE_QUANTILE_Z * math.sqrt(spread)) ** 3
    return max(MAJOR_SHIFT, chi_square * (1 / len(reference) + 1 / len(current)))


def missing_share_change(reference: Values, current: Values) -> float:
    """Return by how much the share of missing values changed, 0 to 1, whichever the direction."""
    _require_rows(reference, current)
    return abs(_missing(current) / len(current) - _missing(reference) / len(reference))


def missing_threshold(reference: Values, current: Values) -> float:
    """Return the change above which a column has drifted: 0.10, or more where so few rows say so little.

    The noise is that of two shares drawn from one population: z * sqrt(s * (1 - s) * (1/N + 1/M)).
    """
    _require_rows(reference, current)
    share = (_missing(reference) + _missing(current)) / (len(reference) + len(current))
    noise = math.sqrt(share * (1 - share) * (1 / len(reference) + 1 / len(current)))
    return max(MISSING_SHIFT, NOISE_TWO_SIDED_Z * noise)


def compare_versions(
    rows: pa.Table,
    definition_name: str,
    dataset: str,
    *,
    version: str,
    reference_version: str,
    skip: Collection[str] = (),
) -> list[DriftRow]:
    """Compare two versions of a silver table, told apart by ``dataset_version``; return two measures a column.

    Left out: columns in `skip` (give the keys), provenance, columns that only repeat the version's own label,
    and columns that look like identifiers or free text. Raises SchemaError when a version has no rows.
    """
    reference, current = (_rows_of(rows, definition_name, label) for label in (reference_version, version))
    found = []
    for name in rows.column_names:
        if name in skip or name in PROVENANCE_COLUMNS or name.startswith("_"):
            continue
        before, after = reference[name], current[name]
        if identifier_like(before) or (_repeats(before, reference_version) and _repeats(after, version)):
            continue
        for measure, value, threshold in _measures(before, after):
            row = DriftRow(
                table_name=definition_name,
                column_name=name,
                dataset=dataset,
                dataset_version=version,
                reference_version=reference_version,
                measure=measure,
                value=value,
                threshold=threshold,
                drifted=value > threshold,
            )
            found.append(row)
    return found


def _measures(reference: Values, current: Values) -> tuple[tuple[str, float, float], ...]:
    return (
        (PSI, population_stability_index(reference, current), psi_threshold(reference, current)),
        (MISSING, missing_share_change(reference, current), missing_threshold(reference, current)),
    )


def identifier_like(values: Values) -> bool:
    """Say whether a column names its rows instead of describing them.

    Whole numbers do when no two are equal, text does when over half of its values occur once. Fractions never do:
    measurements are all different too.
    """
    present = values.drop_null()
    if len(present) < 2 or pa.types.is_floating(values.type) or pa.types.is_boolean(values.type):
        return False
    distinct = len(present.unique())
    if _is_text(values.type):
        return distinct > len(present) / 2
    return distinct == len(present)


def drift_table(rows: Sequence[DriftRow], *, run_id: str, code_commit: str, recorded_at: datetime) -> pa.Table:
    """Return the rows as gold.drift; `recorded_at` carries its time zone. No rows give an empty table."""
    run = {"run_id": run_id, "code_commit": code_commit, "recorded_at": recorded_at}
    return pa.Table.from_pylist([{**asdict(row), **run} for row in rows], schema=DRIFT.arrow_schema())


def drift_rows(table: pa.Table) -> list[DriftRow]:
    """Read what `drift_table` wrote."""
    names = list(DriftRow.__dataclass_fields__)
    return [DriftRow(**row) for row in table.select(names).to_pylist()]


def _rows_of(rows: pa.Table, table: str, version: str) -> pa.Table:
    chosen = rows.filter(pc.equal(rows["dataset_version"], pa.scalar(version)))
    if chosen.num_rows == 0:
        raise SchemaError(f"{table} has no rows of version {version!r}; store that version before comparing it")
    return chosen


def _repeats(values: Values, label: str) -> bool:
    distinct = values.unique()
    return len(distinct) == 1 and str(distinct[0].as_py()) == label


def _require_rows(reference: Values, current: Values) -> None:
    if len(reference) == 0 or len(current) == 0:
        raise SchemaError(f"cannot compare {len(reference)} rows with {len(current)}; both sides need at least one")


def _shares(counts: Floats) -> Floats:
    total = counts.sum()
    floored: Floats = np.maximum(counts / total, max(SHARE_FLOOR, 0.25 / total))
    return floored


def _bin_counts(reference: Values, current: Values) -> tuple[Floats, Floats]:
    """Count both sides in the same bins; the last is for missing values. Bins empty on both sides are left out."""
    _require_rows(reference, current)
    numeric = _is_quantity(reference.type) and _is_quantity(current.type)
    before, after = (_quantile_counts if numeric else _level_counts)(reference, current)
    used = (before + after) > 0
    return before[used], after[used]


def _quantile_counts(reference: Values, current: Values) -> tuple[Floats, Floats]:
    before, after = _numbers(reference), _numbers(current)
    inner = np.linspace(0, 1, QUANTILE_BINS + 1)[1:-1]
    # Ties make equal deciles; a bin needs two different edges.
    edges = np.unique(np.quantile(before, inner)) if len(before) else np.zeros(0)
    return _counts(edges, before, len(reference)), _counts(edges, after, len(current))


def _counts(edges: Floats, values: Floats, row_count: int) -> Floats:
    inside = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return np.append(inside, row_count - len(values)).astype(np.float64)


def _level_counts(reference: Values, current: Values) -> tuple[Floats, Floats]:
    tallies = []
    for values in (reference, current):
        level = pa.table([values.cast(pa.string())], names=["level"])
        counted = level.group_by("level").aggregate([("level", "count", pc.CountOptions(mode="all"))])
        tallies.append({row["level"]: row["level_count"] for row in counted.to_pylist()})
    levels = sorted({level for tally in tallies for level in tally if level is not None})
    before, after = (np.array([tally.get(name, 0) for name in [*levels, None]], np.float64) for tally in tallies)
    return before, after


def _numbers(values: Values) -> Floats:
    present = values.drop_null()
    if pa.types.is_temporal(present.type):
        wide = pa.int32() if present.type.bit_width == 32 else pa.int64()
        present = present.cast(wide)
    # Pseudonyms of whole numbers fill 64 bits; the nearest of 53 bits is near enough for a decile.
    numbers: Floats = present.cast(pa.float64(), safe=False).to_numpy()
    return numbers[~np.isnan(numbers)]


def _missing(values: Values) -> int:
    nan_count = int(np.isnan(values.drop_null().to_numpy()).sum()) if pa.types.is_floating(values.type) else 0
    return values.null_count + nan_count


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_quantity(kind: pa.DataType) -> bool:
    plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return plain or pa.types.is_date(kind) or pa.types.is_timestamp(kind)
