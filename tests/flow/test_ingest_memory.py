"""A version that is ten times as large takes no more memory on its way to bronze and silver."""

import pytest

from tests.ingest_version import peaks_of
from tests.lessons_csv import written

SIZES_MB = (3, 30)
PIECES = 8
"""Into how many pieces is cut what is usually in memory at once, so that a small version is already many pieces."""
MOST_MB = 60
"""Of 27 MB of CSV more, rows that are all in memory at once take 86 in bronze and 130 in silver."""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_bronze_and_silver_are_stored_in_flat_memory(tmp_path):
    small, large = (
        peaks_of(tmp_path / f"lake{size}", written(tmp_path / f"d{size}", size), pieces=PIECES) for size in SIZES_MB
    )
    grown = {layer: large[layer] - small[layer] for layer in ("bronze", "silver")}
    assert max(grown.values()) < MOST_MB, grown
