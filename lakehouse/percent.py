"""How a share is told to people, everywhere in the same way; `kpi` views and figures of dashboards cut it so in SQL."""

import math

NOISE = 1e-6
"""Of a tenth of a percent: what a sum of floating-point numbers may lack of a round one."""


def percent(share: float) -> str:
    """Return a share of 0 to 1 in tenths of a percent, cut off: what is below a threshold never reads as at it."""
    return f"{math.floor(share * 1000 + NOISE) / 10:.1f}%"
