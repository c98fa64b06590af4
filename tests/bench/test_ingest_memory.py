"""How much memory bronze and silver take of a version, by the size of its CSV file; each in a process of its own."""

import pytest

from tests.ingest_version import peaks_of
from tests.lessons_csv import written

SIZES_MB = (10, 100, 500)
MOST_MB = 250
"""Beside the libraries, whatever the size."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("megabytes", SIZES_MB)
def test_memory_of_bronze_and_silver_is_bounded(bench, tmp_path, megabytes):
    peaks = peaks_of(tmp_path, written(tmp_path / "d", megabytes))
    for layer in ("bronze", "silver"):
        bench.note(f"peak memory of {layer} of {megabytes} MB of CSV: {peaks[layer]:.0f} MB")
        assert peaks[layer] - peaks["libraries"] < MOST_MB
