"""What `lakehouse sql` draws."""

import pyarrow as pa

from dagster_project.asking import _as_table


def test_a_table_shows_cells_as_they_stand():
    drawn = _as_table(pa.table({"[b]name": ["seen [withdrawn] there", "a [/b] c", "red \x1b[31m letters"]}))
    assert "seen [withdrawn] there" in drawn
    assert "a [/b] c" in drawn
    assert "[b]name" in drawn
    assert "\x1b" not in drawn
