"""However many write at once, every row that was acknowledged is there exactly once, and no file that nothing needs.

Here eight writers on two machines; `make race` lets 32 on four append 100 times each.
"""

import pytest

from tests.race.judge import Beside, judge
from tests.race.machines import CARE, Lake, race


@pytest.mark.timeout(900)
def test_each_acknowledged_row_is_there_once_while_the_table_is_joined_and_its_past_expires(tmp_path):
    lake = Lake(tmp_path)
    beside = Beside(lake, CARE)
    race(lake, 2, 4, 6, beside)
    judge(lake, 2 * 4 * 6)
    assert beside.rounds, "upkeep came to an end of its work at least once"
    beside.house.tables.close()
