"""How often a commit to a table is tried, and how long is waited between."""

import random
import time

ATTEMPTS = 20
FIRST_WAIT_S = 0.02
LONGEST_WAIT_S = 1.0


def pause(attempt: int) -> None:
    """Wait a little, longer each time."""
    # Full jitter, so that writers that collided once do not collide in step.
    time.sleep(random.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)))  # noqa: S311 - no secret
