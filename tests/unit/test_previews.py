"""What assets show of their rows on Dagster's pages."""

import pyarrow as pa

from assets.house import preview


def test_a_long_text_ends_with_an_ellipsis_and_a_short_one_stays_whole():
    rows = pa.table({"reason": ["drifted against 2014", "wait", "drifted against 2013"]})
    lines = preview(rows, limit=2, width=10).md_str.splitlines()
    assert [line.strip("| ") for line in lines[2:]] == ["drifted a…", "wait"]
